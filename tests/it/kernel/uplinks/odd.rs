//! Rules and routes of this program's protocol that something else made: each is listed, and removed and put back by steps
//! of its own.

use mptcp_apply::model::{Step, UplinkRoute, UplinkRule, uplink_table};

use super::{Inside, add_route, add_rule, delete_route, delete_rule, everything, ip, is_ours};
use crate::kernel::seam::{inside, is_inside};
use crate::support::Namespace;

/// Without the protocol; TABLE stands for the table of the uplink.
const RULES: [&str; 12] = [
    "-4 rule add from 10.1.1.1 to 10.2.0.0/16 lookup TABLE pref 8685",
    "-4 rule add from 10.1.1.1 iif e0 lookup TABLE pref 8685",
    "-4 rule add from 10.1.1.1 iif gone lookup TABLE pref 8685",
    "-4 rule add not from 10.1.1.2 lookup TABLE pref 8685",
    "-4 rule add from 10.1.1.0/24 lookup TABLE pref 8685",
    "-4 rule add from 10.1.1.1 lookup TABLE pref 9",
    "-4 rule add from 10.1.1.1 lookup TABLE pref 0",
    "-4 rule add from 10.1.1.1 lookup TABLE suppress_prefixlength 0 pref 8685",
    "-4 rule add from 10.1.1.1 fwmark 7/0xff ipproto 6 dport 80-90 lookup TABLE pref 8685",
    "-4 rule add from all goto 9000 pref 8684",
    "-4 rule add from 10.1.1.1 prohibit pref 8685",
    "-6 rule add from fd01::1 to fd02::/16 lookup TABLE pref 8685",
];

/// To the kernel, a request about one of these is about any rule of its priority and table; so `ip` can only add it before
/// the usual ones.
const BROAD_RULES: [&str; 2] =
    ["-4 rule add from all lookup TABLE pref 8685", "-6 rule add from all lookup TABLE pref 8685"];

const ROUTES: [&str; 14] = [
    "-4 route add blackhole default metric 7 table TABLE",
    "-4 route add default via 10.1.1.254 dev e0 metric 7 table TABLE",
    "-4 route add default via 10.1.1.254 dev e0 src 10.1.1.1 metric 7 table TABLE",
    "-4 route add default via 10.1.1.254 dev e0 mtu 1400 table 100",
    "-4 route add 10.9.0.0/16 via 10.1.1.254 dev e0 table TABLE",
    "-4 route add default via 10.8.8.8 dev e0 onlink metric 8 table TABLE",
    "-4 route add default metric 9 table TABLE nexthop via 10.1.1.254 dev e0 nexthop via 10.1.1.253 dev e0 weight 3",
    "-4 route add default nhid 7 metric 9 table TABLE",
    "-4 route add default nhid 9 metric 9 table TABLE",
    "-4 route add 10.9.9.9 via 10.1.1.254 dev e0",
    "-6 route add blackhole fd09::/32 table TABLE",
    "-6 route add default via fd01::fe dev e0 metric 7 table TABLE",
    "-6 route add default metric 8 table TABLE nexthop via fd01::fe dev e0 nexthop via fd01::fd dev e0",
    "-6 route add default from fd01::/64 via fd01::fe dev e0 table TABLE",
];

/// What `ip` lists, and what the program does, before and after it.
struct Odd<T> {
    command: String,
    without: Vec<String>,
    with: Vec<String>,
    own: T,
}

impl Inside {
    /// Makes it by `ip`, and finds it among what is listed.
    #[track_caller]
    fn odd<T: PartialEq + std::fmt::Debug>(
        &mut self,
        command: &str,
        list: fn(&mut Inside) -> Vec<T>,
    ) -> Odd<T> {
        let table = self.table().to_string();
        let protocol = if command.contains("rule") { "protocol 109" } else { "proto 109" };
        let command = format!("{} {protocol}", command.replace("TABLE", &table));
        // The hops of a route are last.
        let command = match command.split_once(" nexthop ") {
            Some((route, hops)) => {
                format!("{route} proto 109 nexthop {}", hops.trim_end_matches(protocol))
            }
            None => command,
        };
        let (without, before) = (everything(), list(self));
        ip(&command);
        let with = everything();
        assert_eq!(with.len(), without.len() + 1, "{command}");
        let mut found = list(self);
        let there: Vec<bool> = found.iter().map(|one| before.contains(one)).collect();
        let places: Vec<usize> =
            there.iter().enumerate().filter(|(_, there)| !**there).map(|(at, _)| at).collect();
        let [place] = places[..] else { panic!("{command}: {found:?} after {before:?}") };
        assert_eq!(found.len(), before.len() + 1, "{command}");
        Odd { command, without, with, own: found.swap_remove(place) }
    }

    /// It goes, comes back, and goes again, and nothing else does.
    #[track_caller]
    fn goes_and_comes_back<T>(&mut self, odd: &Odd<T>, [delete, add]: [&Step; 2]) {
        for (step, expected) in [(delete, &odd.without), (add, &odd.with), (delete, &odd.without)] {
            let verdict = self.try_step(step);
            assert_eq!(verdict, Ok(()), "{step} after `ip {}`", odd.command);
            assert_eq!(&everything(), expected, "{step} after `ip {}`", odd.command);
        }
    }
}

fn rules(inside: &mut Inside) -> Vec<UplinkRule> {
    inside.own().rules
}

fn routes(inside: &mut Inside) -> Vec<UplinkRoute> {
    inside.own().routes
}

#[test]
fn odd_rules_are_listed_removed_and_put_back() {
    inside(&Namespace::new(), "kernel::uplinks::odd::remove_rules");
}

#[test]
#[ignore = "runs inside a namespace, started by odd_rules_are_listed_removed_and_put_back"]
fn remove_rules() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    inside.carry_out(inside.usual());
    let judge = |inside: &mut Inside, command: &str| {
        let odd = inside.odd(command, rules);
        assert!(!odd.own.raw.is_empty(), "{command}: {:?}", odd.own);
        inside.goes_and_comes_back(&odd, [&delete_rule(odd.own.clone()), &add_rule(odd.own.clone())]);
    };
    RULES.iter().for_each(|command| judge(&mut inside, command));
    // Among all the others, those first that are behind them.
    let odd: Vec<Odd<UplinkRule>> = RULES.iter().map(|command| inside.odd(command, rules)).collect();
    for Odd { own, command, .. } in odd.iter().rev() {
        let (before, all) = (rules(&mut inside), everything());
        inside.carry_out([delete_rule(own.clone())]);
        let mut left = rules(&mut inside);
        left.push(own.clone());
        assert!(before.iter().all(|rule| left.contains(rule)), "{command}: {before:?} to {left:?}");
        assert_eq!(everything().len() + 1, all.len(), "{command}");
    }
    // One that is more special and comes first stays when the usual one goes.
    let usual = UplinkRule::pair("10.1.1.1".parse().expect("an address"), inside.table());
    inside.carry_out(usual.clone().map(delete_rule));
    let special = inside.odd(RULES[1], rules);
    inside.carry_out(usual.clone().map(add_rule));
    inside.carry_out(usual.map(delete_rule));
    assert_eq!(everything(), special.with);
}

#[test]
fn rules_that_cover_the_usual_ones_are_removed_alone() {
    inside(&Namespace::new(), "kernel::uplinks::odd::remove_broad_rules");
}

#[test]
#[ignore = "runs inside a namespace, started by rules_that_cover_the_usual_ones_are_removed_alone"]
fn remove_broad_rules() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    for command in BROAD_RULES {
        let mut odd = inside.odd(command, rules);
        assert!(!odd.own.raw.is_empty(), "{command}: {:?}", odd.own);
        inside.carry_out(inside.usual());
        let line = odd.with.iter().find(|line| !odd.without.contains(line)).expect("a line").clone();
        odd.with = everything();
        odd.without = odd.with.iter().filter(|other| **other != line).cloned().collect();
        // The second time it comes behind them.
        inside.goes_and_comes_back(&odd, [&delete_rule(odd.own.clone()), &add_rule(odd.own.clone())]);
        let own = inside.own();
        inside.carry_out(own.rules.into_iter().map(delete_rule));
        inside.carry_out(own.routes.into_iter().map(delete_route));
    }
}

#[test]
fn odd_routes_are_listed_removed_and_put_back() {
    inside(&Namespace::new(), "kernel::uplinks::odd::remove_routes");
}

#[test]
#[ignore = "runs inside a namespace, started by odd_routes_are_listed_removed_and_put_back"]
fn remove_routes() {
    if !is_inside() {
        return;
    }
    let mut inside = Inside::new();
    inside.carry_out(inside.usual());
    ip("nexthop add id 7 via 10.1.1.254 dev e0");
    ip("nexthop add id 8 via 10.1.1.253 dev e0");
    ip("nexthop add id 9 group 7/8");
    for compatible in ["1", "0"] {
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", compatible).expect("written");
        for command in ROUTES {
            let odd = inside.odd(command, routes);
            assert!(!odd.own.raw.is_empty(), "{command}: {:?}", odd.own);
            inside.goes_and_comes_back(&odd, [&delete_route(odd.own.clone()), &add_route(odd.own.clone())]);
        }
    }
}

/// The kernel takes each of these for something that the program wants to add.
#[test]
fn what_is_in_the_way_of_an_uplink_goes_first() {
    let namespace = Namespace::new();
    namespace.links(&[("e0", "e1")]);
    namespace.ip("address add 10.1.1.1/24 dev e0");
    let line = namespace.ip("-o link show e0");
    let index: u32 = line.split(':').next().and_then(|index| index.parse().ok()).expect("an index");
    let table = uplink_table(index.try_into().expect("not 0"));
    for command in [
        format!("rule add from 10.1.1.1 to 10.2.0.0/16 lookup {table} pref 8685 protocol 109"),
        "rule add not from 10.1.1.1 lookup main suppress_prefixlength 0 pref 8684 protocol 109".to_owned(),
        format!("route add blackhole default table {table} proto 109"),
    ] {
        namespace.ip(&command);
    }
    let config = "{version: 1, uplinks: {u: {dev: e0, gateway: 10.1.1.254}}}";
    namespace.apply(config, &[]).expect(0);
    let lines = |arguments: &str| -> Vec<String> {
        namespace.ip(arguments).lines().map(|line| line.trim().replace('\t', " ")).collect()
    };
    assert_eq!(
        lines("-N rule show").into_iter().filter(|line| is_ours(line)).collect::<Vec<_>>(),
        [
            "8684: from 10.1.1.1 lookup 254 suppress_prefixlength 0 proto 109".to_owned(),
            format!("8685: from 10.1.1.1 lookup {table} proto 109"),
        ]
    );
    assert_eq!(lines(&format!("-N route show table {table}")), ["default via 10.1.1.254 dev e0 proto 109"]);
    assert_eq!(namespace.apply(config, &[]).expect(0).stdout, "no changes\n");
}
