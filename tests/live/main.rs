//! What replacing endpoints does to live data: how long an end receives nothing, and which subflows do not come back;
//! beside the scripts for `ip` that do the same. `tests/live/run` builds everything and starts this.
//!
//! Two hosts have three links between them (`scene`), and connections on them move as much data as they can (`traffic`).
//! Then endpoints change in one of several ways (`orders`). What counts is the longest time in which one end of one
//! connection received nothing, from the beginning of the change until some seconds after its end: the *gap*.
//!
//! How to read it: a gap of a second or more is a stall, and one that is as long as the watch lasts may never end. Orders
//! take turns, so that whatever else the machine does meets all alike. Each stalled connection of Linux before 7.3 keeps
//! its memory for good, and once the TCP memory of the host is past the first number of `net.ipv4.tcp_mem`, nothing stalls
//! any more whatever the order: so this refuses to measure there.

mod figures;
mod orders;
mod scene;
mod traffic;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;

use orders::{Kind, Order};
use scene::{Links, Scene};
use traffic::{Direction, Traffic};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long data flows before the change.
const BEFORE: Duration = Duration::from_secs(2);

#[derive(Parser)]
struct Options {
    /// The program under test.
    #[arg(long)]
    program: PathBuf,
    /// What carries the packets.
    #[arg(long)]
    relay: PathBuf,
    #[command(flatten)]
    links: Links,
    /// Which way data flows.
    #[arg(long, value_enum, default_value_t = Direction::Both)]
    direction: Direction,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How many seconds to watch after the change.
    #[arg(long, default_value_t = 5)]
    watch: u64,
    /// How often each order makes each kind of change.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The program makes each change that many times as often as the others.
    #[arg(long, default_value_t = 1)]
    more: usize,
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    #[arg(long, value_enum, value_delimiter = ',')]
    orders: Vec<Order>,
    /// Where the JSON goes: a line a run.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Prints the table of such files, and measures nothing.
    #[arg(long, num_args = 1..)]
    table: Vec<PathBuf>,
}

/// What came of one change.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct Run {
    kernel: String,
    kind: Kind,
    order: Order,
    direction: Direction,
    connections: usize,
    delay: u32,
    rate: u32,
    congestion: String,
    /// How long the change took.
    seconds: f64,
    /// The longest time in which an end received nothing.
    gap: f64,
    /// How long after the beginning of the change that began; below zero if before.
    gap_start: f64,
    subflows_before: usize,
    subflows_after: usize,
    /// Whether the program warned that data does not flow.
    warned: bool,
    /// Pages that TCP has afterwards.
    tcp_memory: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if !options.table.is_empty() {
        let files: std::io::Result<Vec<String>> = options.table.iter().map(fs::read_to_string).collect();
        let lines = files?.concat();
        let runs: serde_json::Result<Vec<Run>> = lines.lines().map(serde_json::from_str).collect();
        print!("{}", figures::tables(&runs?));
        return Ok(());
    }
    let (kinds, orders) = (chosen(&options.kinds), chosen(&options.orders));
    let (mut runs, mut lines) = (Vec::new(), String::new());
    for round in 0..options.rounds {
        for kind in &kinds {
            let more = |order: &Order| if *order == Order::Apply { options.more } else { 1 };
            let mut turns: Vec<Order> = orders.iter().flat_map(|it| vec![*it; more(it)]).collect();
            let length = turns.len();
            turns.rotate_left(round % length);
            for order in turns {
                let run = change(options, *kind, order)?;
                let line = serde_json::to_string(&run)?;
                eprintln!("{line}");
                lines.push_str(&(line + "\n"));
                runs.push(run);
                options.json.as_ref().map_or(Ok(()), |path| fs::write(path, &lines))?;
            }
        }
    }
    print!("{}", figures::tables(&runs));
    Ok(())
}

/// All of them if none is named.
fn chosen<T: clap::ValueEnum + Clone>(named: &[T]) -> Vec<T> {
    if named.is_empty() { T::value_variants().to_vec() } else { named.to_vec() }
}

/// In namespaces of its own: a connection that stands still outlives its process.
fn change(options: &Options, kind: Kind, order: Order) -> Result<Run> {
    tcp_memory()?;
    let scene = &Scene::new(&options.program, &options.relay, &options.links)?;
    scene.client.ip(&orders::before())?;
    let mut traffic = Traffic::new(scene, options.connections, &options.links.congestion)?;
    let wanted = options.connections * scene::LINKS;
    let subflows_before = scene.wait_for_subflows(wanted)?;
    if subflows_before < wanted {
        return Err(format!("{subflows_before} of {wanted} subflows came").into());
    }
    traffic.start(options.direction);
    std::thread::sleep(BEFORE);
    traffic.begin();
    let start = Instant::now();
    let warned = orders::carry_out(scene, kind, order)?;
    let seconds = start.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(options.watch));
    let gap = traffic.longest_gap(options.direction);
    let gap_start = gap.start.saturating_duration_since(start).as_secs_f64()
        - start.saturating_duration_since(gap.start).as_secs_f64();
    let subflows_after = scene.subflows()?;
    drop(traffic);
    let Links { delay, rate, congestion } = options.links.clone();
    Ok(Run {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        kind,
        order,
        direction: options.direction,
        connections: options.connections,
        delay,
        rate,
        congestion,
        seconds,
        gap: gap.length.as_secs_f64(),
        gap_start,
        subflows_before,
        subflows_after,
        warned,
        tcp_memory: tcp_memory()?,
    })
}

/// The pages that TCP has now. An error where they are so many that figures would be worthless.
fn tcp_memory() -> Result<u64> {
    let (used, limits) =
        (fs::read_to_string("/proc/net/sockstat")?, fs::read_to_string("/proc/sys/net/ipv4/tcp_mem")?);
    let tcp = used.lines().find(|line| line.starts_with("TCP:"));
    let used: u64 = tcp.and_then(|line| line.rsplit(' ').next()).ok_or("no TCP memory")?.parse()?;
    let low: u64 = limits.split_whitespace().next().ok_or("no tcp_mem")?.parse()?;
    if used >= low / 10 * 9 {
        return Err(format!(
            "TCP has {used} pages of {low}, and nothing stalls any more; raise net.ipv4.tcp_mem, or take a fresh machine"
        )
        .into());
    }
    Ok(used)
}
