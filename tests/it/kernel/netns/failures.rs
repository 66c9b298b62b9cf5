//! What goes wrong in one namespace is none of the others' business.

use std::fs::File;

use crate::support::{Ran, program_path, run};

use super::{Named, ONE, documents, words};

const ROW: &str = "10.0.0.1 id 1 signal";

#[test]
fn a_name_that_does_not_exist_is_told_with_a_remedy() {
    let named = Named::new(["a", "b"]);
    let ran = named.apply(ONE, &["--netns=a", "--netns=nope", "--netns=b"]).expect(1);
    assert_eq!(ran.stdout.matches("applied: 1 added").count(), 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("error: there is no network namespace nope\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`ip netns add` makes one"), "{}", ran.stderr);
    assert_eq!(named.rows_of(["a", "b"]), [ROW, ROW]);
    let ran = named.apply(ONE, &["--netns=nope", "--netns=a", "--format=json"]).expect(1);
    let documents = documents(&ran.stdout);
    let of = |index: usize| (&documents[index]["netns"], documents[index]["error"].is_null());
    assert_eq!((of(0), of(1)), ((&"nope".into(), false), (&"a".into(), true)), "{}", ran.stdout);
}

/// A path could lead to any file.
#[test]
fn paths_and_broken_globs_are_usage_errors() {
    let named = Named::new(["a"]);
    named.sh(">/run/x && mount --bind /run/netns/a /run/x");
    for name in ["../x", "..", ".", "", "/run/netns/a", "a/", "./a", "../*", "[", "a[b"] {
        let ran = named.apply(ONE, &["--netns", name, "--netns=a"]).expect(64);
        assert!(ran.stderr.contains("--netns <NAME>"), "{}", ran.stderr);
    }
    assert_eq!(named.endpoints_of("a"), [""; 0]);
}

/// An empty file, as `ip netns` leaves it where mounts are lost; a namespace of another kind; and a pipe, which no process
/// ever opens at the other end.
#[test]
fn what_is_no_network_namespace_is_told_with_a_remedy() {
    let named = Named::new(["a", "z"]);
    named.sh(">/run/netns/file && >/run/netns/uts && mount --bind /proc/self/ns/uts /run/netns/uts");
    named.sh("mkfifo /run/netns/pipe");
    let mut command = named.command("timeout");
    command.args(["20", program_path(), "--netns=*", "-"]);
    let ran = run(command, ONE).expect(1);
    for name in ["file", "uts", "pipe"] {
        let error = format!("netns {name}\nerror: cannot enter network namespace {name}: Invalid argument");
        assert!(ran.stderr.contains(&error), "{}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches("`ip netns delete` removes the file").count(), 3, "{}", ran.stderr);
    assert_eq!(named.rows_of(["a", "z"]), [ROW, ROW]);
}

#[test]
fn a_lock_is_that_of_the_namespace() {
    let named = Named::new(["a", "b", "c"]);
    named.apply(ONE, &["--netns=b"]).expect(0);
    let other = File::open(named.lock_file()).expect("a lock file");
    other.try_lock().expect("it is free");
    let changed = ONE.replace("10.0.0.1", "10.0.0.2");
    let ran = named.apply(&changed, &["--netns=*", "--format=json"]).expect(75);
    let done = documents(&ran.stdout);
    assert_eq!(done.iter().map(|document| words(document, "netns")).collect::<Vec<_>>(), ["a", "b", "c"]);
    let held = &done[1];
    assert_eq!((words(held, "result"), &held["before"]), ("unchanged", &serde_json::Value::Null));
    assert!(words(&held["error"], "message").starts_with("another run"), "{held:#}");
    assert!(ran.stderr.starts_with("netns b\nerror: another run of mptcp-apply"), "{}", ran.stderr);
    let new = "10.0.0.2 id 1 signal";
    assert_eq!(named.rows_of(["a", "b", "c"]), [new, ROW, new]);
    // Among a failure it is not the worst.
    named.apply(&changed, &["--netns=*", "--netns=nope"]).expect(1);
}

/// The kernel listens only on an address that is there.
#[test]
fn a_refusal_is_undone_where_it_happened() {
    let named = Named::new(["a", "b", "c"]);
    // Where nothing was ever up there are no routes that would tell whose addresses are whose.
    named.ip("-n b link set lo up");
    named.ip("-n b address add 10.0.0.1/32 dev lo");
    for name in ["a", "c"] {
        named.ip(&format!("-n {name} link set lo up"));
        named.ip(&format!("-n {name} address add 10.7.0.1/32 dev lo"));
        named.ip(&format!("-n {name} address add 10.0.0.1/32 dev lo"));
    }
    let config = "\
version: 1
endpoints:
  first: {address: 10.0.0.1, id: 1, flags: [signal]}
  port: {address: 10.7.0.1, port: 8443, id: 2, flags: [signal]}
";
    let ran = named.apply(config, &["--netns=*", "--format=json", "--detailed-exitcode"]).expect(1);
    let done = documents(&ran.stdout);
    let told: Vec<_> =
        done.iter().map(|document| (words(document, "netns"), words(document, "result"))).collect();
    assert_eq!(told, [("a", "applied"), ("b", "rolled-back"), ("c", "applied")]);
    assert_eq!(done[1]["error"]["errno"], "EADDRNOTAVAIL");
    assert!(ran.stderr.starts_with("netns b\nwarning: endpoint `port` needs 10.7.0.1"), "{}", ran.stderr);
    let rows = "10.0.0.1 id 1 signal, 10.7.0.1 port 8443 id 2 signal";
    assert_eq!(named.rows_of(["a", "b", "c"]), [rows, "", rows]);
    // Several blocks of diagnostics are told apart.
    named.ip("-n c address delete 10.7.0.1/32 dev lo");
    named.ip("-n c mptcp endpoint delete id 2");
    let ran = named.apply(config, &["--netns=*"]).expect(1);
    assert!(
        ran.stderr.contains("put back as it was\n\nnetns c\nwarning: endpoint `port` needs 10.7.0.1"),
        "{}",
        ran.stderr
    );
}

/// A run as root that lacks only what it takes to enter namespaces.
#[track_caller]
fn without_sys_admin(named: &Named, options: &[&str]) -> Ran {
    let mut command = named.command("setpriv");
    command.args(["--bounding-set=-sys_admin", "timeout", "20", program_path()]).args(options);
    run(command, "")
}

#[test]
fn who_may_not_enter_is_told_what_it_takes() {
    let named = Named::new(["a", "b"]);
    let file = named.folder.path().join("one.yaml");
    std::fs::write(&file, ONE).expect("written");
    let file = file.to_str().expect("UTF-8");
    for options in
        [vec!["--netns=*", file], vec!["--netns=*", "-n", file], vec!["--netns=*", "--watch", file]]
    {
        let ran = without_sys_admin(&named, &options).expect(77);
        assert_eq!(ran.stdout, "");
        for name in ["a", "b"] {
            let error = format!("netns {name}\nerror: cannot enter network namespace {name}: ");
            assert!(ran.stderr.contains(&error), "{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("go back"), "{}", ran.stderr);
        assert_eq!(
            ran.stderr.matches("help: run it as root, or with CAP_SYS_ADMIN").count(),
            2,
            "{}",
            ran.stderr
        );
    }
    assert_eq!(named.rows_of(["a", "b"]), ["", ""]);
}
