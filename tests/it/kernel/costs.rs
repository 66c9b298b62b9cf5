//! What replacing endpoints costs a live connection: the time without any path, and subflows that do not come back;
//! beside the two usual scripts.

use std::time::{Duration, Instant};

use crate::kernel::links::{Links, SERVICE};
use crate::peer::Peer;
use crate::support::run;

/// How to get from the endpoints of one host number to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The program under test.
    Apply,
    /// `ip mptcp endpoint delete` and `add`, one after the other.
    DeleteThenAdd,
    /// `ip mptcp endpoint flush`, then `add` for each.
    FlushThenAdd,
}

const WAYS: [Way; 3] = [Way::Apply, Way::DeleteThenAdd, Way::FlushThenAdd];

/// Which links get other addresses.
#[derive(Clone, Copy, Debug)]
enum What {
    /// The second alone.
    One,
    /// All of them, the one with the connection's first subflow too.
    All,
}

impl What {
    fn links(self) -> &'static [u8] {
        match self {
            What::One => &[2],
            What::All => &[1, 2, 3],
        }
    }

    /// The address of each link afterwards.
    fn after(self) -> [String; 3] {
        [1, 2, 3].map(|n| format!("10.1.{n}.{}", if self.links().contains(&n) { 11 } else { 1 }))
    }
}

/// Where each link starts from.
const BEFORE: [&str; 3] = ["10.1.1.1", "10.1.2.1", "10.1.3.1"];

fn config(addresses: &[impl std::fmt::Display]) -> String {
    let row = |(index, address)| {
        let n = index + 1;
        format!("  l{n}: {{address: {address}, dev: c{n}, flags: [subflow]}}\n")
    };
    let rows: String = addresses.iter().enumerate().map(row).collect();
    format!("version: 1\nlimits: {{subflows: 8}}\nendpoints:\n{rows}")
}

/// What came of one replacement.
struct Cost {
    without_path: Duration,
    lost: usize,
}

fn replace(links: &Links, way: Way, what: What) -> Cost {
    links.wait_for_paths(&[]);
    links.client.ip("mptcp endpoint flush");
    links.client.apply(&config(&BEFORE), &["-q"]).expect(0);
    let _client = Peer::client(&links.client, SERVICE);
    links.wait_for_paths(&BEFORE);
    let witness = Peer::witness(&links.client, SERVICE);
    let after = what.after();
    let add = |n: u8| format!("endpoint add {} dev c{n} subflow\n", after[usize::from(n) - 1]);
    let script = match way {
        Way::Apply => String::new(),
        Way::DeleteThenAdd => {
            let delete = |n: &u8| format!("endpoint delete id {n}\n");
            what.links().iter().map(delete).chain(what.links().iter().map(|n| add(*n))).collect()
        }
        Way::FlushThenAdd => "endpoint flush\n".to_owned() + &(1..=3).map(add).collect::<String>(),
    };
    match way {
        Way::Apply => links.client.apply(&config(&after), &["-q"]).expect(0),
        Way::DeleteThenAdd | Way::FlushThenAdd => {
            let mut ip = links.client.command("ip");
            ip.args(["-force", "-batch", "-"]);
            run(ip, &script.replace("endpoint", "mptcp endpoint")).expect(0)
        }
    };
    let missing = || {
        let paths = links.paths();
        after.iter().filter(|path| !paths.contains(path)).count()
    };
    // Long enough for a subflow to come, and to be reset again.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) && missing() > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    Cost { lost: missing(), without_path: Duration::from_micros(witness.ask()) }
}

/// Prints a line a way, and gives the costs of the program under test.
fn measure(what: What, trials: usize, delay: u32, peer_limit: u32) -> Vec<Cost> {
    let links = Links::new();
    links.server.ip(&format!("mptcp limits set subflows {peer_limit}"));
    let delayed = delay == 0 || links.delay(delay);
    assert!(delayed, "this kernel cannot delay packets (sch_netem)");
    let _server = Peer::server(&links.server, SERVICE);
    let mut own = Vec::new();
    for way in WAYS {
        let mut costs: Vec<Cost> = (0..trials).map(|_| replace(&links, way, what)).collect();
        costs.sort_by_key(|cost| cost.without_path);
        let lost: usize = costs.iter().map(|cost| cost.lost).sum();
        let (median, most) = (&costs[trials / 2].without_path, &costs[trials - 1].without_path);
        println!(
            "replacing {what:?} by {way:?}, {delay} ms each way, {peer_limit} subflows allowed by the peer: {lost} of {} subflows lost; \
             without a path for {median:?} (median), {most:?} (most) in {trials} trials",
            trials * what.links().len(),
        );
        if way == Way::Apply {
            own = costs;
        }
    }
    own
}

#[test]
fn replacing_costs_no_path() {
    for what in [What::One, What::All] {
        for cost in measure(what, 2, 0, 8) {
            assert_eq!((cost.without_path, cost.lost), (Duration::ZERO, 0));
        }
    }
}

/// `TRIALS`, `DELAY` (in milliseconds, each way) and `PEER` (its limit of subflows) in the environment; 20, 0 and 8
/// otherwise.
#[test]
#[ignore = "a measurement of some minutes, to be run by itself with --nocapture"]
fn what_replacing_costs() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let (trials, delay) = (number("TRIALS").unwrap_or(20), number("DELAY").unwrap_or(0));
    let peer_limit = number("PEER").unwrap_or(8);
    for what in [What::One, What::All] {
        measure(what, trials as usize, delay, peer_limit);
    }
}
