//! What other programs made is neither listed nor touched.

use std::net::IpAddr;

use mptcp_apply::model::UplinkState;
use mptcp_apply::system::Errno;

use super::{
    Inside, Part, add_route, delete_route, delete_rule, everything, foreign, ip, parts, replace_route,
};
use crate::kernel::seam::{inside, is_inside};
use crate::support::Namespace;

#[test]
fn what_others_made_stays() {
    inside(&Namespace::new(), "kernel::uplinks::others::work_beside_them");
}

#[test]
#[ignore = "runs inside a namespace, started by what_others_made_stays"]
fn work_beside_them() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    let table = inside.table();
    // The same rules but for their protocol, before and behind those of the program, and routes in the same table.
    for Part { ip: family, own, routers: [router, _], .. } in parts() {
        let elsewhere = if own.is_ipv4() { "10.9.0.0/16" } else { "fd09::/32" };
        for command in [
            format!("rule add from {own} lookup main suppress_prefixlength 0 pref 8684 protocol 4"),
            format!("rule add from {own} lookup {table} pref 8685 protocol 4"),
            format!("rule add from {own} lookup {table} pref 8685"),
            format!("rule add from {own} lookup 100 pref 8685"),
            format!("route add {elsewhere} via {router} dev e0 table {table} proto 4"),
            format!("route add default via {router} dev e0 metric 5000 table {table}"),
            format!("route add default via {router} dev e0 metric 5000"),
            format!("route add default via {router} dev e0 table 100 proto 110"),
            format!("rule add from all lookup {table} pref 40000"),
        ] {
            ip(&format!("{family} {command}"));
        }
    }
    let before = everything();
    assert_eq!(inside.own(), UplinkState::default());
    inside.carry_out(inside.usual());
    assert_eq!(foreign(), before);
    let own = inside.own();
    assert_eq!((own.rules.len(), own.routes.len()), (4, 2));
    for Part { family, routers, .. } in parts() {
        let [one, other] = routers.map(|router| inside.route(family, Some(router)));
        inside.carry_out([replace_route(one, other)]);
    }
    assert_eq!(foreign(), before);
    let own = inside.own();
    inside.carry_out(own.rules.into_iter().rev().map(delete_rule));
    inside.carry_out(own.routes.into_iter().map(delete_route));
    assert_eq!(everything(), before);
}

/// `ip route prepend` puts another program's route before that of the uplink, and the kernel replaces the first one.
#[test]
fn the_route_of_another_program_is_not_replaced() {
    inside(&Namespace::new(), "kernel::uplinks::others::replace_behind_another");
}

#[test]
#[ignore = "runs inside a namespace, started by the_route_of_another_program_is_not_replaced"]
fn replace_behind_another() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    let [Part { family, routers: [one, other], .. }, _] = parts();
    let third: IpAddr = "10.1.1.9".parse().expect("an address");
    let [one, other, third] = [one, other, third].map(|router| inside.route(family, Some(router)));
    inside.carry_out([add_route(one.clone())]);
    ip(&format!("route prepend default via 10.1.1.252 dev e0 table {} proto 4", inside.table()));
    let before = everything();
    let refusal = inside.try_step(&replace_route(one.clone(), other.clone())).expect_err("a refusal");
    assert_eq!(refusal.errno, Errno::EEXIST);
    assert_eq!(everything(), before);
    ip(&format!("route delete default via 10.1.1.252 table {} proto 4", inside.table()));
    inside.carry_out([replace_route(one, other.clone())]);
    // One that makes its own way out in the table of an uplink keeps it.
    inside.carry_out([delete_route(other)]);
    ip(&format!("route add default via 10.1.1.252 dev e0 table {} proto 4", inside.table()));
    let before = everything();
    assert_eq!(inside.try_step(&add_route(third)).expect_err("a refusal").errno, Errno::EEXIST);
    assert_eq!(everything(), before);
}
