//! Runs that are killed at random moments, in every phase; whatever is left, the next run reaches the goal.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::test_runner::RngSeed;

use crate::support::{finish, program_path, repeatable};

use super::scene::{self, GOAL, Scene};
use super::strace;

/// What adds several endpoints and then one whose port cannot be had, so that they are taken back.
const REFUSED: &str = "\
version: 1
prune: false
limits: {subflows: 6}
endpoints:
  a: {address: 10.0.0.1, id: 1, flags: [subflow]}
  b: {address: 10.0.0.2, id: 2, flags: [subflow]}
  c: {address: 10.0.0.3, flags: [subflow]}
  e: {address: 10.0.0.5, id: 5, flags: [subflow]}
  g: {address: 10.0.0.6, flags: [subflow]}
  bad: {address: 203.0.113.1, port: 8443, flags: [signal]}
";

const KILLS: u64 = 200;

/// How far a run had come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Reading,
    Stepping,
    Undoing,
    Ended,
}

fn start(scene: &Scene, config: &str) -> Child {
    let mut command = scene.namespace.command(program_path());
    command.args(["-v", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(config.as_bytes()).expect("read");
    child
}

/// How long an undisturbed run takes, now and here.
fn duration(scene: &Scene, config: &str, code: i32) -> Duration {
    scene.reset();
    let begin = Instant::now();
    finish(start(scene, config)).expect(code);
    begin.elapsed()
}

/// Numbers without a pattern, the same for the same seed (splitmix64).
fn random(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Behind every request and every change of a file, those of the record among them.
fn behind_each_call() -> Vec<String> {
    let calls = scene::undisturbed();
    let behind = ["sendto", "openat", "write", "rename", "unlink"]
        .into_iter()
        .flat_map(|call| (1..=strace::count(&calls, call)).map(move |n| format!("{call}:when={n}")));
    behind.collect()
}

#[test]
fn a_kill_behind_any_step_is_healed() {
    scene::for_each(behind_each_call(), |scene, behind| {
        strace::kill(&scene.namespace, &behind, GOAL);
        scene.knows_its_own(&behind);
        scene.heals(&behind);
    });
}

/// Before its first step a signal ends a run, and nothing is changed; after it the run reaches the goal, and its exit code
/// says so, also while it reports.
#[test]
fn a_signal_behind_any_step_leaves_all_or_nothing() {
    let behind = behind_each_call();
    let cases = [("SIGHUP", 1), ("SIGINT", 2), ("SIGTERM", 15)]
        .into_iter()
        .flat_map(|signal| behind.iter().map(move |behind| (signal, behind.clone())));
    let finished = AtomicU64::new(0);
    scene::for_each(cases.collect(), |scene, ((name, number), behind)| {
        let output = strace::signal(&scene.namespace, name, &behind, GOAL);
        let context = format!("{name} behind {behind}: {output:?}");
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => {
                assert_eq!(scene.state(), scene.goal, "{context}");
                finished.fetch_add(1, Ordering::Relaxed);
            }
            (_, Some(signal)) if signal == number => assert_eq!(scene.state(), scene.before, "{context}"),
            _ => panic!("{context}"),
        }
        scene.heals(&context);
    });
    assert!(finished.into_inner() > 0, "no run was signalled after its first step");
}

/// A trial is taken back by any of them, wherever it is, or has changed nothing yet.
#[test]
fn a_signal_behind_any_step_takes_a_trial_back() {
    let cases = behind_each_call().into_iter().flat_map(|behind| {
        [("SIGHUP", 1), ("SIGINT", 2), ("SIGTERM", 15)].map(|signal| (signal, behind.clone()))
    });
    let taken_back = AtomicU64::new(0);
    scene::for_each(cases.collect(), |scene, ((name, number), behind)| {
        let (call, when) = behind.split_once(':').expect("a call and a number");
        let mut command = scene.namespace.command("strace");
        command.args(["-D", &format!("--inject={call}:signal={name}:{when}"), "--output=/dev/null"]);
        command.args([program_path(), "try", "--timeout=20", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        // One that ends early may be gone already.
        let _ = child.stdin.take().expect("piped").write_all(GOAL.as_bytes());
        // The guard writes to the same pipes, so that it has ended too.
        let output = child.wait_with_output().expect("ends");
        let context = format!("{name} behind {behind}: {output:?}");
        match (output.status.code(), output.status.signal()) {
            (Some(4), _) => _ = taken_back.fetch_add(1, Ordering::Relaxed),
            (_, Some(signal)) if signal == number => {}
            _ => panic!("{context}"),
        }
        assert_eq!(scene.state(), scene.before, "{context}");
        scene.heals(&context);
    });
    assert!(taken_back.into_inner() > 0, "no trial was signalled after its first step");
}

/// Half of the runs on their way to the goal, half on the way to a refusal and back. `PROPTEST_RNG_SEED` gives other
/// moments.
#[test]
fn whatever_a_kill_leaves_the_next_run_heals() {
    let RngSeed::Fixed(seed) = repeatable(1).rng_seed else { panic!("no seed") };
    println!("seed {seed}");
    let reached = Mutex::new(Vec::new());
    let (to_the_goal, and_back) = (AtomicU64::new(0), AtomicU64::new(0));
    scene::for_each((0..KILLS).collect(), |scene, index| {
        let (config, code, span) =
            if index % 2 == 0 { (GOAL, 0, &to_the_goal) } else { (REFUSED, 1, &and_back) };
        // Again and again: other tests come and go.
        if span.load(Ordering::Relaxed) == 0 || index % 10 < 2 {
            span.store(duration(scene, config, code).as_micros() as u64 * 5 / 4, Ordering::Relaxed);
        }
        let moment = Duration::from_micros(random(seed, index) % span.load(Ordering::Relaxed));
        scene.reset();
        let mut run = start(scene, config);
        std::thread::sleep(moment);
        // It may have ended by itself.
        let _ = run.kill();
        let output = run.wait_with_output().expect("ends");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        let phase = match () {
            () if output.status.code().is_some() => Phase::Ended,
            () if told.contains("undo: ") => Phase::Undoing,
            () if told.contains("set ") => Phase::Stepping,
            () => Phase::Reading,
        };
        let context = format!("seed {seed}, kill {index}, after {moment:?}, {phase:?}\n{told}");
        reached.lock().expect("no panic holds it").push(phase);
        scene.heals(&context);
    });
    let reached = reached.into_inner().expect("no panic holds it");
    for phase in [Phase::Reading, Phase::Stepping, Phase::Undoing, Phase::Ended] {
        let count = reached.iter().filter(|reached| **reached == phase).count();
        println!("{phase:?}: {count}");
        assert!(count >= 5, "seed {seed}: only {count} runs were killed while {phase:?}");
    }
}
