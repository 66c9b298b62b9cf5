//! `mptcp-apply-json`(5) names every field of every document that the program prints.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::links::{Links, SERVICE};
use super::watcher::Watcher;
use crate::support::{Namespace, program_path, project, run, wait_for};

const CONFIG: &str = "\
version: 1
limits: {subflows: 4}
sysctls: {stale_loss_cnt: 9}
endpoints:
  one: {address: 10.1.1.1, id: 1, flags: [subflow, backup]}
  two: {address: 10.1.2.1, dev: c2, flags: [subflow]}
  gone: {dev: gone0, flags: [subflow]}
";

/// The kernel refuses to listen there.
const REFUSED: &str = "{version: 1, endpoints: {a: {address: 203.0.113.7, port: 8443, flags: [signal]}}}";

/// Fields that only some documents have: one of each kind.
const RARE: [&str; 8] =
    ["trigger", "error", "errors", "meaning", "map-sequence", "evidence", "watched-ms", "server-side"];

/// All keys of objects, but for sysctls, whose names are no fields.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        Value::Object(members) => {
            for (key, value) in members {
                found.insert(key.clone());
                if key != "sysctls" {
                    fields(value, found);
                }
            }
        }
        _ => {}
    }
}

/// What the program prints inside for these arguments.
#[track_caller]
fn document(namespace: &Namespace, arguments: &[&str], input: &str) -> Value {
    let mut command = namespace.command(program_path());
    command.args(arguments).args(["--format", "json"]);
    serde_json::from_str(&run(command, input).stdout).expect("a document")
}

#[test]
fn it_names_every_field() {
    let links = Links::new();
    let client = &links.client;
    client.ip("mptcp endpoint add 10.1.1.1 id 1 subflow");
    client.ip("mptcp endpoint add 10.7.7.7 id 7 signal");
    let (watch, _) = Watcher::of(client, CONFIG);
    let mut documents = watch.runs();
    watch.stop();
    documents.push(document(client, &["-"], REFUSED));
    documents.push(document(client, &["check", "-"], CONFIG));
    client.apply(CONFIG, &[]).expect(0);
    let mut monitor = client.command(program_path());
    monitor.args(["monitor", "--format", "json"]);
    let monitor = Watcher::run(monitor);
    let connection = links.connect();
    wait_for("an event", || {
        // Until it listens, new connections are to be heard.
        document(client, &["doctor", "-", "--probe", SERVICE], CONFIG);
        monitor.count() > 0
    });
    documents.extend(monitor.runs());
    documents.push(document(client, &["show", "--connections"], ""));
    documents.push(document(client, &["doctor", "-", "--probe", SERVICE], REFUSED));
    drop(connection);

    let mut found = BTreeSet::new();
    documents.iter().for_each(|document| fields(document, &mut found));
    let lacking: Vec<_> = RARE.iter().filter(|rare| !found.contains(**rare)).collect();
    assert!(lacking.is_empty(), "no document has {lacking:?}");
    let page = fs::read_to_string(project().join("packaging/man/mptcp-apply-json.5")).expect("a page");
    found.retain(|field| !page.contains(&format!("\\fB{}\\fR", field.replace('-', "\\-"))));
    assert!(found.is_empty(), "the page names no {found:?}");
}
