//! What a run of the program costs, beside every peer: `ip -batch`, a loop of `ip`, pyroute2, and the least that any
//! program needs, in C (`floor.c`) and in Rust (`bare.rs`). `tests/bench/run` builds them all and starts this.
//!
//! It times whole processes, from spawn to exit, in a network namespace of its own. In every round each contestant of a
//! case runs once, in another order, so that whatever else the machine does meets all alike. After each run the
//! kernel's table is compared with what it has to be: who does less is not measured, but ends the benchmark.
//!
//! How to read it: compare ratios, not microseconds; p10 and p90 tell how restless the machine was. Beside a busy machine
//! two runs differ by some hundredths. Instructions (of user space, by callgrind), system calls (by strace) and peak
//! memory repeat, so that a small difference there is one. `/ floor` is the ratio to the C program that is linked to
//! musl: to start a process, and the kernel's own work, is all that it consists of.
//!
//! Whoever does less is faster. Only the program under test reads files, locks, compares, verifies and could undo; the
//! others are told what to do, and do it blindly.
//!
//! - `cases`: nothing to do, a first apply, one flag, another table; also with 255 endpoints in a virtual machine
//! - `netns`: many network namespaces
//! - `planning`: thousands of declarations
//! - `watching`, `routing`: how soon `--watch` acts
//! - `guard`: what is checked at every change of the program: what repeats exactly
//!
//! What it is not: a test. A missed goal does not end it with an error, since a loaded machine would make that a coin
//! toss; the guard does.

mod cases;
mod goals;
mod guard;
mod measure;
mod netns;
mod picture;
mod planning;
mod process;
mod report;
mod routing;
mod scene;
mod watching;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use cases::{Programs, Tables, name};
use goals::Sizes;
use measure::{Measured, Tools};
use process::Program;
use report::Machine;
use scene::{Scene, Words};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Which cases there are beside those in `cases`.
const OTHERS: [&str; 3] = [planning::NAME, "watch", "namespaces"];
/// Rounds of what removes row after row: each takes a second.
const ROUNDS_OF_REPLACEMENT: usize = 25;
/// How this program ends when it fails; unshare has another one.
const FAILED: u8 = 2;

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    paths: Paths,
    /// How often each contestant is timed.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Where the JSON goes.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the picture goes.
    #[arg(long)]
    picture: Option<PathBuf>,
    /// The JSON of a run in a virtual machine, to be shown with the rest.
    #[arg(long)]
    guest: Option<PathBuf>,
    /// Compares what repeats exactly with the baseline, and measures nothing else.
    #[arg(long)]
    guard: bool,
    /// Writes the baseline.
    #[arg(long)]
    renew: bool,
    /// This process is in a network namespace of its own.
    #[arg(long)]
    inside: bool,
    /// This process is in a virtual machine: 255 endpoints, and times alone.
    #[arg(long)]
    full: bool,
    /// What is measured, without any all. `none` is what a run in a virtual machine leaves to be measured.
    cases: Vec<String>,
}

/// What was built, and where it is.
#[derive(clap::Args)]
pub struct Paths {
    #[arg(long)]
    program: PathBuf,
    #[arg(long)]
    musl: Option<PathBuf>,
    #[arg(long)]
    floor: PathBuf,
    #[arg(long)]
    floor_musl: Option<PathBuf>,
    #[arg(long)]
    bare: Option<PathBuf>,
    #[arg(long)]
    peak: Option<PathBuf>,
    #[arg(long)]
    python: Option<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--bench") {
        eprintln!("error: `cargo bench` does not build the peers; tests/bench/run does, and starts this");
        return ExitCode::from(FAILED);
    }
    let options = Options::parse();
    let result = if options.inside { run(&options).map(|()| 0) } else { enter() };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// Runs this program again in a network namespace, so that what is timed is started there directly: `nsenter` before
/// each process would be a large part of its time.
fn enter() -> Result<u8> {
    let root = rustix::process::geteuid().is_root();
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let status = Command::new("unshare")
        .args(["--net", "--mount"])
        .args(user)
        .arg(std::env::current_exe()?)
        .arg("--inside")
        .args(std::env::args_os().skip(1))
        .status()
        .map_err(|error| format!("cannot start unshare (of util-linux): {error}"))?;
    match status.code() {
        Some(0) => Ok(0),
        // It has said why.
        Some(code) if code == i32::from(FAILED) => Ok(FAILED),
        _ => Err(format!(
            "unshare ended by {status}; this needs root, or user namespaces (sysctl user.max_user_namespaces)"
        )
        .into()),
    }
}

fn run(options: &Options) -> Result<()> {
    let bytes = |path: &PathBuf| fs::metadata(path).map(|metadata| metadata.len());
    let musl = options.paths.musl.as_ref().map(bytes).transpose()?;
    let sizes = Sizes { program: bytes(&options.paths.program)?, musl };
    let scene = Scene::new(&options.paths.program)?;
    let programs = cases::install(&scene, &options.paths)?;
    if options.full {
        let measured = full(&scene, &programs, options)?;
        return write(options.json.as_ref(), &(serde_json::to_string(&measured)? + "\n"));
    }
    let peak = options.paths.peak.as_ref().ok_or("--peak is missing")?;
    let tools = Tools::new(Program::new(scene.install("peak", peak)?))?;
    if options.guard || options.renew {
        let job = if options.renew { guard::Job::Renew } else { guard::Job::Compare };
        return guard::run(&scene, &programs, &tools, sizes.program, job);
    }
    let machine = Machine::here();
    println!("{machine}\n{} rounds", options.rounds);
    let mut measured = usual(&scene, &programs, &tools, options)?;
    if let Some(guest) = &options.guest {
        println!(
            "\nThe cases that begin with 255- ran in an emulated machine: there, only ratios tell something."
        );
        let guest: Vec<Measured> = serde_json::from_str(&fs::read_to_string(guest)?)?;
        print!("{}", report::tables(&guest)?);
        measured.extend(guest);
    }
    let judged = goals::judge(&measured, sizes);
    print!("{}", report::goals(&judged)?);
    write(options.json.as_ref(), &report::json(&machine, &measured, &judged, sizes)?)?;
    match &options.picture {
        Some(path) => Ok(fs::write(path, picture::svg(&machine, &measured)?)?),
        None => Ok(()),
    }
}

/// All cases that are asked for, each printed as soon as it is there.
fn usual(scene: &Scene, programs: &Programs, tools: &Tools, options: &Options) -> Result<Vec<Measured>> {
    let known = || cases::NAMES.into_iter().chain(OTHERS);
    if options.cases == ["none"] {
        return Ok(Vec::new());
    }
    if let Some(unknown) = options.cases.iter().find(|case| known().all(|known| known != **case)) {
        let known: Vec<&str> = known().collect();
        return Err(format!("unknown case {unknown}; known are: {}", known.join(" ")).into());
    }
    let wanted = |name: &str| options.cases.is_empty() || options.cases.iter().any(|case| case == name);
    let tables = Tables::usual()?;
    let mut all = Vec::new();
    for name in known().filter(|name| wanted(name)) {
        let measured = match name {
            planning::NAME => vec![
                planning::measure(scene, programs, tools, options.rounds)?,
                planning::measure_quiet(scene, programs, tools, options.rounds)?,
            ],
            "watch" => {
                let mut measured = watching::measure(scene, programs, options.rounds)?;
                measured.push(routing::measure(scene, programs, options.rounds)?);
                measured
            }
            "namespaces" => netns::measure(scene, programs, tools, options.rounds)?,
            name => {
                let case = tables.case(scene, programs, name)?;
                let many = if name == "replacement" { ROUNDS_OF_REPLACEMENT } else { usize::MAX };
                let mut contestants = case.measure(scene, options.rounds.min(many))?;
                case.count(scene, tools, &mut contestants, None)?;
                vec![with_ratios(Measured { case: case.name, title: case.title, contestants })]
            }
        };
        print!("{}", report::tables(&measured)?);
        all.extend(measured);
    }
    Ok(all)
}

/// The cases for a kernel that takes 255 endpoints.
fn full(scene: &Scene, programs: &Programs, options: &Options) -> Result<Vec<Measured>> {
    let tables = Tables::full();
    // A host that lacks them is looked at more closely, for a warning.
    let addresses = tables.one.addresses() + &tables.other.addresses();
    scene.batch("addresses", &addresses)?.run()?;
    let measure = |name: &str| {
        let case = tables.case(scene, programs, name)?;
        let contestants = case.measure(scene, options.rounds)?;
        Ok(with_ratios(Measured { case: case.name, title: case.title, contestants }))
    };
    ["no-op", "first-apply", "replacement"].into_iter().map(measure).collect()
}

/// With the ratios to the floor.
fn with_ratios(mut measured: Measured) -> Measured {
    let floor =
        [name::FLOOR_MUSL, name::FLOOR].into_iter().find_map(|name| goals::contestant(&measured, name));
    if let Some(floor) = floor.map(|floor| floor.median) {
        measured
            .contestants
            .iter_mut()
            .for_each(|figures| figures.ratio_to_floor = Some(figures.median / floor));
    }
    measured
}

fn write(path: Option<&PathBuf>, text: &str) -> Result<()> {
    path.map_or(Ok(()), |path| Ok(fs::write(path, text)?))
}
