//! Runs of the program under `strace`, which makes real system calls fail, lie, stop or kill.
//!
//! Needs strace 6.0 or later, and that processes may be traced.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{Namespace, Ran, finish, program_path, run, wait_for};

/// What a run under `strace` did.
pub struct Traced {
    /// As without it.
    pub ran: Ran,
    /// One line a system call, with plain numbers for most words.
    pub calls: Vec<String>,
}

/// What `strace` is to do with the program, which reads its configuration from standard input.
fn arguments(command: &mut Command, namespace: &Namespace, injections: &[&str]) {
    let trace = trace(namespace);
    // A run that could not be traced leaves none.
    let _ = std::fs::remove_file(&trace);
    command.args(injections.iter().map(|injection| format!("--inject={injection}")));
    command.args(["--string-limit=32", "--const-print-style=raw", "--output"]).arg(trace);
    command.args([program_path(), "-"]);
}

/// Runs it to its end with this configuration, with faults as in `sendto:error=EPERM:when=3`.
///
/// # Panics
/// When there is no `strace`, when it may not trace, and when the program ends by a signal or not within a minute.
#[track_caller]
pub fn apply(namespace: &Namespace, injections: &[&str], config: &str) -> Traced {
    let mut command = namespace.command("timeout");
    command.args(["60", "strace"]);
    arguments(&mut command, namespace, injections);
    let ran = run(command, config);
    let calls = calls(namespace);
    assert!(
        calls.last().is_some_and(|last| last.starts_with("+++ exited with ")),
        "strace (6.0 or later, Debian package strace) did not see {injections:?} to its end: {} calls, exit {}, {}",
        calls.len(),
        ran.code,
        ran.stderr
    );
    Traced { ran, calls }
}

/// Kills it behind a system call, which is carried out, as in `sendto:when=3`.
#[track_caller]
pub fn kill(namespace: &Namespace, behind: &str, config: &str) {
    let output = signal(namespace, "SIGKILL", behind, config);
    assert_eq!(output.status.signal(), Some(9), "{behind}: {output:?}");
}

/// Sends it a signal behind a system call, which is carried out, and waits for its end.
#[track_caller]
pub fn signal(namespace: &Namespace, signal: &str, behind: &str, config: &str) -> Output {
    start(namespace, &injection(signal, behind), config).wait_with_output().expect("ends")
}

fn injection(signal: &str, behind: &str) -> String {
    let (call, when) = behind.split_once(':').expect("a call and a number");
    format!("{call}:signal={signal}:{when}")
}

/// Starts it, as a child of this process: `strace` itself is a grandchild of the program.
#[track_caller]
fn start(namespace: &Namespace, injection: &str, config: &str) -> Child {
    let mut command = namespace.command("strace");
    command.arg("-D");
    arguments(&mut command, namespace, &[injection]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nsenter starts");
    // One that is killed early may be gone already.
    let _ = child.stdin.take().expect("piped").write_all(config.as_bytes());
    child
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

/// A run that stands still behind one of its system calls. It is killed unless it is let go on.
pub struct Held<'n> {
    namespace: &'n Namespace,
    child: Option<Child>,
}

/// Runs it with this configuration until it stops behind a system call, which is carried out; the first one of those
/// named as in `sendto:when=3`.
#[track_caller]
pub fn hold<'n>(namespace: &'n Namespace, behind: &str, config: &str) -> Held<'n> {
    let child = start(namespace, &injection("SIGSTOP", behind), config);
    let held = Held { namespace, child: Some(child) };
    wait_for(behind, || held.stops() > 0);
    held
}

impl Held<'_> {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("not released").id()
    }

    /// Lets it go on to the next of the system calls.
    #[track_caller]
    pub fn to_the_next(&self) {
        let stops = self.stops();
        self.go_on();
        wait_for("the next stop", || self.stops() > stops);
    }

    /// Lets it go on to its end.
    #[track_caller]
    pub fn release(mut self) -> Ran {
        self.go_on();
        finish(self.child.take().expect("once"))
    }

    fn stops(&self) -> usize {
        calls(self.namespace).iter().filter(|call| call.contains("stopped by SIGSTOP")).count()
    }

    fn go_on(&self) {
        let pid = rustix::process::Pid::from_child(self.child.as_ref().expect("not released"));
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("continues");
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait_with_output();
        }
    }
}
