//! The claim to a network namespace: a name among its abstract Unix sockets. The kernel keeps one list of them for each
//! network namespace, and takes a name off it when the last process that has the socket ends, however it ends.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::libc::{SO_NETNS_COOKIE, SOL_SOCKET};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{GetStruct, PeerCredentials};
use nix::{getsockopt_impl, libc};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::model::shell_word;
use crate::reconcile::LockError;

const NAME: &str = "mptcp-apply";

/// How often the name is tried while its holder comes or goes, and the pause between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// How many connections may wait. Each run that is turned away leaves one, and is told who has the name as long as there is
/// room.
const BACKLOG: i32 = 4096;

/// How much of a command is shown, in characters.
const COMMAND_MAX: usize = 200;

#[derive(Clone, Copy)]
struct Cookie;

// nix and rustix have no name for this option; nix has the macro for such options.
getsockopt_impl!(Cookie, SOL_SOCKET, SO_NETNS_COOKIE, u64, GetStruct<u64>);

/// A socket of one network namespace, which can claim it.
#[derive(Debug)]
pub struct NamespaceClaim(OwnedFd);

impl NamespaceClaim {
    /// A socket of the network namespace that this thread is in. It claims nothing yet.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn open() -> io::Result<NamespaceClaim> {
        Ok(NamespaceClaim(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?))
    }

    /// The cookie of its network namespace: a number that no other one gets until the next boot. The inode is no such
    /// number: the kernel gives that of a namespace that is gone to the next one.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn cookie(&self) -> io::Result<u64> {
        Ok(getsockopt(&self.0, Cookie)?)
    }

    /// Takes the name for `user`. A process of another user than this one or root can have it too, but keeps nothing out
    /// with it.
    ///
    /// # Errors
    /// When another run has it, and when it cannot be had.
    pub fn take(&self, user: u32) -> Result<(), LockError> {
        for _ in 0..TRIES {
            match address().and_then(|name| bind(&self.0, &name)) {
                Err(Errno::ADDRINUSE) => {}
                bound => return bound.and_then(|()| listen(&self.0, BACKLOG)).map_err(nameless),
            }
            match holder() {
                Ok((_, owner)) if owner != user && owner != 0 => {
                    let other = format!("a process of user {owner} has the name @{NAME}");
                    return Err(LockError::Nameless(io::Error::other(other)));
                }
                Ok((process, _)) => return Err(LockError::Held(named(process))),
                // It has the name and does not listen yet, or is gone already.
                Err(Errno::CONNREFUSED) => std::thread::sleep(PAUSE),
                Err(error) => return Err(nameless(error)),
            }
        }
        Err(nameless(Errno::ADDRINUSE))
    }
}

impl AsFd for NamespaceClaim {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn nameless(error: Errno) -> LockError {
    LockError::Nameless(error.into())
}

fn address() -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new_abstract_name(NAME.as_bytes())
}

/// Process and user of the process that has the name.
fn holder() -> Result<(i32, u32), Errno> {
    // The holder accepts no connection. Where too many wait, this fails instead of waiting too.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &address()?)?;
    let peer =
        getsockopt(&socket, PeerCredentials).map_err(|error| Errno::from_raw_os_error(error as i32))?;
    Ok((peer.pid(), peer.uid()))
}

/// The process and its command.
fn named(process: i32) -> String {
    // A guard keeps the claim of the process that started it, which may have ended.
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| shell_word(&String::from_utf8_lossy(word))).collect();
    match (process, words.is_empty()) {
        (0, _) => "a process outside this PID namespace".to_owned(),
        (_, true) => format!("process {process} or its guard"),
        _ => format!("process {process}, {}", words.join(" ").chars().take(COMMAND_MAX).collect::<String>()),
    }
}
