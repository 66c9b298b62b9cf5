//! Which routers the main table tells, and which are on the link.

use std::net::IpAddr;

use mptcp_apply::model::{Family, Step};
use mptcp_apply::system::{HostFacts, MainDefault};

use super::{Inside, add_route, index, ip, pair};
use crate::kernel::seam::{inside, is_inside};
use crate::support::Namespace;

/// The routers of the default routes out of the uplink, as `metric router`.
#[track_caller]
fn told(inside: &mut Inside, family: Family) -> Vec<String> {
    let defaults = inside.host.default_routes(family, inside.index).expect("an answer");
    let line = |MainDefault { metric, gateway }: &MainDefault| {
        format!("{metric} {}", gateway.map_or("none".to_owned(), |gateway| gateway.to_string()))
    };
    defaults.iter().map(line).collect()
}

/// Sets default routes by `ip`, and takes them away again.
#[track_caller]
fn judge(inside: &mut Inside, family: Family, routes: &[&str], expected: &[&str]) {
    for route in routes {
        ip(route);
    }
    assert_eq!(told(inside, family), expected, "{routes:?}");
    for route in routes {
        ip(&route.replace(" add ", " delete "));
    }
    assert_eq!(told(inside, family), [""; 0], "{routes:?}");
}

#[test]
fn the_main_table_tells_the_router() {
    inside(&Namespace::new(), "kernel::uplinks::routers::ask_the_main_table");
}

#[test]
#[ignore = "runs inside a namespace, started by the_main_table_tells_the_router"]
fn ask_the_main_table() {
    if !is_inside() {
        return;
    }
    // Without any address there is no main table of IPv4 yet.
    let mut host = mptcp_apply::linux::LinuxPathManager::open().expect("a path manager");
    for (family, interface) in [Family::Ipv4, Family::Ipv6].into_iter().flat_map(|f| [(f, 1u32), (f, 4711)]) {
        let interface = interface.try_into().expect("not 0");
        assert_eq!(host.default_routes(family, interface).expect("an answer"), [], "{family:?} {interface}");
    }
    let mut inside = Inside::new();
    pair("f0", "f1");
    ip("address add 10.3.3.1/24 dev f0");
    ip("address add fd03::1/64 dev f0 nodad");
    let own = index("e0");
    assert_eq!(inside.index, own);
    let (ipv4, ipv6) = (Family::Ipv4, Family::Ipv6);
    for (family, routes, expected) in [
        (ipv4, &["-4 route add default via 10.1.1.254 dev e0"][..], &["0 10.1.1.254"][..]),
        (ipv4, &["-4 route add default dev e0 metric 3"], &["3 none"]),
        (ipv4, &["-4 route add default via inet6 fe80::1 dev e0"], &["0 fe80::1"]),
        (ipv4, &["-4 route add default via 10.8.8.8 dev e0 onlink"], &["0 10.8.8.8"]),
        (
            ipv4,
            &[
                "-4 route add default via 10.1.1.254 dev e0 metric 9",
                "-4 route add default via 10.1.1.253 dev e0 metric 5",
            ],
            &["5 10.1.1.253", "9 10.1.1.254"],
        ),
        // For one type of service only.
        (
            ipv4,
            &[
                "-4 route add default tos 0x10 via 10.1.1.9 dev e0",
                "-4 route add default via 10.1.1.254 dev e0 metric 100",
            ],
            &["100 10.1.1.254"],
        ),
        // Not by this interface, of this table, of others, or for all destinations.
        (
            ipv4,
            &[
                "-4 route add default via 10.3.3.254 dev f0",
                "-4 route add default via 10.1.1.254 dev e0 table 100",
                "-4 route add default via 10.1.1.254 dev e0 metric 7 proto 109",
                "-4 route add 0.0.0.0/1 via 10.1.1.254 dev e0",
                "-4 route add unreachable default metric 8",
            ],
            &[],
        ),
        (
            ipv4,
            &["-4 route add default nexthop via 10.3.3.254 dev f0 nexthop via 10.1.1.254 dev e0"],
            &["0 10.1.1.254"],
        ),
        (
            ipv4,
            &["-4 route add default nexthop via 10.3.3.254 dev f0 nexthop via inet6 fe80::1 dev e0"],
            &["0 fe80::1"],
        ),
        (ipv6, &["-6 route add default via fe80::1 dev e0"], &["1024 fe80::1"]),
        (ipv6, &["-6 route add default via fd01::fe dev e0 metric 7"], &["7 fd01::fe"]),
        (ipv6, &["-6 route add default dev e0"], &["1024 none"]),
        (
            ipv6,
            &[
                "-6 route add default via fd03::fe dev f0 metric 9",
                "-6 route add default via fd01::fe dev e0 table 100",
                "-6 route add default via fd01::fe dev e0 metric 7 proto 109",
                "-6 route add ::/1 via fd01::fe dev e0",
                "-6 route add unreachable default metric 8",
            ],
            &[],
        ),
        (
            ipv6,
            &["-6 route add default nexthop via fd03::fe dev f0 nexthop via fd01::fe dev e0"],
            &["1024 fd01::fe"],
        ),
    ] {
        judge(&mut inside, family, routes, expected);
    }
}

#[test]
fn nexthop_objects_tell_the_router() {
    inside(&Namespace::new(), "kernel::uplinks::routers::ask_nexthop_objects");
}

#[test]
#[ignore = "runs inside a namespace, started by nexthop_objects_tell_the_router"]
fn ask_nexthop_objects() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    pair("f0", "f1");
    ip("address add 10.3.3.1/24 dev f0");
    ip("nexthop add id 1 via 10.1.1.254 dev e0");
    ip("nexthop add id 2 via 10.3.3.254 dev f0");
    ip("nexthop add id 3 group 1/2");
    ip("nexthop add id 4 via fe80::1 dev e0");
    ip("nexthop add id 5 dev e0");
    ip("nexthop add id 6 blackhole");
    // The kernel says where an object leads, or only which one it is.
    for compatible in ["1", "0"] {
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", compatible).expect("written");
        for (family, route, expected) in [
            (Family::Ipv4, "-4 route add default nhid 1", &["0 10.1.1.254"][..]),
            (Family::Ipv4, "-4 route add default nhid 2", &[]),
            (Family::Ipv4, "-4 route add default nhid 3", &["0 10.1.1.254"]),
            (Family::Ipv4, "-4 route add default nhid 4", &["0 fe80::1"]),
            (Family::Ipv4, "-4 route add default nhid 5 metric 2", &["2 none"]),
            (Family::Ipv4, "-4 route add default nhid 6", &[]),
            (Family::Ipv6, "-6 route add default nhid 4", &["1024 fe80::1"]),
        ] {
            judge(&mut inside, family, &[route], expected);
        }
    }
}

/// Routers announce themselves with a preference, and the kernel takes the highest.
#[test]
fn the_preferred_of_two_routers_is_told() {
    inside(&Namespace::new(), "kernel::uplinks::routers::ask_for_the_preferred");
}

#[test]
#[ignore = "runs inside a namespace, started by the_preferred_of_two_routers_is_told"]
fn ask_for_the_preferred() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    // Not of one multipath route: with a router, and with none.
    ip("-6 route add default dev e0 pref low");
    ip("-6 route append default via fe80::2 dev e0 pref high");
    assert_eq!(ip("-6 route show default").lines().count(), 2);
    assert_eq!(told(&mut inside, Family::Ipv6), ["1024 fe80::2"]);
}

/// In a dry run as in a run.
#[test]
fn what_cannot_be_a_router_is_refused_before_anything_is_changed() {
    let namespace = Namespace::new();
    namespace.links(&[("e0", "e1")]);
    namespace.ip_batch(
        "address add 10.1.1.1/24 brd + dev e0\naddress add 10.1.2.1/24 dev e1\naddress add fd01::1/64 dev e0 nodad\n",
    );
    for (router, why) in [
        (
            "10.1.1.255",
            "10.1.1.255 is no address of a router on the link of e0 (EINVAL: Nexthop has invalid gateway)",
        ),
        ("10.1.1.1", "10.1.1.1 is an address of this host"),
        ("10.1.2.1", "10.1.2.1 is an address of this host"),
        ("fd01::1", "fd01::1 is an address of this host"),
    ] {
        for options in [&[][..], &["--dry-run"], &["--rehearse"]] {
            let config = format!("{{version: 1, uplinks: {{u: {{dev: e0, gateway: '{router}'}}}}}}");
            let ran = namespace.apply(&config, options).expect(1);
            assert!(ran.stderr.contains(&format!("uplink `u` waits: its router {why}")), "{}", ran.stderr);
        }
        assert_eq!(namespace.ip("-4 rule show").lines().count(), 3);
    }
}

#[test]
fn a_router_that_is_not_on_the_link_is_found() {
    inside(&Namespace::new(), "kernel::uplinks::routers::look_for_routers");
}

/// What the check says is what the kernel says then.
#[track_caller]
fn check(inside: &mut Inside, family: Family, router: &str) -> bool {
    let router: IpAddr = router.parse().expect("an address");
    let step = add_route(inside.route(family, Some(router)));
    let foreseen = inside.check(&step);
    let verdict = inside.try_step(&step);
    assert_eq!(foreseen, verdict, "{step}");
    if verdict.is_ok() {
        let Step::SetRoute { to, .. } = step else { unreachable!() };
        inside.carry_out([super::delete_route(to)]);
    }
    verdict.is_ok()
}

#[test]
#[ignore = "runs inside a namespace, started by a_router_that_is_not_on_the_link_is_found"]
fn look_for_routers() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    let (ipv4, ipv6) = (Family::Ipv4, Family::Ipv6);
    for (family, prepare, router, on_link) in [
        (ipv4, &[][..], "10.1.1.254", true),
        (ipv4, &[], "10.2.2.2", false),
        (ipv4, &[], "10.1.1.255", false),
        (ipv4, &["-4 address add 10.4.4.2/31 dev e0"], "10.4.4.3", true),
        (ipv4, &["-4 address add 10.4.4.3/32 peer 10.4.4.255 dev e0"], "10.4.4.255", true),
        (ipv4, &["-4 address add 10.4.4.4/32 dev e0", "-4 route add 10.4.5.255 dev e0"], "10.4.5.255", true),
        (ipv4, &[], "fe80::1", true),
        (ipv4, &[], "fd01::fe", true),
        (ipv4, &[], "fd02::2", false),
        (ipv6, &[], "fd01::fe", true),
        (ipv6, &[], "fd02::2", false),
        (ipv6, &[], "fe80::1", true),
        // By a router is not on the link, however the route is written.
        (ipv4, &["-4 route add default via 10.1.1.254 dev e0"], "10.2.2.2", false),
        (ipv4, &["-4 route add 10.2.0.0/16 via 10.1.1.254 dev e0"], "10.2.2.2", false),
        (
            ipv4,
            &["-4 route add default nexthop via 10.1.1.254 dev e0 nexthop via 10.1.1.253 dev e0"],
            "10.2.2.2",
            false,
        ),
        // As some providers have it: no prefix covers the router.
        (ipv4, &["-4 route add default via 10.8.8.8 dev e0 onlink"], "10.8.8.8", true),
        (ipv4, &["-4 route add default via 10.8.8.8 dev e0 onlink"], "10.8.8.7", false),
        (ipv6, &["-6 route add default via fd08::8 dev e0 onlink"], "fd08::8", true),
        (ipv6, &["-6 route add default via fe80::1 dev e0"], "fd02::2", false),
        // A rule leads to a table with a default route by a router.
        (
            ipv4,
            &[
                "-4 route add default via 10.1.1.254 dev e0 table 100",
                "-4 rule add from all lookup 100 pref 100",
            ],
            "10.2.2.2",
            false,
        ),
        // There is a route to the router all the same.
        (
            ipv4,
            &[
                "-4 route add default via 10.1.1.254 dev e0 table 100",
                "-4 rule add oif e0 lookup 100 pref 100",
            ],
            "10.1.1.253",
            true,
        ),
        (ipv4, &["-4 route add 10.2.2.2 dev e0"], "10.2.2.2", true),
        (ipv4, &["-4 route add default dev e0 metric 9"], "10.2.2.2", true),
        (ipv4, &["-4 route add 10.2.2.2 dev e1"], "10.2.2.2", false),
        (ipv6, &["-6 route add fd02::/64 dev e0"], "fd02::2", true),
        // With a nexthop object, a route to a link is not taken for one unless its scope says so.
        (ipv4, &["nexthop replace id 5 dev e0", "-4 route add 10.2.0.0/16 nhid 5"], "10.2.2.2", false),
        (
            ipv4,
            &["nexthop replace id 5 dev e0", "-4 route add 10.2.0.0/16 nhid 5 scope link"],
            "10.2.2.2",
            true,
        ),
        (ipv6, &["-6 nexthop replace id 6 dev e0", "-6 route add fd02::/64 nhid 6"], "fd02::2", true),
        // IPv6 ends at the first route that it finds.
        (
            ipv6,
            &["-6 route add default via fd01::fe dev e0 table 100", "-6 rule add oif e0 lookup 100 pref 100"],
            "fd01::fd",
            false,
        ),
        (
            ipv4,
            &["nexthop replace id 5 via 10.1.1.254 dev e0", "-4 route add 10.2.0.0/16 nhid 5"],
            "10.2.2.2",
            false,
        ),
    ] {
        for compatible in ["1", "0"] {
            std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", compatible).expect("written");
            prepare.iter().for_each(|command| drop(ip(command)));
            println!("{router} after {prepare:?}");
            assert_eq!(check(&mut inside, family, router), on_link);
            let added = prepare.iter().rev().filter(|command| command.contains(" add "));
            added.for_each(|command| drop(ip(&command.replace(" add ", " delete "))));
        }
    }
    // The table of the uplink itself tells that all of it is one link.
    let without = inside.route(ipv4, None);
    let with = inside.route(ipv4, "10.2.2.2".parse().ok());
    inside.carry_out([add_route(without.clone())]);
    let step = super::replace_route(without, with);
    assert_eq!(inside.check(&step), Ok(()));
    inside.carry_out([step]);
}
