//! The guard against getting slower or larger unnoticed: instructions of a no-op, of a first apply and of judging 64
//! declarations, and the size of the file, beside those in `baseline.json`, and the system calls of a no-op. It measures
//! no time.
//!
//! Instructions repeat to the last one on one machine. [`TOLERANCE`] is for others: the C library picks its string
//! functions by the processor, which was seen to make 0.4 %. Another compiler makes another program, so then there is
//! nothing to compare, which is said. Being faster than the baseline fails too, since what comes back later, up to the old
//! figure, would not be seen.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use serde::{Deserialize, Serialize};

use super::Result;
use super::cases::{Programs, Tables};
use super::goals::SYSTEM_CALLS_MAX;
use super::measure::{Case, Figures, Measured, Tools};
use super::planning;
use super::process::UNKNOWN;
use super::report::Machine;
use super::scene::Scene;

/// Where the baseline is kept.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/baseline.json");
/// How far a figure may be from the baseline, in percent.
const TOLERANCE: f64 = 2.0;
/// The cases that are guarded.
const CASES: [&str; 2] = ["no-op", "first-apply"];
/// What to do about figures that are no more those of the baseline.
const RENEW: &str = "if that is meant, renew the baseline with `tests/bench/run --renew` and commit it";

/// Figures of an earlier build.
#[derive(Serialize, Deserialize)]
struct Baseline {
    rustc: String,
    libc: String,
    /// Instructions by case, and bytes.
    figures: BTreeMap<String, u64>,
}

/// What the guard is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Compare, and fail on a difference.
    Compare,
    /// Write the baseline again.
    Renew,
}

/// Counts, prints each figure with its verdict, and fails when one is bad.
pub fn run(scene: &Scene, programs: &Programs, tools: &Tools, bytes: u64, job: Job) -> Result<()> {
    let tables = Tables::usual()?;
    let count = |mut case: Case, contestant: usize| {
        case.contestants = vec![case.contestants.swap_remove(contestant)];
        let mut figures = vec![Figures { name: case.contestants[0].name.to_owned(), ..Figures::default() }];
        case.count(scene, tools, &mut figures, None)?;
        Ok::<_, Box<dyn Error>>(Measured { case: case.name, title: case.title, contestants: figures })
    };
    let mut measured = Vec::new();
    for name in CASES {
        measured.push(count(tables.case(scene, programs, name)?, 0)?);
    }
    // That of 64 declarations.
    measured.push(count(planning::quiet(scene, programs)?, 1)?);
    let instructions = |measured: &Measured| {
        Some((format!("instructions of {}", measured.case), measured.contestants.first()?.instructions?))
    };
    let mut figures: BTreeMap<String, u64> = measured.iter().filter_map(instructions).collect();
    figures.insert("bytes of the binary".to_owned(), bytes);
    let Machine { rustc, libc, .. } = Machine::here();
    let now = Baseline { rustc, libc, figures };
    if now.rustc == UNKNOWN {
        return Err("there is no rustc here that could be asked for its version".into());
    }
    let mut complaints = Vec::new();
    if job == Job::Renew {
        fs::write(BASELINE, serde_json::to_string_pretty(&now)? + "\n")?;
        println!("wrote {BASELINE}");
    } else {
        complaints.extend(compare(&serde_json::from_str(&fs::read_to_string(BASELINE)?)?, &now)?);
    }
    let calls = measured.first().and_then(|no_op| no_op.contestants.first()?.system_calls);
    let calls = calls.ok_or("no system calls were counted")?;
    println!("system calls of a no-op: {calls}, at most {SYSTEM_CALLS_MAX}");
    if calls > SYSTEM_CALLS_MAX && job == Job::Compare {
        complaints.push(format!("{calls} system calls of a no-op are more than {SYSTEM_CALLS_MAX}"));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

/// Prints all differences; those that are too large.
fn compare(baseline: &Baseline, now: &Baseline) -> Result<Vec<String>> {
    if baseline.rustc != now.rustc {
        println!("the baseline was made with {}, and this is {}:", baseline.rustc, now.rustc);
        println!("skipped: the comparison of instructions and bytes, which would mean nothing");
        return Ok(Vec::new());
    }
    if baseline.libc != now.libc {
        println!("note: the baseline was made with {}, and this is {}", baseline.libc, now.libc);
    }
    let mut complaints = Vec::new();
    for (what, counted) in &now.figures {
        let before = baseline.figures.get(what).ok_or_else(|| format!("no baseline of {what}; {RENEW}"))?;
        let percent = (*counted as f64 / *before as f64 - 1.0) * 100.0;
        println!("{what}: {counted}, {percent:+.2} % of the baseline's {before}");
        if percent.abs() > TOLERANCE {
            let more = if percent > 0.0 { "more" } else { "fewer" };
            complaints.push(format!("{:.1} % {more} {what}; {RENEW}", percent.abs()));
        }
    }
    Ok(complaints)
}
