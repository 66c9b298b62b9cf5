//! How soon `--watch` acts: from the rename of a configuration file, from its closing after a write in place, and from the
//! appearance of an address that a selector is waiting for, to the endpoint in the kernel's table. The table is asked for
//! again and again all the while, every 50 microseconds, so no time is exact to less.
//!
//! The peer is what is often written instead: a shell that reads `ip monitor` and adds at once. It compares nothing, and
//! removes nothing. It is always quiet for a moment before: the first event of a burst is the one that acts at once.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::system::{PathManager, Scope};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Result;
use super::cases::{Programs, name};
use super::measure::{Figures, Measured};
use super::process::Program;
use super::scene::Scene;

/// The most that is waited for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is quiet before each change.
pub const QUIET: Duration = Duration::from_millis(150);
/// Rounds: each is quiet twice.
pub const ROUNDS: usize = 50;
/// What is declared by the file, and what comes as an address.
const DECLARED: &str = "10.76.0.1";
const SELECTED: &str = "10.77.0.1";

/// What they are called.
pub const RENAMED: &str = "watch-renamed";
pub const WRITTEN: &str = "watch-written";
pub const ADDRESS: &str = "watch-address";

/// Measures all.
pub fn measure(scene: &Scene, programs: &Programs, rounds: usize) -> Result<Vec<Measured>> {
    let rounds = rounds.min(ROUNDS);
    let rename = |scene: &Scene, text: &str| {
        let next = scene.write("next.yaml", text)?;
        let start = Instant::now();
        Ok(fs::rename(next, scene.path("watched.yaml")).map(|()| start)?)
    };
    let write = |scene: &Scene, text: &str| {
        fs::write(scene.path("watched.yaml"), text)?;
        Ok(Instant::now())
    };
    Ok(vec![
        file(scene, programs, rounds, (RENAMED, "a file's rename", &rename))?,
        file(scene, programs, rounds, (WRITTEN, "a file's closing after a write", &write))?,
        address(scene, programs, rounds)?,
    ])
}

/// Something that runs until this is dropped, with all that it started.
pub struct Running(Child, BufReader<ChildStdout>);

impl Running {
    pub fn start(command: &mut Command) -> Result<Running> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn()?;
        let said = child.stdout.take().ok_or("piped")?;
        Ok(Running(child, BufReader::new(said)))
    }

    /// Waits until the program has reported a run that changed something. Only then can it be quiet.
    fn wait_for_run(&mut self) -> Result<()> {
        let mut line = String::new();
        while self.1.read_line(&mut line)? > 0 {
            let document: serde_json::Value = serde_json::from_str(&line)?;
            if document["result"] == "applied" {
                return Ok(());
            }
            line.clear();
        }
        Err("--watch has ended".into())
    }

    /// The most memory that was resident so far, in KiB.
    pub fn peak(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("it has ended")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// What becomes of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    In,
    Out,
}

/// Waits until an endpoint is there, or is not.
fn wait_for(host: &mut LinuxPathManager, address: &str, comes: Comes) -> Result<()> {
    let address: IpAddr = address.parse()?;
    let start = Instant::now();
    loop {
        let state = host.observe(&Scope::default())?.state;
        let found = state.endpoints.iter().any(|row| row.identity.address == address);
        if found == (comes == Comes::In) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?} the endpoint {address} did not come {comes:?}").into());
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

pub fn watch(scene: &Scene, programs: &Programs, yaml: &str) -> Result<Running> {
    let config = scene.write("watched.yaml", yaml)?;
    let program =
        programs.ours.clone().arg("--watch").args(["--resync", "0", "--format", "json"]).arg(config);
    Running::start(&mut program.command())
}

/// Brings a text into a file in some way; when that is done.
type Save<'s> = &'s dyn Fn(&Scene, &str) -> Result<Instant>;

fn file(
    scene: &Scene,
    programs: &Programs,
    rounds: usize,
    (case, way, save): (&str, &str, Save<'_>),
) -> Result<Measured> {
    scene.batch("prepare", "mptcp endpoint flush\n")?.run()?;
    let first = "version: 1\nendpoints:\n  one: {address: 10.75.0.1, flags: [signal]}\n";
    let both = format!("{first}  two: {{address: {DECLARED}, flags: [signal]}}\n");
    let mut host = LinuxPathManager::open()?;
    let mut running = watch(scene, programs, first)?;
    wait_for(&mut host, "10.75.0.1", Comes::In)?;
    running.wait_for_run()?;
    let mut times = Vec::new();
    for round in 0..=rounds {
        std::thread::sleep(QUIET);
        let start = save(scene, &both)?;
        wait_for(&mut host, DECLARED, Comes::In)?;
        let time = start.elapsed();
        if round > 0 {
            times.push(time);
        }
        running.wait_for_run()?;
        std::thread::sleep(QUIET);
        save(scene, first)?;
        wait_for(&mut host, DECLARED, Comes::Out)?;
        running.wait_for_run()?;
    }
    let title = format!("--watch: from {way} to its endpoint in the kernel");
    Ok(Measured { case: case.to_owned(), title, contestants: vec![ours(times, running.peak()?)] })
}

fn address(scene: &Scene, programs: &Programs, rounds: usize) -> Result<Measured> {
    scene.batch("prepare", "mptcp endpoint flush\n")?.run()?;
    let mut host = LinuxPathManager::open()?;
    let yaml = "version: 1\nendpoints:\n  lan: {address: 10.77.0.0/16, flags: [subflow]}\n";
    let mut running =
        watch(scene, programs, &format!("{yaml}  one: {{address: 10.75.0.1, flags: [signal]}}\n"))?;
    wait_for(&mut host, "10.75.0.1", Comes::In)?;
    running.wait_for_run()?;
    let mut ip = Feed::start(scene)?;
    let mut times = Vec::new();
    for round in 0..=rounds {
        std::thread::sleep(QUIET);
        let start = ip.tell(&format!("address add {SELECTED}/16 dev bench0"))?;
        wait_for(&mut host, SELECTED, Comes::In)?;
        let time = start.elapsed();
        if round > 0 {
            times.push(time);
        }
        running.wait_for_run()?;
        ip.tell(&format!("address delete {SELECTED}/16 dev bench0"))?;
        wait_for(&mut host, SELECTED, Comes::Out)?;
        running.wait_for_run()?;
    }
    let ours = ours(times, running.peak()?);
    drop(running);
    let script = Figures::of(name::SCRIPT, script(scene, &mut host, &mut ip, rounds)?);
    let title = "--watch: from an address's appearance to its endpoint in the kernel".to_owned();
    Ok(Measured { case: ADDRESS.to_owned(), title, contestants: vec![ours, script] })
}

/// How soon the script adds.
fn script(scene: &Scene, host: &mut LinuxPathManager, ip: &mut Feed, rounds: usize) -> Result<Vec<Duration>> {
    let path = scene.ip.display();
    let text = format!(
        "{path} -o monitor address | while read -r index dev family address rest; do\n\
         \x20   [ \"$index\" = Deleted ] || {path} mptcp endpoint add \"${{address%/*}}\" dev \"$dev\" subflow\n\
         done\n"
    );
    let mut running =
        Running::start(&mut Program::new("/bin/sh").arg(scene.write("monitor.sh", &text)?).command())?;
    let mut times = Vec::new();
    let start = Instant::now();
    let mut listens = false;
    while times.len() < rounds {
        let told = ip.tell(&format!("address add {SELECTED}/16 dev bench0"))?;
        if listens {
            wait_for(host, SELECTED, Comes::In)?;
            times.push(told.elapsed());
        } else {
            // What comes before it listens is lost. Nobody else can tell when it does.
            std::thread::sleep(Duration::from_millis(20));
            listens = host
                .observe(&Scope::default())?
                .state
                .endpoints
                .iter()
                .any(|row| row.identity.address.to_string() == SELECTED);
            if start.elapsed() > PATIENCE || running.0.try_wait()?.is_some() {
                return Err("`ip monitor` told of no address".into());
            }
        }
        ip.tell(&format!("address delete {SELECTED}/16 dev bench0"))?;
        ip.tell("mptcp endpoint flush")?;
        wait_for(host, SELECTED, Comes::Out)?;
    }
    Ok(times)
}

pub fn ours(times: Vec<Duration>, peak: u64) -> Figures {
    Figures { peak_kib: Some(peak), ..Figures::of(name::OURS, times) }
}

/// An `ip` that is there already and waits for lines.
pub struct Feed(Child);

impl Feed {
    pub fn start(scene: &Scene) -> Result<Feed> {
        let mut command = Program::new(&scene.ip).args(["-batch", "-"]).command();
        Ok(Feed(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?))
    }

    /// Hands it a line; when that was.
    pub fn tell(&mut self, line: &str) -> Result<Instant> {
        let start = Instant::now();
        writeln!(self.0.stdin.as_ref().ok_or("piped")?, "{line}")?;
        Ok(start)
    }
}

/// It ends when there can be no more lines.
impl Drop for Feed {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
