//! `mptcp-apply.service`: once, at boot.

use crate::support::wait_for;

use super::CONFIG;
use super::machine::{Machine, enable, write};

#[test]
fn files_are_applied_at_boot() {
    let machine = Machine::boot(|root| {
        enable(root, "mptcp-apply.service");
        let config = "\
version: 1
limits: {subflows: 5}
sysctls: {stale_loss_cnt: 7}
endpoints:
  port: {address: 127.0.0.8, port: 443, flags: [signal]}
  late: {dev: new0, flags: [subflow, fullmesh]}
";
        write(root, CONFIG, config);
    });
    // What comes late is waited for.
    wait_for("the program", || machine.journal().contains("waiting"));
    assert_eq!(machine.endpoints(), [""; 0]);
    machine.link("new0", &["192.0.2.7"]);
    machine.is_up();
    assert_eq!(machine.property("mptcp-apply", "ActiveState"), "active");
    assert_eq!(
        machine.endpoints(),
        ["127.0.0.8 port 443 id 1 signal", "192.0.2.7 id 2 subflow fullmesh dev new0"]
    );
    assert_eq!(machine.ip("mptcp limits show").trim(), "add_addr_accepted 0 subflows 5");
    assert_eq!(machine.sysctl("mptcp/stale_loss_cnt"), "7");
}

#[test]
fn the_record_outlives_the_unit_and_is_that_of_runs_by_hand() {
    let machine = Machine::new();
    machine.ip("mptcp endpoint add 10.9.9.9 id 9 signal");
    let declare = |endpoints: &str| {
        machine.write(CONFIG, &format!("{{version: 1, prune: false, endpoints: {{{endpoints}}}}}"));
    };
    declare("a: {address: 10.0.0.1, id: 1, flags: [signal]}, b: {address: 10.0.0.2, id: 2, flags: [signal]}");
    machine.does("start mptcp-apply");
    assert_eq!(machine.endpoints().len(), 3);
    // Endpoints stay when it stops, and are known when it starts again, or is told to look again.
    machine.does("stop mptcp-apply");
    assert_eq!(machine.endpoints().len(), 3);
    declare("b: {address: 10.0.0.2, id: 2, flags: [signal]}, c: {address: 10.0.0.3, id: 3, flags: [signal]}");
    machine.does("start mptcp-apply");
    assert_eq!(machine.endpoints(), ["10.0.0.2 id 2 signal", "10.0.0.3 id 3 signal", "10.9.9.9 id 9 signal"]);
    declare("c: {address: 10.0.0.3, id: 3, flags: [signal]}");
    machine.does("reload mptcp-apply");
    assert_eq!(machine.endpoints(), ["10.0.0.3 id 3 signal", "10.9.9.9 id 9 signal"]);
    declare("");
    machine.by_hand(&[]).expect(0);
    assert_eq!(machine.endpoints(), ["10.9.9.9 id 9 signal"]);
    assert_eq!(machine.journal().matches("warning").count(), 0, "{}", machine.journal());
}

/// The files cannot be wrong unnoticed, and what was there stays.
#[test]
fn a_wrong_file_fails_the_unit() {
    let machine = Machine::new();
    machine.write(CONFIG, "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}");
    machine.does("start mptcp-apply");
    machine.write(CONFIG, "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [sublow]}}}");
    let ran = machine.systemctl("restart mptcp-apply");
    assert_ne!(ran.code, 0);
    assert_eq!(machine.property("mptcp-apply", "ExecMainStatus"), "78");
    assert!(machine.journal().contains("did you mean `subflow`?"), "{}", machine.journal());
    assert_eq!(machine.endpoints(), ["10.0.0.1 id 1 subflow"]);
}

#[test]
fn the_unit_may_make_rules_and_routes() {
    let machine = Machine::new();
    let config = "{version: 1, uplinks: {a: {dev: eth0, gateway: none}}}";
    machine.write(CONFIG, config);
    machine.does("start mptcp-apply");
    let rules = machine.ip("rule");
    for address in ["10.0.0.1", "10.0.0.4"] {
        assert!(rules.contains(&format!("8685:\tfrom {address} lookup 8684")), "{rules}");
    }
    assert!(machine.ip("route show table all proto 109").starts_with("default dev eth0 table 8684"));
}
