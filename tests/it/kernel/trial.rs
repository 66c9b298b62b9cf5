//! `try`: kept when somebody confirms, taken back in all other cases, whatever becomes of who tried it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Namespace, Ran, allowed, finish, full_pipe, program_path, run, wait_for};

const OLD: &str = "10.0.0.9 id 1 signal";
const NEW: &str = "10.0.0.1 id 2 subflow";
const TRIED: &str =
    "{version: 1, limits: {subflows: 5}, endpoints: {a: {address: 10.0.0.1, id: 2, flags: [subflow]}}}";

/// A namespace with something in it, and a file that says something else.
fn host() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.9 signal");
    fs::write(namespace.folder.path().join("tried.yaml"), TRIED).expect("written");
    namespace
}

#[track_caller]
fn is_as_before(namespace: &Namespace) {
    assert_eq!(namespace.endpoints(), [OLD]);
    assert!(namespace.limits().ends_with("subflows 2"), "{}", namespace.limits());
}

fn command(namespace: &Namespace, options: &[&str]) -> Command {
    let mut command = namespace.command(program_path());
    command.arg("try").args(options).arg(namespace.folder.path().join("tried.yaml"));
    command
}

/// A trial that was applied and waits for somebody's word.
struct Trial {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Trial {
    #[track_caller]
    fn start(namespace: &Namespace, options: &[&str]) -> Trial {
        let mut command = command(namespace, options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("to keep the change, send SIGUSR1") {
            line.clear();
            assert!(said.read_line(&mut line).expect("UTF-8") > 0, "it does not wait");
        }
        assert_eq!(namespace.endpoints(), [NEW]);
        Trial { child, said }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }

    /// The process that takes it back.
    #[track_caller]
    fn guard(&self) -> Pid {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("it lives");
        let guard = children.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a child");
        Pid::from_raw(guard).expect("a process")
    }

    #[track_caller]
    fn end(self, code: i32) -> Ran {
        drop(self.said);
        finish(self.child).expect(code)
    }
}

#[test]
fn nobody_says_anything() {
    let namespace = host();
    let start = Instant::now();
    let ran = run(command(&namespace, &["--timeout", "1"]), "").expect(4);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(ran.stdout.contains("applied: 1 added, 1 changed, 1 removed\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("taken back: 1 added, 1 changed, 1 removed\n"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("- 10.0.0.1 id 2 subflow   a, put back, closes its subflows\n"),
        "{}",
        ran.stdout
    );
    is_as_before(&namespace);
}

#[test]
fn a_signal_keeps_it_and_others_take_it_back() {
    for (signal, code) in [(Signal::USR1, 0), (Signal::INT, 4), (Signal::TERM, 4), (Signal::HUP, 4)] {
        let namespace = host();
        let trial = Trial::start(&namespace, &[]);
        trial.signal(signal);
        trial.end(code);
        match code {
            0 => assert_eq!(namespace.endpoints(), [NEW]),
            _ => is_as_before(&namespace),
        }
    }
}

/// The guard is not of the same session, and nobody else gets at the table before it has done its work.
#[test]
fn whoever_tried_it_may_be_killed() {
    let namespace = host();
    let mut trial = Trial::start(&namespace, &[]);
    let parent = trial.child.id();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let guard = children.expect("readable").trim().parse().ok().and_then(Pid::from_raw).expect("one child");
    kill_process(guard, Signal::STOP).expect("it lives");
    trial.child.kill().expect("killed");
    // Not without the lock file either.
    fs::remove_dir_all(namespace.runtime()).expect("removed");
    trial.child.wait().expect("ends");
    let ran = namespace.apply(TRIED, &[]).expect(75);
    assert!(ran.stderr.contains(&format!("process {parent} or its guard")), "{}", ran.stderr);
    kill_process(guard, Signal::CONT).expect("it lives");
    wait_for("the old state", || namespace.endpoints() == [OLD]);
    wait_for("the lock", || namespace.apply(TRIED, &[]).code == 0);
}

/// Killed at any moment: in the midst of its plan too, which has slow steps.
#[test]
fn it_may_be_killed_at_any_moment() {
    for number in 0..30 {
        let namespace = host();
        for last in 2..6 {
            namespace.ip(&format!("mptcp endpoint add 10.0.0.{last} subflow"));
        }
        let before = namespace.endpoints();
        let mut child = command(&namespace, &["--timeout", "30"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        std::thread::sleep(Duration::from_millis(number * 3));
        child.kill().expect("killed");
        child.wait().expect("waited");
        // Once nobody holds the lock, all is done.
        wait_for("the lock", || {
            let none = "{version: 1}";
            namespace.apply(none, &[]).code == 0
        });
        let mut rows = namespace.endpoints();
        rows.sort();
        let mut expected = before;
        expected.sort();
        assert_eq!(rows, expected, "killed after {} ms", number * 3);
    }
}

/// What is left to do then is done by whoever tried it.
#[test]
fn the_guard_may_be_killed() {
    let namespace = host();
    let mut trial = Trial::start(&namespace, &[]);
    kill_process(trial.guard(), Signal::KILL).expect("it lives");
    let mut said = String::new();
    trial.said.read_to_string(&mut said).expect("UTF-8");
    assert!(said.contains("error: the guard of the trial died; the change is taken back"), "{said}");
    trial.end(1);
    is_as_before(&namespace);
}

/// Whoever is stopped cannot hear that the time is up.
#[test]
fn the_guard_waits_for_nobody() {
    let namespace = host();
    let trial = Trial::start(&namespace, &["--timeout", "1"]);
    trial.signal(Signal::STOP);
    wait_for("the old state", || namespace.endpoints() == [OLD]);
    trial.signal(Signal::CONT);
    trial.end(4);
    is_as_before(&namespace);
}

#[test]
fn a_command_may_decide() {
    let namespace = host();
    let keep = ["--confirm-with", "ip mptcp endpoint show | grep -q 10.0.0.1"];
    for (options, code) in [
        (&["--confirm-with", "exit 3"][..], 4),
        (&["--confirm-with", "sleep 60", "--timeout", "1"], 4),
        (&["--confirm-with", "/nonexistent"], 4),
        (&keep, 0),
    ] {
        let ran = run(command(&namespace, options), "").expect(code);
        if code == 4 {
            is_as_before(&namespace);
        } else {
            assert!(ran.stdout.ends_with("kept: the command agrees\n"), "{}", ran.stdout);
        }
    }
    assert_eq!(namespace.endpoints(), [NEW]);
    // There is nothing to be confirmed any more.
    assert_eq!(run(command(&namespace, &keep), "").expect(0).stdout, "no changes\n");
}

/// A real terminal, by script(1): Enter keeps, and a terminal that is closed takes back.
#[test]
fn a_terminal_may_decide() {
    for (text, endpoints) in [(Some("\n"), NEW), (None, OLD)] {
        let namespace = host();
        let path = namespace.folder.path().join("tried.yaml");
        let inner = format!("{} try {}", program_path(), path.display());
        let mut script = namespace.command("script");
        script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
        let mut child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script(1) starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("to keep the change, press Enter or send SIGUSR1") {
            line.clear();
            assert!(output.read_line(&mut line).expect("UTF-8") > 0, "it does not wait");
        }
        match text {
            Some(text) => {
                child.stdin.as_mut().expect("piped").write_all(text.as_bytes()).expect("typed");
                assert_eq!(child.wait().expect("waited").code(), Some(0));
            }
            None => child.kill().expect("killed"),
        }
        wait_for(endpoints, || namespace.endpoints() == [endpoints]);
        wait_for("the lock", || namespace.apply("{version: 1}", &[]).code == 0);
        let _ = child.wait();
    }
}

/// While a command decides, an empty line on the terminal still confirms.
#[test]
fn enter_keeps_before_the_command_decides() {
    let namespace = host();
    let path = namespace.folder.path().join("tried.yaml");
    let inner = format!("{} try --confirm-with 'sleep 60' {}", program_path(), path.display());
    let mut script = namespace.command("script");
    script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    // What is typed before the command starts does not count.
    let typed = child.stdin.take().expect("piped");
    while child.try_wait().expect("waited").is_none() {
        let _ = (&typed).write_all(b"\n");
        sleep(Duration::from_millis(100));
    }
    let (mut output, status) = (String::new(), child.wait().expect("waited"));
    child.stdout.take().expect("piped").read_to_string(&mut output).expect("UTF-8");
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("kept: confirmed\r\n"), "{output}");
    assert_eq!(namespace.endpoints(), [NEW]);
}

/// Only what the trial changed is taken back.
#[test]
fn what_others_do_meanwhile_stays() {
    let namespace = host();
    let trial = Trial::start(&namespace, &[]);
    namespace.ip_batch("mptcp limits set add_addr_accepted 3\nmptcp endpoint add 10.0.0.77 id 1 subflow\n");
    trial.signal(Signal::INT);
    trial.end(4);
    let mut rows = namespace.endpoints();
    rows.sort();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0], "10.0.0.77 id 1 subflow");
    assert!(rows[1].starts_with("10.0.0.9 id ") && rows[1].ends_with(" signal"), "{rows:?}");
    assert_eq!(namespace.limits(), "add_addr_accepted 3 subflows 2");
}

/// Also when there is something else to put back.
#[test]
fn what_others_remove_meanwhile_stays_away() {
    let namespace = Namespace::new();
    namespace.ip_batch("mptcp endpoint add 10.0.0.1 subflow\nmptcp endpoint add 10.0.0.2 subflow\n");
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, id: 1, flags: [subflow, backup]}}}";
    fs::write(namespace.folder.path().join("tried.yaml"), config).expect("written");
    let mut child = command(&namespace, &["--confirm-with", "ip mptcp endpoint delete id 1; false"]);
    child.stdin(Stdio::null());
    run(child, "").expect(4);
    assert_eq!(namespace.endpoints(), ["10.0.0.2 id 2 subflow"]);
}

/// What was typed before the question is no answer to it.
#[test]
fn type_ahead_confirms_nothing() {
    let namespace = host();
    let path = namespace.folder.path().join("tried.yaml");
    let inner = format!("sleep 1; {} try --timeout 2 {}", program_path(), path.display());
    let mut script = namespace.command("script");
    script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = script.spawn().expect("script(1) starts");
    child.stdin.as_mut().expect("piped").write_all(b"\n\nyes\n").expect("typed");
    assert_eq!(child.wait().expect("waited").code(), Some(4));
    is_as_before(&namespace);
}

/// A port that another program took meanwhile cannot be had again.
#[test]
fn what_cannot_be_taken_back_is_told() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 127.0.0.1 port 8443 signal");
    fs::write(namespace.folder.path().join("tried.yaml"), TRIED).expect("written");
    let trial = Trial::start(&namespace, &[]);
    let _server = crate::peer::Peer::server(&namespace, "127.0.0.1:8443");
    trial.signal(Signal::INT);
    let start = Instant::now();
    let ran = trial.end(3);
    assert!(start.elapsed() < Duration::from_secs(60), "it waited for a port that something else holds");
    assert!(ran.stdout.contains("10.0.0.1"), "what differs is printed: {}", ran.stdout);
    assert_eq!(namespace.endpoints(), [NEW]);
}

#[test]
fn a_refused_plan_needs_no_taking_back() {
    let namespace = host();
    let config = "{version: 1, endpoints: {a: {address: 10.99.0.1, port: 8443, flags: [signal]}}}";
    fs::write(namespace.folder.path().join("tried.yaml"), config).expect("written");
    run(command(&namespace, &["--confirm-with", "true"]), "").expect(1);
    is_as_before(&namespace);
    namespace.apply("{version: 1}", &[]).expect(0);
}

#[test]
fn documents_tell_both_ways() {
    let namespace = host();
    let ran = run(command(&namespace, &["--format", "json", "--confirm-with", "false"]), "").expect(4);
    let documents: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect();
    assert_eq!(documents.iter().map(|one| &one["result"]).collect::<Vec<_>>(), ["applied", "reverted"]);
    assert_eq!(
        documents[0]["before"]["endpoints"][0]["address"],
        documents[1]["after"]["endpoints"][0]["address"]
    );
    assert_eq!(documents[1]["changed"], true);
}

/// With `prune: false`, what the trial added is nobody's afterwards, and what was own before still is.
#[test]
fn the_record_is_taken_back_too() {
    let namespace = host();
    let own = |address: &str| {
        format!("{{version: 1, prune: false, endpoints: {{a: {{address: {address}, flags: [subflow]}}}}}}")
    };
    namespace.apply(&own("10.0.0.1"), &[]).expect(0);
    fs::write(namespace.folder.path().join("tried.yaml"), own("10.0.0.2")).expect("written");
    run(command(&namespace, &["--confirm-with", "false"]), "").expect(4);
    assert_eq!(namespace.endpoints(), [OLD, "10.0.0.1 id 2 subflow"]);
    namespace.ip("mptcp endpoint add 10.0.0.2 subflow");
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), [OLD, "10.0.0.2 id 3 subflow"]);
}

#[test]
fn usage() {
    let namespace = host();
    for options in [&["--timeout", "0"][..], &["--timeout", "never"], &["--watch"]] {
        run(command(&namespace, options), "").expect(64);
    }
    is_as_before(&namespace);
}

/// A line that counts, on a real terminal alone, and gone when it is decided.
#[test]
fn a_terminal_shows_how_long_is_left() {
    let namespace = host();
    let path = namespace.folder.path().join("tried.yaml");
    let inner = format!("{} try --timeout 3 {}", program_path(), path.display());
    let mut script = namespace.command("script");
    script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    // Without a moment of silence the end of standard input would be the end of the terminal.
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = script.spawn().expect("script(1) starts");
    let _stdin = child.stdin.take().expect("piped");
    let shown = finish(child).expect(4).stdout;
    let order = ["\r3 s left", "\r2 s left", "\r1 s left", "\r        \r", "taken back: "];
    let places: Vec<_> = order.iter().map(|words| shown.find(words)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {shown:?}");
    let ran = run(command(&namespace, &["--timeout", "1"]), "").expect(4);
    assert!(!ran.stderr.contains("left"), "{}", ran.stderr);
}

/// The guard's clock is its own: a first process that cannot write, or stands still anywhere in its plan, changes nothing.
#[test]
fn a_blocked_terminal_delays_nothing() {
    let namespace = host();
    let (_reader, writer) = full_pipe();
    let mut trial = command(&namespace, &["--timeout", "2", "--confirm-with", "sleep 60"]);
    trial.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let mut child = trial.spawn().expect("starts");
    wait_for("the change", || namespace.endpoints() == [NEW]);
    let start = Instant::now();
    wait_for("the old state", || namespace.endpoints() == [OLD]);
    assert!(start.elapsed() < allowed(Duration::from_secs(4)), "{:?}", start.elapsed());
    child.kill().expect("killed");
    child.wait().expect("waited");
}

#[test]
fn it_may_be_stopped_at_any_moment() {
    std::thread::scope(|scope| {
        for number in 1..=16 {
            scope.spawn(move || {
                let namespace = host();
                let mut strace = traced(&namespace, &format!("sendto:signal=SIGSTOP:when={number}"), &["-D"]);
                let mut child = strace.spawn().expect("starts");
                std::thread::sleep(allowed(Duration::from_secs(3)));
                assert_eq!(namespace.endpoints(), [OLD], "stopped at {number}");
                kill_process(Pid::from_child(&child), Signal::CONT)
                    .expect("it lives, or waits to be waited for");
                assert_eq!(child.wait().expect("waited").code(), Some(4), "stopped at {number}");
                is_as_before(&namespace);
            });
        }
    });
}

/// Without a guard there is no trial.
#[test]
fn a_guard_that_is_not_ready_ends_it() {
    for signal in ["KILL", "STOP"] {
        let namespace = host();
        let start = Instant::now();
        let strace = traced(&namespace, &format!("setsid:signal=SIG{signal}"), &["-f"]);
        let ran = run(strace, "").expect(1);
        assert!(start.elapsed() < allowed(Duration::from_secs(8)), "{signal}: {:?}", start.elapsed());
        assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
        is_as_before(&namespace);
        namespace.apply("{version: 1}", &[]).expect(0);
    }
}

/// The exit code says what became of the kernel.
#[test]
fn what_cannot_be_reported_is_kept_all_the_same() {
    let namespace = host();
    let mut trial = command(&namespace, &["--confirm-with", "true"]);
    trial.stdout(std::fs::File::create("/dev/full").expect("opened")).stderr(Stdio::null());
    assert_eq!(trial.status().expect("runs").code(), Some(0));
    assert_eq!(namespace.endpoints(), [NEW]);
}

/// A trial of two seconds in which `strace` interferes.
fn traced(namespace: &Namespace, injection: &str, options: &[&str]) -> Command {
    let mut command = namespace.command("strace");
    command.args(options).arg(format!("--inject={injection}"));
    command.args(["--output=/dev/null", program_path(), "try", "--timeout", "2"]);
    command.arg(namespace.folder.path().join("tried.yaml"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
