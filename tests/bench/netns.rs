//! One run over many network namespaces, each with 8 endpoints and limits that are already as declared, beside the least
//! that any program has to do there: the floor enters each, asks for limits and endpoints, and receives them. The script
//! is a process of `ip -n NAME -batch` each, which reads them as well.

use std::fmt::Write;

use super::Result;
use super::cases::{Programs, name};
use super::measure::{Case, Contestant, Measured, Proof, Tools};
use super::process::Program;
use super::scene::{self, Scene, Words};
use super::with_ratios;

/// How many namespaces.
pub const COUNTS: [usize; 4] = [1, 10, 100, 500];
/// The most rounds where there are many.
const ROUNDS_OF_MANY: usize = 20;
/// Those of the script there, by itself: one of its runs over 500 takes seconds, and it is far from all others.
const ROUNDS_OF_LOOP: usize = 3;
/// From how many namespaces on that is.
const MANY: usize = 100;

/// What the case of so many is called.
pub fn case_name(count: usize) -> String {
    format!("namespaces-{count}")
}

/// Measures all counts.
pub fn measure(scene: &Scene, programs: &Programs, tools: &Tools, rounds: usize) -> Result<Vec<Measured>> {
    let table = scene::plain(9, 8);
    let mut names: Vec<String> = Vec::new();
    let mut measured = Vec::new();
    let addresses = scene.write("addresses", &format!("link set lo up\n{}", table.addresses()))?;
    for count in COUNTS {
        let (mut made, mut filled) = (String::new(), String::new());
        for index in names.len()..count {
            names.push(format!("bench{index}"));
            writeln!(made, "netns add bench{index}")?;
            writeln!(filled, "-n bench{index} -batch {}", addresses.display())?;
        }
        scene.batch("netns", &made)?.run()?;
        scene.one_by_one("addresses.sh", &filled)?.run()?;
        let mut case = case(scene, programs, &table.yaml(), &names)?;
        let mut figures = if count < MANY {
            case.measure(scene, rounds)?
        } else {
            let others = case.contestants.len() - 1;
            let script = case.contestants.split_off(others);
            let figures = case.measure(scene, rounds.min(ROUNDS_OF_MANY))?;
            let others = std::mem::replace(&mut case.contestants, script);
            let of_script = case.measure(scene, rounds.min(ROUNDS_OF_LOOP))?;
            case.contestants.splice(..0, others);
            [figures, of_script].into_iter().flatten().collect()
        };
        // Hundreds of processes under callgrind would take minutes, to say what ten of them say.
        let without = (count >= MANY).then_some(name::LOOP);
        case.count(scene, tools, &mut figures, without)?;
        measured.push(with_ratios(Measured { case: case.name, title: case.title, contestants: figures }));
    }
    Ok(measured)
}

fn case(scene: &Scene, programs: &Programs, yaml: &str, names: &[String]) -> Result<Case> {
    let count = names.len();
    let mut contestants = programs.ours(scene, yaml, &Proof::Kernel)?;
    for contestant in &mut contestants {
        contestant.program = contestant.program.clone().args(["--netns", "bench*"]);
    }
    // The first run makes the tables, the second one has to find nothing to do.
    let ours = contestants.first().ok_or("nobody to measure")?.program.clone();
    ours.run()?;
    ours.clone().args(["--dry-run", "--detailed-exitcode"]).run()?;
    let said = String::from_utf8_lossy(&ours.output()?.stdout).into_owned();
    for contestant in &mut contestants {
        contestant.proof = Proof::Says(said.trim_end().to_owned());
    }
    let rows = Proof::Says((count * 9).to_string());
    let words = [vec!["namespaces".to_owned()], names.to_vec()].concat();
    let floors = programs.by_words(&words, &rows);
    contestants.extend(floors.into_iter().filter(|who| [name::FLOOR, name::FLOOR_MUSL].contains(&who.name)));
    let read = scene.write("read", "mptcp endpoint show\nmptcp limits show\n")?;
    let lines: String = names.iter().map(|name| format!("-n {name} -batch {}\n", read.display())).collect();
    let each: Program = scene.one_by_one("netns.sh", &lines)?;
    contestants.push(Contestant { name: name::LOOP, program: each, proof: Proof::Lines(count * 9) });
    Ok(Case {
        name: case_name(count),
        title: format!("in {count} network namespaces, each: 8 endpoints and limits are as declared"),
        prepare: None,
        wanted: None,
        contestants,
    })
}
