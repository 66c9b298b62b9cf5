//! What uplinks cost a pass that changes nothing.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use mptcp_apply::model::{Family, UplinkRule};
use mptcp_apply::system::{HostFacts, PathManager, Scope};

use super::{Inside, add_route, add_rule, delete_route, delete_rule, ip, pair, parts};
use crate::kernel::seam::{inside, is_inside};
use crate::support::{Namespace, clean, run};

const TRIALS: usize = 200;
const FOREIGN: usize = 20_000;

fn median(mut trial: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..TRIALS)
        .map(|_| {
            let start = Instant::now();
            trial();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[TRIALS / 2]
}

#[test]
#[ignore = "a measurement, to be run by itself with --nocapture"]
fn measure_what_reading_uplinks_costs() {
    if !is_inside() {
        print!(
            "{}",
            inside(&Namespace::new(), "kernel::uplinks::costs::measure_what_reading_uplinks_costs").stdout
        );
        return;
    }
    let mut inside = Inside::new();
    pair("f0", "f1");
    ip("address add 10.3.3.1/24 dev f0");
    ip("route add default via 10.1.1.254 dev e0 metric 5");
    println!("medians of {TRIALS}:");
    for (by, addresses) in [("", 0), ("", 2), ("10.3.3.254 dev f0", 2), ("10.1.1.254 dev e0", 2), ("", 200)] {
        foreign_routes(by);
        let mut rules = Vec::new();
        for number in 0..addresses {
            let own =
                [format!("10.1.1.{}", number + 1), format!("fd01::{:x}", number + 1)][number % 2].parse();
            rules.extend(UplinkRule::pair(own.expect("an address"), inside.table()));
        }
        inside.carry_out(rules.iter().cloned().map(add_rule));
        inside.carry_out(parts().map(|part| add_route(inside.route(part.family, None))));
        let [without, with] = [false, true].map(|uplinks| {
            let scope = Scope { sysctls: Vec::new(), uplinks };
            median(|| drop(inside.host.observe(&scope).expect("a state")))
        });
        let index = inside.index;
        let told = median(|| drop(inside.host.default_routes(Family::Ipv4, index).expect("routes")));
        println!(
            "foreign routes: {}; rules for {addresses} addresses: observe {without:?} without uplinks, {with:?} \
             with; main's default routes out of one interface {told:?}",
            if by.is_empty() { "none".to_owned() } else { format!("{FOREIGN} by {by}") }
        );
        inside.carry_out(parts().map(|part| delete_route(inside.route(part.family, None))));
        inside.carry_out(rules.into_iter().map(delete_rule));
    }
}

/// Sets so many routes of the main table by that router; none if there is none.
fn foreign_routes(by: &str) {
    let mut routes = String::from("route flush root 11.0.0.0/8\n");
    for number in (0..FOREIGN).filter(|_| !by.is_empty()) {
        let (second, third) = (number / 256, number % 256);
        writeln!(routes, "route add 11.{second}.{third}.0/24 via {by}").expect("a text");
    }
    let mut batch = clean(Command::new("ip"));
    batch.args(["-batch", "-"]);
    run(batch, &routes).expect(0);
}
