//! Measuring: all contestants of a case in turn, round after round, and what each of them needs besides time.

use std::error::Error;
use std::fs;
use std::time::Duration;

use mptcp_apply::model::State;
use serde::{Deserialize, Serialize};

use super::Result;
use super::process::Program;
use super::scene::{self, Scene};

/// Rounds at the start that do not count, of few rounds fewer: they fill caches that all later ones find filled.
const WARM_UP: usize = 3;
/// How often memory is looked at: the kernel maps what else of a file is at hand, some pages more or less. The least counts.
const PEAKS: usize = 5;

/// One program that does a case's work.
pub struct Contestant {
    /// The same in every case.
    pub name: &'static str,
    /// How it is started.
    pub program: Program,
    /// How it can be seen that it did something that leaves no trace in the kernel.
    pub proof: Proof,
}

/// What a program that reads has to print.
#[derive(Clone, PartialEq)]
pub enum Proof {
    /// Nothing; what it did is in the kernel.
    Kernel,
    /// Just this.
    Says(String),
    /// So many lines.
    Lines(usize),
}

/// Work that several programs can do.
pub struct Case {
    /// What it is called on the command line and in JSON.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Brings the kernel to where the work starts; none where the work changes nothing.
    pub prepare: Option<Program>,
    /// What the kernel has to hold after the work of anybody; none where that is not in this namespace.
    pub wanted: Option<State>,
    /// Who does it. The first is what the others are compared with.
    pub contestants: Vec<Contestant>,
}

/// A case with its figures.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// What it is called.
    pub case: String,
    /// What it is.
    pub title: String,
    /// In the order in which they are shown.
    pub contestants: Vec<Figures>,
}

/// What one contestant needed.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figures {
    /// Whose figures these are.
    pub name: String,
    /// How many runs were timed.
    pub n: usize,
    /// In microseconds.
    #[serde(rename = "median-us")]
    pub median: f64,
    /// Nine of ten runs took longer.
    #[serde(rename = "p10-us")]
    pub p10: f64,
    /// One of ten runs took longer.
    #[serde(rename = "p90-us")]
    pub p90: f64,
    /// The median divided by that of the C program that is linked to musl, or of the other one where that is missing.
    pub ratio_to_floor: Option<f64>,
    /// In user space.
    pub instructions: Option<u64>,
    /// All but the one that ends the process.
    pub system_calls: Option<u64>,
    /// The most that was resident, in KiB.
    pub peak_kib: Option<u64>,
}

impl Figures {
    /// Of these times.
    pub fn of(name: &str, mut times: Vec<Duration>) -> Figures {
        times.sort_unstable();
        let at = |index: usize| times[index].as_secs_f64() * 1e6;
        let last = times.len() - 1;
        // Of few times the bounds are the outer ones.
        let [median, p10, p90] = [at(last / 2), at(last / 10), at((last * 9).div_ceil(10))];
        Figures { name: name.to_owned(), n: times.len(), median, p10, p90, ..Figures::default() }
    }
}

impl Case {
    /// Times everybody in turn, so that whatever else the machine does meets all alike, and each round in another order:
    /// who comes after a large program finds the processor's caches filled with that.
    pub fn measure(&self, scene: &Scene, rounds: usize) -> Result<Vec<Figures>> {
        for contestant in &self.contestants {
            self.prove(scene, contestant)?;
        }
        let count = self.contestants.len();
        let mut times = vec![Vec::with_capacity(rounds); count];
        let warm_up = WARM_UP.min(rounds / 2);
        let mut order: Vec<usize> = (0..count).collect();
        let mut random = Random(1);
        for round in 0..warm_up + rounds {
            random.shuffle(&mut order);
            for &index in &order {
                self.prepare(scene)?;
                let program = &self.contestants[index].program;
                let time = program.run()?;
                self.judge(program)?;
                if round >= warm_up {
                    times[index].push(time);
                }
            }
        }
        Ok(self.contestants.iter().zip(times).map(|(who, times)| Figures::of(who.name, times)).collect())
    }

    /// Adds what repeats: instructions, system calls, memory; of all but one, if that is named.
    pub fn count(
        &self,
        scene: &Scene,
        tools: &Tools,
        figures: &mut [Figures],
        without: Option<&str>,
    ) -> Result<()> {
        let counted = self.contestants.iter().zip(figures).filter(|(who, _)| Some(who.name) != without);
        for (Contestant { program, .. }, figures) in counted {
            let count = |how: fn(&Tools, &Scene, &Program) -> Result<u64>| {
                self.prepare(scene)?;
                let count = how(tools, scene, program)?;
                self.judge(program)?;
                Ok::<_, Box<dyn Error>>(count)
            };
            figures.instructions = Some(count(Tools::instructions)?);
            figures.system_calls = Some(count(Tools::system_calls)?);
            let peaks = (0..PEAKS).map(|_| count(Tools::peak)).collect::<Result<Vec<_>>>()?;
            figures.peak_kib = peaks.into_iter().min();
        }
        Ok(())
    }

    /// Runs it once, and makes sure that it does the work.
    fn prove(&self, scene: &Scene, contestant: &Contestant) -> Result<()> {
        self.prepare(scene)?;
        let output = contestant.program.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let proven = match &contestant.proof {
            Proof::Kernel => true,
            Proof::Says(words) => said.trim_end() == words,
            Proof::Lines(count) => said.lines().count() == *count,
        };
        if !proven {
            return Err(format!("{}: {} said\n{said}", self.name, contestant.program).into());
        }
        self.judge(&contestant.program)
    }

    fn prepare(&self, scene: &Scene) -> Result<()> {
        if let Some(program) = &self.prepare {
            scene.forget()?;
            program.run()?;
        }
        Ok(())
    }

    /// Makes sure that the kernel is where the work was to bring it.
    fn judge(&self, program: &Program) -> Result<()> {
        let Some(wanted) = &self.wanted else { return Ok(()) };
        let found = scene::read()?;
        if found.agrees_with(wanted) {
            return Ok(());
        }
        let text = |state: &State| {
            state.endpoints.iter().map(|row| format!("{row}\n")).collect::<String>()
                + &format!("{}\n", state.limits)
        };
        Err(format!("{}: {program} left\n{}and not\n{}", self.name, text(&found), text(wanted)).into())
    }
}

/// Marsaglia's xorshift: the same orders in every run.
struct Random(u64);

impl Random {
    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}

/// Programs under which others are counted.
pub struct Tools {
    valgrind: Program,
    strace: Program,
    peak: Program,
}

impl Tools {
    /// Those of this system, and the one built from `peak.c`.
    pub fn new(peak: Program) -> Result<Tools> {
        Ok(Tools { valgrind: Program::find("valgrind")?, strace: Program::find("strace")?, peak })
    }

    /// Instructions in user space, of the program and all that it starts.
    pub fn instructions(&self, scene: &Scene, program: &Program) -> Result<u64> {
        let folder = scene.path("callgrind");
        fs::create_dir_all(&folder)?;
        let to = format!("--callgrind-out-file={}/%p", folder.display());
        let callgrind = self.valgrind.clone().args(["--tool=callgrind", "--trace-children=yes", "-q"]);
        program.under(callgrind.arg(to)).run()?;
        let mut total = 0;
        for entry in fs::read_dir(&folder)? {
            let text = fs::read_to_string(entry?.path())?;
            let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
            total += totals.ok_or("callgrind wrote no totals")?.parse::<u64>()?;
        }
        fs::remove_dir_all(&folder)?;
        if total == 0 { Err(format!("{program} needed no instructions").into()) } else { Ok(total) }
    }

    /// The system calls of the program and all that it starts, but for those that end a process: strace counts what returns.
    pub fn system_calls(&self, scene: &Scene, program: &Program) -> Result<u64> {
        let to = scene.path("strace");
        program.under(self.strace.clone().args(["-f", "-c", "-o"]).arg(&to)).run()?;
        let text = fs::read_to_string(&to)?;
        let total = text.lines().find(|line| line.ends_with(" total"));
        let calls = total.and_then(|line| line.split_whitespace().nth(3));
        Ok(calls.ok_or("strace wrote no total")?.parse()?)
    }

    /// The most memory that was ever resident, in KiB; of several processes that of the largest.
    pub fn peak(&self, _: &Scene, program: &Program) -> Result<u64> {
        let output = program.under(self.peak.clone()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        Ok(said.lines().last().ok_or("peak.c printed nothing")?.parse()?)
    }
}
