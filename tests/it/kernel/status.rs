//! `status`: in sync or not, what holds the lock, and what endpoints carry; judged by `ip`, `ss` and the bytes sent.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kernel::links::{Links, SERVICE, bytes};
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::{Namespace, Ran, program_path, run, wait_for};

const CONFIG: &str = "\
version: 1
endpoints:
  one: {address: 10.1.1.1, dev: c1, id: 7, flags: [subflow]}
  two: {address: 10.1.2.1, dev: c2, flags: [subflow, backup]}
  gone: {dev: 'gone*', flags: [signal], required: true}
";

fn written(namespace: &Namespace, config: &str) -> PathBuf {
    let path = namespace.folder.path().join("a.yaml");
    fs::write(&path, config).expect("written");
    path
}

#[track_caller]
fn status(namespace: &Namespace, config: &str, options: &[&str]) -> Ran {
    let mut command = namespace.command(program_path());
    command.arg("status").args(options).arg(written(namespace, config));
    run(command, "")
}

#[track_caller]
fn document(namespace: &Namespace, config: &str) -> Value {
    let page = status(namespace, config, &["--format", "json"]).expect(0).stdout;
    serde_json::from_str(&page).expect("one document")
}

#[test]
fn it_says_what_differs_and_what_waits() {
    let links = Links::new();
    let client = &links.client;
    client.ip("mptcp endpoint add 10.1.1.1 id 7 subflow dev c1");
    client.ip("mptcp endpoint add 10.1.2.1 subflow dev c2");
    let before = client.endpoints();
    let detailed = &["--detailed-exitcode"];
    let page = status(client, CONFIG, detailed).expect(2).stdout;
    assert_eq!(status(client, CONFIG, &[]).expect(0).stdout, page);
    assert_eq!(client.endpoints(), before, "it changed something");
    let rows: Vec<&str> = page.lines().skip(1).collect();
    let expected = [
        "~ 10.1.2.1 id 8 subflow -> subflow backup dev c2   two",
        "plan: 0 to add, 1 to change, 0 to remove",
        "one   10.1.1.1  c1     subflow         ok",
        "two   10.1.2.1  c2     subflow backup  differs",
        "gone  -         gone*  signal          waiting: there is no interface gone*",
        "0 connections, 0 subflows",
    ];
    assert_eq!(rows, expected);
    client.ip("mptcp endpoint change id 8 backup");
    // Applying would fail as long as a required declaration waits.
    let page = status(client, CONFIG, detailed).expect(2).stdout;
    assert!(page.starts_with("not in sync"), "{page}");
    let config = CONFIG.replace(", required: true", "");
    let page = status(client, &config, detailed).expect(0).stdout;
    let heading = format!("in sync with {}; no watch runs\n", written(client, &config).display());
    assert!(page.starts_with(&heading), "{page}");
}

/// One byte goes there and comes back by the first subflow, at least once.
#[test]
fn each_endpoint_has_its_subflows_and_bytes() {
    let links = Links::new();
    let config = CONFIG.replace(", required: true", "");
    links.client.apply(&config, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let _client = Peer::quiet_client(&links.client, SERVICE);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    wait_for("the bytes that ss tells", || {
        let found = document(&links.client, &config);
        let rows = found["endpoints"].as_array().expect("a list");
        let carried =
            |row: &Value| json!([row["name"], row["subflows"], row["bytes-sent"], row["bytes-received"]]);
        let bytes = bytes(&links.client);
        let expected = |name: &str, address: &str| json!([name, 1, bytes[address][0], bytes[address][1]]);
        let expected =
            [expected("one", "10.1.1.1"), expected("two", "10.1.2.1"), json!(["gone", 0, "0", "0"])];
        rows.iter().map(carried).collect::<Vec<_>>() == expected && found["subflows"] == 2
    });
    let page = status(&links.client, &config, &[]).expect(0).stdout;
    assert!(page.contains("ok  1 subflow  "), "{page}");
    assert!(page.ends_with("\n1 connection, 2 subflows\n"), "{page}");
    let metrics = status(&links.client, &config, &["--format", "openmetrics"]).expect(0).stdout;
    let sample = r#"mptcp_apply_endpoint_sent_bytes{endpoint="one",address="10.1.1.1",dev="c1"} "#;
    let value =
        metrics.lines().find_map(|line| line.strip_prefix(sample)).and_then(|value| value.parse().ok());
    assert!(value >= Some(1), "{metrics}");
}

#[test]
fn it_names_the_process_that_holds_the_lock() {
    let namespace = Namespace::new();
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [signal]}}}";
    let (watch, path) = Watcher::of(&namespace, config);
    let keeper = document(&namespace, config)["lock"].clone();
    assert_eq!((&keeper["pid"], &keeper["watch"]), (&watch.pid().into(), &true.into()), "{keeper}");
    let command = keeper["command"].as_str().expect("a command");
    assert!(command.ends_with(&format!(" {}", path.display())), "{command}");
    let page = status(&namespace, config, &[]).expect(0).stdout;
    // Tests may run in a service.
    assert!(page.contains("; kept so by "), "{page}");
    assert!(page.contains(&format!(" (pid {}) since ", watch.pid())), "{page}");
    watch.stop();
    assert_eq!(document(&namespace, config)["lock"], Value::Null);
    let mut trial = namespace.command(program_path());
    trial
        .args(["try", "--timeout", "600", "--format", "json"])
        .arg(written(&namespace, &config.replace("signal", "subflow")));
    let trial = Watcher::run(trial);
    trial.wait_for_runs(1);
    let keeper = document(&namespace, config)["lock"].clone();
    assert_eq!((&keeper["pid"], &keeper["watch"]), (&trial.pid().into(), &false.into()), "{keeper}");
    trial.signal(Signal::TERM);
    trial.end();
}

#[test]
fn it_shows_named_namespaces_and_refuses_what_is_invalid() {
    let namespace = Namespace::with_own_run();
    namespace.ip_batch("netns add a\nnetns add b\n");
    let config = "{version: 1, endpoints: {}}";
    let page = status(&namespace, config, &["--netns", "*"]).expect(0).stdout;
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("netns ")).collect();
    assert_eq!(headings, ["netns a", "netns b"]);
    let metrics = status(&namespace, config, &["--netns", "*", "--format", "openmetrics"]).expect(0).stdout;
    let samples: Vec<&str> = metrics.lines().filter(|line| line.starts_with("mptcp_apply_in_sync")).collect();
    assert_eq!(samples, [r#"mptcp_apply_in_sync{netns="a"} 1"#, r#"mptcp_apply_in_sync{netns="b"} 1"#]);
    status(&namespace, "version: 7", &[]).expect(78);
    let mut show = namespace.command(program_path());
    show.args(["show", "--format", "openmetrics"]);
    run(show, "").expect(64);
}

/// A row that was kept carries what it carried, and the declaration waits.
#[test]
fn what_is_kept_is_not_as_declared() {
    let links = Links::new();
    let client = &links.client;
    client.ip("mptcp endpoint add 10.1.1.1 subflow dev c1");
    let config = "{version: 1, endpoints: {a: {address: 10.1.1.1, dev: c1, flags: [signal]}, \
                  c: {dev: 'gone*', flags: [subflow]}}}";
    let row = document(client, config)["endpoints"][0].clone();
    assert_eq!((&row["name"], &row["flags"]), (&"a".into(), &json!(["signal"])), "{row}");
    let page = status(client, config, &[]).expect(0).stdout;
    let why = "waiting: kept: 10.1.1.1; otherwise no endpoint opens subflows while `c` waits";
    assert!(page.contains(why), "{page}");
}
