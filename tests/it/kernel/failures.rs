//! Refusals, and that nothing changes then.

use crate::peer::Peer;
use crate::support::{Namespace, Ran, wait_for};

use super::strace;

/// Every step before the refused one is undone.
#[test]
fn a_refused_step_undoes_those_before_it() {
    let namespace = Namespace::new();
    namespace.links(&[("v0", "v1")]);
    namespace.ip("mptcp limits set subflows 1 add_addr_accepted 1");
    for row in ["10.0.0.1 id 1 subflow dev v0", "10.0.0.2 id 2 subflow backup dev v0", "10.0.0.3 id 3 signal"]
    {
        namespace.ip(&format!("mptcp endpoint add {row}"));
    }
    namespace.ip("address add 10.0.0.4/32 dev v0");
    namespace.ip("address add 10.0.0.2/32 dev v0");
    let before = namespace.endpoints();
    // Nothing here disturbs a connection, so that the kernel is left to refuse the last step.
    let config = "\
version: 1
limits: {subflows: 7, add-addr-accepted: 7}
sysctls: {stale_loss_cnt: 9}
prune: false
endpoints:
  new: {address: 10.0.0.4, dev: v0, flags: [subflow]}
  changed: {address: 10.0.0.2, dev: v0, flags: [subflow]}
  ported: {address: 203.0.113.1, port: 8443, flags: [signal]}
";
    let ran = namespace.apply(config, &[]).expect(1);
    let (warning, error) = ran.stderr.split_once("\n\n").expect("two blocks");
    assert!(warning.starts_with("warning: endpoint `ported` needs 203.0.113.1 to listen on"), "{warning}");
    assert_eq!(
        // Up to Linux 6.1 the kernel's text has no number.
        error.replace("socket error: -99", "socket error"),
        "\
error: the kernel refused to add 203.0.113.1 port 8443 signal: 203.0.113.1 is on no interface of this host, or is still tentative
 --> <stdin>:8:3
  |
8 |   ported: {address: 203.0.113.1, port: 8443, flags: [signal]}
  |   ^^^^^^ EADDRNOTAVAIL: create listen socket error
  |
  = help: assign the address first, and wait until `ip address` shows it without `tentative`

note: everything was put back as it was
"
    );
    assert_eq!(ran.stdout, "");
    assert_eq!(namespace.endpoints(), before);
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 1");
    let mut command = namespace.command("cat");
    command.arg("/proc/sys/net/mptcp/stale_loss_cnt");
    assert_eq!(crate::support::run(command, "").stdout, "4\n");
}

/// A port that cannot be had is found before any live connection is disturbed.
#[test]
fn a_refusal_is_foreseen_before_an_endpoint_is_removed() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 1 subflow");
    let config = "\
version: 1
limits: {subflows: 7}
endpoints:
  moved: {address: 10.0.0.1, id: 77, flags: [subflow]}
  ported: {address: 203.0.113.1, port: 8443, flags: [signal]}
";
    let ran = namespace.apply(config, &["-v"]).expect(1);
    assert!(ran.stderr.contains("203.0.113.1 is on no interface of this host"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("remove 10.0.0.1"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("set limits"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("\n\nnote: nothing was changed\n"), "{}", ran.stderr);
    // Nothing reached the kernel, so it has refused nothing.
    let words = "error: the kernel would refuse to add 203.0.113.1 port 8443 signal: 203.0.113.1 is on no";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    let ran = namespace.apply(config, &["--format=json"]).expect(1);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a document");
    let step = &document["steps"][document["error"]["step"].as_u64().expect("a step") as usize];
    assert_eq!((&step["endpoint"], &step["outcome"]), (&"ported".into(), &"not-tried".into()));
    // A note stays with its error, also where only errors are wanted.
    let quiet = namespace.apply(config, &["--quiet"]).expect(1);
    assert!(quiet.stderr.starts_with("error: "), "{}", quiet.stderr);
    assert!(quiet.stderr.ends_with("\n\nnote: nothing was changed\n"), "{}", quiet.stderr);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
}

#[test]
fn the_failure_is_told_to_programs() {
    let namespace = Namespace::new();
    let config = "{version: 1, limits: {subflows: 7}, endpoints: {a: {address: 203.0.113.1, port: 80, flags: [signal]}}}";
    let Ran { stdout, .. } = namespace.apply(config, &["--format", "json"]).expect(1);
    let document: serde_json::Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(
        (&document["result"], &document["notes"][0]["code"]),
        (&"rolled-back".into(), &"rolled-back".into())
    );
    assert_eq!(document["error"]["step"], 1);
    assert_eq!(document["error"]["errno"], "EADDRNOTAVAIL");
    let words = document["error"]["kernel"].as_str().expect("the kernel's words");
    assert!(words.starts_with("create listen socket error"), "{words}");
    let error = &document["error"];
    assert_eq!((&error["endpoint"], &error["file"]), (&"a".into(), &"<stdin>".into()));
    assert_eq!((&error["line"], &error["column"]), (&1.into(), &49.into()), "{error:#}");
    assert!(error["help"].as_str().is_some_and(|help| help.starts_with("assign the address")), "{error:#}");
    assert_eq!(document["before"], document["after"]);
    let steps = document["steps"].as_array().expect("steps");
    let outcomes: Vec<String> = steps
        .iter()
        .map(|step| {
            format!(
                "{} {}",
                step["op"].as_str().unwrap_or_default(),
                step["outcome"].as_str().unwrap_or_default()
            )
        })
        .collect();
    // Every operation that reached the kernel, what put the first one back included.
    assert_eq!(outcomes, ["set-limits done", "add-addr refused", "set-limits done"]);
    assert_eq!((&steps[2]["from"], &steps[2]["to"]), (&steps[0]["to"], &steps[0]["from"]));
}

/// An endpoint on the wildcard address stands in the way of every address's port, as a service would.
#[test]
fn a_port_that_something_else_holds_is_named() {
    let namespace = Namespace::new();
    namespace.ip("address add 203.0.113.1/32 dev lo");
    namespace.ip("mptcp endpoint add 0.0.0.0 port 8443 id 9 signal");
    let config =
        "{version: 1, prune: false, endpoints: {a: {address: 203.0.113.1, port: 8443, flags: [signal]}}}";
    let ran = namespace.apply(config, &[]).expect(1);
    assert!(ran.stderr.contains("something listens on port 8443"), "{}", ran.stderr);
    assert!(ran.stderr.contains("EADDRINUSE: create listen socket error"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["0.0.0.0 port 8443 id 9 signal"]);
    namespace.ip("mptcp endpoint delete id 9");
    namespace.apply(config, &[]).expect(0);
}

/// An application takes the port after the endpoint there is removed, and before it is added with its new id: it can
/// neither come nor be put back.
#[test]
fn what_cannot_be_put_back_is_shown() {
    let namespace = Namespace::new();
    namespace.ip("address add 203.0.113.1/32 dev lo");
    namespace.ip("mptcp endpoint add 203.0.113.1 port 8443 id 1 signal");
    let config = "{version: 1, endpoints: {a: {address: 203.0.113.1, port: 8443, id: 2, flags: [signal]}}}";
    // After the family, the state, links, addresses, the port's connections, and the row once more.
    let held = strace::hold(&namespace, "sendto:when=7", config);
    assert_eq!(namespace.endpoints(), [""; 0]);
    let _application = Peer::server(&namespace, "203.0.113.1:8443");
    let ran = held.release().expect(3);
    assert!(ran.stderr.contains("something listens on port 8443"), "{}", ran.stderr);
    let told =
        "not everything could be put back: could not add 203.0.113.1 port 8443 id 1 signal (EADDRINUSE";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(ran.stdout.contains("\n-    address: 203.0.113.1\n"), "{}", ran.stdout);
    assert_eq!(namespace.endpoints(), [""; 0]);
}

#[test]
fn a_table_that_is_too_small_is_exit_5_before_anything_is_written() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9 subflow");
    let rows: String =
        (1..=255).map(|n| format!("  e{n}: {{address: 10.0.0.{n}, flags: [subflow]}}\n")).collect();
    let extra = "  more: {address: 10.0.1.1, flags: [subflow]}\n";
    let config = format!("version: 1\nlimits: {{subflows: 3}}\nendpoints:\n{rows}{extra}")
        .replace("10.0.0.255", "10.0.2.1");
    let ran = namespace.apply(&config, &["-q"]).expect(5);
    assert!(ran.stderr.contains("256 endpoints are needed, but this kernel holds"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["10.9.9.9 id 9 subflow"]);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
}

/// The lock belongs to a namespace: a second writer in the same one is turned away, one in another is not.
#[test]
fn a_second_writer_is_turned_away() {
    let namespace = Namespace::new();
    namespace.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    let lock = namespace.lock_file();
    let held = std::fs::File::options().write(true).open(&lock).expect("the lock file");
    held.try_lock().expect("it is free");
    let ran = namespace.apply("{version: 1, limits: {subflows: 5}}", &[]).expect(75);
    assert!(ran.stderr.contains("another run of mptcp-apply"), "{}", ran.stderr);
    namespace.apply("{version: 1, limits: {subflows: 5}}", &["--dry-run"]).expect(0);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
    drop(held);
    // A process that another test has just started may still hold it.
    wait_for("the lock", || namespace.apply("{version: 1, limits: {subflows: 5}}", &[]).code == 0);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 5");
}

/// A host without endpoints because of a full or read-only /run would be worse than one without a lock.
#[test]
fn a_runtime_folder_that_cannot_be_had_is_a_warning() {
    let namespace = Namespace::new();
    std::fs::write(namespace.runtime(), "a file where the folder should be").expect("written");
    let ran = namespace.apply("{version: 1, limits: {subflows: 5}}", &[]).expect(0);
    assert!(ran.stderr.contains("cannot lock"), "{}", ran.stderr);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 5");
    let config = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stderr.contains("cannot keep the record of mptcp-apply's own endpoints"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
}
