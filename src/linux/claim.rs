//! The claim to a network namespace: a name among its abstract Unix sockets. The kernel keeps one list of them for each
//! network namespace, and takes a name off it when the last process that has the socket ends, however it ends.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::model::shell_word;
use crate::reconcile::LockError;

const NAME: &str = "mptcp-apply";

/// How often the name is tried while its holder comes or goes, and the pause between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// How much of a command is shown, in characters.
const COMMAND_MAX: usize = 200;

/// Claims the network namespace of this thread for `user`. A process of another user than this one or root can have the
/// name too, but keeps nothing out with it.
///
/// # Errors
/// When another run has it, and when it cannot be had.
pub fn take(user: u32) -> Result<UnixListener, LockError> {
    let address = SocketAddr::from_abstract_name(NAME).map_err(LockError::Nameless)?;
    for _ in 0..TRIES {
        match UnixListener::bind_addr(&address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => return bound.map_err(LockError::Nameless),
        }
        match holder() {
            Ok((_, owner)) if owner != user && owner != 0 => {
                let other = format!("a process of user {owner} has the name @{NAME}");
                return Err(LockError::Nameless(io::Error::other(other)));
            }
            Ok((process, _)) => return Err(LockError::Held(named(process))),
            // It has the name and does not listen yet, or is gone already.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::thread::sleep(PAUSE),
            Err(error) => return Err(LockError::Nameless(error)),
        }
    }
    Err(LockError::Nameless(ErrorKind::AddrInUse.into()))
}

/// Process and user of whoever has the name.
fn holder() -> io::Result<(i32, u32)> {
    // The holder accepts no connection. Where too many wait, this fails instead of waiting too.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new_abstract_name(NAME.as_bytes())?)?;
    let peer = getsockopt(&socket, PeerCredentials)?;
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
