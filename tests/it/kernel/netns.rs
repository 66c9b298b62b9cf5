//! `--netns`: named network namespaces, in a `/run` that is this test's alone.

mod doctor;
mod failures;
mod many;
mod trial;
mod watch;

use std::ops::Deref;

use crate::support::{Namespace, ip_rows, program_path, run};

/// One endpoint.
const ONE: &str = "{version: 1, endpoints: {a: {address: 10.0.0.1, id: 1, flags: [signal]}}}";

/// A host with named network namespaces. They end with the value.
pub struct Named(Namespace);

impl Named {
    /// Makes namespaces of these names.
    #[track_caller]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Named {
        let named = Named(Namespace::with_own_run());
        let add = |name| format!("netns add {name}\n");
        named.ip_batch(&names.into_iter().map(add).collect::<String>());
        named
    }

    /// The table of one of them.
    #[track_caller]
    fn endpoints_of(&self, name: &str) -> Vec<String> {
        ip_rows(&self.ip(&format!("-n {name} mptcp endpoint show")))
    }

    /// The tables of some of them, where each has one row or none.
    #[track_caller]
    fn rows_of<const N: usize>(&self, names: [&str; N]) -> [String; N] {
        names.map(|name| self.endpoints_of(name).join(", "))
    }

    /// A command in one of them.
    #[track_caller]
    fn run_in(&self, name: &str, script: &str) -> String {
        self.sh(&format!("nsenter --net=/run/netns/{name} sh -c '{script}'"))
    }
}

impl Deref for Named {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0
    }
}

/// The documents of a run, a line each.
#[track_caller]
fn documents(printed: &str) -> Vec<serde_json::Value> {
    printed.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
}

#[track_caller]
fn words<'a>(document: &'a serde_json::Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_else(|| panic!("no {key} in {document}"))
}

#[test]
fn only_the_namespace_of_that_name_is_changed() {
    let named = Named::new(["web-1", "web-2"]);
    let ran = named.apply(ONE, &["--netns", "web-2"]).expect(0);
    let expected = "netns web-2\n+ 10.0.0.1 id 1 signal   a\napplied: 1 added, 0 changed, 0 removed\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (expected, ""));
    assert_eq!(named.rows_of(["web-1", "web-2"]), ["", "10.0.0.1 id 1 signal"]);
    assert_eq!(named.endpoints(), [""; 0], "where the program was started");
}

/// As they were asked for, and those of a glob by name.
#[test]
fn each_namespace_is_met_once_and_in_order() {
    let named = Named::new(["web-2", "db", "cache", "web-10", "web-1"]);
    let options = ["--netns=web-2", "--netns=db", "--netns=web-?*", "--netns=db", "--netns=*"];
    let ran = named.apply("{version: 1, limits: {subflows: 2}}", &options).expect(0);
    let order: Vec<&str> = ran.stdout.lines().collect();
    let expected = ["web-2", "db", "web-1", "web-10", "cache"];
    let expected: Vec<String> =
        expected.iter().flat_map(|name| [format!("netns {name}"), "no changes".into()]).collect();
    assert_eq!(order, expected);
}

#[test]
fn a_glob_that_matches_nothing_is_a_warning() {
    let named = Named::new(["db"]);
    let globs = ["--netns=w?b", "--netns=[w]*"];
    let ran = named.apply(ONE, &globs).expect(0);
    assert_eq!(ran.stdout, "");
    for glob in ["w?b", "[w]*"] {
        let warning = format!("warning: no network namespace matches {glob}\n");
        assert_eq!(ran.stderr.matches(&warning).count(), 1, "{}", ran.stderr);
    }
    // Also when another one matches; and with `--strict` nothing is done then.
    let ran = named.apply(ONE, &["--netns=d*", "--netns=web-*", "--strict"]).expect(78);
    assert!(ran.stderr.contains("error: no network namespace matches web-*\n"), "{}", ran.stderr);
    assert_eq!(named.endpoints_of("db"), [""; 0]);
    let ran = named.apply(ONE, &["--netns=d*", "--netns=web-*"]).expect(0);
    assert!(ran.stderr.contains("warning: no network namespace matches web-*\n"), "{}", ran.stderr);
    assert_eq!(named.endpoints_of("db").len(), 1);
    // Where `ip netns` was never used there is no folder.
    let ran = Named::new([]).apply(ONE, &["--netns=*"]).expect(0);
    assert!(ran.stderr.contains("no network namespace matches *"), "{}", ran.stderr);
}

/// Also of commands that name something there: where nothing is, nothing is wrong with a configuration.
#[test]
fn a_glob_that_matches_nothing_is_a_warning_to_every_command() {
    let named = Named::new(["db"]);
    for words in [
        &["renew", "lte"][..],
        &["connection", "1", "remove", "id", "5"],
        &["connection"],
        &["show"],
        &["doctor"],
        &["history"],
        &["init"],
    ] {
        let mut command = named.0.command(program_path());
        command.args(words).args(["--netns", "web-*"]);
        let ran = run(command, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{words:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("warning: no network namespace matches web-*\n"),
            "{words:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let named = Named::new(["a", "b"]);
    named.apply(ONE, &["--netns=b"]).expect(0);
    let ran = named.apply(ONE, &["--netns=*", "--dry-run", "--diff", "--detailed-exitcode"]).expect(2);
    let parts: Vec<&str> = ran.stdout.split("netns ").collect();
    assert_eq!(parts.len(), 3, "{}", ran.stdout);
    assert!(parts[1].starts_with("a\n--- current\n+++ desired\n"), "{}", ran.stdout);
    assert!(parts[1].contains("\n+  a:\n"), "{}", ran.stdout);
    assert!(parts[1].ends_with("\nplan: 1 to add, 0 to change, 0 to remove\n"), "{}", ran.stdout);
    assert_eq!(parts[2], "b\nno changes\n");
    assert_eq!(named.rows_of(["a", "b"]), ["", "10.0.0.1 id 1 signal"]);
}

#[test]
fn the_detailed_exit_code_tells_of_any_change() {
    let named = Named::new(["a", "b", "c"]);
    named.apply(ONE, &["--netns=a", "--detailed-exitcode"]).expect(2);
    named.apply(ONE, &["--netns=a", "--netns=b", "--detailed-exitcode"]).expect(2);
    named.apply(ONE, &["--netns=a", "--netns=b", "--detailed-exitcode"]).expect(0);
    // In the middle.
    named.apply(ONE, &["--netns=a", "--netns=c", "--netns=b", "--detailed-exitcode"]).expect(2);
}

#[test]
fn json_is_a_document_a_namespace() {
    let named = Named::new(["a", "b"]);
    named.apply(ONE, &["--netns=b"]).expect(0);
    let ran = named.apply(ONE, &["--netns=*", "--format=json", "--dry-run"]).expect(0);
    let documents = documents(&ran.stdout);
    let told: Vec<_> =
        documents.iter().map(|document| (words(document, "netns"), words(document, "result"))).collect();
    assert_eq!(told, [("a", "planned"), ("b", "unchanged")]);
    assert_eq!(documents[0]["steps"][0]["address"], "10.0.0.1");
    assert_eq!(documents[0]["before"]["endpoints"].as_array().map(Vec::len), Some(0));
    assert_eq!(documents[1]["before"]["endpoints"].as_array().map(Vec::len), Some(1));
}

/// `/proc/sys/net` shows each task its own namespace's.
#[test]
fn sysctls_are_those_of_the_namespace() {
    let named = Named::new(["a", "b"]);
    let timeout = |name: &str| {
        let ran = named.run_in(name, "cat /proc/sys/net/mptcp/add_addr_timeout");
        ran.trim().parse::<u32>().expect("a number")
    };
    let usual = timeout("a");
    named.apply("{version: 1, sysctls: {add_addr_timeout: 77}}", &["--netns=b"]).expect(0);
    let here = named.sh("cat /proc/sys/net/mptcp/add_addr_timeout");
    assert_eq!((timeout("a"), timeout("b"), here), (usual, 77, format!("{usual}\n")));
    let config = "{version: 1, sysctls: {add_addr_timeout: 78}}";
    let ran = named.apply(config, &["--netns=*"]).expect(0);
    let steps: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with('~')).collect();
    let from = |old| format!("~ sysctl add_addr_timeout {old} -> 78");
    assert_eq!(steps, [from(usual), from(77)]);
    assert_eq!((timeout("a"), timeout("b")), (78, 78));
}

/// A namespace in which MPTCP is off is told from one in which it is on.
#[test]
fn warnings_are_those_of_the_namespace() {
    let named = Named::new(["on", "off", "userspace"]);
    for name in ["on", "off", "userspace"] {
        named.ip(&format!("-n {name} link set lo up"));
        named.ip(&format!("-n {name} address add 10.0.0.1/32 dev lo"));
        named.ip(&format!("-n {name} address add 10.0.0.2/32 dev lo"));
    }
    named.apply(ONE, &["--netns=*"]).expect(0);
    named.run_in("off", "echo 0 >/proc/sys/net/mptcp/enabled");
    named.apply("{version: 1, sysctls: {pm_type: 1}}", &["--netns=userspace"]).expect(0);
    let codes = |config: &str| -> Vec<(String, String)> {
        let ran = named.apply(config, &["--netns=*", "--format=json"]).expect(0);
        let told = |document: &serde_json::Value| {
            let code = document["warnings"][0]["code"].as_str().unwrap_or_default();
            (words(document, "netns").to_owned(), code.to_owned())
        };
        documents(&ran.stdout).iter().map(told).collect()
    };
    let expected = |pairs: [(&str, &str); 3]| pairs.map(|(name, code)| (name.to_owned(), code.to_owned()));
    let changed = ONE.replace("10.0.0.1", "10.0.0.2");
    let all = expected([("off", "mptcp-disabled"), ("on", ""), ("userspace", "userspace-path-manager")]);
    assert_eq!(codes(&changed), all);
    // Which path manager is selected is asked for only where there is something to do.
    assert_eq!(codes(&changed), expected([("off", "mptcp-disabled"), ("on", ""), ("userspace", "")]));
    let ran = named.apply(ONE, &["--netns=off"]).expect(0);
    assert!(ran.stderr.starts_with("netns off\nwarning: net.mptcp.enabled is 0"), "{}", ran.stderr);
}

#[test]
fn interfaces_are_those_of_the_namespace() {
    let named = Named::new(["a", "b", "c"]);
    // So that eth0 has another index there.
    named.ip("-n b link add pad0 type veth peer name pad1");
    for name in ["a", "b"] {
        named.ip(&format!("-n {name} link add eth0 type veth peer name eth1"));
        named.ip(&format!("-n {name} link set eth0 up"));
        named.ip(&format!("-n {name} address add 10.0.0.1/24 dev eth0"));
    }
    let index = |name: &str| named.run_in(name, "cat /proc/net/dev_snmp6/eth0 | grep ifIndex");
    assert_ne!(index("a"), index("b"));
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, id: 1, dev: eth0, flags: [signal]}}}";
    let ran = named.apply(config, &["--netns=*"]).expect(0);
    let row = "10.0.0.1 id 1 signal dev eth0";
    assert_eq!(named.rows_of(["a", "b", "c"]), [row, row, ""]);
    assert!(ran.stderr.starts_with("netns c\nwarning: endpoint `a` waits"), "{}", ran.stderr);
    let ran = named.apply(config, &["--netns=*"]).expect(0);
    assert_eq!(ran.stdout.matches("no changes").count(), 3, "{}", ran.stdout);
}

/// What was added in one namespace may be removed there alone.
#[test]
fn records_of_own_endpoints_are_those_of_the_namespace() {
    let named = Named::new(["own", "foreign"]);
    named.apply(ONE, &["--netns=own"]).expect(0);
    named.ip("-n foreign mptcp endpoint add 10.0.0.1 id 1 signal");
    named.apply("{version: 1, prune: false, endpoints: {}}", &["--netns=*"]).expect(0);
    assert_eq!(named.rows_of(["own", "foreign"]), ["", "10.0.0.1 id 1 signal"]);
}
