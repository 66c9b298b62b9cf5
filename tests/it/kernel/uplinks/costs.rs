//! What uplinks cost a pass that changes nothing.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use mptcp_apply::model::{Family, UplinkRule};
use mptcp_apply::system::{HostFacts, PathManager, Scope};

use super::{Inside, add_route, add_rule};
use crate::kernel::seam::{inside, is_inside};
use crate::support::{Namespace, clean, run};

const TRIALS: usize = 200;

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
    let [without, with] = [false, true].map(|uplinks| Scope { sysctls: Vec::new(), uplinks });
    for (foreign, addresses) in [(0, 0), (0, 2), (20_000, 2), (20_000, 200)] {
        let mut routes = String::new();
        for number in 0..foreign {
            writeln!(routes, "route replace 11.{}.{}.0/24 via 10.1.1.254 dev e0", number / 256, number % 256)
                .expect("a text");
        }
        let mut batch = clean(Command::new("ip"));
        batch.args(["-batch", "-"]);
        run(batch, &routes).expect(0);
        let table = inside.table();
        for family in [Family::Ipv4, Family::Ipv6].into_iter().filter(|_| addresses > 0) {
            let _ = inside.try_step(&add_route(inside.route(family, None)));
        }
        for number in 0..addresses {
            let own =
                [format!("10.1.1.{}", number + 1), format!("fd01::{:x}", number + 1)][number % 2].parse();
            for rule in UplinkRule::pair(own.expect("an address"), table) {
                let _ = inside.try_step(&add_rule(rule));
            }
        }
        let mut observe = |scope: &Scope| median(|| drop(inside.host.observe(scope).expect("a state")));
        let (without, with) = (observe(&without), observe(&with));
        let index = inside.index;
        let told = median(|| drop(inside.host.default_routes(Family::Ipv4, index).expect("routes")));
        println!(
            "{foreign} foreign routes, rules for {addresses} addresses: observe {without:?} without uplinks, {with:?} with; \
             main's default routes out of one interface {told:?}"
        );
    }
}
