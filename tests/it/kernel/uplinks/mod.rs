//! Rules and routes of uplinks in the real kernel, beside those of others. `ip` is the second witness.
//!
//! All of it runs in a second instance of this program, inside a namespace of its own.

mod costs;
mod odd;
mod others;
mod rehearsal;
mod routers;
mod steps;
mod watch;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::process::Command;

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::model::{Device, Family, Reason, Step, UplinkRoute, UplinkRule, UplinkState, uplink_table};
use mptcp_apply::system::{HostFacts, PathManager, Refusal, Scope};

use crate::support::{clean, run, wait_for};

/// The interface of the uplink.
const DEV: &str = "e0";

/// The namespace that this process is in, with an uplink that has an address and two routers of each family.
struct Inside {
    host: LinuxPathManager,
    index: NonZeroU32,
}

/// One family's part of it.
struct Part {
    family: Family,
    /// The option of `ip`.
    ip: &'static str,
    own: IpAddr,
    routers: [IpAddr; 2],
}

fn parts() -> [Part; 2] {
    let address = |text: &str| text.parse().expect("an address");
    [
        Part {
            family: Family::Ipv4,
            ip: "-4",
            own: address("10.1.1.1"),
            routers: ["10.1.1.254", "10.1.1.253"].map(address),
        },
        Part {
            family: Family::Ipv6,
            ip: "-6",
            own: address("fd01::1"),
            routers: ["fd01::fe", "fd01::fd"].map(address),
        },
    ]
}

impl Inside {
    /// Makes the interface.
    #[track_caller]
    fn new() -> Inside {
        pair("e0", "e1");
        ip("address add 10.1.1.1/24 dev e0");
        ip("address add fd01::1/64 dev e0 nodad");
        // The kernel makes it a moment later.
        wait_for("its local route", || ip("-6 route show table local").contains("fd01::1"));
        let host = LinuxPathManager::open().expect("a path manager");
        Inside { host, index: index(DEV) }
    }

    fn table(&self) -> u32 {
        uplink_table(self.index)
    }

    /// The default route of the uplink's table by that router.
    fn route(&self, family: Family, gateway: Option<IpAddr>) -> UplinkRoute {
        let dev = Some(Device { index: self.index, name: None });
        UplinkRoute { family, table: self.table(), gateway, dev, metric: family.metric(), raw: Vec::new() }
    }

    /// Route and rules of either family, as a run makes them.
    fn usual(&self) -> Vec<Step> {
        let of = |part: &Part| {
            let route = add_route(self.route(part.family, Some(part.routers[0])));
            let rules = UplinkRule::pair(part.own, self.table()).map(add_rule);
            std::iter::once(route).chain(rules).collect::<Vec<_>>()
        };
        parts().iter().flat_map(of).collect()
    }

    #[track_caller]
    fn carry_out(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            self.try_step(&step).unwrap_or_else(|refusal| panic!("{step}: {refusal}"));
        }
    }

    /// Whether the kernel would take the route of a step.
    fn check(&mut self, step: &Step) -> Result<(), Refusal> {
        let Step::SetRoute { to, .. } = step else { panic!("{step} sets no route") };
        self.host.check_route(to)
    }

    fn try_step(&mut self, step: &Step) -> Result<(), Refusal> {
        self.host.execute(step)
    }

    #[track_caller]
    fn own(&mut self) -> UplinkState {
        let scope = Scope { sysctls: Vec::new(), uplinks: true };
        self.host.observe(&scope).expect("a state").state.uplinks.expect("uplinks")
    }
}

fn add_rule(rule: UplinkRule) -> Step {
    Step::AddRule { rule, why: Reason::Declared }
}

fn delete_rule(rule: UplinkRule) -> Step {
    Step::DelRule { rule, why: Reason::NotDeclared }
}

fn add_route(to: UplinkRoute) -> Step {
    Step::SetRoute { from: None, to, why: Reason::Declared }
}

fn replace_route(from: UplinkRoute, to: UplinkRoute) -> Step {
    Step::SetRoute { from: Some(from), to, why: Reason::RouterChanged }
}

fn delete_route(route: UplinkRoute) -> Step {
    Step::DelRoute { route, why: Reason::NotDeclared }
}

/// `ip` in this process's namespace.
#[track_caller]
fn ip(arguments: &str) -> String {
    let mut command = clean(Command::new("ip"));
    command.args(arguments.split_whitespace());
    let ran = run(command, "");
    assert_eq!(ran.code, 0, "ip {arguments}: {}", ran.stderr);
    ran.stdout
}

/// Makes two interfaces that are up, without addresses of their own that would come later.
#[track_caller]
fn pair(one: &str, other: &str) {
    ip(&format!("link add {one} type veth peer name {other}"));
    for name in [one, other] {
        ip(&format!("link set {name} addrgenmode none"));
        ip(&format!("link set {name} up"));
    }
}

#[track_caller]
fn index(name: &str) -> NonZeroU32 {
    let line = ip(&format!("-o link show {name}"));
    line.split(':').next().and_then(|index| index.parse().ok()).expect("an index")
}

/// The rules and routes of this namespace that `ip` lists, a sorted line each.
#[track_caller]
fn everything() -> Vec<String> {
    listed_by(ip)
}

/// The rules and routes that this `ip` lists, a sorted line each.
#[track_caller]
pub fn listed_by(ip: impl Fn(&str) -> String) -> Vec<String> {
    let lists = ["-4 -N rule", "-6 -N rule", "-4 -N route show table all", "-6 -N route show table all"];
    let mut lines = Vec::new();
    for list in lists {
        let mut block = String::new();
        for line in ip(list).lines() {
            // A multipath route has lines of its own for its hops.
            if line.starts_with(['\t', ' ']) {
                block.push_str(line);
                continue;
            }
            lines.push(std::mem::replace(&mut block, format!("{}: {line}", &list[..2])));
        }
        lines.push(block);
    }
    lines.retain(|line| !line.is_empty());
    let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = lines.iter().map(words).collect();
    lines.sort();
    lines
}

/// Those of them that have this program's protocol.
#[track_caller]
fn ours() -> Vec<String> {
    everything().into_iter().filter(|line| is_ours(line)).collect()
}

/// All others.
#[track_caller]
fn foreign() -> Vec<String> {
    everything().into_iter().filter(|line| !is_ours(line)).collect()
}

fn is_ours(line: &str) -> bool {
    format!("{line} ").contains(" proto 109 ")
}
