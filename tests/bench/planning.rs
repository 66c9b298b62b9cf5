//! What large configurations cost: up to 4,096 declarations of which most wait for an interface or match no address. They
//! are read, judged, placed and planned (`--dry-run`), and each that waits is warned of.
//!
//! Without warnings they are judged alone (`check`): what the files themselves cost.
//!
//! Times and all else are those of whole runs. What the declarations cost is the difference from the first row, whose
//! configuration has none.

use std::fmt::Write;

use super::Result;
use super::cases::Programs;
use super::measure::{Case, Contestant, Measured, Proof, Tools};
use super::scene::Scene;

/// What the case is called.
pub const NAME: &str = "planning";
/// How many declarations.
pub const COUNTS: [usize; 4] = [0, 64, 512, 4096];
/// What the contestants are called, in the order of [`COUNTS`].
pub const ROWS: [&str; 4] = ["0 declarations", "64 declarations", "512 declarations", "4096 declarations"];

/// Measures all counts.
pub fn measure(scene: &Scene, programs: &Programs, tools: &Tools, rounds: usize) -> Result<Measured> {
    // Neither rows nor declared ones, so that what is planned is what the selectors find.
    scene.batch("prepare", "mptcp endpoint flush\n")?.run()?;
    let contestant = |(count, name): (usize, &'static str)| {
        let path = scene.write(&format!("{count}.yaml"), &config(count)?)?;
        let program = programs.ours.clone().args(["--dry-run".as_ref(), path.as_os_str()]);
        let added = String::from_utf8_lossy(&program.output()?.stdout).lines().count();
        // One line a step, and the summary.
        if (count > 0) != (added > 3) {
            return Err(format!("{count} declarations became {added} lines of a plan").into());
        }
        Ok(Contestant { name, program, proof: Proof::Lines(added) })
    };
    let contestants = COUNTS.into_iter().zip(ROWS).map(contestant).collect::<Result<_>>()?;
    let title = "a dry run over declarations, most of which select nothing".to_owned();
    let case = Case { name: NAME.to_owned(), title, prepare: None, wanted: None, contestants };
    let mut figures = case.measure(scene, rounds.min(30))?;
    case.count(scene, tools, &mut figures, None)?;
    Ok(Measured { case: case.name, title: case.title, contestants: figures })
}

/// What the case without warnings is called.
pub const QUIET: &str = "judging";
/// What its contestants are called: a file without declarations, and one with 64.
pub const QUIET_ROWS: [&str; 2] = ["check of 0 declarations", "check of 64 declarations"];

/// Declarations that give no warning, and none.
pub fn quiet(scene: &Scene, programs: &Programs) -> Result<Case> {
    let contestant = |(count, name): (usize, &'static str)| {
        let endpoint = |index: usize| {
            format!(
                "  path{index}:\n    address: 10.16.0.{index}\n    dev: eth{}\n    flags: [subflow]\n",
                index % 8
            )
        };
        let endpoints: String = (1..=count).map(endpoint).collect();
        let heading = if count == 0 { "endpoints: {}\n" } else { "endpoints:\n" };
        let path =
            scene.write(&format!("quiet-{count}.yaml"), &format!("version: 1\n{heading}{endpoints}"))?;
        let program = programs.ours.clone().args(["check".as_ref(), path.as_os_str()]);
        let proof = Proof::Says(format!("valid: 1 file, {count} endpoints"));
        Ok(Contestant { name, program, proof })
    };
    let contestants = [0, 64].into_iter().zip(QUIET_ROWS).map(contestant).collect::<Result<_>>()?;
    let title = "declarations without warnings are judged".to_owned();
    Ok(Case { name: QUIET.to_owned(), title, prepare: None, wanted: None, contestants })
}

/// Measures that.
pub fn measure_quiet(scene: &Scene, programs: &Programs, tools: &Tools, rounds: usize) -> Result<Measured> {
    let case = quiet(scene, programs)?;
    let mut figures = case.measure(scene, rounds.min(30))?;
    case.count(scene, tools, &mut figures, None)?;
    Ok(Measured { case: case.name, title: case.title, contestants: figures })
}

/// Every 64 declarations, one of each link finds its addresses; a third of the others are for interfaces that are not
/// there, and two thirds for networks in which this host has no address.
fn config(count: usize) -> Result<String> {
    let mut text = String::from("version: 1\nlimits: {subflows: 8}\n");
    text += if count == 0 { "endpoints: {}\n" } else { "endpoints:\n" };
    for index in 0..count {
        let selects = match index % 64 {
            at @ 0..4 => format!("dev: \"bench[{at}]\""),
            at if at % 3 == 0 => format!("dev: [\"wan{index}*\", \"!wan{index}9\"]"),
            at if at % 3 == 1 => format!("address: 10.{}.{}.0/24", 16 + index / 256, index % 256),
            _ => format!("address: 2001:db8:{:x}::/48\n    dev: \"eth*\"", 0x100 + index),
        };
        writeln!(text, "  path{index}:\n    {selects}\n    flags: [subflow]")?;
    }
    Ok(text)
}

/// How much faster than n log n the instructions for the declarations grow, from one count to another: 1 is n log n itself.
pub fn growth(measured: &Measured) -> Option<f64> {
    let of = |index: usize| Some(measured.contestants.get(index)?.instructions? as f64);
    let start = of(0)?;
    let per_step = |index: usize| {
        let n = COUNTS[index] as f64;
        Some((of(index)? - start) / (n * n.log2()))
    };
    let steps = (2..COUNTS.len()).map(|index| Some(per_step(index)? / per_step(index - 1)?));
    steps.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
}

/// The instructions for the declarations of [`quiet`] alone.
pub fn added(measured: &Measured) -> Option<f64> {
    let of = |index: usize| Some(measured.contestants.get(index)?.instructions? as f64);
    Some(of(1)? - of(0)?)
}
