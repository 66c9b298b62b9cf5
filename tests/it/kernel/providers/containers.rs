//! Containers behind a bridge of the host reach all of its addresses.

use super::*;
use crate::kernel::links::subflows;
use crate::peer::Peer;
use crate::support::wait_for;

/// The usual recipe: one rule for the second address, and a table with a default route.
const RECIPE: [&str; 2] =
    ["route add default via 10.1.2.254 dev c2 table 102", "rule add from 10.1.2.1 lookup 102"];

const CONFIG: &str = "{version: 1, uplinks: {one: {dev: c1}, two: {dev: c2}}}";

/// How often the host has sent a segment again.
fn repetitions(host: &Namespace) -> u64 {
    let path = format!("/proc/{}/net/snmp", host.pid());
    let text = std::fs::read_to_string(path).expect("the counters of a namespace");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let [names, values] = [lines.next(), lines.next()].map(|line| line.expect("counters").split(' '));
    let value = names.zip(values).find_map(|(name, value)| (name == "RetransSegs").then_some(value));
    value.expect("a counter").parse().expect("a number")
}

#[test]
fn containers_reach_both_addresses() {
    let providers = Providers::new(2);
    providers.default_routes(1..=2);
    let host = &providers.host;
    let container = host.beside();
    host.ip_batch(&format!(
        "link add br0 type bridge\nlink set br0 up\naddress add 172.17.0.1/24 dev br0\n\
         link add v0 type veth peer name eth0 netns {}\nlink set v0 master br0 up\n",
        container.pid()
    ));
    container
        .ip_batch("address add 172.17.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 172.17.0.1\n");
    let _server = Peer::server(host, "0.0.0.0:6000");
    let reach = |address: &str| {
        drop(Peer::client(&container, address));
        let has_ended = || [host, &container].iter().all(|end| subflows(end).is_empty());
        wait_for("the end of the connection", has_ended);
    };
    reach("10.1.1.1:6000");
    reach("10.1.2.1:6000");

    host.ip_batch(&RECIPE.map(|line| format!("{line}\n")).concat());
    let before = repetitions(host);
    let knocking = Peer::knocking_client(&container, "10.1.2.1:6000");
    wait_for("an answer that gets lost", || repetitions(host) > before);
    assert_eq!(
        subflows(&container),
        [""; 0],
        "the usual recipe works here, so that this test proves nothing"
    );
    drop(knocking);
    host.ip_batch(&RECIPE.map(|line| line.replace(" add ", " delete ") + "\n").concat());

    host.apply(CONFIG, &[]).expect(0);
    reach("10.1.1.1:6000");
    reach("10.1.2.1:6000");
    assert_eq!(providers.ways(), both_ways([1, 2]));
}
