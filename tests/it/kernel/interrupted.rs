//! Runs that get SIGTERM, SIGINT or SIGHUP while live connections wait for other paths.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::kernel::links::Links;
use crate::support::{Namespace, allowed, program_path, wait_for};

const CONFIG: &str =
    "{version: 1, limits: {subflows: 8}, endpoints: {a: {address: 10.1.1.1, flags: [subflow]}}}";

/// A connection whose only path an endpoint is beneath, and a peer that lets no other join.
fn waiting() -> (Links, impl Sized) {
    let links = Links::new();
    links.server.ip("mptcp limits set subflows 0");
    links.client.apply(CONFIG, &[]).expect(0);
    let peers = links.connect();
    links.wait_for_paths(&["10.1.1.1"]);
    (links, peers)
}

/// Starts to replace the endpoint.
fn start(mut command: Command) -> Child {
    let mut child = command
        .args(["-v", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let config = CONFIG.replace("10.1.1.1", "10.1.1.11");
    child.stdin.take().expect("piped").write_all(config.as_bytes()).expect("read");
    child
}

fn is_added(links: &Links) -> bool {
    links.client.endpoints().iter().any(|row| row.starts_with("10.1.1.11 "))
}

#[test]
fn the_last_path_is_kept() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (links, peers) = waiting();
        let before = links.client.endpoints();
        let child = start(links.client.command(program_path()));
        wait_for("the new endpoint", || is_added(&links));
        kill_process(Pid::from_child(&child), signal).expect("it lives");
        let ended = child.wait_with_output().expect("ends");
        let said = String::from_utf8(ended.stderr).expect("UTF-8");
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("error: interrupted, while live connections had no other path"), "{said}");
        assert!(said.contains("everything was put back as it was"), "{said}");
        assert_eq!(links.client.endpoints(), before);
        assert_eq!(links.paths(), ["10.1.1.1"]);
        drop(peers);
    }
}

/// A terminal that hangs up and the shell in it send one SIGHUP each.
#[test]
fn a_second_hangup_ends_nothing() {
    let (links, peers) = waiting();
    let before = links.client.endpoints();
    let child = start(links.client.command(program_path()));
    wait_for("the new endpoint", || is_added(&links));
    for _ in 0..2 {
        kill_process(Pid::from_child(&child), Signal::HUP).expect("it lives");
    }
    let ended = child.wait_with_output().expect("ends");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(links.client.endpoints(), before);
    drop(peers);
}

/// `nohup` starts a program with SIGHUP ignored.
#[test]
fn an_ignored_hangup_stays_ignored() {
    let (links, peers) = waiting();
    let mut command = links.client.command("nohup");
    command.arg(program_path());
    let child = start(command);
    wait_for("the new endpoint", || is_added(&links));
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it lives");
    assert_eq!(child.wait_with_output().expect("ends").status.code(), Some(0));
    assert!(is_added(&links));
    drop(peers);
}

/// While it waits for what is missing, nothing is begun, and the end comes at once.
#[test]
fn nothing_is_finished_that_was_not_begun() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9 signal");
    let config = "{version: 1, limits: {subflows: 7}, endpoints: {a: {dev: none7, flags: [subflow]}, \
                  b: {dev: none8, required: true, flags: [subflow]}}}";
    let cases = [Signal::TERM, Signal::INT, Signal::HUP].map(|signal| (signal, "--color=never"));
    for (signal, option) in cases.into_iter().chain([(Signal::TERM, "--dry-run")]) {
        let mut command = namespace.command(program_path());
        command.args(["--wait", "60", "--format", "json", option, "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(config.as_bytes()).expect("read");
        let (mut said, mut stderr) = (String::new(), BufReader::new(child.stderr.take().expect("piped")));
        for _ in 0..2 {
            stderr.read_line(&mut said).expect("UTF-8");
        }
        assert_eq!(said.matches("waiting for 60 s at most").count(), 2, "{said}");
        kill_process(Pid::from_child(&child), signal).expect("it lives");
        let told = Instant::now();
        stderr.read_to_string(&mut said).expect("UTF-8");
        let ended = child.wait_with_output().expect("ends");
        assert!(told.elapsed() < allowed(Duration::from_secs(1)), "it took {:?}", told.elapsed());
        assert_eq!(ended.status.code(), Some(1), "{:?}: {said}", ended.status);
        let error = "error: interrupted before the first step, so nothing was changed; still missing: endpoint `a` waits: \
                     there is no interface none7; endpoint `b` is required, and waits: there is no interface none8\n";
        assert!(said.contains(error), "{said}");
        let document: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("one document");
        assert_eq!(
            (&document["result"], &document["error"]["code"]),
            (&"unchanged".into(), &"interrupted".into())
        );
        assert_eq!(document["errors"].as_array().map(Vec::len), Some(1), "{document:#}");
        assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
        assert_eq!(namespace.endpoints(), ["10.9.9.9 id 9 signal"]);
    }
}
