//! `prune: false` and implicit endpoints.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::{Namespace, program_path, run};

use super::strace;

#[test]
fn without_prune_only_own_endpoints_are_removed() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9 signal");
    let config = "\
version: 1
prune: false
endpoints:
  a: {address: 10.0.0.1, id: 1, flags: [subflow]}
  b: {address: 10.0.0.2, id: 2, flags: [subflow]}
";
    namespace.apply(config, &[]).expect(0);
    assert_eq!(
        namespace.endpoints(),
        ["10.0.0.1 id 1 subflow", "10.0.0.2 id 2 subflow", "10.9.9.9 id 9 signal"]
    );
    // What is declared no longer goes if this program made it, and stays if not.
    let less = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, id: 1, flags: [subflow]}}}";
    let ran = namespace.apply(less, &[]).expect(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow", "10.9.9.9 id 9 signal"]);
    // What the user removed by hand and added again is the user's.
    namespace.ip("mptcp endpoint delete id 1");
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    namespace.ip("mptcp endpoint add 10.0.0.1 id 1 subflow");
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow", "10.9.9.9 id 9 signal"]);
    // With prune everything that is not declared goes.
    namespace.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), [""; 0]);
}

#[test]
fn endpoints_of_a_pruning_run_are_own_ones_too() {
    let namespace = Namespace::new();
    namespace.apply("{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}", &[]).expect(0);
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), [""; 0]);
}

#[test]
fn an_id_that_a_foreign_endpoint_holds_is_a_conflict() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 1 signal");
    let config = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, id: 1, flags: [subflow]}}}";
    let ran = namespace.apply(config, &[]).expect(1);
    assert!(
        ran.stderr.contains("the id is held by 10.9.9.9 id 1 signal, which `prune: false` leaves alone"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("<stdin>:1:67"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["10.9.9.9 id 1 signal"]);
}

/// A run that failed has made nothing, whatever it had planned.
#[test]
fn a_failed_run_claims_nothing() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 1 subflow");
    let config = "\
version: 1
prune: false
endpoints:
  a: {address: 10.0.0.1, id: 5, flags: [subflow]}
  b: {address: 203.0.113.9, port: 8443, flags: [signal]}
";
    namespace.apply(config, &[]).expect(1);
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
}

/// The kernel gives a namespace's number to the next one; what is recorded there need not be this one's.
#[test]
fn an_endpoint_with_another_id_is_not_the_recorded_one() {
    let namespace = Namespace::new();
    namespace
        .apply("{version: 1, endpoints: {a: {address: 10.0.0.1, id: 3, flags: [subflow]}}}", &[])
        .expect(0);
    namespace.ip("mptcp endpoint delete id 3");
    namespace.ip("mptcp endpoint add 10.0.0.1 id 5 subflow");
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 5 subflow"]);
}

/// A table that was lost, as by a flush, takes its record with it: what another program adds there later is theirs, down to
/// the id.
#[test]
fn a_lost_table_is_forgotten() {
    let namespace = Namespace::new();
    let one = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, id: 1, flags: [subflow]}}}";
    let two = one.replace("}}}", "}, b: {address: 10.0.0.2, id: 2, flags: [subflow]}}}");
    namespace.apply(&two, &[]).expect(0);
    namespace.ip("mptcp endpoint flush");
    namespace.apply(one, &[]).expect(0);
    namespace.ip("mptcp endpoint add 10.0.0.2 id 2 subflow");
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.2 id 2 subflow"]);
}

/// A record that was made in a namespace that is gone, found by one that has its number now.
#[test]
fn the_record_of_another_namespace_claims_nothing() {
    let (gone, namespace) = (Namespace::new(), Namespace::new());
    let config = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}, b: {address: 10.0.0.2, id: 7, flags: [subflow]}}}";
    for namespace in [&gone, &namespace] {
        namespace.apply(config, &[]).expect(0);
    }
    let record = |namespace: &Namespace| namespace.lock_file().with_extension("owned");
    std::fs::copy(record(&gone), record(&namespace)).expect("copied");
    namespace.ip("mptcp endpoint flush");
    for row in ["10.0.0.1 id 3 subflow", "10.0.0.2 id 4 subflow", "10.0.0.3 id 7 subflow"] {
        namespace.ip(&format!("mptcp endpoint add {row}"));
    }
    let foreign = namespace.endpoints();
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), foreign);
}

/// The kernel gives the inode of a namespace that is gone to the next one.
#[test]
fn a_namespace_with_the_inode_of_another_is_another() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let apply = |namespace: &Namespace, config| {
        let mut command = namespace.command(program_path());
        command.arg("-").env("RUNTIME_DIRECTORY", folder.path());
        run(command, config).expect(0);
    };
    let inode = |namespace: &Namespace| {
        std::fs::metadata(format!("/proc/{}/ns/net", namespace.pid())).expect("a namespace").ino()
    };
    // Other tests make namespaces too, and take some of the numbers that become free.
    let mut gone = BTreeSet::new();
    let next = (0..1000).find_map(|_| {
        let one = Namespace::new();
        if gone.contains(&inode(&one)) {
            return Some(one);
        }
        apply(&one, "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}");
        gone.insert(inode(&one));
        None
    });
    let next = next.expect("no inode was given twice");
    next.ip("mptcp endpoint add 10.0.0.1 subflow");
    apply(&next, "{version: 1, prune: false, endpoints: {}}");
    assert_eq!(next.endpoints(), ["10.0.0.1 id 1 subflow"]);
}

/// Another program's row that stood in the way and was put back is still theirs.
#[test]
fn what_was_put_back_is_not_claimed() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 1 subflow");
    let config = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, id: 5, flags: [subflow]}, b: {address: 10.0.0.2, flags: [subflow]}}}";
    // The second addition, behind the family, the state, links, addresses, the comparison, the removal and the first
    // addition.
    let traced = strace::apply(&namespace, &["sendto:error=EPERM:when=8"], config);
    let ran = traced.ran.expect(77);
    assert!(ran.stderr.contains("everything was put back as it was"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
    namespace.apply("{version: 1, prune: false, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
}

/// In a folder that others can write to, they could lay links in the way of what root writes there.
#[test]
fn an_open_runtime_folder_is_not_used() {
    let namespace = Namespace::new();
    let folder = namespace.runtime();
    std::fs::create_dir(&folder).expect("made");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("opened");
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stderr.contains("the folder is not this user's alone"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
}
