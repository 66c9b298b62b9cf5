//! `--watch` in text: each pass that changes something is headed by time and cause.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::kernel::watcher::{Watcher, replace, wait_for_table};
use crate::support::{Namespace, program_path, run, wait_for};

const LTE: &str = "{version: 1, endpoints: {lte: {dev: 'wwan*', family: ipv4, flags: [subflow]}}}";

/// A namespace with a modem and this configuration, and the command of a watch over it that prints text.
fn host(config: &str) -> (Namespace, PathBuf, Command) {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    namespace.ip("address add 10.7.0.1/24 dev wwan0");
    let path = namespace.folder.path().join("edge.yaml");
    fs::write(&path, config).expect("written");
    let mut command = namespace.command(program_path());
    command.args(["--watch", "--resync", "0"]).arg(&path);
    (namespace, path, command)
}

/// The lines of the first pass with this heading, without its time.
#[track_caller]
fn pass(watcher: &Watcher, heading: &str) -> Vec<String> {
    let found = || {
        let lines = watcher.lines();
        let at = lines.iter().position(|line| line.get(9..) == Some(heading))?;
        let end = lines[at..].iter().position(|line| line.starts_with("applied: "))?;
        Some(lines[at..=at + end].to_vec())
    };
    wait_for(&format!("{heading:?}, beside {:#?}", watcher.lines()), || found().is_some());
    found().expect("there")
}

#[test]
fn each_pass_says_what_happened() {
    let (namespace, path, command) = host(LTE);
    let watcher = Watcher::run(command);
    let lines = pass(&watcher, "started: lte (10.7.0.1) joins");
    let time: Vec<&str> = lines[0][..8].split(':').collect();
    assert!(time.len() == 3 && time.iter().all(|part| part.parse::<u8>().is_ok()), "{lines:?}");
    watcher.wait_until_idle();

    namespace.ip("link set wwan0 down");
    let lines = pass(&watcher, "wwan0 went down: lte (10.7.0.1) leaves");
    assert_eq!(lines[1], "- 10.7.0.1 id 1 subflow dev wwan0   lte, interface down, closes its subflows");
    watcher.wait_until_idle();
    namespace.ip("link set wwan0 up");
    wait_for_table(&namespace, &["10.7.0.1"]);
    watcher.wait_until_idle();
    namespace.ip("address add 10.7.0.7/24 dev wwan0");
    pass(&watcher, "address 10.7.0.7 appeared on wwan0: lte (10.7.0.7) joins");
    namespace.ip("address delete 10.7.0.7/24 dev wwan0");
    let lines = pass(&watcher, "address 10.7.0.7 left wwan0: lte (10.7.0.7) leaves");
    assert!(lines[1].ends_with("address gone, closes its subflows"), "{lines:?}");

    replace(&path, &LTE.replace("[subflow]", "[subflow, backup]"));
    pass(&watcher, "edge.yaml was changed: lte (10.7.0.1) changes");
    watcher.wait_until_idle();
    let mut renew = namespace.command(program_path());
    renew.args(["renew", "10.7.0.1"]);
    run(renew, "").expect(0);
    pass(&watcher, "renew asked for: lte (10.7.0.1) is added again");
    watcher.stop();
}

/// As long as another endpoint opens subflows: the last one would be kept.
#[test]
fn a_renamed_interface_is_the_reason() {
    let (namespace, _, command) = host(
        "{version: 1, endpoints: {lte: {dev: 'wwan*', family: ipv4, flags: [subflow]}, \
         other: {address: 10.8.0.1, flags: [subflow]}}}",
    );
    namespace.ip("address add 10.8.0.1/24 dev peer0");
    let watcher = Watcher::run(command);
    pass(&watcher, "started: lte (10.7.0.1) joins, other (10.8.0.1) joins");
    watcher.wait_until_idle();
    // It sees all of that at once.
    watcher.signal(Signal::STOP);
    namespace.ip_batch("link set wwan0 down\nlink set wwan0 name lan0\nlink set lan0 up\n");
    watcher.signal(Signal::CONT);
    let lines = pass(&watcher, "wwan0 was renamed to lan0: lte (10.7.0.1) leaves");
    assert!(lines[1].ends_with("lte, interface renamed, closes its subflows"), "{lines:?}");
    watcher.stop();
}

/// Rules and routes go for the same reason.
#[test]
fn an_uplink_whose_interface_is_renamed_has_the_same_reason() {
    let (namespace, _, command) = host("{version: 1, uplinks: {lte: {dev: 'wwan*', gateway: 10.7.0.254}}}");
    let watcher = Watcher::run(command);
    pass(&watcher, "started");
    watcher.wait_until_idle();
    watcher.signal(Signal::STOP);
    namespace.ip_batch("link set wwan0 down\nlink set wwan0 name lan0\nlink set lan0 up\n");
    watcher.signal(Signal::CONT);
    let lines = pass(&watcher, "wwan0 was renamed to lan0");
    let rules = lines.iter().filter(|line| line.starts_with("- rule"));
    assert!(
        rules.clone().count() == 2 && rules.clone().all(|line| line.contains("interface renamed")),
        "{lines:?}"
    );
    watcher.stop();
}

/// Also where nothing changes by it.
#[test]
fn a_repaired_configuration_is_said() {
    let (_namespace, path, command) = host(LTE);
    let watcher = Watcher::run(command);
    pass(&watcher, "started: lte (10.7.0.1) joins");
    replace(&path, "{version: 1, endpoints: {lte: {}}}");
    watcher.wait_until_said("keeping the last good configuration");
    replace(&path, LTE);
    watcher.wait_until_said("the configuration is valid again");
    watcher.stop();
}

/// Also where nothing can be changed for it; and it is said once.
#[test]
fn a_new_warning_is_said() {
    let (namespace, _, command) = host(
        "{version: 1, endpoints: {lte: {dev: 'wwan*', family: ipv4, flags: [subflow]}, \
         other: {address: 10.8.0.1, dev: peer0, flags: [subflow]}}}",
    );
    namespace.ip("address add 10.8.0.1/24 dev peer0");
    let watcher = Watcher::run(command);
    pass(&watcher, "started: lte (10.7.0.1) joins, other (10.8.0.1) joins");
    watcher.wait_until_idle();
    let warnings = || watcher.said().matches("needs 10.8.0.1").count();
    assert_eq!(warnings(), 0, "{}", watcher.said());
    namespace.ip("address delete 10.8.0.1/24 dev peer0");
    wait_for("a warning", || warnings() == 1);
    watcher.wait_until_idle();
    namespace.ip("address add 10.9.0.1/24 dev peer0");
    watcher.wait_until_idle();
    let said = watcher.stop().said.concat();
    assert_eq!(said.matches("needs 10.8.0.1").count(), 1, "{said}");
}

/// The journal has its own.
#[test]
fn under_the_journal_there_is_no_time() {
    let (_namespace, _, command) = host(LTE);
    let mut shell = Command::new(command.get_program());
    shell.args(command.get_args().take_while(|word| *word != program_path()));
    shell.args(["sh", "-c", "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1); exec \"$@\"", "sh"]);
    shell.args(command.get_args().skip_while(|word| *word != program_path()));
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let watcher = Watcher::run(shell);
    wait_for("the first pass", || {
        watcher.lines().first().is_some_and(|line| line == "started: lte (10.7.0.1) joins")
    });
    watcher.stop();
}

#[test]
fn documents_have_the_cause_too() {
    let (namespace, path, _) = host(LTE);
    let watcher = Watcher::start(&namespace, &["--resync", "1", path.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    assert_eq!(watcher.runs()[0]["cause"], "started");
    namespace.ip("mptcp endpoint flush");
    let drift = || watcher.runs().into_iter().skip(1).find(|run| run["changed"] == true);
    wait_for("the pass", || drift().is_some());
    assert_eq!(drift().expect("a pass")["cause"], "resync");
    let causes = |trigger: &str, cause: &str| {
        let is = |run: &serde_json::Value| run["trigger"] == trigger && run["cause"] == cause;
        wait_for(cause, || watcher.runs().iter().any(is));
    };
    watcher.signal(Signal::HUP);
    causes("resync", "SIGHUP");
    replace(&path, "{version: 1, oops: 1}");
    causes("files", "edge.yaml was changed");
    assert!(watcher.runs().iter().any(|run| run["result"] == json!("invalid")));
    watcher.stop();
}
