//! What `--watch` costs: memory that does not grow, and how soon it acts.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kernel::watcher::{Watcher, endpoints, replace};
use crate::support::{Namespace, program_path, run, wait_for};

/// How long it has to be quiet before a run.
const QUIET: Duration = Duration::from_millis(200);

/// The most memory that may be resident, in KiB.
const RESIDENT_MAX: u64 = 8 * 1024;

/// How much more there may be after many runs, in KiB: what an allocator keeps at hand.
const GROWTH_MAX: u64 = 256;

/// Resident memory in KiB. A debug build's code is larger than all that may be resident, and left out.
fn resident(watcher: &Watcher) -> u64 {
    let size = fs::metadata(program_path()).expect("a program").len() / 1024;
    let kind = if size > RESIDENT_MAX { "RssAnon:" } else { "VmRSS:" };
    let status = fs::read_to_string(format!("/proc/{}/status", watcher.pid())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(kind)).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Other configurations, told by SIGHUP, which is not waited out.
fn reload(watcher: &Watcher, path: &std::path::Path, count: usize) {
    for number in 0..count {
        replace(path, &endpoints(&[["10.0.0.1", "10.0.0.2"][number % 2], "10.0.0.3"]));
        let runs = watcher.count();
        watcher.signal(Signal::HUP);
        watcher.wait_for_runs(runs + 1);
    }
}

/// Addresses that come and go, so many each.
fn flap(namespace: &Namespace, watcher: &Watcher, count: usize) {
    let runs = watcher.count();
    let each = |number: usize| {
        let address = format!("10.8.{}.{}/32", number / 200 % 200, number % 200 + 1);
        format!("address add {address} dev lo\naddress delete {address} dev lo\n")
    };
    let mut ip = namespace.command("ip");
    ip.args(["-batch", "-"]);
    run(ip, &(0..count).map(each).collect::<String>()).expect(0);
    watcher.wait_for_runs(runs + 1);
}

fn soak(count: usize) {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    // What is touched for the first time is no growth.
    reload(&watcher, &path, 100);
    flap(&namespace, &watcher, 100);
    let before = resident(&watcher);
    let start = Instant::now();
    reload(&watcher, &path, count);
    let (reloaded, took) = (resident(&watcher), start.elapsed());
    flap(&namespace, &watcher, count / 2);
    let after = resident(&watcher);
    println!(
        "resident: {before} KiB at first, {reloaded} KiB after {count} reloads ({took:?}), {after} KiB after {count} \
         address events ({} runs in all)",
        watcher.count()
    );
    assert!(after <= before + GROWTH_MAX, "it grew from {before} to {after} KiB");
    assert!(after <= RESIDENT_MAX, "{after} KiB are resident");
    let files = fs::read_dir(format!("/proc/{}/fd", watcher.pid())).expect("it lives").count();
    // Two of them are its output streams, opened again so that no write waits.
    assert!(files < 22, "{files} files are open");
    watcher.stop();
}

#[test]
fn it_does_not_grow() {
    soak(300);
}

#[test]
#[ignore = "a soak of some minutes, to be run by itself with --nocapture"]
fn it_does_not_grow_for_long() {
    soak(10_000);
}

/// How much later than the settling time a change is applied and reported; the least and the median of some.
fn delays(watcher: &Watcher, mut change: impl FnMut(usize)) -> (Duration, Duration) {
    let delay = |number: usize| {
        let runs = watcher.count();
        change(number);
        let start = Instant::now();
        while watcher.count() == runs {
            assert!(start.elapsed() < Duration::from_secs(60), "no run");
            std::thread::sleep(Duration::from_micros(200));
        }
        start.elapsed().saturating_sub(QUIET)
    };
    let mut delays: Vec<Duration> = (0..11).map(delay).collect();
    delays.sort();
    (delays[0], delays[5])
}

/// The least counts: a busy machine makes everything late now and then, and a slow program is always late.
#[test]
fn it_acts_soon() {
    const SOON: Duration = Duration::from_millis(50);
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    let file = delays(&watcher, |number| replace(&path, &endpoints(&[&format!("10.0.1.{}", number + 1)])));
    let address = delays(&watcher, |number| {
        namespace.ip(&format!("address add 10.9.0.{}/24 dev eth7", number + 1));
    });
    println!("after {QUIET:?} of quiet: file {:?}, address {:?} (medians)", file.1, address.1);
    assert!(file.0 < SOON && address.0 < SOON, "{file:?} {address:?}");
    wait_for("rest", || watcher.count() >= 23);
    watcher.stop();
}
