//! A command, run by `sh -c` in a process group of its own, with its output in a pipe.
//!
//! Its end is heard by a descriptor of the process (pidfd), not by the end of its output: what it leaves behind may keep that
//! open, and is killed with it.

use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::desired::CheckTarget;
use crate::linux::wait;
use crate::model::{CheckOutcome, escaped};

/// How much of the output is kept, in bytes: its end.
const TAIL_MAX: usize = 4096;
/// How much of the output is read at once, in bytes. A command that writes for ever keeps nothing else waiting.
const READ_MAX: u64 = 64 * 1024;
/// What `sh` exits with if it finds no such command, or may not run it.
const NOT_FOUND: [i32; 2] = [126, 127];
/// What of the watch's environment is about the watch alone.
const OWN_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A command that runs.
pub struct CommandCheck {
    child: Child,
    process: OwnedFd,
    output: PipeReader,
    tail: Vec<u8>,
}

impl CommandCheck {
    /// Starts the command, in the network namespace of this thread. `UPLINK` and `DEV` have the names of the uplink and of
    /// its interface.
    ///
    /// # Errors
    /// With the outcome, if it cannot be started.
    pub fn start(target: &CheckTarget, command: &str) -> Result<CommandCheck, CheckOutcome> {
        let started = start(target, command);
        started.map_err(|error| CheckOutcome::NotRun(format!("cannot run a command: {error}")))
    }

    /// What came of it, if it has ended.
    pub fn look(&mut self) -> Option<CheckOutcome> {
        self.read();
        let has_ended = wait::wait(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(Duration::ZERO));
        if !has_ended.unwrap_or(true) {
            return None;
        }
        // While it is not reaped, no other process group can have its number.
        self.kill();
        self.read();
        let status = self.child.try_wait().ok()??;
        Some(outcome(status, &self.last_line()))
    }

    /// What it wrote last, for the end of a message.
    pub fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        last.map_or(String::new(), |line| format!(": {}", escaped(line)))
    }

    /// The end of the command, and its output.
    pub fn descriptors(&self) -> Vec<PollFd<'_>> {
        vec![PollFd::new(&self.process, PollFlags::IN)]
    }

    /// Kills it, and all that it has started in its process group.
    pub fn kill(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    fn read(&mut self) {
        // Nothing more there is an error (EAGAIN); what was read before it counts.
        let _ = self.output.by_ref().take(READ_MAX).read_to_end(&mut self.tail);
        let surplus = self.tail.len().saturating_sub(TAIL_MAX);
        self.tail.drain(..surplus);
    }
}

impl Drop for CommandCheck {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn start(target: &CheckTarget, command: &str) -> io::Result<CommandCheck> {
    let (output, writer) = io::pipe()?;
    ioctl_fionbio(&output, true)?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).current_dir("/").process_group(0);
    shell.env("UPLINK", &target.uplink).env("DEV", target.dev.to_string());
    for name in OWN_VARIABLES {
        shell.env_remove(name);
    }
    shell.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = shell.spawn()?;
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).inspect_err(|_| {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    })?;
    Ok(CommandCheck { child, process, output, tail: Vec::new() })
}

fn outcome(status: ExitStatus, last: &str) -> CheckOutcome {
    match status.code() {
        Some(0) => CheckOutcome::Passed,
        Some(code) if NOT_FOUND.contains(&code) => {
            CheckOutcome::NotRun(format!("its command cannot be run{last}"))
        }
        Some(code) => CheckOutcome::Failed(format!("its command exited with {code}{last}")),
        None => {
            let signal = status.signal().unwrap_or_default();
            CheckOutcome::Failed(format!("its command was killed by signal {signal}{last}"))
        }
    }
}
