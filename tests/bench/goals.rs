//! What the program is to reach. A busy machine may miss what is about time.

use serde::Serialize;

use super::cases::name;
use super::measure::{Figures, Measured};
use super::{netns, planning, routing, watching};

/// What a figure may be.
#[derive(Clone, Copy)]
pub enum Bound {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// Which figure it is.
enum Figure {
    /// The median of one contestant of a case, divided by that of another.
    Ratio(&'static str, &'static str, &'static str),
    /// The same for the largest number of namespaces.
    Namespaces(&'static str, &'static str),
    /// The median of the program in a case, in milliseconds.
    Milliseconds(&'static str),
    /// How the instructions for declarations grow.
    Growth,
    /// The instructions for 64 declarations without warnings, those for none subtracted.
    Judging,
    /// The instructions for the most declarations.
    Planning,
    /// The peak memory of these, in KiB.
    PlanningMemory,
    /// Of a run that has nothing to do.
    SystemCalls,
    /// Of that and a first apply, the larger, in KiB.
    Memory,
    /// Of the release build's file.
    Bytes,
    /// Of that which is linked to musl.
    BytesOfMusl,
}

/// How many bytes the programs have.
#[derive(Clone, Copy, Serialize)]
pub struct Sizes {
    /// The release build.
    pub program: u64,
    /// That which is linked to musl.
    pub musl: Option<u64>,
}

/// One goal.
struct Goal {
    what: &'static str,
    bound: Bound,
    figure: Figure,
}

/// The most system calls that a run without changes may make.
pub const SYSTEM_CALLS_MAX: u64 = 75;

/// Of files, megabytes are those of 1,000,000 bytes; of memory, of 1,024 KiB, as the kernel counts it.
const GOALS: [Goal; 18] = [
    Goal {
        what: "no-op / ip -batch reading",
        bound: Bound::AtMost(0.6),
        figure: Figure::Ratio("no-op", name::OURS, name::BATCH),
    },
    Goal {
        what: "no-op, linked to musl / ip -batch reading",
        bound: Bound::AtMost(0.45),
        figure: Figure::Ratio("no-op", name::OURS_MUSL, name::BATCH),
    },
    Goal {
        what: "no-op / bare Rust",
        bound: Bound::AtMost(1.6),
        figure: Figure::Ratio("no-op", name::OURS, name::BARE),
    },
    Goal {
        what: "first apply, verified / ip -batch writing",
        bound: Bound::AtMost(0.85),
        figure: Figure::Ratio("first-apply", name::OURS, name::BATCH),
    },
    Goal {
        what: "500 namespaces / C floor",
        bound: Bound::AtMost(2.5),
        figure: Figure::Namespaces(name::OURS, name::FLOOR_MUSL),
    },
    Goal {
        what: "500 namespaces: loop of ip / mptcp-apply",
        bound: Bound::AtLeast(25.0),
        figure: Figure::Namespaces(name::LOOP, name::OURS),
    },
    Goal {
        what: "--watch: address to endpoint, ms",
        bound: Bound::AtMost(10.0),
        figure: Figure::Milliseconds(watching::ADDRESS),
    },
    Goal {
        what: "--watch: rename to endpoint, ms",
        bound: Bound::AtMost(20.0),
        figure: Figure::Milliseconds(watching::RENAMED),
    },
    Goal {
        what: "--watch: write to endpoint, ms",
        bound: Bound::AtMost(20.0),
        figure: Figure::Milliseconds(watching::WRITTEN),
    },
    Goal {
        what: "--watch: route to subflow, ms",
        bound: Bound::AtMost(20.0),
        figure: Figure::Milliseconds(routing::NAME),
    },
    Goal { what: "growth of planning / n log n", bound: Bound::AtMost(1.0), figure: Figure::Growth },
    Goal {
        what: "instructions of 64 declarations without warnings",
        bound: Bound::AtMost(1.5e6),
        figure: Figure::Judging,
    },
    Goal { what: "instructions of 4096 declarations", bound: Bound::AtMost(60e6), figure: Figure::Planning },
    Goal {
        what: "peak resident memory of 4096 declarations, KiB",
        bound: Bound::AtMost(8.0 * 1024.0),
        figure: Figure::PlanningMemory,
    },
    Goal {
        what: "system calls of a no-op",
        bound: Bound::AtMost(SYSTEM_CALLS_MAX as f64),
        figure: Figure::SystemCalls,
    },
    Goal { what: "peak resident memory, KiB", bound: Bound::AtMost(3.0 * 1024.0), figure: Figure::Memory },
    Goal { what: "bytes of the binary", bound: Bound::AtMost(2.5e6), figure: Figure::Bytes },
    Goal {
        what: "bytes of the binary, linked to musl",
        bound: Bound::AtMost(2.5e6),
        figure: Figure::BytesOfMusl,
    },
];

/// What came of a goal.
#[derive(Serialize)]
pub struct Judged {
    /// What it is about.
    pub goal: &'static str,
    /// The bound in words.
    pub bound: String,
    /// None where it was not measured.
    pub figure: Option<f64>,
    /// None where it was not measured.
    pub met: Option<bool>,
}

/// Judges all.
pub fn judge(measured: &[Measured], sizes: Sizes) -> Vec<Judged> {
    GOALS.into_iter().map(|goal| goal.judge(measured, sizes)).collect()
}

impl Goal {
    fn judge(self, measured: &[Measured], sizes: Sizes) -> Judged {
        let figure = match self.figure {
            Figure::Ratio(case, one, other) => ratio(measured, case, one, other),
            Figure::Namespaces(one, other) => {
                let largest = netns::COUNTS.into_iter().max();
                largest.and_then(|count| ratio(measured, &netns::case_name(count), one, other))
            }
            Figure::Milliseconds(case) => ours(measured, case).map(|ours| ours.median / 1000.0),
            Figure::Growth => case(measured, planning::NAME).and_then(planning::growth),
            Figure::Judging => case(measured, planning::QUIET).and_then(planning::added),
            Figure::Planning => most(measured).and_then(|most| most.instructions).map(|count| count as f64),
            Figure::PlanningMemory => most(measured).and_then(|most| most.peak_kib).map(|kib| kib as f64),
            Figure::SystemCalls => {
                ours(measured, "no-op").and_then(|ours| ours.system_calls).map(|calls| calls as f64)
            }
            Figure::Memory => {
                let peak = |case| ours(measured, case).and_then(|ours| ours.peak_kib);
                ["no-op", "first-apply"].into_iter().filter_map(peak).max().map(|kib| kib as f64)
            }
            Figure::Bytes => Some(sizes.program as f64),
            Figure::BytesOfMusl => sizes.musl.map(|bytes| bytes as f64),
        };
        let met = figure.map(|figure| match self.bound {
            Bound::AtMost(most) => figure <= most,
            Bound::AtLeast(least) => figure >= least,
        });
        let bound = match self.bound {
            Bound::AtMost(most) => format!("<= {}", rounded(most)),
            Bound::AtLeast(least) => format!(">= {}", rounded(least)),
        };
        Judged { goal: self.what, bound, figure, met }
    }
}

/// A number as short as it can be told.
pub fn rounded(number: f64) -> String {
    if number >= 100.0 || number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

/// A case by its name.
pub fn case<'a>(measured: &'a [Measured], name: &str) -> Option<&'a Measured> {
    measured.iter().find(|measured| measured.case == name)
}

/// A contestant by its name.
pub fn contestant<'a>(measured: &'a Measured, name: &str) -> Option<&'a Figures> {
    measured.contestants.iter().find(|figures| figures.name == name)
}

fn ours<'a>(measured: &'a [Measured], of: &str) -> Option<&'a Figures> {
    contestant(case(measured, of)?, name::OURS)
}

/// The most declarations.
fn most(measured: &[Measured]) -> Option<&Figures> {
    contestant(case(measured, planning::NAME)?, planning::ROWS.last()?)
}

fn ratio(measured: &[Measured], of: &str, one: &str, other: &str) -> Option<f64> {
    let case = case(measured, of)?;
    Some(contestant(case, one)?.median / contestant(case, other)?.median)
}
