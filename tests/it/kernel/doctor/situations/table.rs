//! The situations, by what is wrong.

use super::{Beside, Probe, Remedy, Side, Situation, Talk, Topology, User};

const THREE: &str = "limits: {subflows: 8}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                     two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, three: {address: 10.1.3.1, dev: c3, flags: [subflow]}}";
const WITH_SIX: &str = "limits: {subflows: 8}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                        two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, three: {address: 10.1.3.1, dev: c3, flags: [subflow]}, \
                        six: {address: '2001:db8:2::1', dev: c2, flags: [subflow]}}";
const ANNOUNCES: &str =
    "limits: {subflows: 8}\nendpoints: {second: {address: 10.1.2.2, dev: s2, flags: [signal]}}";
const ACCEPTS: &str = "limits: {subflows: 8, add-addr-accepted: 8}";
const TWO: &str = "limits: {subflows: 4}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                   two: {address: 10.1.2.1, dev: c2, flags: [subflow]}}";
const TWO_ANYWHERE: &str = "limits: {subflows: 4}\nendpoints: {one: {address: 10.1.1.1, flags: [subflow]}, \
                            two: {address: 10.1.2.1, flags: [subflow]}}";
const SECOND: &str =
    "limits: {subflows: 4}\nendpoints: {second: {address: 10.1.2.1, dev: c2, flags: [signal]}}";
const TWO_WITH_UPLINKS: &str = "limits: {subflows: 4}\n\
    uplinks: {a: {dev: c1, gateway: [10.1.1.254, '2001:db8:11::fe']}, b: {dev: c2, gateway: [10.1.2.254, '2001:db8:12::fe']}}\n\
    endpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, two: {address: 10.1.2.1, dev: c2, flags: [subflow]}}";
const SECOND_WITH_UPLINKS: &str = "limits: {subflows: 4}\n\
    uplinks: {a: {dev: c1, gateway: [10.1.1.254, '2001:db8:11::fe']}, b: {dev: c2, gateway: [10.1.2.254, '2001:db8:12::fe']}}\n\
    endpoints: {second: {address: 10.1.2.1, dev: c2, flags: [signal]}}";
const ONE_DEFAULT: &str = "ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1";
const PRIVATE: &str = "ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102";
const TWO_DEFAULTS: &str = "ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 metric 200";
const DROPS_CONFIRMATIONS: &str = "nft 'add table ip box; add chain ip box in { type filter hook forward priority 0; }; add rule ip box in iifname l2 tcp option mptcp subtype 1 tcp flags & (syn|ack) == ack drop'";
const BY_PROTOCOL: &str = "ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip rule add from 10.1.2.1 ipproto 6 lookup 102";
const BY_USER: &str = "ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip rule add from 10.1.2.1 uidrange 0-0 lookup 102";
const LOCAL_NETWORK: &str = "ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 metric 200; ip link add lan type veth peer name nal; ip address add 192.168.7.1/24 dev lan; ip link set lan up; ip link set nal up";
const TWO_PATHS: Talk = Talk::Live(2);
const GATEWAY: &[(&str, &str)] = &[("via GATEWAY", "via 10.1.2.254")];
const BY_HAND: &str = "ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip rule add from 10.1.2.1 lookup 102";
const RESETS_JOINS: &str = "nft 'add table ip box; add chain ip box in { type filter hook input priority 0; }; add rule ip box in iifname s3 tcp flags syn tcp option mptcp exists reject with tcp reset'";
const DROPS_JOINS: &str = "nft 'add table ip box; add chain ip box in { type filter hook prerouting priority -300; }; add rule ip box in iifname s3 tcp option mptcp exists drop'";

const MASQUERADES: &str = "nft 'add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; add rule ip nat out oifname w masquerade'";
/// What comes by the second provider goes to another server, which does not know the connection.
const BALANCES: &str = "nft 'add table ip nat; add chain ip nat in { type nat hook prerouting priority -100; }; add rule ip nat in iifname l2 tcp dport 5000 dnat to 10.2.0.2:5001'";
const BRIDGE: &str = "ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link add v type veth peer w; ip link set v master docker0 up; ip link set w up; ip link set docker0 up";
/// The second link is a tunnel: it has no router, and resolves no addresses.
const TUNNEL: [&str; 2] = [
    "ip link set c2 arp off address 02:00:00:00:00:02; ip route add default via 10.1.1.254 dev c1",
    "ip link set l2 address 02:00:00:00:00:02 arp off",
];

/// A healthy client that asks on direct links.
pub const HEALTHY: Situation = Situation {
    name: "healthy: client",
    topology: Topology::Links,
    scripts: ["", ""],
    router: "",
    configs: [THREE, ""],
    faults: ["", ""],
    listens: "0.0.0.0:5000",
    talk: Talk::Live(3),
    beside: Beside::Nothing,
    meanwhile: "",
    asked: Side::Client,
    probe: Probe::Without,
    user: User::Root,
    of_root: false,
    expected: &[],
    remedy: Remedy::None,
};

/// A healthy client behind two providers, by metrics.
const BEHIND: Situation = Situation {
    name: "healthy: two providers, by metrics",
    topology: Topology::Client,
    scripts: [TWO_DEFAULTS, ""],
    configs: [TWO, ""],
    talk: TWO_PATHS,
    ..HEALTHY
};

/// A server behind two providers, without a way out by the second.
const BEHIND_SERVER: Situation = Situation {
    name: "answers leave by the first provider",
    topology: Topology::Server,
    scripts: ["", ONE_DEFAULT],
    configs: [ACCEPTS, SECOND],
    talk: Talk::Live(1),
    asked: Side::Server,
    expected: &["answers-astray"],
    remedy: Remedy::AsPrinted(GATEWAY),
    ..HEALTHY
};

pub const TABLE: &[Situation] = &[
    HEALTHY,
    Situation { name: "healthy: server", asked: Side::Server, ..HEALTHY },
    Situation { name: "healthy: client, probe", talk: Talk::Served, probe: Probe::With, ..HEALTHY },
    Situation { name: "healthy: client, probe and live", probe: Probe::With, ..HEALTHY },
    Situation {
        name: "healthy: client of an announcing server",
        configs: [ACCEPTS, ANNOUNCES],
        talk: TWO_PATHS,
        ..HEALTHY
    },
    Situation {
        name: "healthy: announcing server",
        configs: [ACCEPTS, ANNOUNCES],
        talk: TWO_PATHS,
        asked: Side::Server,
        ..HEALTHY
    },
    Situation {
        name: "healthy: no endpoints on purpose",
        configs: ["endpoints: {}", ""],
        talk: Talk::Live(1),
        ..HEALTHY
    },
    Situation {
        name: "healthy: never configured, plain peer",
        configs: ["", ""],
        talk: Talk::Nothing,
        ..HEALTHY
    },
    BEHIND,
    Situation { name: "healthy: uplinks", configs: [TWO_WITH_UPLINKS, ""], ..BEHIND },
    Situation {
        name: "healthy: server with uplinks",
        configs: [ACCEPTS, SECOND_WITH_UPLINKS],
        talk: TWO_PATHS,
        expected: &[],
        remedy: Remedy::None,
        ..BEHIND_SERVER
    },
    Situation {
        name: "healthy: client of a server with uplinks",
        configs: [ACCEPTS, SECOND_WITH_UPLINKS],
        talk: TWO_PATHS,
        asked: Side::Client,
        expected: &[],
        remedy: Remedy::None,
        ..BEHIND_SERVER
    },
    Situation {
        name: "healthy: IPv6 defaults of two metrics",
        scripts: [
            "ip -6 route add default via 2001:db8:11::fe dev c1 metric 100; ip -6 route add default via 2001:db8:12::fe dev c2 metric 200",
            "",
        ],
        configs: [
            "limits: {subflows: 4}\nendpoints: {six: {address: '2001:db8:12::1', dev: c2, flags: [subflow]}}",
            "",
        ],
        talk: Talk::Nothing,
        expected: &["no-application"],
        ..BEHIND
    },
    // Limits.
    Situation {
        name: "limit 0",
        faults: ["ip mptcp limits set subflows 0", ""],
        talk: Talk::Live(1),
        expected: &["not-applied", "subflows-limit-zero"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "limit 0, no configuration",
        configs: ["", ""],
        scripts: ["ip mptcp limits set subflows 0; ip mptcp endpoint add 10.1.2.1 subflow dev c2", ""],
        talk: Talk::Live(1),
        expected: &["subflows-limit-zero"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "the limit was raised after the connection was opened",
        scripts: ["ip mptcp limits set subflows 0; ip mptcp endpoint add 10.1.2.1 dev c2 id 2 subflow", ""],
        configs: ["", ""],
        talk: Talk::Live(1),
        meanwhile: "ip mptcp limits set subflows 8",
        expected: &["subflow-missing"],
        remedy: Remedy::AsPrinted(&[("PEER:PORT", "10.9.9.9:5000")]),
        ..HEALTHY
    },
    Situation {
        name: "limit 1 of three",
        configs: [
            "limits: {subflows: 1}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, three: {address: 10.1.3.1, dev: c3, flags: [subflow]}}",
            "",
        ],
        talk: TWO_PATHS,
        expected: &["subflows-limit-low", "never-used"],
        ..HEALTHY
    },
    Situation {
        name: "limit 1 of two, and connections begin at a third address",
        configs: [
            "limits: {subflows: 1}\nendpoints: {two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, three: {address: 10.1.3.1, dev: c3, flags: [subflow]}}",
            "",
        ],
        talk: TWO_PATHS,
        meanwhile: "ip route replace 10.9.9.9 via 10.1.2.2 dev c2 metric 0",
        expected: &["subflows-limit-low"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "announcements are ignored",
        configs: ["limits: {subflows: 8, add-addr-accepted: 0}", ANNOUNCES],
        talk: Talk::Live(1),
        expected: &["add-addr-accepted-zero"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "announcements are ignored by a daemon's choice",
        configs: ["limits: {subflows: 8, add-addr-accepted: 0}", ANNOUNCES],
        scripts: ["echo 1 >/proc/sys/net/mptcp/pm_type", ""],
        talk: Talk::Live(1),
        ..HEALTHY
    },
    Situation {
        name: "the peer's limit, live",
        faults: ["", "ip mptcp limits set subflows 0"],
        talk: Talk::Live(1),
        expected: &["subflow-missing"],
        remedy: Remedy::Elsewhere(Side::Server, "ip mptcp limits set subflows 8"),
        ..HEALTHY
    },
    Situation {
        name: "the peer's limit, probe",
        faults: ["", "ip mptcp limits set subflows 0"],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["subflow-refused"],
        remedy: Remedy::Elsewhere(Side::Server, "ip mptcp limits set subflows 8"),
        ..HEALTHY
    },
    Situation {
        name: "this server's limit",
        faults: ["", "ip mptcp limits set subflows 1"],
        talk: TWO_PATHS,
        asked: Side::Server,
        expected: &["joins-rejected"],
        remedy: Remedy::Vanishes(&[]),
        ..HEALTHY
    },
    // The kernel and the configuration.
    Situation {
        name: "MPTCP is off",
        faults: ["echo 0 >/proc/sys/net/mptcp/enabled", ""],
        talk: Talk::Nothing,
        expected: &["mptcp-disabled"],
        remedy: Remedy::Vanishes(&[]),
        ..HEALTHY
    },
    Situation {
        name: "userspace path manager",
        faults: ["echo 1 >/proc/sys/net/mptcp/pm_type", ""],
        talk: Talk::Live(1),
        expected: &["userspace-path-manager"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "not applied",
        faults: ["ip mptcp endpoint flush", ""],
        talk: Talk::Live(1),
        expected: &["not-applied"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation { name: "no application", talk: Talk::Nothing, expected: &["no-application"], ..HEALTHY },
    Situation {
        name: "no endpoint",
        configs: ["limits: {subflows: 8}", ""],
        talk: Talk::Live(1),
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "no endpoint and no configuration",
        configs: ["", ""],
        talk: Talk::Live(1),
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "no endpoint, probe",
        configs: ["limits: {subflows: 8}", ""],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "no endpoint, and a local network beside the uplinks",
        scripts: [LOCAL_NETWORK, ""],
        configs: ["limits: {subflows: 8}", ""],
        talk: Talk::Live(1),
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "healthy: one uplink and a link to nowhere",
        scripts: [ONE_DEFAULT, ""],
        configs: ["", ""],
        talk: Talk::Live(1),
        ..BEHIND
    },
    Situation {
        name: "endpoints of IPv6 only, and connections of IPv4",
        scripts: [
            "ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 metric 200; ip -6 route add default via 2001:db8:12::fe dev c2",
            "",
        ],
        configs: [
            "limits: {subflows: 4}\nendpoints: {six: {address: '2001:db8:12::1', dev: c2, flags: [subflow]}}",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "connections are left to the userspace path manager",
        faults: ["echo 1 >/proc/sys/net/mptcp/pm_type", ""],
        talk: Talk::Live(1),
        meanwhile: "echo 0 >/proc/sys/net/mptcp/pm_type",
        expected: &["userspace-path-manager"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "fullmesh alone",
        configs: [
            "limits: {subflows: 8}\nendpoints: {two: {address: 10.1.2.1, dev: c2, flags: [fullmesh]}}",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["fullmesh-without-subflow"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "fullmesh alone, probe",
        configs: [
            "limits: {subflows: 8}\nendpoints: {two: {address: 10.1.2.1, dev: c2, flags: [fullmesh]}}",
            "",
        ],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["fullmesh-without-subflow"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "fullmesh alone, and an earlier peer announced an address",
        scripts: ["", "ip mptcp endpoint add 10.1.2.2 dev s2 id 7 signal"],
        configs: [
            "limits: {subflows: 8, add-addr-accepted: 8}\nendpoints: {two: {address: 10.1.2.1, dev: c2, flags: [fullmesh]}}",
            "",
        ],
        talk: Talk::Live(1),
        beside: Beside::Earlier("ip mptcp endpoint delete id 7"),
        expected: &["fullmesh-without-subflow"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "fullmesh alone, and the peer announces an address of IPv6",
        scripts: [
            "",
            "ip address add 2001:db8:99::2/64 dev s2 nodad; ip mptcp endpoint add 2001:db8:99::2 dev s2 signal",
        ],
        configs: [
            "limits: {subflows: 8, add-addr-accepted: 8}\nendpoints: {two: {address: 10.1.2.1, dev: c2, flags: [fullmesh]}}",
            "",
        ],
        listens: "[::]:5000",
        talk: Talk::Live(1),
        expected: &["fullmesh-without-subflow"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "a client announces its addresses, and opens nothing",
        scripts: [TWO_DEFAULTS, ""],
        configs: [
            "limits: {subflows: 4}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [signal]}, two: {address: 10.1.2.1, dev: c2, flags: [signal]}}",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    // Addresses and interfaces.
    Situation {
        name: "address missing",
        faults: ["ip address delete 10.1.3.1/24 dev c3", ""],
        talk: TWO_PATHS,
        expected: &["address-missing"],
        remedy: Remedy::AsPrinted(&[("PREFIX", "24")]),
        ..HEALTHY
    },
    Situation {
        name: "interface down",
        faults: ["ip link set c3 down", ""],
        talk: TWO_PATHS,
        expected: &["interface-down"],
        remedy: Remedy::Vanishes(&[]),
        ..HEALTHY
    },
    Situation {
        name: "no carrier",
        faults: ["", "ip link set s3 down"],
        talk: TWO_PATHS,
        expected: &["no-carrier"],
        remedy: Remedy::Elsewhere(Side::Server, "ip link set s3 up"),
        ..HEALTHY
    },
    Situation {
        name: "deprecated",
        faults: ["ip address change 10.1.3.1/24 dev c3 preferred_lft 0", ""],
        expected: &["address-deprecated"],
        ..HEALTHY
    },
    Situation {
        name: "more addresses than the table holds",
        scripts: ["n=1; while [ $n -le 255 ]; do ip address add 10.8.0.$n/32 dev c1; n=$((n+1)); done", ""],
        configs: ["limits: {subflows: 8}\nendpoints: {all: {dev: c1, flags: [signal]}}", ""],
        talk: Talk::Live(1),
        expected: &["no-endpoint", "table-full"],
        ..HEALTHY
    },
    // Routes.
    Situation {
        name: "one default route",
        scripts: [ONE_DEFAULT, ""],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "one default route, probe",
        scripts: [ONE_DEFAULT, ""],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "one default route, no connection",
        scripts: [ONE_DEFAULT, ""],
        talk: Talk::Nothing,
        expected: &["no-route", "no-application"],
        ..BEHIND
    },
    Situation {
        name: "packets leave by the first provider",
        configs: [TWO_ANYWHERE, ""],
        talk: Talk::Live(1),
        expected: &["route-elsewhere"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "both subflows leave by one link, which works",
        scripts: ["ip rule delete from 10.1.2.0/24", ""],
        configs: [TWO_ANYWHERE, ""],
        talk: TWO_PATHS,
        expected: &["route-elsewhere"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "healthy: a mark may choose another link",
        scripts: ["ip rule delete from 10.1.2.0/24; ip rule add fwmark 7 table 102", ""],
        configs: [TWO_ANYWHERE, ""],
        talk: TWO_PATHS,
        ..HEALTHY
    },
    Situation {
        name: "both subflows leave by one link, and a mark leads to none",
        scripts: ["ip rule delete from 10.1.2.0/24; ip rule add fwmark 7 table main", ""],
        configs: [TWO_ANYWHERE, ""],
        talk: TWO_PATHS,
        expected: &["route-elsewhere"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "a rule leads to a table without a way",
        scripts: [
            "ip rule add from 10.1.2.1 lookup 77; ip route add unreachable default table 77; ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 metric 200",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "a rule refuses what comes from the address",
        scripts: [
            "ip rule add from 10.1.2.1 prohibit priority 100; ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 metric 200",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "healthy: a route that a bound socket of IPv6 skips",
        scripts: [
            "for n in 1 2; do ip address add 2001:db8:$n::1/64 dev c$n nodad; done; \
             ip route add 2001:db8:9::9 via 2001:db8:1::2 dev c1; ip -6 rule add from 2001:db8:2::1 lookup 162; \
             ip -6 route add default via 2001:db8:2::2 dev c2 table 162; ip -6 route add unreachable 2001:db8:9::9 table 162",
            "for n in 1 2; do ip address add 2001:db8:$n::2/64 dev s$n nodad; done; ip address add 2001:db8:9::9/128 dev lo",
        ],
        configs: [WITH_SIX, ""],
        beside: Beside::Service("[2001:db8:9::9]:5001"),
        ..HEALTHY
    },
    Situation {
        name: "a rule leads all but what comes from the address to a table",
        scripts: [
            "ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip rule add not from 10.1.2.0/24 lookup 102",
            "",
        ],
        talk: Talk::Nothing,
        expected: &["no-route", "no-application"],
        remedy: Remedy::Vanishes(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "a rule refuses a whole network on the way to another",
        scripts: [
            "ip rule add from 10.1.2.0/24 to 10.9.0.0/16 unreachable priority 77; ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 metric 200",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "a route refuses in the table of the address",
        scripts: [
            "ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip rule add from 10.1.2.1 lookup 102; ip route add prohibit 10.9.9.9 table 102",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsDeclared,
        ..BEHIND
    },
    Situation {
        name: "strict reverse path filter, and a router that counts as on the link",
        scripts: [
            "ip -6 address flush dev c2; ip address flush dev c2; ip address add 10.1.2.1/32 dev c2; ip route add default via 10.1.1.254 dev c1 metric 100; ip route add default via 10.1.2.254 dev c2 onlink metric 200",
            "",
        ],
        faults: ["for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$file; done", ""],
        talk: Talk::Live(1),
        expected: &["rp-filter"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "the address left during a connection",
        talk: TWO_PATHS,
        meanwhile: "ip address delete 10.1.2.1/24 dev c2; ip address add 10.1.2.9/24 dev c2; ip route add default via 10.1.2.254 dev c2 metric 200",
        expected: &["address-missing"],
        remedy: Remedy::AsPrinted(&[("PREFIX", "24")]),
        ..BEHIND
    },
    Situation {
        name: "large packets are dropped on one path",
        router: "nft 'add table ip box; add chain ip box in { type filter hook forward priority 0; }; add rule ip box in ip saddr 10.1.2.1 ip length > 800 drop'",
        talk: TWO_PATHS,
        expected: &["path-dead"],
        remedy: Remedy::Elsewhere(Side::Router, "nft delete table ip box"),
        ..BEHIND
    },
    Situation {
        name: "a router is gone, live",
        router: "ip link set l2 arp off",
        talk: Talk::Live(1),
        expected: &["subflow-missing"],
        remedy: Remedy::Elsewhere(Side::Router, "ip link set l2 arp on"),
        ..BEHIND
    },
    Situation {
        name: "options are taken away after the handshake, probe",
        router: "nft 'add table ip box; add chain ip box in { type filter hook prerouting priority -300; }; add rule ip box in tcp flags & syn == 0 reset tcp option mptcp'",
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["fallback"],
        ..BEHIND
    },
    Situation {
        name: "a link comes back without its default route",
        talk: TWO_PATHS,
        meanwhile: "ip link set c2 down; ip link set c2 up",
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "a link comes back without its default route, probe",
        talk: TWO_PATHS,
        meanwhile: "ip link set c2 down; ip link set c2 up",
        probe: Probe::With,
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "healthy: no route, and a router that answers for all",
        router: "for file in /proc/sys/net/ipv4/conf/*/proxy_arp; do echo 1 >$file; done",
        scripts: [ONE_DEFAULT, ""],
        talk: TWO_PATHS,
        ..BEHIND
    },
    Situation {
        name: "strict reverse path filter",
        faults: ["for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$file; done", ""],
        talk: Talk::Live(1),
        expected: &["rp-filter"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "an uplink's rule was deleted",
        scripts: [ONE_DEFAULT, ""],
        configs: [TWO_WITH_UPLINKS, ""],
        faults: ["ip rule delete priority 8685 from 10.1.2.1", ""],
        talk: Talk::Live(1),
        remedy: Remedy::Vanishes(GATEWAY),
        expected: &["no-route", "uplink-missing"],
        ..BEHIND
    },
    Situation {
        name: "a rule to a private table was lost",
        scripts: [PRIVATE, ""],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "a rule to a private table was lost, the YAML",
        scripts: [PRIVATE, ""],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsDeclared,
        ..BEHIND
    },
    // Paths and peers.
    Situation {
        name: "no answer, live",
        faults: ["", "ip rule add to 10.1.3.1 blackhole"],
        talk: TWO_PATHS,
        expected: &["joins-unanswered"],
        remedy: Remedy::Elsewhere(Side::Server, "ip rule delete to 10.1.3.1 blackhole"),
        ..HEALTHY
    },
    Situation {
        name: "no answer, probe",
        faults: ["", "ip rule add to 10.1.3.1 blackhole"],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["joins-unanswered"],
        remedy: Remedy::Elsewhere(Side::Server, "ip rule delete to 10.1.3.1 blackhole"),
        ..HEALTHY
    },
    Situation {
        name: "a firewall drops joins",
        faults: ["", DROPS_JOINS],
        talk: TWO_PATHS,
        expected: &["joins-unanswered"],
        remedy: Remedy::Elsewhere(Side::Server, "nft delete table ip box"),
        ..HEALTHY
    },
    Situation {
        name: "plain peer, live",
        talk: Talk::PlainLive,
        expected: &["peer-without-mptcp"],
        ..HEALTHY
    },
    Situation {
        name: "another service of the peer is plain TCP",
        beside: Beside::Plain("10.9.9.9:22"),
        expected: &["peer-without-mptcp"],
        ..HEALTHY
    },
    Situation {
        name: "plain peer, probe",
        talk: Talk::PlainServed,
        probe: Probe::With,
        expected: &["peer-without-mptcp"],
        ..HEALTHY
    },
    Situation {
        name: "no service, probe",
        talk: Talk::Nothing,
        probe: Probe::With,
        expected: &["probe-failed"],
        ..HEALTHY
    },
    Situation {
        name: "the server denies joins, live",
        faults: ["", "echo 0 >/proc/sys/net/mptcp/allow_join_initial_addr_port"],
        talk: Talk::Live(1),
        expected: &["subflow-missing"],
        remedy: Remedy::Elsewhere(Side::Server, "echo 1 >/proc/sys/net/mptcp/allow_join_initial_addr_port"),
        ..HEALTHY
    },
    Situation {
        name: "the server denies joins, probe",
        faults: ["", "echo 0 >/proc/sys/net/mptcp/allow_join_initial_addr_port"],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["joins-denied"],
        remedy: Remedy::Elsewhere(Side::Server, "echo 1 >/proc/sys/net/mptcp/allow_join_initial_addr_port"),
        ..HEALTHY
    },
    Situation {
        name: "this server denies joins",
        faults: ["", "echo 0 >/proc/sys/net/mptcp/allow_join_initial_addr_port"],
        talk: Talk::Live(1),
        asked: Side::Server,
        expected: &["joins-denied"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "healthy: a server that denies joins and announces",
        configs: [ACCEPTS, ANNOUNCES],
        scripts: ["", "echo 0 >/proc/sys/net/mptcp/allow_join_initial_addr_port"],
        talk: TWO_PATHS,
        asked: Side::Server,
        ..HEALTHY
    },
    // Servers.
    Situation {
        name: "announced and not served",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Live(1),
        asked: Side::Server,
        expected: &["announced-unserved"],
        ..HEALTHY
    },
    Situation {
        name: "announced and not served, beside a service that is",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Live(1),
        beside: Beside::Service("0.0.0.0:5001"),
        asked: Side::Server,
        expected: &["announced-unserved"],
        ..HEALTHY
    },
    Situation {
        name: "announced and served by plain TCP",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Live(1),
        beside: Beside::Plain("10.1.2.2:5000"),
        asked: Side::Server,
        expected: &["announced-unserved"],
        ..HEALTHY
    },
    Situation {
        name: "announcements are removed on the way",
        topology: Topology::Server,
        router: "nft 'add table ip box; add chain ip box in { type filter hook forward priority 0; }; add rule ip box in tcp option mptcp subtype 3 drop'",
        scripts: ["", TWO_DEFAULTS],
        configs: [ACCEPTS, SECOND_WITH_UPLINKS],
        talk: Talk::Live(1),
        asked: Side::Server,
        expected: &["announcements-lost"],
        ..HEALTHY
    },
    Situation {
        name: "the last packet of joins is dropped",
        router: DROPS_CONFIRMATIONS,
        talk: TWO_PATHS,
        expected: &["joins-incomplete"],
        remedy: Remedy::Elsewhere(Side::Router, "nft delete table ip box"),
        ..BEHIND
    },
    Situation {
        name: "the last packet of joins is dropped, probe",
        router: DROPS_CONFIRMATIONS,
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["joins-incomplete"],
        remedy: Remedy::Elsewhere(Side::Router, "nft delete table ip box"),
        ..BEHIND
    },
    Situation {
        name: "an announced address is dropped, probe",
        configs: [ACCEPTS, ANNOUNCES],
        faults: ["", "ip rule add from 10.1.2.2 blackhole"],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["joins-unanswered"],
        ..HEALTHY
    },
    Situation {
        name: "an announced address uses up the limit",
        configs: [
            "limits: {subflows: 1, add-addr-accepted: 8}\nendpoints: {two: {address: 10.1.2.1, dev: c2, flags: [subflow]}}",
            "limits: {subflows: 8}\nendpoints: {far: {address: 10.2.0.2, dev: f, flags: [signal]}}",
        ],
        talk: TWO_PATHS,
        expected: &["subflows-limit-low"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "announced and not served, seen from the client",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Live(1),
        expected: &["subflow-refused"],
        ..HEALTHY
    },
    Situation {
        name: "announced and not served, the client's probe",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["subflow-refused"],
        ..HEALTHY
    },
    Situation {
        name: "announced and not served, without a connection",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Served,
        asked: Side::Server,
        expected: &["announced-unserved"],
        ..HEALTHY
    },
    Situation {
        name: "a server opens subflows",
        configs: ["", ""],
        scripts: ["", "ip mptcp endpoint add 10.1.2.2 subflow"],
        talk: Talk::Live(1),
        asked: Side::Server,
        expected: &["subflow-on-server"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "a client accepts a connection",
        topology: Topology::Links,
        configs: ["", "endpoints: {own: {address: 10.1.2.2, dev: s2, flags: [subflow]}}"],
        talk: Talk::Live(1),
        asked: Side::Server,
        expected: &["subflow-on-server"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "no way to an announced address, probe",
        configs: [ACCEPTS, "limits: {subflows: 8}\nendpoints: {far: {address: 10.7.7.7, flags: [signal]}}"],
        scripts: ["", "ip address add 10.7.7.7/32 dev lo"],
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["no-route"],
        remedy: Remedy::Elsewhere(Side::Client, "ip route add 10.7.7.7 via 10.1.2.2 dev c2"),
        ..HEALTHY
    },
    BEHIND_SERVER,
    Situation {
        name: "answers share the first provider, which lets them pass",
        router: "ip rule add iif l1 from 10.1.2.1 priority 99 lookup main",
        scripts: ["", TWO_DEFAULTS],
        talk: TWO_PATHS,
        ..BEHIND_SERVER
    },
    Situation {
        name: "a server without a plain program's switch",
        talk: Talk::PlainServed,
        asked: Side::Server,
        configs: ["", ANNOUNCES],
        expected: &["no-application"],
        ..HEALTHY
    },
    // More topologies.
    Situation { name: "healthy: two providers, probe", talk: Talk::Served, probe: Probe::With, ..BEHIND },
    Situation {
        name: "healthy: uplinks, probe",
        configs: [TWO_WITH_UPLINKS, ""],
        talk: Talk::Served,
        probe: Probe::With,
        ..BEHIND
    },
    Situation { name: "healthy: rules by hand", scripts: [BY_HAND, ""], ..BEHIND },
    Situation { name: "healthy: rules by hand for TCP only", scripts: [BY_PROTOCOL, ""], ..BEHIND },
    Situation {
        name: "healthy: rules by hand for root, who opens subflows",
        scripts: [BY_USER, ""],
        user: User::Ordinary,
        of_root: true,
        ..BEHIND
    },
    Situation {
        name: "rules for another protocol",
        scripts: [
            "ip -6 address flush dev c2; ip route add default via 10.1.1.254 dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip rule add from 10.1.2.1 ipproto 17 lookup 102",
            "",
        ],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    Situation {
        name: "both families lack a router in the main table",
        scripts: [
            "ip route add default via 10.1.1.254 dev c1; ip -6 route add default via 2001:db8:11::fe dev c1; ip route add default via 10.1.2.254 dev c2 table 102; ip -6 route add default via 2001:db8:12::fe dev c2 table 102",
            "",
        ],
        configs: ["limits: {subflows: 4}\nendpoints: {two: {dev: c2, flags: [subflow]}}", ""],
        talk: Talk::Live(1),
        expected: &["no-route"],
        remedy: Remedy::AsDeclared,
        ..BEHIND
    },
    Situation {
        name: "the lease changed, and the endpoint is of the old one",
        configs: ["limits: {subflows: 8}\nendpoints: {all: {dev: 'c[123]', flags: [subflow]}}", ""],
        scripts: ["for n in 1 2 3; do ip address delete 10.1.$n.11/24 dev c$n; done", ""],
        faults: ["ip address add 10.1.3.7/24 dev c3; ip address delete 10.1.3.1/24 dev c3", ""],
        talk: TWO_PATHS,
        expected: &["address-missing", "not-applied"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "healthy: rules by hand, no dev",
        scripts: [BY_HAND, ""],
        configs: [TWO_ANYWHERE, ""],
        ..BEHIND
    },
    Situation {
        name: "a server's strict filter drops joins on arrival",
        scripts: ["", TWO_DEFAULTS],
        faults: ["", "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$file; done"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND_SERVER
    },
    Situation {
        name: "requests to an announced address are dropped",
        configs: [ACCEPTS, ANNOUNCES],
        faults: ["", "ip rule add from 10.1.2.2 blackhole"],
        talk: Talk::Live(1),
        expected: &["joins-unanswered"],
        remedy: Remedy::None,
        ..HEALTHY
    },
    Situation { name: "a server with two default routes", scripts: ["", TWO_DEFAULTS], ..BEHIND_SERVER },
    Situation {
        name: "a bridge of containers beside the links",
        configs: ["limits: {subflows: 8}", ""],
        scripts: [BRIDGE, ""],
        talk: Talk::Live(1),
        expected: &["no-endpoint"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "a bridge of containers among the endpoints",
        scripts: [BRIDGE, ""],
        configs: [
            "limits: {subflows: 8}\nendpoints: {all: {dev: ['*'], flags: [subflow], family: ipv4}}",
            "",
        ],
        talk: Talk::Live(3),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "an address on two interfaces",
        configs: ["limits: {subflows: 8}\nendpoints: {two: {address: 10.1.2.1, flags: [subflow]}}", ""],
        faults: ["ip address add 10.1.2.1/32 dev c3", ""],
        talk: Talk::Served,
        expected: &["address-twice", "no-application"],
        remedy: Remedy::Vanishes(&[]),
        ..HEALTHY
    },
    Situation {
        name: "a link-local address without an interface",
        configs: ["", ""],
        scripts: ["ip address add fe80::77/64 dev c1 nodad; ip mptcp endpoint add fe80::77 subflow", ""],
        talk: Talk::Served,
        expected: &["no-application", "link-local"],
        remedy: Remedy::Vanishes(&[]),
        ..HEALTHY
    },
    Situation {
        name: "the peer resets joins",
        faults: ["", RESETS_JOINS],
        talk: TWO_PATHS,
        expected: &["subflow-missing"],
        remedy: Remedy::Elsewhere(Side::Server, "nft delete table ip box"),
        ..HEALTHY
    },
    Situation {
        name: "a router rejects joins, probe",
        router: "nft 'add table ip box; add chain ip box in { type filter hook forward priority 0; }; add rule ip box in ip saddr 10.1.2.1 tcp option mptcp exists reject with icmp admin-prohibited'",
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["subflow-refused"],
        ..BEHIND
    },
    Situation {
        name: "a middlebox takes MP_JOIN away, probe",
        router: "nft 'add table ip box; add chain ip box in { type filter hook prerouting priority -300; }; add rule ip box in ip saddr 10.1.2.1 tcp flags syn reset tcp option mptcp'",
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["subflow-refused"],
        ..BEHIND
    },
    Situation {
        name: "a router is gone, probe",
        router: "ip link set l2 arp off",
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["subflow-missing"],
        remedy: Remedy::Elsewhere(Side::Router, "ip link set l2 arp on"),
        ..BEHIND
    },
    Situation {
        name: "healthy: an address on another interface, which works",
        faults: ["ip address delete 10.1.3.1/24 dev c3; ip address add 10.1.3.1/24 dev c2", ""],
        ..HEALTHY
    },
    // Address translation, load balancers, tunnels.
    Situation { name: "healthy: providers with NAT", router: MASQUERADES, ..BEHIND },
    Situation {
        name: "healthy: providers with NAT, probe",
        router: MASQUERADES,
        talk: Talk::Served,
        probe: Probe::With,
        ..BEHIND
    },
    Situation {
        name: "healthy: a server of clients behind NAT",
        router: MASQUERADES,
        asked: Side::Server,
        ..BEHIND
    },
    Situation {
        name: "a load balancer sends joins to another server, live",
        router: BALANCES,
        talk: Talk::Live(1),
        expected: &["subflow-missing"],
        ..BEHIND
    },
    Situation {
        name: "a load balancer sends joins to another server, probe",
        router: BALANCES,
        talk: Talk::Served,
        probe: Probe::With,
        expected: &["subflow-refused"],
        ..BEHIND
    },
    // Linux takes every destination for a neighbour on an interface that a socket is bound to, and a tunnel takes it all.
    Situation {
        name: "healthy: a tunnel without a route",
        scripts: [TUNNEL[0], ""],
        router: TUNNEL[1],
        ..BEHIND
    },
    Situation {
        name: "a tunnel without a route, no dev",
        scripts: [TUNNEL[0], ""],
        router: TUNNEL[1],
        configs: [TWO_ANYWHERE, ""],
        talk: Talk::Live(1),
        expected: &["route-elsewhere"],
        remedy: Remedy::AsPrinted(&[]),
        ..BEHIND
    },
    // Users without any right.
    Situation { name: "healthy: client, without rights", user: User::Ordinary, ..HEALTHY },
    Situation {
        name: "healthy: uplinks, without rights",
        configs: [TWO_WITH_UPLINKS, ""],
        user: User::Ordinary,
        ..BEHIND
    },
    Situation {
        name: "the peer's limit, probe without rights",
        faults: ["", "ip mptcp limits set subflows 0"],
        talk: Talk::Served,
        probe: Probe::With,
        user: User::Ordinary,
        expected: &["probe-unseen"],
        remedy: Remedy::Elsewhere(Side::Server, "ip mptcp limits set subflows 8"),
        ..HEALTHY
    },
    Situation {
        name: "limit 0, without rights",
        faults: ["ip mptcp limits set subflows 0", ""],
        talk: Talk::Live(1),
        user: User::Ordinary,
        expected: &["not-applied", "subflows-limit-zero"],
        remedy: Remedy::AsPrinted(&[]),
        ..HEALTHY
    },
    Situation {
        name: "one default route, without rights",
        scripts: [ONE_DEFAULT, ""],
        talk: Talk::Live(1),
        user: User::Ordinary,
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(GATEWAY),
        ..BEHIND
    },
    Situation {
        name: "announced and not served, without rights",
        configs: [ACCEPTS, ANNOUNCES],
        listens: "10.9.9.9:5000",
        talk: Talk::Live(1),
        asked: Side::Server,
        user: User::Ordinary,
        expected: &["announced-unserved"],
        ..HEALTHY
    },
];
