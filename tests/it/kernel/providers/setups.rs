//! What users have for uplinks: dishes, modems and tunnels, two lines into one network, many lines, a virtual address.

use super::*;
use crate::kernel::links::subflows;
use crate::peer::Peer;
use crate::support::{is_root, wait_for};

/// A live connection of the host, under load.
struct Live<'p> {
    providers: &'p Providers,
    client: Peer,
    _server: Peer,
}

impl<'p> Live<'p> {
    /// Opens it once this configuration is applied. Interfaces of providers are slow, so that all paths are needed.
    #[track_caller]
    fn with(providers: &'p Providers, links: u8, config: &str) -> Live<'p> {
        providers.slow_down(1..=links);
        providers.host.apply(&format!("version: 1\nlimits: {{subflows: 8}}\n{config}"), &[]).expect(0);
        let server = Peer::server(&providers.far, FAR_IPV4);
        let client = Peer::bulk_client(&providers.host, FAR_IPV4);
        Live { providers, client, _server: server }
    }

    /// Waits until data comes from all of these addresses, then ends it.
    #[track_caller]
    fn moves_data_by(self, addresses: &[String]) {
        for address in addresses {
            let has_come =
                || received_from(&self.providers.far, address).is_some_and(|bytes| bytes > 100_000);
            wait_for(&format!("data from {address}"), has_come);
        }
        assert_eq!(received(&self.providers.far).len(), addresses.len());
        assert!(self.client.ask() > 0);
    }
}

/// Each leads to a router of the same address, and the host has an address of one large network from each.
#[test]
fn three_dishes_with_the_same_router() {
    let providers = Providers::without_links();
    let address = |n: u8| format!("100.64.{n}.5");
    for n in 1..=3 {
        providers.link(n);
        providers.serve(n, &(address(n) + "/10"), "100.64.0.1/10");
        providers.host.ip(&format!("route add default via 100.64.0.1 dev c{n} metric {n}00"));
    }
    // As many distributions have it.
    providers.check_reverse_paths(1);
    let live = Live::with(
        &providers,
        3,
        "uplinks: {dish: {dev: 'c*'}}\nendpoints: {dish: {dev: 'c*', family: ipv4, flags: [subflow]}}\n",
    );
    let way = |n| (address(n), format!("via 100.64.0.1 dev c{n}"));
    assert_eq!(providers.ways(), (1..=3).map(way).collect());
    live.moves_data_by(&[1, 2, 3].map(address));
}

/// A modem and a tunnel: addresses of 32 bits, the one with the address of the other end, and no default route in the main
/// table.
#[test]
fn links_without_a_router() {
    let providers = Providers::new(1);
    providers.default_routes(1..=1);
    for (n, ours, theirs) in [
        (2, "10.64.64.23 peer 10.64.64.1/32", "10.64.64.1 peer 10.64.64.23/32"),
        (3, "10.66.66.2/32", "10.66.66.1/32"),
    ] {
        providers.link(n);
        // Without ARP both ends take what has their own address on the link.
        providers.host.ip(&format!("link set c{n} arp off address 02:00:00:00:00:0{n}"));
        providers.router.ip(&format!("link set l{n} arp off address 02:00:00:00:00:0{n}"));
        providers.serve(n, ours, theirs);
    }
    providers.check_reverse_paths(1);
    providers.host.ip("address add 2001:db8:66::2/128 dev c3 nodad");
    // What makes its interface a link without a router is that it is one between two points. Only root may open
    // /dev/net/tun on most hosts.
    if is_root() {
        providers.host.ip_batch(
            "tuntap add dev ppp0 mode tun\nlink set ppp0 arp on up\n\
             address add 10.64.65.23 peer 10.64.65.1/32 dev ppp0\n",
        );
        assert!(providers.host.ip("link show ppp0").contains("<NO-CARRIER,POINTOPOINT,MULTICAST,UP>"));
    }
    let endpoints = "{wan: {dev: 'c*', family: ipv4, flags: [subflow]}}";
    let config = format!("uplinks: {{wan: {{dev: ['c*', 'ppp*']}}}}\nendpoints: {endpoints}\n");
    let live = Live::with(&providers, 3, &config);
    let mut ways = both_ways([1]);
    for (address, way) in [("10.64.64.23", "dev c2"), ("10.66.66.2", "dev c3"), ("2001:db8:66::2", "dev c3")]
    {
        ways.insert(address.to_owned(), way.to_owned());
    }
    ways.extend(is_root().then(|| ("10.64.65.23".to_owned(), "dev ppp0".to_owned())));
    assert_eq!(providers.ways(), ways);
    live.moves_data_by(&["10.1.1.1", "10.64.64.23", "10.66.66.2"].map(str::to_owned));
}

/// Without rules a subflow of the second address comes up, and all of its packets leave by the first interface.
#[test]
fn two_uplinks_in_one_network() {
    let providers = Providers::without_links();
    providers
        .router
        .ip_batch("link add lan type bridge\nlink set lan up\naddress add 10.1.0.254/24 dev lan\n");
    for n in [1, 2] {
        providers.link(n);
        providers.router.ip(&format!("link set l{n} master lan"));
        providers.host.ip(&format!("address add 10.1.0.{n}/24 dev c{n}"));
        providers.host.ip(&format!("route add default via 10.1.0.254 dev c{n} metric {n}00"));
    }
    for uplinks in ["{}", "{lan: {dev: 'c*'}}"] {
        let second = "{address: 10.1.0.2, flags: [subflow]}";
        let before = sent(&providers.host, "c2");
        let live =
            Live::with(&providers, 0, &format!("uplinks: {uplinks}\nendpoints: {{second: {second}}}\n"));
        live.moves_data_by(&["10.1.0.1".to_owned(), "10.1.0.2".to_owned()]);
        let by_the_second = sent(&providers.host, "c2") - before;
        assert_eq!(by_the_second > 100_000, uplinks != "{}", "{by_the_second} bytes with uplinks {uplinks}");
        wait_for("the end of the connection", || subflows(&providers.host).is_empty());
    }
}

/// The bytes that an interface has sent.
fn sent(namespace: &Namespace, device: &str) -> u64 {
    let path = format!("/proc/{}/net/dev", namespace.pid());
    let text = std::fs::read_to_string(path).expect("the counters of a namespace");
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{device}:")));
    let count = line.expect("the interface").split_whitespace().nth(8);
    count.expect("a counter").parse().expect("a number")
}

#[test]
fn five_uplinks() {
    let providers = Providers::new(5);
    providers.default_routes(1..=5);
    providers.check_reverse_paths(1);
    let endpoints = "{wan: {dev: 'c*', family: ipv4, flags: [subflow]}}";
    let live =
        Live::with(&providers, 5, &format!("uplinks: {{wan: {{dev: 'c*'}}}}\nendpoints: {endpoints}\n"));
    assert_eq!(providers.ways(), both_ways(1..=5));
    live.moves_data_by(&[1, 2, 3, 4, 5].map(ipv4));
}

/// An address that no interface leads out from has no rule, and is served as before.
#[test]
fn a_virtual_address() {
    let providers = Providers::new(2);
    providers.default_routes(1..=2);
    providers.host.ip("address add 203.0.113.7/32 dev lo");
    providers.admit(1, "203.0.113.7");
    let config = "\
version: 1
limits: {subflows: 2}
uplinks: {all: {dev: '*'}}
endpoints: {second: {address: 10.1.2.1, flags: [signal]}}
";
    providers.host.apply(config, &[]).expect(0);
    assert_eq!(providers.ways(), both_ways([1, 2]));
    let _server = Peer::server(&providers.host, "0.0.0.0:6000");
    let client = Peer::client(&providers.far, "203.0.113.7:6000");
    for address in ["203.0.113.7", "10.1.2.1"] {
        wait_for(address, || received_from(&providers.far, address).is_some_and(|bytes| bytes > 0));
    }
    assert!(client.ask() > 0);
}
