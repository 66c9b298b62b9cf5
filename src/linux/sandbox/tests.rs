use super::*;
use crate::model::UplinkState;

/// Where a new namespace has interfaces already, such as `sit0`, their indexes are taken.
#[test]
fn rules_and_routes_follow_an_interface_to_another_index() {
    let index = |number: u32| NonZeroU32::new(number).expect("not 0");
    let link = |number: u32, name: &str| Interface::working(index(number), name);
    let links = [link(2, "eth0"), link(3, "eth1")];
    let mut copy = Copy {
        rtnl: Rtnl::open().expect("a socket"),
        indexes: [("eth0".to_owned(), index(7)), ("eth1".to_owned(), index(3))].into(),
        kind: None,
        warnings: Vec::new(),
    };
    let uplinks = |first: u32, odd: &[u8]| {
        let route = |number: u32, name: &str, raw: &[u8]| UplinkRoute {
            family: Family::Ipv4,
            table: uplink_table(index(number)),
            gateway: None,
            dev: Some(Device { index: index(number), name: Some(name.to_owned()) }),
            metric: 0,
            raw: raw.to_vec(),
        };
        let own: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|own| own.parse().expect("an address"));
        let mut rules = UplinkRule::pair(own[0], uplink_table(index(first))).to_vec();
        rules.extend(UplinkRule::pair(own[1], uplink_table(index(3))));
        // Its interface is gone.
        rules.extend(UplinkRule::pair(own[1], uplink_table(index(9))));
        UplinkState { rules, routes: vec![route(first, "eth0", odd), route(3, "eth1", &[1])] }
    };
    let add_rule = |rule| Step::AddRule { rule, why: Reason::Declared };
    let add_route = |to| Step::SetRoute { from: None, to, why: Reason::Declared };
    let moved = uplinks(7, &[]);
    let routes = moved.routes.into_iter().map(add_route);
    let expected: Vec<Step> = routes.chain(moved.rules.into_iter().map(add_rule)).collect();
    assert_eq!(copy.uplink_steps(uplinks(2, &[]), &links), expected);
    assert!(copy.warnings.is_empty());
    // A whole message that names the interface cannot follow it.
    assert_eq!(copy.uplink_steps(uplinks(2, &[1]), &links), expected[1..]);
    let [warning] = &copy.warnings[..] else { panic!("{:?}", copy.warnings) };
    assert_eq!(warning.message, "the copy differs from this host: it lacks route dev eth0 table 868400002");
}
