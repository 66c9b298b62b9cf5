//! A rehearsal's copy of a host has the ways out of its uplinks, so that it plans what the host would.

use serde_json::Value;

use crate::support::{Namespace, Ran};

/// A host with a way out of each kind.
fn host() -> Namespace {
    let namespace = Namespace::new();
    namespace.sh(
        "echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad",
    );
    namespace.links(&[
        ("fibre0", "f1"),
        ("dsl0", "d1"),
        ("cloud0", "c1"),
        ("wwan0", "w1"),
        ("ppp0", "p1"),
        ("lan0", "l1"),
        ("down0", "o1"),
    ]);
    namespace.ip_batch(
        "link set wwan0 arp off
link set ppp0 arp off
address add 192.0.2.1/24 dev fibre0
address add 192.0.2.2/24 dev fibre0
address add 2001:db8:1::1/64 dev fibre0
address add 198.51.100.1/24 dev dsl0
address add 2001:db8:2::1/64 dev dsl0
address add 203.0.113.7/32 dev cloud0
address add 10.64.64.23/32 dev wwan0
address add 10.0.0.1 peer 10.64.64.1 dev ppp0
address add 192.168.1.1/24 dev lan0
link set down0 down
route add default via 192.0.2.254 dev fibre0 metric 100
route add default via 192.0.2.253 dev fibre0 metric 200
route add default via fe80::1 dev fibre0 metric 100
route add default metric 50 nexthop via 198.51.100.254 dev dsl0 nexthop via 192.0.2.252 dev fibre0
route add default via 2001:db8:2::fe dev dsl0
route add 172.31.1.1 dev cloud0 scope link
route add default via 172.31.1.1 dev cloud0 metric 300
route add default via 10.64.64.1 dev ppp0 metric 400
route add default via 192.168.1.254 dev lan0 table 100
",
    );
    namespace
}

const CONFIG: &str = "{version: 1, uplinks: {fibre: {dev: fibre0}, dsl: {dev: dsl0}, cloud: {dev: cloud0}, lte: {dev: 'wwan*'}, \
    ppp: {dev: ppp0}, lan: {dev: lan0}, down: {dev: down0}, gone: {dev: gone0}}}";

/// What was planned, step by step, and what for.
fn document(ran: Ran) -> Value {
    let mut document: Value = serde_json::from_str(&ran.expect(0).stdout).expect("one JSON document");
    // Whether a step was carried out.
    for step in document["steps"].as_array_mut().expect("steps") {
        step.as_object_mut().expect("a step").remove("result");
    }
    document
}

#[test]
fn a_rehearsal_plans_what_the_host_would() {
    let namespace = host();
    let show = || {
        namespace
            .sh("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip -o address")
    };
    let before = show();
    let options = |more| ["--format", "json", more];
    let planned = document(namespace.apply(CONFIG, &options("--dry-run")));
    let rehearsed = document(namespace.apply(CONFIG, &options("--rehearse")));
    assert_eq!(rehearsed["steps"], planned["steps"]);
    assert_eq!(rehearsed["before"]["uplinks"], planned["before"]["uplinks"]);
    // Seven addresses have a router, or need none.
    let rules = planned["steps"].as_array().expect("steps").iter().filter(|step| step["op"] == "add-rule");
    assert_eq!(rules.count(), 2 * 8, "{planned:#}");
    assert_eq!(show(), before);
    // What the host has by then is copied too.
    namespace.apply(CONFIG, &["-q"]).expect(0);
    let [planned, rehearsed] =
        ["--dry-run", "--rehearse"].map(|mode| document(namespace.apply(CONFIG, &options(mode))));
    assert_eq!(rehearsed["before"]["uplinks"], planned["before"]["uplinks"]);
    assert_eq!((&planned["steps"], &rehearsed["steps"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    // And taken away, odd ones included.
    namespace.ip("rule add from 192.0.2.9 to 10.2.0.0/16 lookup 868400002 pref 77 protocol 109");
    namespace.ip("route add blackhole 10.3.0.0/16 table 868400002 proto 109");
    let none = "{version: 1, uplinks: {}}";
    let [planned, rehearsed] =
        ["--dry-run", "--rehearse"].map(|mode| document(namespace.apply(none, &options(mode))));
    assert_eq!(rehearsed["steps"], planned["steps"]);
    assert!(planned["steps"].as_array().is_some_and(|steps| steps.len() > 18), "{planned:#}");
}

/// The router of an interface that only the configuration names is made up like that.
#[test]
fn declared_routers_are_on_links_that_the_rehearsal_makes() {
    let namespace = Namespace::new();
    let config = "{version: 1, uplinks: {a: {dev: new0, gateway: [192.0.2.254, '2001:db8::fe']}}, endpoints: \
        {a: {address: 192.0.2.1, dev: new0, flags: [subflow]}, b: {address: '2001:db8::1', dev: new0, flags: [subflow]}}}";
    let ran = namespace.apply(config, &["--rehearse"]).expect(0);
    for router in ["192.0.2.254", "2001:db8::fe"] {
        assert!(ran.stdout.contains(&format!("+ route default via {router} dev new0")), "{}", ran.stdout);
    }
}
