//! What `--watch` costs: memory that does not grow, and how soon it acts.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kernel::links::{Links, subflows};
use crate::kernel::watcher::{Watcher, addresses, endpoints, replace, wait_for_table};
use crate::support::{Namespace, program_path, run, wait_for};

/// The most passes that a burst of events may cause in any second.
const PASSES_MAX: f64 = 12.0;

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

/// How long it takes until a change is applied and reported; the least and the median of some.
fn delays(watcher: &Watcher, mut change: impl FnMut(usize)) -> (Duration, Duration) {
    let delay = |number: usize| {
        // What the change before has caused is over, so that this one is the first of its own.
        watcher.wait_until_idle();
        let runs = watcher.count();
        let start = Instant::now();
        change(number);
        while watcher.count() == runs {
            assert!(start.elapsed() < Duration::from_secs(60), "no run");
            std::thread::sleep(Duration::from_micros(200));
        }
        start.elapsed()
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
    println!("file {:?}, address {:?} (medians)", file.1, address.1);
    assert!(file.0 < SOON && address.0 < SOON, "{file:?} {address:?}");
    watcher.stop();
}

/// What happens in a storm, how many runs it causes at most, and how soon after its end the last state is there.
fn weather(watcher: &Watcher, storm: impl FnOnce(), is_calm: impl Fn() -> bool) -> Duration {
    watcher.wait_until_idle();
    let (runs, start) = (watcher.count(), Instant::now());
    storm();
    let end = Instant::now();
    wait_for("the last state", is_calm);
    let took = end.elapsed();
    watcher.wait_until_idle();
    let (runs, seconds) = (watcher.count() - runs, start.elapsed().as_secs_f64());
    println!("{runs} runs in {seconds:.2} s; the last state came {took:?} after the end");
    assert!(runs as f64 <= PASSES_MAX * seconds + 1.0, "{runs} runs in {seconds} s");
    took
}

/// The least counts, as above.
#[test]
fn a_storm_causes_few_passes_and_its_end_counts() {
    const SOON: Duration = Duration::from_millis(150);
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    let row = "flags: [signal]";
    let config = |last: &str| {
        format!(
            "{{version: 1, endpoints: {{lan: {{dev: eth7, family: ipv4, {row}}}, a: {{address: {last}, {row}}}}}}}"
        )
    };
    let (watcher, path) = Watcher::of(&namespace, &config("10.0.0.1"));
    let has = |wanted: &str| addresses(&namespace).contains(&wanted.to_owned());
    let many = |round: u8| {
        let line = |n: u32| {
            format!(
                "address add 10.8.{}.{}/32 dev lo\naddress delete 10.8.{}.{}/32 dev lo\n",
                n / 250,
                n % 250,
                n / 250,
                n % 250
            )
        };
        let last = format!("10.9.{round}.1");
        let lines: String = (1..500).map(line).collect();
        let lines = format!("{lines}address add {last}/32 dev eth7\n");
        weather(&watcher, || namespace.ip_batch(&lines), || has(&last))
    };
    let flaps = |round: u8| {
        let address = format!("10.7.{round}.1/32 dev eth7");
        let flap = |number: u32| {
            namespace.ip(&format!("address {} {address}", ["add", "delete"][number as usize % 2]));
            std::thread::sleep(Duration::from_millis(6));
        };
        weather(&watcher, || (0..101).for_each(flap), || has(&format!("10.7.{round}.1")))
    };
    let writes = |round: u8| {
        let last = |number: u32| format!("10.{}.{}.{}", round + 1, number / 250, number % 250 + 1);
        let write = |number: u32| match number % 2 {
            0 => replace(&path, &config(&last(number))),
            _ => fs::write(&path, config(&last(number))).expect("written"),
        };
        weather(&watcher, || (0..1000).for_each(write), || has(&last(999)))
    };
    for (name, least) in [
        ("addresses", (0..3).map(many).min()),
        ("flapping", (0..3).map(flaps).min()),
        ("writes", (0..3).map(writes).min()),
    ] {
        assert!(least < Some(SOON), "{name}: {least:?}");
    }
    watcher.stop();
}

/// Its endpoint is not removed, which would close the subflow. A machine that is so slow that the address is away for
/// longer gets another try.
#[test]
fn an_address_that_is_back_in_a_moment_is_not_missed() {
    const MOMENT: Duration = Duration::from_millis(60);
    let links = Links::new();
    let config = "{version: 1, limits: {subflows: 4}, endpoints: {\
                  a: {address: 10.1.1.1, flags: [subflow]}, b: {dev: c2, address: 10.1.2.11/32, flags: [subflow]}}}";
    let (watcher, _) = Watcher::of(&links.client, config);
    let (_server, _client) = links.connect();
    let is_in_time = || {
        links.wait_for_paths(&["10.1.1.1", "10.1.2.11"]);
        watcher.wait_until_idle();
        let (before, runs) = (subflows(&links.client), watcher.count());
        let took = links.client.sh("start=$(date +%s%N); ip address delete 10.1.2.11/24 dev c2; sleep 0.02
             ip address add 10.1.2.11/24 dev c2; echo $((($(date +%s%N) - start) / 1000000))");
        watcher.wait_for_runs(runs + 1);
        watcher.wait_until_idle();
        let is_in_time = took.trim().parse::<u128>().expect("a number") < MOMENT.as_millis();
        if is_in_time {
            let made = &watcher.runs()[runs..];
            assert!(made.iter().all(|run| run["changed"] == false), "{made:#?}");
            assert_eq!(subflows(&links.client), before);
        }
        is_in_time
    };
    assert!((0..30).any(|_| is_in_time()), "this machine is too slow");
    // One that stays away is missed.
    links.client.ip("address delete 10.1.2.11/24 dev c2");
    wait_for_table(&links.client, &["10.1.1.1"]);
    watcher.stop();
}
