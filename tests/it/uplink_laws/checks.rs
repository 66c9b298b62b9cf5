//! What follows from checks of uplinks: routes that stand in for those that are down.

use mptcp_apply::model::{State, UplinkHealth};

use super::*;

const TWO: &str = "{fibre: {dev: eth0, check: gateway}, lte: {dev: eth1, check: gateway}}";

/// Two uplinks, of which the first has the better default route, with this health each.
fn host(fibre: UplinkHealth, lte: UplinkHealth) -> Host {
    let mut host = Host::new();
    host.remove("2001:db8::10");
    host.route(0, "192.0.2.1", 100);
    host.route(1, "10.1.1.254", 200);
    host.health.extend([(0, fibre), (1, lte)]);
    host
}

/// The state where both are up.
fn settled() -> State {
    applied(TWO, &mut host(UplinkHealth::Up, UplinkHealth::Up))
}

const STAND_IN: &str = "route default via 10.1.1.254 dev eth1 table main metric 99";

#[test]
fn another_uplink_stands_in_for_one_that_is_down() {
    let mut down = host(UplinkHealth::Down, UplinkHealth::Up);
    let expected = format!(
        "+ {STAND_IN}   lte, stands in for an uplink that is down\nplan: 1 to add, 0 to change, 0 to remove\n"
    );
    assert_eq!(planned(TWO, &settled(), &mut down), expected);
    let with = applied(TWO, &mut down);
    assert_eq!(planned(TWO, &with, &mut down), "no changes\n");
    let gone = |why: &str| format!("- {STAND_IN}   lte, {why}\nplan: 0 to add, 0 to change, 1 to remove\n");
    let mut up = host(UplinkHealth::Up, UplinkHealth::Up);
    assert_eq!(planned(TWO, &with, &mut up), gone("the uplink is up again"));
    // Where all are down, nothing is known to be better than what other programs have set.
    let mut none = host(UplinkHealth::Down, UplinkHealth::Down);
    assert_eq!(planned(TWO, &with, &mut none), gone("no uplink is up"));
    assert_eq!(planned(TWO, &settled(), &mut none), "no changes\n");
    let unchecked = planned("{fibre: {dev: eth0}, lte: {dev: eth1}}", &with, &mut up);
    assert_eq!(unchecked, gone("not declared"));
    assert!(planned("{}", &with, &mut up).contains(&format!("- {STAND_IN}   not declared\n")));
}

/// It moves from one uplink to another, and no router has changed.
#[test]
fn a_stand_in_that_moves_has_its_own_reason() {
    let three = "{one: {dev: eth3}, fibre: {dev: eth0, check: gateway}, lte: {dev: eth1, check: gateway}}";
    let mut host = host(UplinkHealth::Down, UplinkHealth::Up);
    let with = applied(three, &mut host);
    host.assign(3, "198.51.100.3", AddressState::Settled);
    host.route(3, "198.51.100.1", 300);
    let plan = planned(three, &with, &mut host);
    let moved = "~ route default via 10.1.1.254 -> via 198.51.100.1 dev eth3 table main   one, \
                 stands in for an uplink that is down\n";
    assert!(plan.contains(moved), "{plan}");
    // Another router of the same uplink is one.
    host.unroute(3);
    host.route(1, "10.1.1.253", 200);
    let plan = planned(three, &with, &mut host);
    assert!(plan.contains("dev eth1 table main   lte, the router changed\n"), "{plan}");
}

/// The order of declaration decides, not that of metrics, and an uplink without a check is taken for up.
#[test]
fn the_first_declared_uplink_that_is_up_stands_in() {
    let mut host = host(UplinkHealth::Down, UplinkHealth::Up);
    host.route(2, "fe80::1", 1024);
    host.assign(3, "198.51.100.3", AddressState::Settled);
    host.route(3, "198.51.100.1", 300);
    let order = "{dsl: {dev: eth3}, fibre: {dev: eth0, check: gateway}, lte: {dev: eth1, check: gateway}}";
    let plan = planned(order, &unmanaged(), &mut host);
    assert!(
        plan.contains("+ route default via 198.51.100.1 dev eth3 table main metric 99   dsl, "),
        "{plan}"
    );
    // The other family has a way of its own.
    host.assign(0, "2001:db8::10", AddressState::Settled);
    host.route(0, "fe80::2", 1024);
    let both = "{fibre: {dev: eth0, check: gateway}, six: {dev: eth2}, lte: {dev: eth1, check: gateway}}";
    let plan = planned(both, &unmanaged(), &mut host);
    assert!(plan.contains(&format!("+ {STAND_IN}   lte, ")), "{plan}");
    assert!(plan.contains("+ route default via fe80::1 dev eth2 table main metric 1023   six, "), "{plan}");
}

#[test]
fn what_a_watch_found_out_stays_until_one_knows_better() {
    let with = applied(TWO, &mut host(UplinkHealth::Down, UplinkHealth::Up));
    for health in [UplinkHealth::Unwatched, UplinkHealth::Undecided] {
        let mut host = host(health.clone(), health.clone());
        for state in [&with, &settled()] {
            let plan = planned(TWO, state, &mut host);
            assert!(plan.starts_with("no changes\n"), "{plan}");
            let warned = plan.matches("check-needs-watch: ").count();
            assert_eq!(warned, if health == UplinkHealth::Unwatched { 2 } else { 0 }, "{plan}");
        }
    }
}

#[test]
fn what_cannot_be_done_is_a_warning() {
    let mut host = host(UplinkHealth::Down, UplinkHealth::NotRun("no ping".to_owned()));
    host.route(0, "192.0.2.1", 0);
    let expected = "no changes\n\
        metric-zero: uplink `fibre` is down, and new connections still leave by it: its default route has the metric 0\n\
        check-not-run: uplink `lte` counts as up, since it cannot be checked: no ping\n";
    let mut plan: Vec<String> = planned(TWO, &settled(), &mut host).lines().map(str::to_owned).collect();
    let mut expected: Vec<String> = expected.lines().map(str::to_owned).collect();
    plan.sort();
    expected.sort();
    assert_eq!(plan, expected);
    // An uplink without a default route in main starts no connections.
    host.unroute(0);
    let plan = planned(
        "{fibre: {dev: eth0, gateway: 192.0.2.1, check: gateway}, lte: {dev: eth1}}",
        &unmanaged(),
        &mut host,
    );
    assert!(!plan.contains("table main"), "{plan}");
}
