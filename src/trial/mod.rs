//! `try`: a change that is taken back unless the user confirms it.
//!
//! The process that tries a change can die, with its terminal or by a signal. So a second process, the guard, is started
//! before the first write, in a session of its own. A socket connects the two. The guard ends when the change is confirmed.
//! It takes the change back when the first process asks for that or closes the socket, and when the time is up by its own
//! clock, which starts at the last write: a process that is stopped, or blocked on its terminal, changes nothing about that.

mod heartbeat;
mod session;

use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::model::State;
use crate::reconcile::Revert;

pub use heartbeat::Heartbeat;
pub use session::{Decision, Session};

/// How much longer the guard waits than the trial lasts, so that a process that waits for the same moment speaks first.
const GRACE: Duration = Duration::from_millis(200);

/// How long the guard may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What the guard needs to put the trial back. It is sent as one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialSpec {
    /// What puts the trial back.
    pub revert: Revert,
    /// How long the trial lasts.
    pub timeout: Duration,
    /// The name of the network namespace, if `--netns` named it, for the report. The guard is started in that namespace.
    pub netns: Option<String>,
}

/// A message to the guard, one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub enum GuardMessage {
    /// The change is being applied. Without this message for the time of a trial, the process that applies it is stuck.
    Working,
    /// The change was applied and led to this state, and is taken back after this time.
    Applied(State, Duration),
    /// The change stays.
    Keep,
    /// The change is to be taken back.
    Back,
}

/// The guard, for the process that tries a change.
pub struct Guard {
    child: Child,
    socket: UnixStream,
}

impl Guard {
    /// Starts the guard with `options`, which decide how it reports, and waits until it is ready.
    ///
    /// # Errors
    /// When the guard did not start, ended, or is not ready in time. It is gone then.
    pub fn start(options: &[String], spec: &TrialSpec) -> io::Result<Guard> {
        let (socket, its) = UnixStream::pair()?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        socket.set_write_timeout(Some(ANSWER_MAX))?;
        // The running program itself, also when its file was replaced or removed.
        let mut command = Command::new("/proc/self/exe");
        let child = command.arg("guard").args(options).stdin(Stdio::from(OwnedFd::from(its))).spawn()?;
        // With it goes the guard's end of the socket: otherwise the connection would outlive the guard.
        drop(command);
        let mut guard = Guard { child, socket };
        if let Err(error) = send(&mut guard.socket, spec).and_then(|()| guard.answer()) {
            guard.child.kill()?;
            guard.child.wait()?;
            return Err(error);
        }
        Ok(guard)
    }

    fn answer(&self) -> io::Result<()> {
        let mut answer = String::new();
        match BufReader::new(&self.socket).read_line(&mut answer) {
            Ok(_) if answer == READY => Ok(()),
            Ok(_) => Err(io::Error::other("it ended before it was ready")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::other(format!("it gave no answer in {} s", ANSWER_MAX.as_secs())))
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the state to which the change led, and how long the trial lasts from now on.
    ///
    /// # Errors
    /// When the guard does not confirm that it knows: it may have taken a part of the change back.
    pub fn applied(&mut self, state: State, left: Duration) -> io::Result<()> {
        self.tell(&GuardMessage::Applied(state, left))?;
        self.answer()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the guard is gone.
    pub fn tell(&mut self, message: &GuardMessage) -> io::Result<()> {
        send(&mut self.socket, message)
    }

    /// Closes the connection and waits for the guard's end. Returns its exit code, or none when a signal ended it.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn end(mut self) -> io::Result<Option<i32>> {
        // The guard ends when the connection does, and when it can run at all.
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
        self.child.wait().map(|status| status.code())
    }
}

/// Readable when the guard is gone.
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

/// The guard's own end of the connection.
pub struct GuardEnd {
    reader: BufReader<UnixStream>,
}

impl GuardEnd {
    /// Takes the socket, which is standard input, and reads the trial from it. From here on neither a hangup of the
    /// terminal nor SIGINT and SIGTERM end the guard: they are meant for the first process.
    ///
    /// # Errors
    /// When no trial can be read.
    pub fn take() -> io::Result<(GuardEnd, TrialSpec)> {
        // This fails only for the leader of a session, which has its own already.
        let _ = rustix::process::setsid();
        for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM]
        {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut end = GuardEnd { reader: BufReader::new(socket) };
        let spec = end.read()?.ok_or_else(|| io::Error::other("no trial was handed over"))?;
        Ok((end, spec))
    }

    /// Reports that the guard is ready, or has heard that the change was applied.
    ///
    /// # Errors
    /// When the first process is gone.
    pub fn ready(&mut self) -> io::Result<()> {
        self.reader.get_mut().write_all(READY.as_bytes())
    }

    /// Waits for the next message. None when the connection ends or breaks, or when no message comes in `left`.
    pub fn hear(&mut self, left: Duration) -> Option<GuardMessage> {
        self.reader.get_ref().set_read_timeout(Some(left + GRACE)).ok()?;
        self.read().ok().flatten()
    }

    fn read<T: for<'d> Deserialize<'d>>(&mut self) -> io::Result<Option<T>> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_str(&line)?)),
        }
    }
}
