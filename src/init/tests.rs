use super::*;
use crate::doctor::Table;
use crate::model::{Capabilities, Endpoint, Interface, Listener, State};
use crate::report::init::text;

/// A link with static addresses, whose default routes have this metric.
fn link(number: u32, name: &str, kind: &str, addresses: &[&str], metric: u32) -> SurveyedLink {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let own = |address: &IpAddr| SurveyedAddress {
        address: *address,
        state: AddressState::Settled,
        lifetime: Lifetime::Static,
        way: WayOut::Own,
    };
    let default = |family| (family, MainDefault { metric, gateway: None });
    SurveyedLink {
        interface: Interface::working(number.try_into().unwrap(), name),
        kind: kind.to_owned(),
        part_of: None,
        addresses: addresses.iter().map(own).collect(),
        defaults: Family::ALL.into_iter().map(default).collect(),
        profile: None,
    }
}

fn survey(links: Vec<SurveyedLink>) -> Survey {
    Survey { links, listeners: Vec::new(), path_manager: Table::Missing, capabilities: Capabilities::SMALL }
}

fn profile(flags: &str) -> Option<ManagerProfile> {
    Some(ManagerProfile {
        name: "Wired connection 1".to_owned(),
        mptcp_flags: MptcpFlags::parse(flags).unwrap(),
    })
}

/// The file passes `check --strict`, and reads as the proposal.
#[track_caller]
fn written(proposal: &Proposal) -> crate::config::Config {
    let (text, mut diagnostics) = (text(proposal), crate::model::diagnostic::Diagnostics::default());
    let config = crate::config::parse([text.as_str()], &mut diagnostics);
    assert_eq!(diagnostics.iter().map(|found| &found.message).collect::<Vec<_>>(), [""; 0], "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let flags = config.endpoints.iter().flatten().map(|one| one.flags);
    assert!(flags.eq(proposal.endpoints.iter().map(|one| one.flags)), "{text}");
    config
}

#[test]
fn flags_of_network_manager_are_kept() {
    let cases = [
        ("0x0 (default)", None, "subflow"),
        ("0x1 (disabled)", None, "subflow"),
        ("0x2 (enabled)", None, "subflow"),
        ("0x62 (enabled,subflow,backup)", None, "subflow backup"),
        ("0x10 (signal)", None, "signal"),
        ("0x90 (signal,fullmesh)", None, "signal"),
        ("0xa8 (also-without-default-route,subflow,fullmesh)", None, "subflow fullmesh"),
        ("0x80 (fullmesh)", None, "subflow fullmesh"),
        ("0x40 (backup)", Some(HostRole::Server), "signal backup"),
        ("0xa0 (subflow,fullmesh)", Some(HostRole::Server), "signal"),
        ("0x10 (signal)", Some(HostRole::Client), "subflow"),
    ];
    for (flags, asked, expected) in cases {
        let eth0 = SurveyedLink { profile: profile(flags), ..link(2, "eth0", "", &["192.0.2.10"], 100) };
        let proposal = propose(&survey(vec![eth0]), asked);
        written(&proposal);
        assert_eq!(proposal.endpoints[0].flags.to_string(), expected, "{flags} {asked:?}");
        // As long as it makes endpoints too, the command that ends that is there.
        let command = "#   nmcli connection modify 'Wired connection 1' connection.mptcp-flags disabled\n";
        assert_eq!(text(&proposal).contains(command), flags != "0x1 (disabled)", "{flags}");
    }
}

#[test]
fn kinds_that_lead_nowhere_are_left_out() {
    let mut links: Vec<SurveyedLink> = (2..)
        .zip(["wireguard", "tun", "gre", "ip6tnl", "sit", "xfrm", "vti"])
        .map(|(number, kind)| link(number, &format!("t{number}"), kind, &["10.0.0.1"], 10))
        .collect();
    links.extend((20..40).map(|number| {
        let veth = link(number, &format!("veth{number}"), "veth", &[], 0);
        SurveyedLink { defaults: Vec::new(), ..veth }
    }));
    let mut lan = link(50, "lan0", "", &["10.1.0.1"], 0);
    lan.defaults.clear();
    lan.addresses[0].way = WayOut::Other;
    links.push(lan);
    let proposal = propose(&survey(links), None);
    assert_eq!(proposal.endpoints, []);
    written(&proposal);
    let text = text(&proposal).replace("\n#   ", " ");
    assert!(text.contains("veth26, veth27 and 12 more: a veth without"), "{text}");
    assert!(text.contains("- lan0: no default route leads out of it"), "{text}");
    assert!(text.contains("- t2: a tunnel (wireguard) with a default route"), "{text}");
}

/// Names of any characters stand in comments, and never end them.
#[test]
fn names_are_quoted_and_escaped() {
    let names =
        ["null", "1e3", "#x", "'", "\"", "&a", "-", "{}", "[x", "a\u{1b}[2J\u{2028}version:2", "true", "!no"];
    let links = (2u32..)
        .zip(names)
        .map(|(number, name)| link(number, name, "", &[&format!("192.0.2.{number}")], number));
    let proposal = propose(&survey(links.collect()), None);
    let config = written(&proposal);
    assert_eq!(config.endpoints.unwrap().len(), proposal.endpoints.len());
    assert_eq!(proposal.endpoints.len(), 8, "the table holds no more: {:?}", proposal.left_out);
    assert!(!text(&proposal).contains(['\u{1b}', '\u{2028}']));
}

#[test]
fn limits_fit_the_kernel() {
    let many: Vec<String> = (1..=12).map(|number| format!("192.0.2.{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut full = survey(vec![link(2, "eth0", "", &many, 100), link(3, "eth1", "", &["192.0.2.1"], 200)]);
    let proposal = propose(&full, None);
    written(&proposal);
    assert_eq!(proposal.endpoints.len(), 8);
    assert_eq!(proposal.limits.subflows, Some(LimitValue::Max));
    assert!(proposal.left_out.contains(&LeftOut {
        what: "eth1 192.0.2.1".to_owned(),
        reason: "an interface before it has this address too".to_owned(),
    }));
    full.capabilities = Capabilities::LARGE;
    let proposal = propose(&full, None);
    assert_eq!(proposal.limits.subflows, Some(LimitValue::Number(14)));
    let limits = Limits { subflows: 20, add_addr_accepted: 9 };
    let now = State { limits, sysctls: Default::default(), endpoints: Vec::<Endpoint>::new(), uplinks: None };
    full.path_manager = Table::Read(now);
    let limits = propose(&full, None).limits;
    let expected = [LimitValue::Number(21), LimitValue::Number(9)].map(Some);
    assert_eq!([limits.subflows, limits.add_addr_accepted], expected);
}

#[test]
fn listeners_on_this_host_alone_make_no_server() {
    let listener = |local: &str, mptcp| Listener { local: local.parse().unwrap(), mptcp, inode: 1 };
    let mut host = survey(vec![link(2, "eth0", "", &["192.0.2.10"], 100)]);
    host.listeners =
        vec![listener("127.0.0.1:1", true), listener("[::1]:2", true), listener("0.0.0.0:3", false)];
    assert_eq!(propose(&host, None).role, HostRole::Client);
    host.listeners.push(listener("[::]:443", true));
    assert_eq!(propose(&host, None).role, HostRole::Server);
    assert_eq!(propose(&host, Some(HostRole::Client)).role, HostRole::Client);
}

/// Rules of this program are no reason to leave uplinks out, and rules of others are.
#[test]
fn uplinks_are_for_addresses_whose_packets_go_astray() {
    for (way, expected) in [(WayOut::Own, 0), (WayOut::Uplink, 2), (WayOut::Other, 2)] {
        let mut second = link(3, "eth1", "", &["198.51.100.10"], 200);
        second.addresses[0].way = way;
        let proposal = propose(&survey(vec![second, link(2, "eth0", "", &["192.0.2.10"], 100)]), None);
        let config = written(&proposal);
        assert_eq!(config.uplinks.map_or(0, |uplinks| uplinks.len()), expected, "{way:?}");
        assert_eq!(proposal.endpoints[0].dev.to_string(), "eth0", "the best default route comes first");
    }
}

/// The families of one link may have routers of their own, with metrics of their own.
#[test]
fn each_endpoint_has_the_route_of_its_family() {
    let route = |metric, router: &str| MainDefault { metric, gateway: router.parse().ok() };
    let mut eth0 = link(2, "eth0", "", &["192.0.2.10", "2001:db8:1::5"], 0);
    eth0.defaults = vec![(Family::Ipv4, route(100, "192.0.2.1")), (Family::Ipv6, route(1024, "fe80::1"))];
    let mut eth1 = link(3, "eth1", "", &["10.2.2.5", "2001:db8:2::5"], 0);
    eth1.defaults = vec![(Family::Ipv4, route(0, "10.2.2.1")), (Family::Ipv6, route(2000, "fe80::2"))];
    let proposal = propose(&survey(vec![eth0, eth1]), None);
    written(&proposal);
    let text = text(&proposal);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(": default route")).collect();
    assert_eq!(
        lines,
        [
            "  # eth1: default route by 10.2.2.1, metric 0; a static address",
            "  # eth0: default route by 192.0.2.1, metric 100; a static address",
            "  # eth0: default route by fe80::1, metric 1024; a static address",
            "  # eth1: default route by fe80::2, metric 2000; a static address",
        ]
    );
}
