//! What the program is to reach: goals, which a busy machine may miss, and bounds, which nothing but a change can.

use serde::Serialize;

use super::cases::name;
use super::measure::{Figures, Measured};
use super::{netns, planning};

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
    /// How the instructions for declarations grow.
    Growth,
    /// What repeats exactly.
    Exact(Exact),
}

/// What repeats exactly, and is guarded.
#[derive(Clone, Copy)]
pub enum Exact {
    /// Of a run that has nothing to do.
    SystemCalls,
    /// Of that and a first apply, the larger, in KiB.
    Memory,
    /// Of the release build's file.
    Bytes,
}

/// One goal.
struct Goal {
    what: &'static str,
    bound: Bound,
    figure: Figure,
}

/// Megabytes are those of 1,000,000 bytes.
pub const BOUNDS: [(&str, Exact, f64); 3] = [
    ("system calls of a no-op", Exact::SystemCalls, 60.0),
    ("peak resident memory, KiB", Exact::Memory, 3e6 / 1024.0),
    ("bytes of the binary", Exact::Bytes, 2.5e6),
];

const GOALS: [Goal; 7] = [
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
    Goal { what: "growth of planning / n log n", bound: Bound::AtMost(1.0), figure: Figure::Growth },
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

/// Judges all, bounds last.
pub fn judge(measured: &[Measured], bytes: u64) -> Vec<Judged> {
    let bounds = BOUNDS.iter().map(|(what, exact, most)| Goal {
        what,
        bound: Bound::AtMost(*most),
        figure: Figure::Exact(*exact),
    });
    GOALS.into_iter().chain(bounds).map(|goal| goal.judge(measured, bytes)).collect()
}

impl Goal {
    fn judge(self, measured: &[Measured], bytes: u64) -> Judged {
        let figure = match self.figure {
            Figure::Ratio(case, one, other) => ratio(measured, case, one, other),
            Figure::Namespaces(one, other) => {
                let largest = netns::COUNTS.into_iter().max();
                largest.and_then(|count| ratio(measured, &netns::case_name(count), one, other))
            }
            Figure::Growth => case(measured, planning::NAME).and_then(planning::growth),
            Figure::Exact(exact) => exact.find(measured, bytes),
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

impl Exact {
    /// The figure, where it was counted.
    pub fn find(self, measured: &[Measured], bytes: u64) -> Option<f64> {
        let ours = |of| contestant(case(measured, of)?, name::OURS);
        match self {
            Exact::SystemCalls => ours("no-op")?.system_calls.map(|calls| calls as f64),
            Exact::Memory => {
                let peaks = ["no-op", "first-apply"].map(|of| ours(of).and_then(|ours| ours.peak_kib));
                peaks.into_iter().flatten().max().map(|kib| kib as f64)
            }
            Exact::Bytes => Some(bytes as f64),
        }
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

fn ratio(measured: &[Measured], of: &str, one: &str, other: &str) -> Option<f64> {
    let case = case(measured, of)?;
    Some(contestant(case, one)?.median / contestant(case, other)?.median)
}
