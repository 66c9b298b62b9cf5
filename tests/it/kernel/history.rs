//! `history`: the states before the last runs, and the way back to them, judged by `ip`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::kernel::links::Links;
use crate::kernel::watcher::{Watcher, addresses, endpoints, replace, wait_for_table};
use crate::support::{Namespace, Ran, program_path, run, wait_for};

const CONFIG: &str = "\
version: 1
limits: {subflows: 4, add-addr-accepted: 2}
sysctls: {stale_loss_cnt: 9}
uplinks: {second: {dev: c2, gateway: none}}
endpoints:
  one: {address: 10.1.1.1, id: 7, flags: [subflow, backup]}
  two: {address: 10.1.2.1, dev: c2, flags: [subflow]}
";

#[track_caller]
fn history(namespace: &Namespace, arguments: &[&str]) -> Ran {
    let mut command = namespace.command(program_path());
    command.arg("history").args(arguments);
    run(command, "")
}

/// The list, the latest first.
#[track_caller]
fn list(namespace: &Namespace) -> Vec<Value> {
    let page = history(namespace, &["--format", "json"]).expect(0).stdout;
    let document: Value = serde_json::from_str(&page).expect("one document");
    document["history"].as_array().expect("a list").clone()
}

/// Applies the state before the last run.
#[track_caller]
fn go_back(namespace: &Namespace) -> Ran {
    let past = history(namespace, &["1", "--format", "yaml"]).expect(0).stdout;
    namespace.apply(&past, &[]).expect(0)
}

/// Everything that the configuration manages, as `ip` and the kernel have it.
#[track_caller]
fn everything(namespace: &Namespace) -> String {
    let mut rows = namespace.endpoints();
    rows.sort();
    let rules = [namespace.ip("rule show"), namespace.ip("-6 rule show")].concat();
    let routes = namespace.ip("route show table all proto 109");
    let loss = namespace.sh("cat /proc/sys/net/mptcp/stale_loss_cnt");
    format!("{}\n{}\n{rules}\n{routes}\n{loss}", rows.join("\n"), namespace.limits())
}

fn file(namespace: &Namespace) -> PathBuf {
    namespace.lock_file().with_extension("history")
}

#[test]
fn the_state_before_comes_back_and_so_does_the_one_after() {
    let links = Links::new();
    let client = &links.client;
    client.ip("mptcp endpoint add 10.1.1.1 id 7 subflow dev c1");
    client.ip("mptcp endpoint add 10.1.3.1 id 9 signal");
    client.ip("mptcp limits set subflows 3");
    client.sh("echo 6 >/proc/sys/net/mptcp/stale_loss_cnt");
    let before = everything(client);
    client.apply(CONFIG, &[]).expect(0);
    let after = everything(client);
    assert!(after.contains("868400") && after.contains("subflows 4"), "{after}");
    go_back(client);
    assert_eq!(everything(client), before);
    go_back(client);
    assert_eq!(everything(client), after);
    // Two runs further back is the first one again.
    let past = history(client, &["3", "--format", "yaml"]).expect(0).stdout;
    client.apply(&past, &[]).expect(0);
    assert_eq!(everything(client), before);
}

#[test]
fn the_last_ten_are_kept() {
    let namespace = Namespace::new();
    let page = history(&namespace, &[]).expect(0).stdout;
    assert_eq!(page, "no run has changed anything here since boot\n");
    history(&namespace, &["1"]).expect(1);
    for number in 1..=13 {
        namespace.apply(&endpoints(&[&format!("10.0.0.{number}")]), &[]).expect(0);
        // What changes nothing leaves nothing.
        let written = fs::metadata(file(&namespace)).expect("a file");
        namespace.apply(&endpoints(&[&format!("10.0.0.{number}")]), &[]).expect(0);
        assert_eq!(fs::metadata(file(&namespace)).expect("a file").len(), written.len());
    }
    let runs = list(&namespace);
    let numbers: Vec<&Value> = runs.iter().map(|run| &run["number"]).collect();
    assert_eq!(numbers, (1..=10).map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert_eq!(
        runs[0]["steps"],
        json!(["add 10.0.0.13 signal", "remove 10.0.0.12 id 12 signal"]),
        "{:#?}",
        runs[0]
    );
    assert!(fs::read_to_string(file(&namespace)).expect("text").lines().count() <= 12);
    let page = history(&namespace, &[]).expect(0).stdout;
    assert!(page.starts_with("1   ") && page.contains("add 10.0.0.13 signal, and 1 more step\n"), "{page}");
    let page = history(&namespace, &["10"]).expect(0).stdout;
    assert!(page.contains("\n10.0.0.3 id 3 signal\nlimits "), "{page}");
    let error = history(&namespace, &["11"]).expect(1).stderr;
    assert!(error.contains("there is no state 11, but 10 states"), "{error}");
    history(&namespace, &["0"]).expect(64);
    history(&namespace, &["--format", "yaml"]).expect(64);
}

#[test]
fn a_run_without_a_change_writes_nothing() {
    let namespace = Namespace::new();
    namespace.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    namespace.apply(&endpoints(&["10.0.0.1"]), &["--dry-run"]).expect(0);
    namespace.apply(&endpoints(&["10.0.0.1"]), &["--rehearse"]).expect(0);
    assert!(!file(&namespace).exists());
    assert_eq!(list(&namespace), [Value::Null; 0]);
}

/// Of a run that put everything back, the state before is the state now.
#[test]
fn what_was_put_back_is_not_listed() {
    let namespace = Namespace::new();
    namespace.apply(&endpoints(&["10.0.0.1"]), &[]).expect(0);
    let refused = "{version: 1, endpoints: {a: {address: 10.0.0.2, flags: [signal]}, \
                   b: {address: 203.0.113.7, port: 8443, flags: [signal]}}}";
    namespace.apply(refused, &[]).expect(1);
    assert_eq!(list(&namespace).len(), 1);
    let path = namespace.folder.path().join("tried.yaml");
    fs::write(&path, endpoints(&["10.0.0.3"])).expect("written");
    let trial = |command: &str| {
        let mut trial = namespace.command(program_path());
        trial.args(["try", "--confirm-with", command]).arg(&path);
        run(trial, "")
    };
    trial("false").expect(4);
    assert_eq!(list(&namespace).len(), 1);
    assert_eq!(addresses(&namespace), ["10.0.0.1"]);
    trial("true").expect(0);
    assert_eq!(list(&namespace)[0]["by"], "try");
    go_back(&namespace);
    assert_eq!(addresses(&namespace), ["10.0.0.1"]);
}

/// And `doctor --report` has it.
#[test]
fn passes_of_a_watch_are_listed() {
    let namespace = Namespace::new();
    let (watch, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    replace(&path, &endpoints(&["10.0.0.2"]));
    wait_for_table(&namespace, &["10.0.0.2"]);
    wait_for("both passes", || list(&namespace).len() == 2);
    let runs = list(&namespace);
    assert_eq!((&runs[0]["by"], &runs[0]["pid"]), (&json!("watch"), &json!(watch.pid())));
    // Nothing is written for a pass that changes nothing.
    let before = fs::read(file(&namespace)).expect("a file");
    let count = watch.count();
    watch.signal(rustix::process::Signal::HUP);
    watch.wait_for_runs(count + 1);
    assert_eq!(fs::read(file(&namespace)).expect("a file"), before);
    watch.stop();
    let mut doctor = namespace.command(program_path());
    doctor.args(["doctor", "--report"]);
    let page = run(doctor, "").stdout;
    assert!(page.contains("== last passes that changed something ==\n"), "{page}");
    assert!(page.contains(" watch (pid ") && page.contains("\n  add 10.0.0.2 signal\n"), "{page}");
    go_back(&namespace);
    assert_eq!(addresses(&namespace), ["10.0.0.1"]);
}

/// A line that is cut, or that another version wrote, is left out; a file of another boot, or of another user, says nothing.
#[test]
fn damage_is_left_out() {
    let namespace = Namespace::new();
    for number in 1..=3 {
        namespace.apply(&endpoints(&[&format!("10.0.0.{number}")]), &[]).expect(0);
    }
    let whole = fs::read_to_string(file(&namespace)).expect("a file");
    fs::write(file(&namespace).with_extension("history.new"), &whole[..whole.len() / 2]).expect("written");
    assert_eq!(list(&namespace).len(), 3);
    fs::write(file(&namespace), &whole[..whole.len() - 20]).expect("written");
    assert_eq!(list(&namespace).len(), 2);
    namespace.apply(&endpoints(&["10.0.0.4"]), &[]).expect(0);
    assert_eq!(list(&namespace)[0]["steps"][0], "add 10.0.0.4 signal");
    let elsewhere = whole.replacen("boot ", "boot 0", 1);
    fs::write(file(&namespace), elsewhere).expect("written");
    assert_eq!(list(&namespace), [Value::Null; 0]);
    // Where nothing of it makes sense, it does not say that nothing was changed.
    let head = whole.split_inclusive('\n').next().expect("a line");
    for damaged in [&whole[..20], "", "\0\0\0", &whole[5..], &format!("{head}{{\n"), &format!("{head}{{")] {
        fs::write(file(&namespace), damaged).expect("written");
        let said = history(&namespace, &[]).expect(1).stderr;
        assert!(said.contains(" is damaged, or of another version of this program"), "{damaged:?}: {said}");
    }
    fs::write(file(&namespace), head).expect("written");
    let said = history(&namespace, &[]).expect(0).stdout;
    assert_eq!(said, "no run has changed anything here since boot\n");
    fs::remove_file(file(&namespace)).expect("removed");
    fs::create_dir(file(&namespace)).expect("made");
    let ran = namespace.apply(&endpoints(&["10.0.0.5"]), &[]).expect(0);
    assert!(ran.stderr.contains("cannot keep the state before this run"), "{}", ran.stderr);
    history(&namespace, &[]).expect(1);
}

#[test]
fn each_namespace_has_its_own() {
    let namespace = Namespace::with_own_run();
    namespace.ip_batch("netns add a\nnetns add b\n");
    namespace.apply(&endpoints(&["10.0.0.1"]), &["--netns", "a"]).expect(0);
    let page = history(&namespace, &["--netns", "*"]).expect(0).stdout;
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!((lines[0], lines[2]), ("netns a", "netns b"), "{page}");
    assert!(lines[1].ends_with("add 10.0.0.1 signal"), "{page}");
    assert_eq!(lines[3], "no run has changed anything here since boot");
}
