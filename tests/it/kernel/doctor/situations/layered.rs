//! The third link is one on another: a VLAN, or in a routing table of its own.

use super::table::HEALTHY;
use super::{Probe, Remedy, Side, Situation, Talk};

const ON_VLAN: &str = "limits: {subflows: 8}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                       two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, three: {address: 10.1.3.1, dev: c3.7, flags: [subflow]}}";
const VLAN: [&str; 2] = [
    "ip route flush dev c3; ip route flush table 103; ip address flush dev c3; \
     ip link add link c3 name c3.7 type vlan id 7; ip address add 10.1.3.1/24 dev c3.7; ip link set c3.7 up; \
     ip route add 10.9.9.9 via 10.1.3.2 dev c3.7 metric 3; ip route add 10.9.9.9 via 10.1.3.2 dev c3.7 table 103",
    "ip address flush dev s3; ip link add link s3 name s3.7 type vlan id 7; \
     ip address add 10.1.3.2/24 dev s3.7; ip link set s3.7 up",
];
const THIRD_ANYWHERE: &str = "limits: {subflows: 8}\nendpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                              two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, three: {address: 10.1.3.1, flags: [subflow]}}";
/// Its rule by the source address is not needed then.
const VRF: &str = "ip rule delete from 10.1.3.0/24; ip link add blue type vrf table 777; ip link set blue up; \
                   ip link set c3 master blue";
const VRF_ROUTED: &str = "ip rule delete from 10.1.3.0/24; ip link add blue type vrf table 777; ip link set blue up; \
                          ip link set c3 master blue; ip route add default via 10.1.3.2 dev c3 table 777";
const ROUTER: &[(&str, &str)] = &[("via GATEWAY", "via 10.1.3.2")];

/// A client whose third link is a VLAN.
const WITH_VLAN: Situation =
    Situation { name: "healthy: a VLAN", scripts: VLAN, configs: [ON_VLAN, ""], ..HEALTHY };

/// A client whose third link has a routing table of its own.
const WITH_VRF: Situation = Situation { name: "healthy: a VRF", scripts: [VRF_ROUTED, ""], ..HEALTHY };

pub const LAYERED: &[Situation] = &[
    WITH_VLAN,
    Situation { name: "healthy: a VLAN, probe", talk: Talk::Served, probe: Probe::With, ..WITH_VLAN },
    Situation {
        name: "a VLAN is down",
        faults: ["ip link set c3.7 down", ""],
        talk: Talk::Live(2),
        expected: &["interface-down"],
        remedy: Remedy::Vanishes(&[]),
        ..WITH_VLAN
    },
    Situation {
        name: "the interface below a VLAN is down",
        faults: ["ip link set c3 down", ""],
        talk: Talk::Live(2),
        expected: &["interface-down"],
        remedy: Remedy::Vanishes(&[]),
        ..WITH_VLAN
    },
    Situation {
        name: "no carrier below a VLAN",
        faults: ["", "ip link set s3 down"],
        talk: Talk::Live(2),
        expected: &["no-carrier"],
        remedy: Remedy::Elsewhere(Side::Server, "ip link set s3 up"),
        ..WITH_VLAN
    },
    WITH_VRF,
    Situation {
        name: "healthy: a VRF, strict reverse path filter",
        faults: ["for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$file; done", ""],
        ..WITH_VRF
    },
    Situation { name: "healthy: a VRF, probe", talk: Talk::Served, probe: Probe::With, ..WITH_VRF },
    Situation {
        name: "a VRF without a route",
        scripts: [VRF, ""],
        talk: Talk::Live(2),
        expected: &["no-route"],
        remedy: Remedy::AsPrinted(ROUTER),
        ..WITH_VRF
    },
    Situation {
        name: "an address in a VRF, no dev",
        configs: [THIRD_ANYWHERE, ""],
        talk: Talk::Live(2),
        expected: &["route-elsewhere"],
        remedy: Remedy::AsPrinted(&[]),
        ..WITH_VRF
    },
];
