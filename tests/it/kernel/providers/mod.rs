//! Uplinks with live connections: a host behind providers that forward what their own customers send, and nothing else.
//!
//! So a subflow that leaves by the wrong interface carries nothing, as on the real Internet.

mod checks;
mod containers;
mod load;
mod matrix;
mod setups;
mod undo;
mod watch;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::kernel::watcher::Watcher;
use crate::support::{Namespace, allowed, run};

/// Where the far end serves.
const FAR_IPV4: &str = "10.9.9.9:5000";
const FAR_IPV6: &str = "[2001:db8:9::9]:5000";

/// Reverse paths are not checked, and IPv6 addresses can be used at once, unless a test says so.
const SYSCTLS: &str = "\
cd /proc/sys/net &&
for scope in all default; do echo 0 >ipv4/conf/$scope/rp_filter; echo 0 >ipv6/conf/$scope/accept_dad; done
";

/// The host under test, its providers and a server behind them. Provider N has the interface lN towards cN of the host;
/// all of them are one namespace, which forwards what comes from a customer of that interface and discards the rest.
pub struct Providers {
    /// Where the program under test runs.
    pub host: Namespace,
    /// The routers of the providers.
    pub router: Namespace,
    /// The far end.
    pub far: Namespace,
}

impl Providers {
    /// A host with that many links, each with an IPv4 and an IPv6 address of its provider, and no default route.
    #[track_caller]
    pub fn new(count: u8) -> Providers {
        let providers = Providers::without_links();
        for n in 1..=count {
            providers.link(n);
            for (ours, theirs) in
                [(ipv4(n) + "/24", gateway_ipv4(n) + "/24"), (ipv6(n) + "/64", gateway_ipv6(n) + "/64")]
            {
                providers.serve(n, &ours, &theirs);
            }
        }
        providers
    }

    /// The host without a link, and the far end behind the router.
    #[track_caller]
    fn without_links() -> Providers {
        let host = Namespace::new();
        let (router, far) = (host.beside(), host.beside());
        for namespace in [&host, &router, &far] {
            namespace.sh(SYSCTLS);
        }
        router.sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
        router.ip_batch(&format!(
            "link add w type veth peer name f netns {}\n\
             address add 10.2.0.1/24 dev w\naddress add 2001:db8:2::1/64 dev w nodad\nlink set w up\n",
            far.pid()
        ));
        far.ip_batch(
            "address add 10.2.0.2/24 dev f\naddress add 2001:db8:2::2/64 dev f nodad\nlink set f up\n\
             address add 10.9.9.9/32 dev lo\naddress add 2001:db8:9::9/128 dev lo nodad\n\
             route add default via 10.2.0.1\nroute add default via 2001:db8:2::1\n\
             mptcp limits set subflows 8 add_addr_accepted 8\n",
        );
        router.ip_batch("route add default via 10.2.0.2\nroute add default via 2001:db8:2::2\n");
        Providers { host, router, far }
    }

    /// The link to a provider, up, without addresses, also none of the host's own making, whose coming a watch would notice.
    /// What comes by it is discarded.
    #[track_caller]
    fn link(&self, n: u8) {
        let peer = self.router.pid();
        self.host.ip_batch(&format!(
            "link add c{n} type veth peer name l{n} netns {peer}\nlink set c{n} addrgenmode none\n\
             link set c{n} up\n"
        ));
        self.router.ip(&format!("link set l{n} up"));
        for family in ["-4", "-6"] {
            self.router.ip(&format!("{family} rule add iif l{n} priority 200 blackhole"));
        }
    }

    /// Gives the host an address of that provider, and the provider's router one.
    #[track_caller]
    fn serve(&self, n: u8, ours: &str, theirs: &str) {
        self.host.ip(&format!("address add {ours} dev c{n}{}", nodad(ours)));
        self.router.ip(&format!("address add {theirs} dev l{n}{}", nodad(theirs)));
        self.admit(n, without_length(ours));
    }

    /// Has a provider forward what comes from this address, and answers to it.
    #[track_caller]
    fn admit(&self, n: u8, customer: &str) {
        self.router.ip(&format!("route replace {customer} dev l{n}"));
        let family = option(customer);
        self.router.ip(&format!("{family} rule add iif l{n} from {customer} priority 100 lookup main"));
    }

    /// Gives the main table a default route of either family by each of these providers, the first one preferred.
    #[track_caller]
    pub fn default_routes(&self, providers: std::ops::RangeInclusive<u8>) {
        let one = |n: u8| {
            [gateway_ipv4(n), gateway_ipv6(n)]
                .map(|gateway| format!("route add default via {gateway} dev c{n} metric {n}00\n"))
        };
        self.host.ip_batch(&providers.flat_map(one).collect::<String>());
    }

    /// Has the links to these providers carry 20 Mbit/s in either direction.
    #[track_caller]
    fn slow_down(&self, providers: std::ops::RangeInclusive<u8>) {
        for n in providers {
            for (namespace, device) in [(&self.host, "c"), (&self.router, "l")] {
                let limit = "root tbf rate 20mbit burst 32k latency 30ms";
                namespace.sh(&format!("tc qdisc add dev {device}{n} {limit}"));
            }
        }
    }

    /// By which router and interface packets of each address leave, by the rules and routes of this program alone.
    #[track_caller]
    fn ways(&self) -> BTreeMap<String, String> {
        ways(&self.host)
    }

    /// Sets `rp_filter` on the host, everywhere.
    #[track_caller]
    pub fn check_reverse_paths(&self, how: u8) {
        self.host.sh(&format!("for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {how} >$file; done"));
    }
}

/// By which router and interface packets of each address leave, by the rules and routes of this program alone.
#[track_caller]
fn ways(host: &Namespace) -> BTreeMap<String, String> {
    ways_by(|arguments| host.ip(arguments))
}

/// The same, as this `ip` lists it.
#[track_caller]
fn ways_by(ip: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let mut ways = BTreeMap::new();
    for family in ["-4", "-6"] {
        let rules = ip(&format!("{family} rule"));
        let own = || rules.lines().filter_map(|line| line.trim().strip_suffix(" proto 109"));
        let routes = ip(&format!("{family} route show table all proto 109"));
        for (from, table) in
            own().filter_map(|rule| rule.strip_prefix("8685:\tfrom ")?.split_once(" lookup "))
        {
            let route = routes.lines().find_map(|line| {
                let (way, rest) = line.strip_prefix("default ")?.split_once(" table ")?;
                (rest.split(' ').next() == Some(table)).then_some(way)
            });
            let to_main = format!("8684:\tfrom {from} lookup main suppress_prefixlength 0");
            let way =
                if own().any(|rule| rule == to_main) { route.unwrap_or("no route") } else { "one rule" };
            ways.insert(from.to_owned(), way.to_owned());
        }
    }
    ways
}

/// Waits until the ways are as they should be, as long as a watch may take, and until it has nothing more to do.
#[track_caller]
fn within_a_second(
    what: &str,
    host: &Namespace,
    watcher: &Watcher,
    condition: impl Fn(&BTreeMap<String, String>) -> bool,
) {
    let start = Instant::now();
    loop {
        let ways = ways(host);
        if condition(&ways) {
            break;
        }
        assert!(start.elapsed() < allowed(Duration::from_secs(1)), "{what} did not come: {ways:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    watcher.wait_until_idle();
}

/// The ways of both addresses of each of these providers.
fn both_ways(providers: impl IntoIterator<Item = u8>) -> BTreeMap<String, String> {
    let both = |n| {
        [(ipv4(n), gateway_ipv4(n)), (ipv6(n), gateway_ipv6(n))]
            .map(|(address, gateway)| (address, format!("via {gateway} dev c{n}")))
    };
    providers.into_iter().flat_map(both).collect()
}

/// The option of `ip` for the family of an address.
fn option(address: &str) -> &str {
    if address.contains(':') { "-6" } else { "-4" }
}

fn nodad(address: &str) -> &str {
    if address.contains(':') { " nodad" } else { "" }
}

fn without_length(address: &str) -> &str {
    address.split(['/', ' ']).next().unwrap_or_default()
}

pub fn ipv4(n: u8) -> String {
    format!("10.1.{n}.1")
}

fn ipv6(n: u8) -> String {
    format!("2001:db8:1{n}::1")
}

pub fn gateway_ipv4(n: u8) -> String {
    format!("10.1.{n}.254")
}

fn gateway_ipv6(n: u8) -> String {
    format!("2001:db8:1{n}::fe")
}

/// The bytes that have come by each established subflow, by its remote end, as `ss` counts them.
#[track_caller]
fn received(namespace: &Namespace) -> BTreeMap<SocketAddr, u64> {
    let mut command = namespace.command("ss");
    command.args(["-HtniO", "state", "established"]);
    let listed = run(command, "").expect(0).stdout;
    let subflow = |line: &str| {
        let mut words = line.split_whitespace().skip(3);
        let remote = words.next().expect("a remote end").parse().expect("an address and a port");
        let count = words.find_map(|word| word.strip_prefix("bytes_received:"));
        (remote, count.map_or(0, |count| count.parse().expect("a number")))
    };
    listed.lines().map(subflow).collect()
}

/// The bytes that have come from an address; none without an established subflow.
#[track_caller]
fn received_from(namespace: &Namespace, address: &str) -> Option<u64> {
    let address: IpAddr = address.parse().expect("an address");
    received(namespace).iter().find(|(remote, _)| remote.ip() == address).map(|(_, count)| *count)
}
