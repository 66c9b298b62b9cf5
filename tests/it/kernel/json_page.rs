//! `mptcp-apply-json`(5) names every field of every document that the program prints.

use std::collections::BTreeSet;
use std::fs;

use mptcp_apply::model::Reason;
use serde_json::{Value, json};

use super::links::{Links, SERVICE};
use super::watcher::Watcher;
use crate::support::{Namespace, program_path, project, run, wait_for};

const CONFIG: &str = "\
version: 1
limits: {subflows: 4}
sysctls: {stale_loss_cnt: 9}
uplinks: {second: {dev: c2, gateway: none}}
endpoints:
  one: {address: 10.1.1.1, id: 1, flags: [subflow, backup]}
  two: {address: 10.1.2.1, dev: c2, flags: [subflow]}
  gone: {dev: gone0, flags: [subflow]}
";

/// The kernel refuses to listen there.
const REFUSED: &str = "{version: 1, endpoints: {a: {address: 203.0.113.7, port: 8443, flags: [signal]}}}";

/// Fields that only some documents have: one of each kind.
const RARE: [&str; 13] = [
    "trigger",
    "error",
    "errors",
    "meaning",
    "map-sequence",
    "in-sync",
    "path-manager",
    "result",
    "evidence",
    "watched-ms",
    "server-side",
    "gateway",
    "suppress-prefixlength",
];

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

fn page() -> String {
    fs::read_to_string(project().join("packaging/man/mptcp-apply-json.5")).expect("a page")
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
    documents.push(document(client, &["doctor", "-", "--report"], CONFIG));
    documents.push(document(client, &["status", "-"], CONFIG));
    documents.push(document(client, &["history"], ""));
    documents.push(document(client, &["history", "1"], ""));
    documents.push(document(client, &["connection", "1", "remove", "id", "1"], ""));
    documents.push(document(client, &["doctor", "-", "--probe", SERVICE], REFUSED));
    drop(connection);

    let mut found = BTreeSet::new();
    documents.iter().for_each(|document| fields(document, &mut found));
    let lacking: Vec<_> = RARE.iter().filter(|rare| !found.contains(**rare)).collect();
    assert!(lacking.is_empty(), "no document has {lacking:?}");
    let page = page();
    found.retain(|field| !page.contains(&format!("\\fB{}\\fR", field.replace('-', "\\-"))));
    assert!(found.is_empty(), "the page names no {found:?}");
}

/// A new reason does not compile without a place here.
fn next(reason: Reason) -> Option<Reason> {
    match reason {
        Reason::Declared => Some(Reason::NotDeclared),
        Reason::NotDeclared => Some(Reason::FlagsDiffer),
        Reason::FlagsDiffer => Some(Reason::IdDiffers),
        Reason::IdDiffers => Some(Reason::DevDiffers),
        Reason::DevDiffers => Some(Reason::DevGone),
        Reason::DevGone => Some(Reason::InterfaceDown),
        Reason::InterfaceDown => Some(Reason::InterfaceRenamed),
        Reason::InterfaceRenamed => Some(Reason::AddressGone),
        Reason::AddressGone => Some(Reason::NoLongerFits),
        Reason::NoLongerFits => Some(Reason::IdNeeded),
        Reason::IdNeeded => Some(Reason::PlaceNeeded),
        Reason::PlaceNeeded => Some(Reason::Adopted),
        Reason::Adopted => Some(Reason::Drained),
        Reason::Drained => Some(Reason::PutBack),
        Reason::PutBack => Some(Reason::Renewed),
        Reason::Renewed => Some(Reason::AddedTooEarly),
        Reason::AddedTooEarly => Some(Reason::SubflowLost { connections: 1, is_first: true }),
        Reason::SubflowLost { .. } => Some(Reason::AskedFor),
        Reason::AskedFor => Some(Reason::RouterChanged),
        Reason::RouterChanged => Some(Reason::GatewayUnknown),
        Reason::GatewayUnknown => Some(Reason::UplinkDown),
        Reason::UplinkDown => Some(Reason::UplinkUp),
        Reason::UplinkUp => Some(Reason::NoUplinkUp),
        Reason::NoUplinkUp => None,
    }
}

#[test]
fn it_names_every_reason() {
    let page = page();
    let reasons = std::iter::successors(Some(Reason::Declared), |reason| next(*reason)).map(Reason::words);
    let lacking: Vec<&str> = reasons.filter(|words| !page.contains(&format!("\\fB{words}\\fR"))).collect();
    assert!(lacking.is_empty(), "the page names no {lacking:?}");
}

/// What is put back follows at the end: settings without a reason, as everywhere.
#[test]
fn it_describes_what_is_put_back() {
    let namespace = Namespace::new();
    let config = REFUSED.replace(
        "endpoints: {",
        "limits: {subflows: 7}, endpoints: {b: {address: 10.0.0.1, flags: [signal]}, ",
    );
    let rolled_back = document(&namespace, &["-"], &config);
    assert_eq!(rolled_back["result"], "rolled-back");
    let steps = rolled_back["steps"].as_array().expect("steps");
    let told: Vec<_> = steps.iter().map(|step| [&step["op"], &step["why"], &step["outcome"]]).collect();
    let (limits, add, delete) = (&json!("set-limits"), &json!("add-addr"), &json!("del-addr"));
    let (declared, back) = (&json!("declared"), &json!("put back"));
    let (done, refused) = (&json!("done"), &json!("refused"));
    let expected = [
        [limits, &Value::Null, done],
        [add, declared, done],
        [add, declared, refused],
        [delete, back, done],
        [limits, &Value::Null, done],
    ];
    assert_eq!(told, expected);
}
