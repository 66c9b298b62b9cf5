//! Trials: a change that is taken back unless somebody confirms it.
//!
//! The process that tries something may die, with its terminal or by force, and somebody has to be left who takes it
//! back. That is the guard: a second process in a session of its own, started before the first write. The two are joined
//! by a socket. When the guard hears that the change is confirmed, it ends; when it hears the opposite, nothing more, or
//! nothing for too long, it takes the change back.

mod session;

use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::linux::wait;
use crate::model::State;
use crate::reconcile::Revert;

pub use session::{Decision, Session};

/// How much longer the guard waits than the trial lasts, for a process that was stopped for a moment.
const GRACE: Duration = Duration::from_secs(5);

/// What the guard has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialSpec {
    /// What puts the trial back.
    pub revert: Revert,
    /// How long the trial lasts.
    pub timeout: Duration,
}

/// What the guard is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum GuardMessage {
    /// What is tried is there, and this is the state.
    Applied(State),
    /// It stays.
    Keep,
    /// It is to be taken back.
    Back,
}

/// The guard, as the process that tries something sees it.
pub struct Guard {
    child: Child,
    socket: UnixStream,
}

impl Guard {
    /// Starts it, with the options that decide how it reports, and waits until it is ready.
    ///
    /// # Errors
    /// When there is none afterwards.
    pub fn start(options: &[String], spec: &TrialSpec) -> io::Result<Guard> {
        let (socket, its) = UnixStream::pair()?;
        // The very program that runs, also when its file has been replaced or removed.
        let mut command = Command::new("/proc/self/exe");
        let child = command.arg("guard").args(options).stdin(Stdio::from(OwnedFd::from(its))).spawn()?;
        let mut guard = Guard { child, socket };
        send(&mut guard.socket, spec)?;
        let mut answer = String::new();
        BufReader::new(&guard.socket).read_line(&mut answer)?;
        match answer.as_str() {
            READY => Ok(guard),
            _ => Err(io::Error::other("the guard did not start")),
        }
    }

    /// Tells it something.
    ///
    /// # Errors
    /// When it is gone.
    pub fn tell(&mut self, news: &GuardMessage) -> io::Result<()> {
        send(&mut self.socket, news)
    }

    /// Waits for its end; its exit code, if it had one.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn end(mut self) -> io::Result<Option<i32>> {
        // It hears nothing more, which is enough for it to go.
        self.socket.shutdown(Shutdown::Write)?;
        self.child.wait().map(|status| status.code())
    }
}

/// Readable when it is gone.
impl AsFd for Guard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const READY: &str = "ready\n";

fn send(socket: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// The other end: what the guard itself hears.
pub struct GuardEnd {
    reader: BufReader<UnixStream>,
}

impl GuardEnd {
    /// The socket that the guard was given as standard input, and what it was handed over. From here on the terminal can
    /// go away, and signals meant for whoever tries something are not for the guard.
    ///
    /// # Errors
    /// When nobody hands anything over.
    pub fn take() -> io::Result<(GuardEnd, TrialSpec)> {
        // It fails only for the leader of a session, which then needs no other.
        let _ = rustix::process::setsid();
        for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM]
        {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut post = GuardEnd { reader: BufReader::new(socket) };
        let spec = post.read()?.ok_or_else(|| io::Error::other("nobody handed anything over"))?;
        Ok((post, spec))
    }

    /// Says that the guard is in place.
    ///
    /// # Errors
    /// When nobody hears it any more.
    pub fn ready(&mut self) -> io::Result<()> {
        self.reader.get_mut().write_all(READY.as_bytes())
    }

    /// The next news; none when there will be none, or none came in the time that the trial has and some more.
    pub fn hear(&mut self, left: Duration) -> Option<GuardMessage> {
        let socket = self.reader.get_ref().as_fd();
        let heard = !self.reader.buffer().is_empty()
            || wait::readable([socket], Some(left + GRACE)).is_ok_and(|ready| ready == [true]);
        if heard { self.read().ok().flatten() } else { None }
    }

    fn read<T: for<'d> Deserialize<'d>>(&mut self) -> io::Result<Option<T>> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_str(&line)?)),
        }
    }
}
