//! What a run costs over many network namespaces, each with 8 endpoints and limits that are already as declared, beside
//! the least that any program has to do there: `netns_floor.c` enters each, asks for limits and endpoints and receives
//! them, and neither compares nor locks nor prints anything.
//!
//! How to read it: the ratio is that of medians, and at most 3.00 meets the goal. The microseconds for a namespace are
//! what the next hundred costs; they may fall from line to line, since the start of the process is among them, and must not
//! grow.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::{Bench, Result, compare, percentiles, time};

/// How many namespaces.
const COUNTS: [usize; 4] = [1, 10, 100, 500];
/// How often each process of a pair is timed, where that is many.
const REPETITIONS_OF_MANY: usize = 60;
/// From how many on it is.
const MANY: usize = 100;
/// The ratio of medians that is to be shown.
const GOAL: f64 = 3.00;

/// Measures and prints.
pub fn measure(bench: &Bench, repetitions: usize) -> Result<()> {
    // Where nobody else's namespaces are, and none is left behind.
    time(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]))?;
    let floor = compile(bench)?;
    let mut config = String::from("version: 1\nlimits: {subflows: 8}\nendpoints:\n");
    for id in 1..=8 {
        config += &format!("  path{id}: {{address: 192.0.2.{id}, id: {id}, flags: [subflow]}}\n");
    }
    fs::write(bench.file("config"), config)?;
    println!(
        "{:<34}{:>9}{:>9}{:>9}{:>9}{:>12}",
        "network namespaces", "median", "p10", "p90", "ratio", "each"
    );
    let mut names = Vec::new();
    for count in COUNTS {
        add(bench, &mut names, count)?;
        let mut ours = bench.ours(&["--netns", "bench*"]);
        time(&mut ours)?;
        let checked = bench.ours(&["--netns", "bench*", "--dry-run", "--detailed-exitcode"]).status()?;
        if !checked.success() {
            return Err(format!("there is something left to do: {checked}").into());
        }
        let mut peer = bench.command(&floor);
        peer.args(&names);
        let repetitions = if count < MANY { repetitions } else { repetitions.min(REPETITIONS_OF_MANY) };
        report(count, compare(repetitions, &mut ours, &mut peer, || Ok(()))?);
    }
    Ok(())
}

/// Statically, as the program itself is, so that both start alike.
fn compile(bench: &Bench) -> Result<std::path::PathBuf> {
    let program = bench.file("netns_floor");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/netns_floor.c");
    time(Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source))?;
    Ok(program)
}

/// Adds namespaces until there are so many.
fn add(bench: &Bench, names: &mut Vec<String>, count: usize) -> Result<()> {
    let mut batch = String::new();
    while names.len() < count {
        let name = format!("bench{}", names.len());
        batch += &format!("netns add {name}\n");
        names.push(name);
    }
    let mut ip = bench.command(&bench.ip).args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
    ip.stdin.take().ok_or("piped")?.write_all(batch.as_bytes())?;
    let status = ip.wait()?;
    if status.success() { Ok(()) } else { Err(format!("`ip netns add` ended by {status}").into()) }
}

fn report(count: usize, times: [Vec<std::time::Duration>; 2]) {
    let mut medians = Vec::new();
    for (name, mut times) in ["mptcp-apply", "netns_floor.c"].into_iter().zip(times) {
        let [median, p10, p90] = percentiles(&mut times);
        let name = format!("{count}: {name}");
        let each = median / count as f64;
        let ratio = medians.first().map_or(String::new(), |first| format!("{:.2}", first / median));
        println!("{name:<34}{median:>9.0}{p10:>9.0}{p90:>9.0}{ratio:>9}{each:>12.1}");
        medians.push(median);
    }
    let verdict = if medians[0] / medians[1] <= GOAL { "met" } else { "missed" };
    println!("{count}: goal of at most {GOAL:.2} {verdict}\n");
}
