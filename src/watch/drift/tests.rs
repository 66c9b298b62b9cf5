use std::net::IpAddr;

use crate::model::{Family, Limits, Reason, UplinkRoute, UplinkRule, UplinkState};

use super::*;

const TABLE: u32 = 868_400_002;

fn rule(from: &str) -> UplinkRule {
    let address: IpAddr = from.parse().unwrap();
    let [_, rule] = UplinkRule::pair(address, TABLE);
    rule
}

fn route(gateway: &str) -> UplinkRoute {
    let gateway = Some(gateway.parse().unwrap());
    UplinkRoute { family: Family::Ipv4, table: TABLE, gateway, dev: None, metric: 0, raw: Vec::new() }
}

fn state(rules: &[&UplinkRule], routes: &[&UplinkRoute]) -> State {
    let uplinks = UplinkState {
        rules: rules.iter().copied().cloned().collect(),
        routes: routes.iter().copied().cloned().collect(),
    };
    State {
        limits: Limits { subflows: 2, add_addr_accepted: 0 },
        sysctls: [].into(),
        endpoints: Vec::new(),
        uplinks: Some(uplinks),
    }
}

fn add(rule: &UplinkRule) -> Step {
    Step::AddRule { rule: rule.clone(), why: Reason::Declared }
}

fn del(rule: &UplinkRule) -> Step {
    Step::DelRule { rule: rule.clone(), why: Reason::AddressGone }
}

fn set(from: Option<&UplinkRoute>, to: &UplinkRoute) -> Step {
    Step::SetRoute { from: from.cloned(), to: to.clone(), why: Reason::Declared }
}

#[test]
fn what_others_removed_is_told() {
    let (rule, route, other) = (rule("192.0.2.1"), route("192.0.2.254"), route("192.0.2.253"));
    let reached = state(&[&rule], &[&route]);
    let told = |found: &State, steps: &[Step]| between(&reached, found, steps.iter());
    assert_eq!(
        told(&state(&[], &[]), &[set(None, &route), add(&rule)]),
        [
            "drift: the route default via 192.0.2.254 table 868400002 was removed",
            "drift: another program removed the rule from 192.0.2.1 lookup 868400002",
        ]
    );
    assert_eq!(
        told(&state(&[&rule], &[&other]), &[set(Some(&other), &route)]),
        ["drift: another program changed the route default via 192.0.2.254 table 868400002 to \
             route default via 192.0.2.253 table 868400002"]
    );
}

/// An address goes, and comes back while its rules are being removed.
#[test]
fn what_a_pass_takes_back_itself_is_no_drift() {
    let (old, new, route, other) =
        (rule("192.0.2.1"), rule("192.0.2.2"), route("192.0.2.254"), route("192.0.2.253"));
    let reached = state(&[&old], &[&route]);
    let steps =
        [add(&new), del(&old), add(&old), del(&new), set(Some(&route), &other), set(Some(&other), &route)];
    assert_eq!(between(&reached, &reached, steps.iter()), [""; 0]);
    let steps = [
        Step::DelRoute { route: route.clone(), why: Reason::GatewayUnknown },
        set(None, &route),
        Step::DelRoute { route: route.clone(), why: Reason::GatewayUnknown },
    ];
    assert_eq!(between(&reached, &reached, steps.iter()), [""; 0]);
}
