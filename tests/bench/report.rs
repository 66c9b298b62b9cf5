//! What was measured, for people and as JSON.

use std::fmt::Write;
use std::fs;

use serde::Serialize;
use serde_json::json;

use super::Result;
use super::goals::{Judged, Sizes, rounded};
use super::measure::Measured;
use super::process::{UNKNOWN, first_line};

/// What the figures depend on.
#[derive(Serialize)]
pub struct Machine {
    /// `uname -r`
    pub kernel: String,
    /// `ip -V`
    pub iproute2: String,
    /// `rustc --version`
    pub rustc: String,
    /// The libc that a program gets here.
    pub libc: String,
    /// The processor's own name.
    pub cpu: String,
    /// How many of them.
    pub cpus: usize,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        // "ip utility, iproute2-6.1.0, libbpf 1.1.2"
        let iproute2 = first_line("ip", "-V");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            iproute2: iproute2
                .split([' ', ','])
                .find(|word| word.starts_with("iproute2"))
                .unwrap_or(&iproute2)
                .to_owned(),
            rustc: first_line("rustc", "--version"),
            libc: first_line("getconf", "GNU_LIBC_VERSION"),
            cpu: model.map_or(UNKNOWN, |(_, name)| name).to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// `Linux 6.18.44, iproute2-6.1.0, ...`
impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { kernel, iproute2, rustc, libc, cpu, cpus } = self;
        write!(f, "Linux {kernel}, {iproute2}, {rustc}, {libc}, {cpus} x {cpu}")
    }
}

/// One document.
pub fn json(machine: &Machine, measured: &[Measured], goals: &[Judged], sizes: Sizes) -> Result<String> {
    let document =
        json!({ "version": 1, "machine": machine, "cases": measured, "bytes": sizes, "goals": goals });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// A table for each case.
pub fn tables(measured: &[Measured]) -> Result<String> {
    let mut text = String::new();
    for Measured { case, title, contestants } in measured {
        writeln!(text, "\n{case}: {title}")?;
        writeln!(
            text,
            "{:<22}{:>5}{:>10}{:>10}{:>10}{:>9}{:>14}{:>9}{:>10}",
            "", "n", "median us", "p10", "p90", "/ floor", "instructions", "syscalls", "peak KiB"
        )?;
        for figures in contestants {
            let ratio = figures.ratio_to_floor.map(|ratio| format!("{ratio:.2}"));
            writeln!(
                text,
                "{:<22}{:>5}{:>10.0}{:>10.0}{:>10.0}{:>9}{:>14}{:>9}{:>10}",
                figures.name,
                figures.n,
                figures.median,
                figures.p10,
                figures.p90,
                ratio.unwrap_or_default(),
                number(figures.instructions),
                number(figures.system_calls),
                number(figures.peak_kib),
            )?;
        }
    }
    Ok(text)
}

/// A line a goal.
pub fn goals(judged: &[Judged]) -> Result<String> {
    let mut text = String::from("\ngoals\n");
    for Judged { goal, bound, figure, met } in judged {
        let figure = figure.map(rounded).unwrap_or_default();
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not measured",
        };
        writeln!(text, "{goal:<46}{figure:>10}  {bound:<11} {verdict}")?;
    }
    Ok(text)
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
