//! Each operation, and what the kernel says when it refuses one.

use std::net::IpAddr;

use mptcp_apply::model::{Step, UplinkRule, UplinkState};
use mptcp_apply::system::Errno;

use super::{
    Inside, Part, add_route, add_rule, delete_route, delete_rule, everything, foreign, ip, ours, parts,
    replace_route,
};
use crate::kernel::seam::{inside, is_inside};
use crate::kernel::strace;
use crate::support::Namespace;

#[test]
fn rules_and_routes_are_added_replaced_and_removed() {
    inside(&Namespace::new(), "kernel::uplinks::steps::add_replace_and_remove");
}

#[test]
#[ignore = "runs inside a namespace, started by rules_and_routes_are_added_replaced_and_removed"]
fn add_replace_and_remove() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    let before = everything();
    let table = inside.table();
    let mut expected = UplinkState::default();
    for Part { family, own, routers: [first, second], .. } in parts() {
        let route = |gateway| inside.route(family, gateway);
        let (by_first, by_second, on_link) = (route(Some(first)), route(Some(second)), route(None));
        inside.carry_out([
            add_route(by_first.clone()),
            replace_route(by_first.clone(), on_link.clone()),
            replace_route(on_link, by_first.clone()),
            replace_route(by_first, by_second.clone()),
        ]);
        let rules = UplinkRule::pair(own, table);
        inside.carry_out(rules.clone().map(add_rule));
        expected.rules.extend(rules);
        expected.routes.push(by_second);
    }
    let expected_lines = [
        "-4: 8684: from 10.1.1.1 lookup 254 suppress_prefixlength 0 proto 109".to_owned(),
        format!("-4: 8685: from 10.1.1.1 lookup {table} proto 109"),
        format!("-4: default via 10.1.1.253 dev e0 table {table} proto 109"),
        "-6: 8684: from fd01::1 lookup 254 suppress_prefixlength 0 proto 109".to_owned(),
        format!("-6: 8685: from fd01::1 lookup {table} proto 109"),
        format!("-6: default via fd01::fd dev e0 table {table} proto 109 metric 1024 pref medium"),
    ];
    assert_eq!(ours(), expected_lines);
    assert_eq!(foreign(), before);
    let read = inside.own();
    assert_eq!(read, expected);
    let names = read.routes.iter().map(|route| route.dev.as_ref().and_then(|dev| dev.name.as_deref()));
    assert_eq!(names.collect::<Vec<_>>(), [Some("e0"); 2]);
    inside.carry_out(expected.rules.into_iter().rev().map(delete_rule));
    inside.carry_out(expected.routes.into_iter().map(delete_route));
    assert_eq!(everything(), before);
    assert_eq!(inside.own(), UplinkState::default());
}

/// A provider can give IPv4 by a router that has IPv6 only, and none at all on a link of two.
#[test]
fn routes_need_no_router_of_their_family() {
    inside(&Namespace::new(), "kernel::uplinks::steps::add_without_router_of_the_family");
}

#[test]
#[ignore = "runs inside a namespace, started by routes_need_no_router_of_their_family"]
fn add_without_router_of_the_family() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    let table = inside.table();
    let [ipv4, ipv6] = parts();
    let link_local: IpAddr = "fe80::1".parse().expect("an address");
    for (family, gateway, line) in [
        (
            ipv4.family,
            Some(link_local),
            format!("-4: default via inet6 fe80::1 dev e0 table {table} proto 109"),
        ),
        (
            ipv4.family,
            Some(ipv6.routers[0]),
            format!("-4: default via inet6 fd01::fe dev e0 table {table} proto 109"),
        ),
        (ipv4.family, None, format!("-4: default dev e0 table {table} proto 109 scope 253")),
        (
            ipv6.family,
            Some(link_local),
            format!("-6: default via fe80::1 dev e0 table {table} proto 109 metric 1024 pref medium"),
        ),
        (ipv6.family, None, format!("-6: default dev e0 table {table} proto 109 metric 1024 pref medium")),
    ] {
        let route = inside.route(family, gateway);
        assert_eq!(inside.check(&add_route(route.clone())), Ok(()), "{route}");
        inside.carry_out([add_route(route.clone())]);
        assert_eq!(ours(), [line]);
        assert_eq!(inside.own().routes, std::slice::from_ref(&route));
        inside.carry_out([delete_route(route)]);
        assert_eq!(ours(), [""; 0]);
    }
}

#[test]
fn refusals_have_the_kernels_words() {
    inside(&Namespace::new(), "kernel::uplinks::steps::be_refused");
}

#[test]
#[ignore = "runs inside a namespace, started by refusals_have_the_kernels_words"]
fn be_refused() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    let table = inside.table();
    for Part { family, own, routers: [router, other], .. } in parts() {
        let refused = |inside: &mut Inside, step: Step| {
            let before = everything();
            let refusal = inside.try_step(&step).expect_err("a refusal");
            assert_eq!(everything(), before, "{step}");
            (refusal.errno, refusal.text.unwrap_or_default())
        };
        let route = inside.route(family, Some(router));
        let [_, rule] = UplinkRule::pair(own, table);
        let strange: IpAddr = if own.is_ipv4() { "10.2.2.2" } else { "fd02::2" }.parse().expect("an address");
        // What is to go and is gone is no refusal: another program may have removed it.
        let before = everything();
        inside.carry_out([delete_rule(rule.clone()), delete_route(route.clone())]);
        assert_eq!(everything(), before);
        // There already.
        inside.carry_out([add_route(route.clone()), add_rule(rule.clone())]);
        assert_eq!(refused(&mut inside, add_rule(rule)).0, Errno::EEXIST);
        assert_eq!(refused(&mut inside, add_route(route.clone())).0, Errno::EEXIST);
        let by_other = inside.route(family, Some(other));
        assert_eq!(refused(&mut inside, add_route(by_other)).0, Errno::EEXIST);
        // A router that is elsewhere.
        let elsewhere = inside.route(family, Some(strange));
        let words = refused(&mut inside, replace_route(route.clone(), elsewhere.clone()));
        let foreseen = inside.check(&replace_route(route, elsewhere)).expect_err("a refusal");
        assert_eq!((foreseen.errno, foreseen.text.unwrap_or_default()), words);
        if own.is_ipv4() {
            assert_eq!(words, (Errno::ENETUNREACH, "Nexthop has invalid gateway".to_owned()));
        } else {
            assert_eq!(words.0, Errno::EHOSTUNREACH);
        }
    }
    // Down, then gone.
    let on_link = parts().map(|part| inside.route(part.family, None));
    ip("link set e0 down");
    for route in &on_link {
        let refusal = inside.try_step(&add_route(route.clone())).expect_err("a refusal");
        assert_eq!(refusal.errno, Errno::ENETDOWN, "{refusal}");
        assert!(refusal.text.is_some(), "{refusal}");
    }
    ip("link delete e0");
    for route in &on_link {
        let refusal = inside.try_step(&add_route(route.clone())).expect_err("a refusal");
        assert_eq!(refusal.errno, Errno::ENODEV, "{refusal}");
    }
    // The kernel removes the routes with their interface, and leaves the rules.
    let left = inside.own();
    assert_eq!((left.rules.len(), left.routes), (2, vec![]));
    inside.carry_out(left.rules.into_iter().map(delete_rule));
    assert_eq!(ours(), [""; 0]);
}

/// The rule is there although its acknowledgement is lost; so its addition is a step of the report, and is not tried again.
#[test]
fn a_step_whose_answer_is_lost_was_carried_out() {
    let namespace = Namespace::new();
    namespace.links(&[("e0", "e1")]);
    namespace.ip("address add 10.1.1.1/24 dev e0");
    let config = "{version: 1, uplinks: {u: {dev: e0, gateway: 10.1.1.254}}}";
    let undisturbed = strace::apply(&namespace, &[], config);
    let printed = undisturbed.ran.expect(0).stdout;
    for (kind, count) in [(NEWRULE, 2), (NEWROUTE, 1)] {
        let answers: Vec<usize> = answers_to(&undisturbed.calls, kind);
        assert_eq!(answers.len(), count, "{:?}", undisturbed.calls);
        for place in answers {
            namespace.apply("{version: 1, uplinks: {}}", &["-q"]).expect(0);
            let fault = format!("recvfrom:error=ENOBUFS:when={place}");
            let disturbed = strace::apply(&namespace, &[&fault], config);
            assert!(disturbed.calls.iter().any(|call| call.contains("INJECTED")), "{fault}");
            assert_eq!(disturbed.ran.expect(0).stdout, printed, "{fault}");
        }
    }
}

/// What a kernel says that was built without rules.
#[test]
fn a_kernel_without_policy_routing_is_exit_5() {
    let namespace = Namespace::new();
    let config = "{version: 1, limits: {subflows: 5}, uplinks: {}}";
    let undisturbed = strace::apply(&namespace, &[], "{version: 1, uplinks: {}}");
    undisturbed.ran.expect(0);
    let place = answers_to(&undisturbed.calls, GETRULE)[0];
    let request = undisturbed.calls.iter().find(|call| asks_for(call, GETRULE)).expect("a request");
    let sequence = request.split("nlmsg_seq=").nth(1).and_then(|rest| rest.split([',', '}']).next());
    let sequence: u32 = sequence.and_then(|number| number.parse().ok()).expect("a number");
    // NLMSG_ERROR, capped, with EOPNOTSUPP and the header of the request.
    let mut answer =
        [36u32.to_ne_bytes(), (2u32 | 0x100 << 16).to_ne_bytes(), sequence.to_ne_bytes()].concat();
    answer.extend([0u32.to_ne_bytes(), (-95i32).to_ne_bytes(), 16u32.to_ne_bytes()].concat());
    answer.resize(36, 0);
    let bytes: String = answer.iter().map(|byte| format!("{byte:02x}")).collect();
    let forged = format!("recvfrom:retval=36:poke_exit=@arg2={bytes}:when={place}");
    let ran = strace::apply(&namespace, &[&forged], config).ran.expect(5);
    assert!(ran.stderr.contains("CONFIG_IP_MULTIPLE_TABLES"), "{}", ran.stderr);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
}

/// `RTM_NEWROUTE`, `RTM_NEWRULE` and `RTM_GETRULE`
const NEWROUTE: u16 = 24;
const NEWRULE: u16 = 32;
const GETRULE: u16 = 34;

fn asks_for(call: &str, kind: u16) -> bool {
    let words = [format!("nlmsg_type={kind},"), format!("nlmsg_type={kind:#x},")];
    call.starts_with("sendto(") && words.iter().any(|word| call.contains(word))
}

/// The places, among all answers, of the first ones to requests of that type.
fn answers_to(calls: &[String], kind: u16) -> Vec<usize> {
    let (mut received, mut places) = (0, Vec::new());
    for call in calls {
        received += usize::from(call.starts_with("recvfrom("));
        if asks_for(call, kind) {
            places.push(received + 1);
        }
    }
    places
}
