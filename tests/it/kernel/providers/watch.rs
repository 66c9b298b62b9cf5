//! Uplinks that change under a watch are right within a second.

use serde_json::Value;

use super::*;
use crate::kernel::links::subflows;
use crate::peer::Peer;
use crate::support::wait_for;

const UPLINKS: &str = "{one: {dev: c1}, two: {dev: c2}}";

const ENDPOINT: &str = "10.1.2.1 id 1 subflow dev c2";

/// Two providers, an endpoint on the second one, and these uplinks.
#[track_caller]
fn start(uplinks: &str) -> (Providers, Watcher) {
    let providers = Providers::new(2);
    providers.default_routes(1..=2);
    let (watcher, _) = Watcher::of(
        &providers.host,
        &format!(
            "version: 1\nuplinks: {uplinks}\n\
             endpoints: {{second: {{address: 10.1.2.1, id: 1, dev: c2, flags: [subflow]}}}}\n"
        ),
    );
    assert_eq!(providers.ways(), both_ways([1, 2]));
    watcher.wait_until_idle();
    (providers, watcher)
}

/// What the runs after the first ones did.
fn operations(watcher: &Watcher, first: usize) -> Vec<String> {
    let steps = |run: Value| run["steps"].as_array().expect("steps").clone();
    let later = watcher.runs().into_iter().skip(first).flat_map(steps);
    later.map(|step| step["op"].as_str().expect("an operation").to_owned()).collect()
}

/// One that is replaced in place, for either family.
#[test]
fn a_new_router_is_followed() {
    let (providers, watcher) = start(UPLINKS);
    let first = watcher.count();
    providers.host.ip("route replace default via 10.1.2.7 dev c2 metric 200");
    let is_new = |ways: &BTreeMap<String, String>| ways["10.1.2.1"] == "via 10.1.2.7 dev c2";
    within_a_second("the new router", &providers.host, &watcher, is_new);
    providers.host.ip("-6 route replace default via 2001:db8:12::7 dev c2 metric 200");
    let is_new = |ways: &BTreeMap<String, String>| ways["2001:db8:12::1"] == "via 2001:db8:12::7 dev c2";
    within_a_second("the new router", &providers.host, &watcher, is_new);
    // As a DHCP client may do it: the new one is there before the old one goes.
    providers.host.ip("route add default via 10.1.1.7 dev c1 metric 50");
    let is_new = |ways: &BTreeMap<String, String>| ways["10.1.1.1"] == "via 10.1.1.7 dev c1";
    within_a_second("the new router", &providers.host, &watcher, is_new);
    providers.host.ip("route delete default via 10.1.1.254 dev c1 metric 100");
    assert_eq!(providers.host.endpoints(), [ENDPOINT]);
    watcher.wait_for_runs(first + 3);
    assert_eq!(operations(&watcher, first), ["set-route"; 3]);
    watcher.stop();
}

/// Without a default route there is no way out; the other family's and the other uplink's stay, and so do endpoints.
#[test]
fn a_default_route_may_go_and_come_back() {
    let (providers, watcher) = start(UPLINKS);
    let mut without = both_ways([1, 2]);
    without.remove("10.1.2.1");
    for _ in 0..3 {
        providers.host.ip("route delete default dev c2");
        within_a_second("no way", &providers.host, &watcher, |ways| *ways == without);
        assert_eq!(providers.host.endpoints(), [ENDPOINT]);
        providers.host.ip("route add default via 10.1.2.254 dev c2 metric 200");
        within_a_second("the way back", &providers.host, &watcher, |ways| *ways == both_ways([1, 2]));
    }
    watcher.stop();
}

/// The kernel removes the routes with the link, those of uplinks too, and the IPv6 addresses.
#[test]
fn a_link_may_go_down_and_up() {
    // The first one knows its routers without the main table.
    let (providers, watcher) =
        start("{one: {dev: c1, gateway: [10.1.1.254, '2001:db8:11::fe']}, two: {dev: c2}}");
    let host = &providers.host;
    for _ in 0..3 {
        host.ip("link set c1 down");
        within_a_second("the first one down", host, &watcher, |ways| *ways == both_ways([2]));
        host.ip_batch("link set c1 up\naddress add 2001:db8:11::1/64 dev c1 nodad\n");
        within_a_second("the first one up", host, &watcher, |ways| *ways == both_ways([1, 2]));

        host.ip("link set c2 down");
        within_a_second("the second one down", host, &watcher, |ways| *ways == both_ways([1]));
        host.ip_batch("link set c2 up\naddress add 2001:db8:12::1/64 dev c2 nodad\n");
        providers.default_routes(2..=2);
        within_a_second("the second one up", host, &watcher, |ways| *ways == both_ways([1, 2]));
    }
    // Behind the rules the endpoint is added again, as it came too early for the address.
    wait_for("the endpoint", || host.endpoints() == [ENDPOINT]);
    watcher.stop();
}

#[test]
fn an_interface_may_be_made_again() {
    let (providers, watcher) = start(UPLINKS);
    let host = &providers.host;
    host.ip("link delete c2");
    within_a_second("the first one alone", host, &watcher, |ways| *ways == both_ways([1]));
    assert!(!host.ip("rule").contains("10.1.2.1"), "a rule stayed");
    host.ip_batch(
        "link add c2 type veth peer name d2\nlink set c2 up\nlink set d2 up\naddress add 10.1.2.1/24 dev c2\n\
         address add 2001:db8:12::1/64 dev c2 nodad\n",
    );
    providers.default_routes(2..=2);
    within_a_second("both", host, &watcher, |ways| *ways == both_ways([1, 2]));
    watcher.stop();
}

#[test]
fn an_address_may_move_to_another_uplink() {
    let (providers, watcher) = start(UPLINKS);
    let host = &providers.host;
    let mut moved = both_ways([1, 2]);
    for (from, to) in [("c2", "c1"), ("c1", "c2")] {
        host.ip_batch(&format!("address delete 10.1.2.1/24 dev {from}\naddress add 10.1.2.1/24 dev {to}\n"));
        // With the last address of the network its default route goes.
        providers.host.ip(&format!("route replace default via 10.1.2.254 dev {to} metric 200"));
        let router = if to == "c1" { "via 10.1.1.254 dev c1" } else { "via 10.1.2.254 dev c2" };
        moved.insert("10.1.2.1".to_owned(), router.to_owned());
        within_a_second(to, host, &watcher, |ways| *ways == moved);
    }
    watcher.stop();
}

/// Each is put back, and logged.
#[test]
fn what_others_delete_comes_back() {
    let (providers, watcher) = start(UPLINKS);
    let host = &providers.host;
    let table = host.ip("-4 rule");
    let table = table.lines().find_map(|line| line.strip_prefix("8685:\tfrom 10.1.2.1 lookup "));
    let table = table.and_then(|rest| rest.split(' ').next()).expect("the table of c2").to_owned();
    let to_main = "lookup main suppress_prefixlength 0";
    for (deletion, logged) in [
        (
            format!("rule delete from 10.1.2.1 {to_main} proto 109"),
            format!("another program removed the rule from 10.1.2.1 {to_main}"),
        ),
        (
            format!("rule delete from 10.1.2.1 lookup {table} proto 109"),
            format!("another program removed the rule from 10.1.2.1 lookup {table}"),
        ),
        (
            format!("-6 rule delete from 2001:db8:12::1 lookup {table} proto 109"),
            format!("another program removed the rule from 2001:db8:12::1 lookup {table}"),
        ),
        (
            format!("route delete default table {table}"),
            format!("the route default via 10.1.2.254 dev c2 table {table} was removed"),
        ),
        (
            format!("-6 route flush table {table}"),
            format!("the route default via 2001:db8:12::fe dev c2 table {table} was removed"),
        ),
    ] {
        host.ip(&deletion);
        let is_back = |ways: &BTreeMap<String, String>| *ways == both_ways([1, 2]);
        within_a_second(&deletion, host, &watcher, is_back);
        watcher.wait_until_said(&format!("drift: {logged}"));
    }
    // All at once, as systemd-networkd does it.
    host.sh("ip rule flush proto 109; ip -6 rule flush proto 109; ip route flush table all proto 109");
    within_a_second("everything", host, &watcher, |ways| *ways == both_ways([1, 2]));
    assert_eq!(host.endpoints(), [ENDPOINT]);
    watcher.stop();
}

/// How long a live connection may wait for its subflow once there is a way for it.
const RECOVERY: Duration = Duration::from_secs(6);

/// A hook of a DHCP client sets up routes a moment after the address. By then the kernel has tried to open a subflow from
/// that, in vain, and never tries again by itself.
#[track_caller]
fn a_late_route_brings_the_subflow(beside: &str, routes: &str) {
    let providers = Providers::new(1);
    providers.default_routes(1..=1);
    providers.link(2);
    let (host, far) = (&providers.host, &providers.far);
    let endpoints = "{wan: {dev: 'c*', family: ipv4, flags: [subflow]}}";
    let (watcher, _) = Watcher::of(host, &format!("{{version: 1, {beside}, endpoints: {endpoints}}}"));
    let _server = Peer::server(far, FAR_IPV4);
    let _client = Peer::client(host, FAR_IPV4);
    providers.serve(2, "10.1.2.1/24", "10.1.2.254/24");
    // The kernel tries to open subflows while it adds an endpoint, so that it has tried when the pass is reported.
    let is_added = |run: &String| run.contains(r#""op":"add-addr","endpoint":"wan","address":"10.1.2.1""#);
    wait_for("the endpoint", || watcher.lines().iter().any(is_added));
    assert_eq!(received_from(far, "10.1.2.1"), None);
    host.ip_batch(routes);
    let start = Instant::now();
    wait_for("the subflow", || received_from(far, "10.1.2.1").is_some_and(|bytes| bytes > 0));
    assert!(start.elapsed() < allowed(RECOVERY), "it took {:?}", start.elapsed());
    assert_eq!(subflows(host).len(), 2);
    watcher.stop();
}

#[test]
fn a_late_route_of_others_brings_the_subflow() {
    let routes = "route add default via 10.1.2.254 dev c2 table 102\nrule add from 10.1.2.1 table 102\n";
    a_late_route_brings_the_subflow("limits: {subflows: 2}", routes);
}

#[test]
fn a_late_default_route_brings_the_subflow_by_the_uplink() {
    let routes = "route add default via 10.1.2.254 dev c2 metric 200\n";
    a_late_route_brings_the_subflow(&format!("uplinks: {UPLINKS}"), routes);
}
