//! Runs of the program under `strace`, which makes real system calls fail, lie, stop or kill.
//!
//! Needs strace 6.0 or later, and that processes may be traced.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Namespace, Ran, finish, run, wait_for};

/// What a run under `strace` did.
pub struct Traced {
    /// As without it.
    pub ran: Ran,
    /// One line a system call, with plain numbers for most words.
    pub calls: Vec<String>,
}

/// The program inside under `strace`, which is told what to inject, as in `sendto:error=EPERM:when=3`.
pub fn command(namespace: &Namespace, injections: &[&str], options: &[&str]) -> Command {
    let mut command = namespace.command("strace");
    for injection in injections {
        command.arg(format!("--inject={injection}"));
    }
    command.args(options).arg("--output").arg(trace(namespace));
    command.arg(env!("CARGO_BIN_EXE_mptcp-apply"));
    command
}

/// Runs it to its end with this configuration on standard input.
///
/// # Panics
/// When there is no `strace`, when it may not trace, and when the program ends by a signal.
#[track_caller]
pub fn apply(namespace: &Namespace, injections: &[&str], config: &str) -> Traced {
    let mut command = command(namespace, injections, &["--string-limit=32", "--const-print-style=raw"]);
    command.arg("-");
    let ran = run(command, config);
    let calls = calls(namespace);
    assert!(
        calls.last().is_some_and(|last| last.starts_with("+++ exited with ")),
        "strace (6.0 or later, Debian package strace) could not trace the program: {}\n{calls:?}",
        ran.stderr
    );
    Traced { ran, calls }
}

/// The system calls so far.
pub fn calls(namespace: &Namespace) -> Vec<String> {
    let text = std::fs::read_to_string(trace(namespace)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How often a system call is in a trace.
pub fn count(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|call| call.split('(').next() == Some(name)).count()
}

fn trace(namespace: &Namespace) -> PathBuf {
    namespace.folder.path().join("strace")
}

/// A run that stands still behind one of its system calls.
pub struct Held<'n> {
    namespace: &'n Namespace,
    child: Child,
}

/// Runs it with this configuration until it stops behind a system call, which is carried out; the first one of those
/// named as in `sendto:when=3`.
#[track_caller]
pub fn hold<'n>(namespace: &'n Namespace, behind: &str, config: &str) -> Held<'n> {
    let _ = std::fs::remove_file(trace(namespace));
    let (call, when) = behind.split_once(':').expect("a call and a number");
    let injection = format!("{call}:signal=SIGSTOP:{when}");
    // As a grandchild of the program, so that this process is its parent.
    let mut command = command(namespace, &[&injection], &["-D"]);
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("strace (Debian package strace) starts");
    child.stdin.take().expect("piped").write_all(config.as_bytes()).expect("read");
    let held = Held { namespace, child };
    wait_for(behind, || held.stops() > 0);
    held
}

impl Held<'_> {
    /// Lets it go on to the next of the system calls.
    #[track_caller]
    pub fn to_the_next(&self) {
        let stops = self.stops();
        self.go_on();
        wait_for("the next stop", || self.stops() > stops);
    }

    /// Lets it go on to its end.
    #[track_caller]
    pub fn release(self) -> Ran {
        self.go_on();
        finish(self.child)
    }

    /// Ends it where it stands.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait_with_output().expect("ends");
    }

    fn stops(&self) -> usize {
        calls(self.namespace).iter().filter(|call| call.contains("stopped by SIGSTOP")).count()
    }

    fn go_on(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("continues");
    }
}
