//! Uplinks without a kernel: what declarations mean on a host, and laws of their plans on the model.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use mptcp_apply::desired::{self, Desired, ResolveError};
use mptcp_apply::model::diagnostic::Severity;
use mptcp_apply::model::{
    AddressState, Capabilities, DeclaredNames, Device, Family, MAIN_TABLE, State, UPLINK_PROTOCOL,
    UplinkRoute, UplinkRule, UplinkState, uplink_table,
};
use mptcp_apply::plan::{give_reasons, plan};
use mptcp_apply::reconcile::Verdict;
use mptcp_apply::report::Style;
use mptcp_apply::report::text;
use mptcp_apply::system::PathManager;
use proptest::prelude::*;

use crate::host::Host;
use crate::model::routing::Routing;
use crate::model::{Model, Version};
use crate::world::{initial, parse};

fn resolved(config: &str, current: &State, host: &mut Host) -> Result<Desired, ResolveError> {
    let config = parse(&format!("version: 1\nuplinks: {config}\n"));
    desired::resolve(&config, current, Capabilities::SMALL, &BTreeSet::new(), host)
}

/// The plan as people read it, then the warnings.
fn planned(config: &str, current: &State, host: &mut Host) -> String {
    let desired = match resolved(config, current, host) {
        Ok(desired) => desired,
        Err(ResolveError::Invalid(found)) => {
            return found.iter().map(|error| format!("error: {}\n", error.message)).collect();
        }
        Err(other) => panic!("{other:?}"),
    };
    let mut steps = plan(current, &desired.state, Capabilities::SMALL).expect("a plan");
    give_reasons(&mut steps, &desired.reasons);
    let plan = text::plan(steps.iter(), &desired.names, Verdict::Planned, Style::Plain);
    desired
        .warnings
        .iter()
        .fold(plan, |text, warning| text + &format!("{}: {}\n", warning.code, warning.message))
}

fn unmanaged() -> State {
    State { uplinks: Some(UplinkState::default()), ..initial() }
}

/// What is there once these uplinks are applied on this host.
fn applied(config: &str, host: &mut Host) -> State {
    resolved(config, &unmanaged(), host).expect("valid").state
}

#[test]
fn each_address_gets_two_rules_and_each_family_a_route() {
    let mut host = Host::new();
    host.route(0, "192.0.2.1", 100);
    host.route(0, "fe80::1", 1024);
    let expected = "\
+ route default via 192.0.2.1 dev eth0 table 868400002   fibre
+ route default via fe80::1 dev eth0 table 868400002   fibre
+ rule from 192.0.2.10 lookup main suppress_prefixlength 0   fibre
+ rule from 192.0.2.10 lookup 868400002   fibre
+ rule from 2001:db8::10 lookup main suppress_prefixlength 0   fibre
+ rule from 2001:db8::10 lookup 868400002   fibre
plan: 6 to add, 0 to change, 0 to remove
";
    assert_eq!(planned("{fibre: {dev: eth0}}", &unmanaged(), &mut host), expected);
}

#[test]
fn the_router_is_the_declared_one_or_that_of_the_default_route() {
    let mut host = Host::new();
    let waits = "no changes\ngateway-unknown: uplink `fibre` waits: no IPv4 default route out of eth1 tells its router\n";
    assert_eq!(planned("{fibre: {dev: eth1}}", &unmanaged(), &mut host), waits);
    // One of the other family is no router for these addresses.
    let desired =
        resolved("{fibre: {dev: eth1, gateway: 'fe80::1'}}", &unmanaged(), &mut host).expect("valid");
    let help = desired.warnings[0].help.as_deref();
    assert_eq!(help, Some("add the IPv4 one to `gateway`, which is a list then"));
    let of = |config: &str, host: &mut Host| {
        let state = applied(config, host);
        state.uplinks().routes.iter().map(|route| route.gateway.map(|it| it.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(of("{fibre: {dev: eth1, gateway: 10.1.1.254}}", &mut host), [Some("10.1.1.254".into())]);
    assert_eq!(of("{fibre: {dev: eth1, gateway: none}}", &mut host), [None]);
    host.route(1, "10.1.1.1", 50);
    assert_eq!(of("{fibre: {dev: eth1}}", &mut host), [Some("10.1.1.1".into())]);
    assert_eq!(of("{fibre: {dev: eth1, gateway: 10.1.1.254}}", &mut host), [Some("10.1.1.254".into())]);
    host.unroute(1);
    host.interface_mut(1).routerless = true;
    assert_eq!(of("{fibre: {dev: eth1}}", &mut host), [None]);
}

#[test]
fn what_is_gone_leaves_for_its_own_reason() {
    let of_second = "{lte: {dev: eth1}}";
    let mut host = Host::new();
    host.route(1, "10.1.1.254", 100);
    let before = applied(of_second, &mut host);

    host.route(1, "10.1.1.253", 100);
    let changed = "\
~ route default via 10.1.1.254 -> via 10.1.1.253 dev eth1 table 868400003   lte, the router changed
plan: 0 to add, 1 to change, 0 to remove
";
    assert_eq!(planned(of_second, &before, &mut host), changed);
    host.route(1, "10.1.1.254", 100);

    host.remove("10.1.1.1");
    let gone = "\
- rule from 10.1.1.1 lookup 868400003   address gone
- rule from 10.1.1.1 lookup main suppress_prefixlength 0   address gone
plan: 0 to add, 0 to change, 2 to remove
";
    assert_eq!(planned(of_second, &before, &mut host), gone);
    host.assign(1, "10.1.1.1", AddressState::Deprecated);
    assert_eq!(planned(of_second, &before, &mut host), "no changes\n", "live connections use it");

    host.unroute(1);
    let unknown = planned(of_second, &before, &mut host);
    assert!(
        unknown.contains("- rule from 10.1.1.1 lookup 868400003   gateway unknown, moves its subflows\n"),
        "{unknown}"
    );
    assert!(
        unknown.contains("- route default via 10.1.1.254 dev eth1 table 868400003   lte, gateway unknown\n"),
        "{unknown}"
    );

    host.interface_mut(1).up = false;
    let down = planned(of_second, &before, &mut host);
    assert!(down.contains("- rule from 10.1.1.1 lookup 868400003   interface down\n"), "{down}");
    assert!(down.contains("uplink `lte` waits: eth1 is down"), "{down}");

    let undeclared = planned("{}", &before, &mut host);
    assert!(
        undeclared.contains("- rule from 10.1.1.1 lookup 868400003   not declared, moves its subflows\n"),
        "{undeclared}"
    );
}

#[test]
fn an_interface_is_one_uplink() {
    let mut host = Host::new();
    (0..3).for_each(|number| host.route(number, "192.0.2.1", 100));
    let names = |config: &str, host: &mut Host| -> BTreeMap<u32, String> {
        let DeclaredNames { uplinks, .. } = resolved(config, &unmanaged(), host).expect("valid").names;
        uplinks.tables
    };
    let index = |number: u32| uplink_table(NonZeroU32::new(number + 2).expect("not zero"));
    let owners = names("{all: {dev: \"eth*\"}, one: {dev: eth1}}", &mut host);
    assert_eq!((owners[&index(0)].as_str(), owners[&index(1)].as_str()), ("all", "one"));
    host.interface_mut(1).altnames = vec!["second".to_owned()];
    let twice = planned("{one: {dev: eth1}, other: {dev: second}}", &unmanaged(), &mut host);
    assert_eq!(twice, "error: two uplinks name eth1\n");
    let several = planned("{all: {dev: \"eth*\", gateway: 192.0.2.1}}", &unmanaged(), &mut host);
    assert_eq!(several, "error: uplink `all` has a `gateway` and several interfaces\n");
    let missing = planned("{all: {dev: wwan0}}", &unmanaged(), &mut host);
    assert!(missing.contains("dev-missing: uplink `all` waits: there is no interface wwan0"), "{missing}");
    let shadowed = planned("{all: {dev: \"eth*\"}, rest: {dev: \"eth?\"}}", &unmanaged(), &mut host);
    let stands_for_nothing = "selector-shadowed: uplink `rest` stands for nothing: other uplinks have every";
    assert!(shadowed.contains(stands_for_nothing) && !shadowed.contains("dev-missing"), "{shadowed}");
    host.interface_mut(9).loopback = true;
    let loopback = planned("{all: {dev: eth9}}", &unmanaged(), &mut host);
    assert!(
        loopback.contains("uplink-down: uplink `all` waits: eth9 is the loopback interface"),
        "{loopback}"
    );
}

/// A typo must not take the last way out.
#[test]
fn uplinks_that_work_are_kept_while_declared_ones_wait() {
    let mut host = Host::new();
    host.route(0, "192.0.2.1", 100);
    host.route(0, "fe80::1", 1024);
    host.route(1, "10.1.1.254", 100);
    let before = applied("{fibre: {dev: eth0}, lte: {dev: eth1}}", &mut host);
    let typos = "{fibre: {dev: eht0}, lte: {dev: wwan0}}";
    let kept = "kept: kept: the rules for 192.0.2.10, 2001:db8::10, 192.0.2.11, 10.1.1.1; otherwise nothing leaves by an uplink while \
                `fibre`, `lte` wait\n";
    let planned_first = planned(typos, &before, &mut host);
    assert!(planned_first.starts_with("no changes\n") && planned_first.ends_with(kept), "{planned_first}");
    // What a declared one of them needs is there again, so the rest may go.
    let one = planned("{fibre: {dev: eth0}, lte: {dev: wwan0}}", &before, &mut host);
    assert!(
        one.contains("- rule from 10.1.1.1 lookup 868400003   not declared") && !one.contains("kept"),
        "{one}"
    );
    // Nor is anything kept that does not work, or where nothing waits.
    host.interface_mut(0).up = false;
    let down = planned(typos, &before, &mut host);
    assert!(down.contains("kept: the rules for 192.0.2.11, 10.1.1.1; otherwise"), "{down}");
    assert!(down.contains("- rule from 192.0.2.10 lookup 868400002"), "{down}");
    // An uplink without an address is no way out either, and each family counts for itself.
    host.interface_mut(0).up = true;
    let without_address = planned("{fibre: {dev: eth3}}", &before, &mut host);
    assert!(without_address.starts_with("no changes\n"), "{without_address}");
    let one_family = planned("{fibre: {dev: eth1}, lte: {dev: wwan0}}", &before, &mut host);
    assert!(one_family.contains("kept: the rules for 192.0.2.10, 2001:db8::10; otherwise"), "{one_family}");
    let none = planned("{}", &before, &mut host);
    assert!(none.ends_with("plan: 0 to add, 0 to change, 11 to remove\n"), "{none}");
}

/// An address on two interfaces leaves by the first.
#[test]
fn an_address_has_one_way() {
    let mut host = Host::new();
    (0..2).for_each(|number| host.route(number, "192.0.2.1", 100));
    host.assign(1, "192.0.2.10", AddressState::Settled);
    let state = applied("{all: {dev: [eth0, eth1]}}", &mut host);
    let rules: Vec<_> =
        state.uplinks().rules.iter().filter(|rule| rule.from == Some([192, 0, 2, 10].into())).collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert!(rules.iter().all(|rule| [MAIN_TABLE, 868_400_002].contains(&rule.table)), "{rules:?}");
}

const ADDRESSES: u8 = 4;
const LINKS: u32 = 3;

fn address(number: u8) -> IpAddr {
    let number = number.into();
    if number < 2 { [10, 0, 0, number as u8].into() } else { [0x2001, 0xdb8, 0, 0, 0, 0, 0, number].into() }
}

fn route(family: Family, link: u32, gateway: Option<u8>) -> UplinkRoute {
    let index = NonZeroU32::new(link + 2).expect("not zero");
    let gateway = gateway.map(|last| match family {
        Family::Ipv4 => IpAddr::from([10, 0, 0, 100 + last]),
        Family::Ipv6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)]),
    });
    let dev = Some(Device { index, name: Some(format!("eth{link}")) });
    UplinkRoute { family, table: uplink_table(index), gateway, dev, metric: family.metric(), raw: Vec::new() }
}

/// What uplinks make: each address on one of the links or none, each link with a router in each family or none.
fn made() -> impl Strategy<Value = UplinkState> {
    let on = prop::collection::vec(prop::option::of(0..LINKS), usize::from(ADDRESSES));
    let routers = prop::collection::vec(prop::option::of(prop::option::of(0..2_u8)), 2 * LINKS as usize);
    (on, routers).prop_map(|(on, routers)| {
        let mut state = UplinkState::default();
        for (at, router) in routers.into_iter().enumerate() {
            let (link, family) = (at as u32 / 2, Family::ALL[at % 2]);
            state.routes.extend(router.map(|gateway| route(family, link, gateway)));
        }
        for (number, link) in (0..ADDRESSES).zip(on) {
            let Some(link) = link else { continue };
            let table = uplink_table(NonZeroU32::new(link + 2).expect("not zero"));
            let has_route =
                |route: &UplinkRoute| route.table == table && route.family == Family::of(address(number));
            if state.routes.iter().any(has_route) {
                state.rules.extend(UplinkRule::pair(address(number), table));
            }
        }
        state
    })
}

/// The same, with something missing, doubled or odd, as a killed run or another program leaves it.
fn found() -> impl Strategy<Value = UplinkState> {
    (made(), made(), any::<[prop::sample::Index; 3]>(), 0..4_u8).prop_map(|(one, other, at, kind)| {
        let mut state = one;
        if kind > 0 && !state.rules.is_empty() {
            state.rules.remove(at[0].index(state.rules.len()));
        }
        if kind > 1 {
            let extra =
                other.rules.into_iter().filter(|rule| !state.rules.contains(rule)).collect::<Vec<_>>();
            state.rules.extend(extra);
        }
        if kind > 2 {
            let odd =
                UplinkRule { priority: 7, from: None, table: 99, suppress_prefixlength: None, raw: vec![1] };
            state.rules.push(odd);
            let odd = UplinkRoute { raw: vec![2], ..route(Family::Ipv4, 0, Some(9)) };
            state.routes.push(odd);
        }
        state
    })
}

fn state(uplinks: UplinkState) -> State {
    State { uplinks: Some(uplinks), ..initial() }
}

/// A namespace with these, and with rules and routes of other programs beside them.
fn model(uplinks: &UplinkState) -> Model {
    let mut model = Model::holding(Version::V6_18, &state(uplinks.clone()));
    (0..LINKS).for_each(|link| model.link(link + 2, &format!("eth{link}")));
    for number in 0..ADDRESSES {
        let rule =
            UplinkRule { priority: 100, raw: Vec::new(), ..UplinkRule::pair(address(number), 77)[1].clone() };
        model.add_rule(4, rule).expect("a rule");
    }
    let other = UplinkRoute { table: 77, ..route(Family::Ipv4, 0, Some(3)) };
    model.add_route(4, other).expect("a route");
    model
}

/// By which route packets with this address leave because of the program's rules.
fn way(routing: &Routing, from: IpAddr) -> Option<UplinkRoute> {
    let rules = routing.rules().filter(|(protocol, _)| *protocol == UPLINK_PROTOCOL).map(|(_, rule)| rule);
    let mut rules = rules.filter(|rule| rule.from == Some(from) && rule.suppress_prefixlength.is_none());
    rules.find_map(|rule| {
        let mut routes = routing.routes().map(|(_, route)| route);
        let leads = |route: &&UplinkRoute| route.table == rule.table && route.family == Family::of(from);
        routes.find(leads).cloned()
    })
}

proptest! {
    /// The plan leads to the goal, touches nothing of other programs, and is undone step by step.
    #[test]
    fn any_uplinks_become_any_others(before in found(), after in made()) {
        let (from, to) = (state(before.clone()), state(after));
        let steps = plan(&from, &to, Capabilities::SMALL).expect("a plan");
        let mut model = model(&before);
        let others = format!("{:?}", model.routing().foreign());
        let mut undo = Vec::new();
        for step in &steps {
            let now = model.state();
            prop_assert!(model.execute(step).is_ok(), "{step} in {steps:#?}");
            prop_assert!(step.is_carried_out(&model.state()), "{step}");
            let mut expected = now;
            step.replay(&mut expected);
            prop_assert!(model.state().agrees_with(&expected));
            undo.extend(step.undo(&model.state()));
        }
        prop_assert!(model.state().agrees_with(&to), "{:#?}", model.state().uplinks);
        prop_assert_eq!(&format!("{:?}", model.routing().foreign()), &others);
        for step in undo.iter().rev() {
            prop_assert!(model.execute(step).is_ok(), "undo: {step}");
        }
        prop_assert!(model.state().agrees_with(&from), "{:#?}", model.state().uplinks);
        prop_assert_eq!(format!("{:?}", model.routing().foreign()), others);
    }

    /// One step for each rule and route that differs, and none else.
    #[test]
    fn the_plan_is_shortest(before in found(), after in made()) {
        let (from, to) = (state(before.clone()), state(after.clone()));
        let steps = plan(&from, &to, Capabilities::SMALL).expect("a plan");
        let new = after.rules.iter().filter(|rule| !before.rules.contains(rule)).count();
        let old = before.rules.iter().filter(|rule| !after.rules.contains(rule)).count();
        let keys = |state: &UplinkState| -> BTreeSet<_> {
            state.routes.iter().map(|route| (route.family, route.table, route.raw.clone())).collect()
        };
        let all: BTreeSet<_> = keys(&before).union(&keys(&after)).cloned().collect();
        let at = |state: &UplinkState, key: &(Family, u32, Vec<u8>)| {
            state.routes.iter().find(|route| (route.family, route.table, &*route.raw) == (key.0, key.1, &*key.2)).cloned()
        };
        let routes = all.iter().filter(|key| at(&before, key) != at(&after, key)).count();
        prop_assert_eq!(steps.len(), new + old + routes);
        prop_assert_eq!(plan(&to, &to, Capabilities::SMALL).expect("a plan"), []);
    }

    /// An address that has a way before and after has the one or the other at every moment.
    #[test]
    fn no_address_loses_its_way(before in made(), after in made()) {
        let (from, to) = (state(before.clone()), state(after.clone()));
        let steps = plan(&from, &to, Capabilities::SMALL).expect("a plan");
        let addresses: Vec<IpAddr> = (0..ADDRESSES).map(address).collect();
        let ways = |model: &Model| addresses.iter().map(|from| way(model.routing(), *from)).collect::<Vec<_>>();
        let (first, last) = (ways(&model(&before)), ways(&model(&after)));
        let mut model = model(&before);
        for step in &steps {
            model.execute(step).expect("possible");
            for ((now, first), last) in ways(&model).iter().zip(&first).zip(&last) {
                if first.is_some() && last.is_some() {
                    // In between it may already have the new router of the old interface.
                    prop_assert!(now.is_some(), "after {step} of {steps:#?}");
                }
            }
        }
        prop_assert_eq!(ways(&model), last);
    }
}

#[test]
fn a_manager_that_removes_rules_is_named() {
    let mut host = Host::new();
    host.route(0, "192.0.2.1", 100);
    host.has_networkd = true;
    let found = planned("{fibre: {dev: eth0, gateway: [192.0.2.1, \"fe80::1\"]}}", &unmanaged(), &mut host);
    assert!(found.contains("networkd-foreign-rules: systemd-networkd removes rules"), "{found}");
    assert!(!planned("{}", &unmanaged(), &mut host).contains("networkd"), "nothing is managed");
}

/// The kernel takes it for one of IPv4, and sends to all destinations on the link then.
#[test]
fn an_address_of_this_host_is_no_router() {
    for gateway in ["10.1.1.1", "192.0.2.10", "2001:db8::10"] {
        let mut host = Host::new();
        host.assign(1, "2001:db8::11", AddressState::Settled);
        let config = format!("{{lte: {{dev: eth1, gateway: '{gateway}'}}}}");
        let desired = resolved(&config, &unmanaged(), &mut host).expect("the rest is possible");
        let error =
            desired.warnings.iter().find(|found| found.severity == Severity::Error).expect("an error");
        let message = format!("uplink `lte` waits: its router {gateway} is an address of this host");
        assert_eq!((error.code.word(), &error.message), ("gateway-unknown", &message));
        let is_left_out = |route: &UplinkRoute| route.gateway != gateway.parse().ok();
        assert!(desired.state.uplinks().routes.iter().all(is_left_out), "{gateway}");
    }
}

/// In a one-shot run it is an error, before anything is changed; the watch goes on with the rest.
#[test]
fn a_router_that_is_not_on_the_link_concerns_its_uplink_alone() {
    let mut host = Host::new();
    host.route(0, "192.0.2.1", 100);
    host.remove("2001:db8::10");
    let config = "{fibre: {dev: eth0}, lte: {dev: eth1, gateway: 10.7.7.7}}";
    let before = applied("{lte: {dev: eth1, gateway: 10.1.1.254}}", &mut host);
    host.off_link.push("10.7.7.7".parse().expect("an address"));
    let desired = resolved(config, &before, &mut host).expect("the rest is possible");
    let [error] = &desired.warnings[..] else { panic!("{:?}", desired.warnings) };
    assert_eq!((error.code.word(), error.severity), ("gateway-unknown", Severity::Error));
    let message = "uplink `lte` waits: its router 10.7.7.7 is not on the link of eth1 (ENETUNREACH: Network is unreachable)";
    assert_eq!(error.message, message);
    assert!(error.help.as_deref().is_some_and(|help| help.starts_with("`ip route` shows")), "{error:?}");
    let gateways: Vec<_> = desired.state.uplinks().routes.iter().filter_map(|route| route.gateway).collect();
    assert_eq!(gateways, [IpAddr::from([192, 0, 2, 1]), [10, 1, 1, 254].into()], "what is there stays");
    assert_eq!(desired.state.uplinks().rules.len(), 2 * 3);
    // `ip` without an option shows IPv4 alone.
    host.off_link.push("2001:db8::1".parse().expect("an address"));
    let ipv6 = resolved("{lte: {dev: eth2, gateway: '2001:db8::1'}}", &before, &mut host);
    let help = ipv6.expect("the rest is possible").warnings[0].help.clone().unwrap_or_default();
    assert!(help.starts_with("`ip -6 route` shows"), "{help}");
}
