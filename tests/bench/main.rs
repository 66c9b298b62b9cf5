//! What a run costs beside `ip -batch`, the tool that people would script instead, and over many network namespaces.
//!
//! `cargo bench` builds the release binary and runs this; `cargo bench -- 1000` repeats each measurement 1000 times.
//!
//! It times whole processes, from spawn to exit, in a network namespace of its own, one of ours and one of `ip` in
//! turn, so that whatever else the machine does meets both alike:
//!
//! - *nothing to do*: limits and 8 endpoints, 4 of them with a device, already are as declared. `ip -batch` only reads
//!   both.
//! - *first apply*: an empty table and the kernel's own limits become the same 8 endpoints and limits. `ip -batch` only
//!   writes both, without having looked before or looking afterwards.
//!
//! - *network namespaces*: see `netns`.
//!
//! How to read it: compare the ratio of the medians, not the microseconds; p10 and p90 tell how restless the machine
//! was. A ratio of at most 1.00 meets the goal. Beside a busy machine two runs differ by some hundredths.
//!
//! What it is not: a test. Nothing fails when a goal is missed, since a loaded machine would make that a coin toss; only
//! a run that did not do what it is measured for does. It tells nothing of the kernel's own cost of a removal either
//! (a grace period of milliseconds): neither case removes anything.

mod netns;

use std::error::Error;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often each process of a pair is timed unless the command line wants more.
const REPETITIONS: usize = 300;
/// Fewer would make p10 and p90 matters of luck.
const REPETITIONS_MIN: usize = 200;
/// Pairs at the start that do not count: they fill caches that all later ones find filled.
const WARM_UP: usize = 10;
/// The ratio of medians that is to be shown.
const GOAL: f64 = 1.00;
/// Says that this process is the one inside the namespace.
const INSIDE: &str = "--inside";

/// Address, id, flags and device.
const ENDPOINTS: [(&str, u8, &str, Option<&str>); 8] = [
    ("192.0.2.1", 1, "subflow", Some("bench0")),
    ("192.0.2.2", 2, "subflow backup", Some("bench1")),
    ("2001:db8::3", 3, "subflow fullmesh", Some("bench2")),
    ("192.0.2.4", 4, "signal", Some("bench3")),
    ("192.0.2.5", 5, "subflow", None),
    ("192.0.2.6", 6, "subflow backup", None),
    ("2001:db8::7", 7, "signal", None),
    ("192.0.2.8", 8, "signal", None),
];
const SUBFLOWS: u8 = 8;
const ADD_ADDR_ACCEPTED: u8 = 4;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [INSIDE, repetitions] => repetitions.parse().map_err(Into::into).and_then(measure),
        [] => enter(REPETITIONS),
        [repetitions] => repetitions.parse().map_err(Into::into).and_then(enter),
        _ => Err("usage: cargo bench [-- REPETITIONS]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again in a network namespace, so that what is timed is started there directly: `nsenter` before
/// each process would be a large part of its time.
fn enter(repetitions: usize) -> Result<()> {
    let root = rustix::process::geteuid().is_root();
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let status = Command::new("unshare")
        .args(["--net", "--mount"])
        .args(user)
        .arg(std::env::current_exe()?)
        .args([INSIDE, &repetitions.max(REPETITIONS_MIN).to_string()])
        .status()
        .map_err(|error| format!("cannot start unshare (of util-linux): {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!(
            "the measurement ended by {status}; it needs root, or user namespaces (sysctl user.max_user_namespaces)"
        )
        .into()),
    }
}

fn measure(repetitions: usize) -> Result<()> {
    let bench = Bench::new()?;
    let [mut ours, mut read, mut write] = [bench.ours(&[]), bench.ip("read"), bench.ip("write")];
    println!("{repetitions} interleaved repetitions, microseconds from spawn to exit\n");
    println!("{:<34}{:>9}{:>9}{:>9}", "", "median", "p10", "p90");
    bench.expect_changes(0)?;
    report("nothing to do", "reads", compare(repetitions, &mut ours, &mut read, || Ok(()))?);
    let times = compare(repetitions, &mut ours, &mut write, || bench.reset())?;
    report("first apply", "writes", times);
    netns::measure(&bench, repetitions)
}

/// The files and commands of both sides.
struct Bench {
    ip: PathBuf,
    folder: TempDir,
}

impl Bench {
    /// Makes the interfaces and files, and makes sure that both programs reach the same state from them.
    fn new() -> Result<Bench> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ip = std::env::split_paths(&path).map(|folder| folder.join("ip")).find(|ip| ip.is_file());
        let bench = Bench { ip: ip.ok_or("there is no `ip` (of iproute2)")?, folder: TempDir::new()? };

        let mut links = String::from("link set lo up\n");
        for (one, other) in [("bench0", "bench1"), ("bench2", "bench3")] {
            links += &format!("link add {one} type veth peer name {other}\n");
            links += &format!("link set {one} up\nlink set {other} up\n");
        }
        let mut config = format!(
            "version: 1\nlimits:\n  subflows: {SUBFLOWS}\n  add-addr-accepted: {ADD_ADDR_ACCEPTED}\nendpoints:\n"
        );
        let mut write = String::new();
        for (address, id, flags, dev) in ENDPOINTS {
            links += &format!("address add {address} dev {}\n", dev.unwrap_or("lo"));
            let list = flags.replace(' ', ", ");
            config += &format!("  path{id}:\n    address: {address}\n    id: {id}\n    flags: [{list}]\n");
            config += &dev.map(|dev| format!("    dev: {dev}\n")).unwrap_or_default();
            let dev = dev.map(|dev| format!(" dev {dev}")).unwrap_or_default();
            write += &format!("mptcp endpoint add {address} id {id} {flags}{dev}\n");
        }
        write += &format!("mptcp limits set subflows {SUBFLOWS} add_addr_accepted {ADD_ADDR_ACCEPTED}\n");
        let reset = "mptcp endpoint flush\nmptcp limits set subflows 2 add_addr_accepted 0\n";
        let read = "mptcp endpoint show\nmptcp limits show\n";
        let files =
            [("config", &*config), ("links", &links), ("read", read), ("write", &write), ("reset", reset)];
        for (name, text) in files {
            fs::write(bench.file(name), text)?;
            // A file that a group could write to would be worth a warning, and writing that some time.
            fs::set_permissions(bench.file(name), Permissions::from_mode(0o644))?;
        }

        time(&mut bench.ip("links"))?;
        bench.reset()?;
        bench.expect_changes(2)?;
        time(&mut bench.ip("write"))?;
        let wanted = bench.ip("read").stdout(Stdio::piped()).output()?.stdout;
        bench.reset()?;
        time(&mut bench.ours(&[]))?;
        let made = bench.ip("read").stdout(Stdio::piped()).output()?.stdout;
        let both = [&wanted, &made].map(|table| String::from_utf8_lossy(table));
        if wanted == made {
            Ok(bench)
        } else {
            Err(format!("`ip` made\n{}\nwe made\n{}", both[0], both[1]).into())
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ours(&self, options: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_mptcp-apply").as_ref());
        command.args(options).arg(self.file("config"));
        command
    }

    fn ip(&self, batch: &str) -> Command {
        let mut command = self.command(&self.ip);
        command.arg("-batch").arg(self.file(batch));
        command
    }

    /// Started by its whole path: looking it up would count too.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C.UTF-8").env("RUNTIME_DIRECTORY", self.file("runtime"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Empties the table, and forgets what was made there: both are new at a first apply.
    fn reset(&self) -> Result<()> {
        match fs::remove_dir_all(self.file("runtime")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => time(&mut self.ip("reset")).map(|_| ()),
        }
    }

    /// Makes sure that a plan has steps (2) or none (0).
    fn expect_changes(&self, expected: i32) -> Result<()> {
        match self.ours(&["--dry-run", "--detailed-exitcode"]).status()?.code() {
            Some(code) if code == expected => Ok(()),
            code => Err(format!("--dry-run --detailed-exitcode ended with {code:?}, not {expected}").into()),
        }
    }
}

/// Times both in turn, with `prepare` before each.
fn compare(
    repetitions: usize,
    ours: &mut Command,
    peer: &mut Command,
    mut prepare: impl FnMut() -> Result<()>,
) -> Result<[Vec<Duration>; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for repetition in 0..WARM_UP + repetitions {
        for (command, times) in [&mut *ours, &mut *peer].into_iter().zip(&mut times) {
            prepare()?;
            let time = time(command)?;
            if repetition >= WARM_UP {
                times.push(time);
            }
        }
    }
    Ok(times)
}

fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let time = start.elapsed();
    if status.success() { Ok(time) } else { Err(format!("{command:?} ended by {status}").into()) }
}

fn report(case: &str, peer_does: &str, times: [Vec<Duration>; 2]) {
    let names = [format!("{case}: mptcp-apply"), format!("{case}: ip -batch {peer_does}")];
    let mut medians = Vec::new();
    for (name, mut times) in names.iter().zip(times) {
        let [median, p10, p90] = percentiles(&mut times);
        println!("{name:<34}{median:>9.0}{p10:>9.0}{p90:>9.0}");
        medians.push(median);
    }
    let ratio = medians[0] / medians[1];
    let verdict = if ratio <= GOAL { "met" } else { "missed" };
    println!("{case}: ratio of medians {ratio:.2}, goal of at most {GOAL:.2} {verdict}\n");
}

/// The median, and the bounds of the middle 80 %, in microseconds.
fn percentiles(times: &mut [Duration]) -> [f64; 3] {
    times.sort_unstable();
    [50, 10, 90].map(|percent| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6)
}
