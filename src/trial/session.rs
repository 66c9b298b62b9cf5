//! Waits for the decision about a change: by key, signal, command or time.

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpgrp, kill_process_group, pidfd_open};
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::linux::{signals, wait};

/// What was decided, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The change stays.
    Keep(&'static str),
    /// The change is to be taken back.
    Back(&'static str),
}

/// What can decide: two groups of signals, the terminal, and a command.
pub struct Session {
    keep: UnixStream,
    back: UnixStream,
    /// The command that decides, if there is one, and a descriptor that is readable at its end.
    command: Option<(Child, OwnedFd)>,
    /// Whether the line that is being typed has text already.
    typed: bool,
    since: Instant,
}

impl Session {
    /// From now on SIGUSR1, SIGINT, SIGTERM and SIGHUP only decide, so that none of them ends the program within a plan.
    ///
    /// # Errors
    /// When the kernel refuses a socket or a handler.
    pub fn open() -> io::Result<Session> {
        let (keep, back) = (signals::socket(&[SIGUSR1])?, signals::socket(&[SIGINT, SIGTERM, SIGHUP])?);
        Ok(Session { keep, back, command: None, typed: false, since: Instant::now() })
    }

    /// Starts a shell command whose exit status decides. Its output goes to standard error.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn ask(&mut self, command: &str) -> io::Result<()> {
        let output = io::stderr().as_fd().try_clone_to_owned()?;
        let mut shell = Command::new("/bin/sh");
        // A process group of its own, so that its children can be ended with it.
        let shell = shell.args(["-c", command]).process_group(0);
        let child = shell.stdin(Stdio::null()).stdout(Stdio::from(output)).spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        self.command = Some((child, end));
        Ok(())
    }

    /// Discards what was typed before the question was asked.
    pub fn forget_what_was_typed(&self) {
        // Where there is no terminal, nothing was typed.
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    }

    /// How the user can confirm, for a message.
    pub fn ways(&self) -> String {
        let enter = if has_keys() { "press Enter or " } else { "" };
        format!("{enter}send SIGUSR1 to process {}", std::process::id())
    }

    /// Waits for a decision, `at_most` that long. `guard` is readable when the guard is gone. `tell` gets the time that is
    /// left, prints it, and returns after what time to print it again.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn wait(
        &mut self,
        guard: &impl AsFd,
        at_most: Duration,
        mut tell: impl FnMut(Duration) -> Duration,
    ) -> io::Result<Decision> {
        let end = self.since.elapsed() + at_most;
        loop {
            let left = end.saturating_sub(self.since.elapsed());
            if left.is_zero() {
                return Ok(Decision::Back("the time is up"));
            }
            if let Some(decision) = self.look(guard, tell(left).min(left))? {
                return Ok(decision);
            }
        }
    }

    fn look(&mut self, guard: &impl AsFd, left: Duration) -> io::Result<Option<Decision>> {
        let stdin = io::stdin();
        let terminal = has_keys().then(|| stdin.as_fd());
        let command = self.command.as_ref().map(|(_, end)| end.as_fd());
        let signals = [self.back.as_fd(), self.keep.as_fd(), guard.as_fd()];
        let of_command = signals.len();
        let of_terminal = of_command + usize::from(command.is_some());
        let ready = wait::readable(signals.into_iter().chain(command).chain(terminal), Some(left))?;
        let is_ready = |index: usize| ready.get(index).is_some_and(|ready| *ready);
        Ok(match &mut self.command {
            _ if is_ready(0) => Some(Decision::Back("interrupted")),
            _ if is_ready(1) => Some(Decision::Keep("confirmed by SIGUSR1")),
            _ if is_ready(2) => Some(Decision::Back("the guard is gone")),
            Some((child, _)) if is_ready(of_command) => Some(match child.wait()?.success() {
                true => Decision::Keep("the command agrees"),
                false => Decision::Back("the command does not agree"),
            }),
            _ if is_ready(of_terminal) => key(&mut self.typed),
            _ => None,
        })
    }
}

/// Whether keys count: on a terminal, unless the process is in the background there, which reading would stop.
fn has_keys() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).map_or(true, |foreground| foreground == getpgrp())
}

/// Ends a command that still runs after the decision, with all its children.
impl Drop for Session {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.command
            && matches!(child.try_wait(), Ok(None))
        {
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

/// Reads from the terminal: an empty line keeps the change, another line decides nothing. `typed` is whether the line that
/// the bytes continue has text already: long lines, and lines cut by Ctrl-D, come in several parts.
fn key(typed: &mut bool) -> Option<Decision> {
    let mut bytes = [0; 64];
    // Without a buffer, in which poll(2) would see nothing.
    match rustix::io::read(io::stdin(), &mut bytes) {
        Ok(length) if length > 0 => {
            is_empty_line(typed, &bytes[..length]).then_some(Decision::Keep("confirmed"))
        }
        _ => Some(Decision::Back("the terminal is gone")),
    }
}

fn is_empty_line(typed: &mut bool, bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| {
        let had_text = std::mem::replace(typed, *byte != b'\n');
        *byte == b'\n' && !had_text
    })
}
