//! Runs that are killed, run at once, or meet another writer.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::{Namespace, program_path, wait_for};

/// Eight endpoints of a network, with ids from this one on.
fn eight(net: u8, first_id: u8) -> String {
    let rows: String = (0..8)
        .map(|n| format!("  e{n}: {{address: 10.0.{net}.{n}, id: {}, flags: [subflow]}}\n", first_id + n))
        .collect();
    format!("version: 1\nlimits: {{subflows: {net}}}\nendpoints:\n{rows}").replace(".0,", ".100,")
}

fn start(namespace: &Namespace, config: &str) -> Child {
    let mut command = namespace.command(program_path());
    command.args(["-q", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("starts");
    // One that was turned away may be gone already.
    let _ = child.stdin.take().expect("piped").write_all(config.as_bytes());
    child
}

#[track_caller]
fn assert_is(namespace: &Namespace, net: u8) {
    let rows = namespace.endpoints();
    let right = rows.iter().all(|row| row.starts_with(&format!("10.0.{net}.")));
    assert!(rows.len() == 8 && right, "{rows:?}");
    assert_eq!(namespace.limits(), format!("add_addr_accepted 0 subflows {net}"));
}

/// Each of them succeeds or is turned away, and what is left is what one of them wanted.
#[test]
fn sixteen_runs_at_once() {
    let namespace = Namespace::new();
    for _ in 0..3 {
        let runs: Vec<Child> =
            (0..16).map(|n| start(&namespace, &eight(1 + n % 2, 1 + 8 * (n % 2)))).collect();
        let codes: Vec<_> = runs.into_iter().map(|mut run| run.wait().expect("ends").code()).collect();
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 75))), "{codes:?}");
        let net = if namespace.limits().ends_with(" 1") { 1 } else { 2 };
        assert_is(&namespace, net);
    }
}

/// Wherever a run is killed, the lock is free and the next one reaches the goal.
#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let namespace = Namespace::new();
    namespace.apply(&eight(1, 1), &["-q"]).expect(0);
    let start_of_whole = Instant::now();
    namespace.apply(&eight(2, 9), &["-q"]).expect(0);
    let whole = start_of_whole.elapsed();
    let mut half_done = 0;
    for round in 0..40u8 {
        let net = 1 + round % 2;
        let config = eight(net, 1 + 8 * (round % 2));
        let mut run = start(&namespace, &config);
        // Spread over the time that a run takes on this machine.
        std::thread::sleep(whole * u32::from(round) / 40);
        // It may have ended by itself.
        let _ = run.kill();
        run.wait().expect("ends");
        let rows = namespace.endpoints();
        let of = |net: u8| rows.iter().filter(|row| row.starts_with(&format!("10.0.{net}."))).count();
        half_done += usize::from((of(1) > 0 && of(2) > 0) || !matches!(rows.len(), 0 | 8));
        namespace.apply(&config, &["-q"]).expect(0);
        assert_is(&namespace, net);
    }
    assert!(half_done > 0, "no run was killed half-way");
}

/// Another program that adds and removes its own endpoint all the time: a run reaches its goal, or says that it could
/// not; and once it is alone again it does.
#[test]
fn a_foreign_writer_is_lived_with() {
    const LOOP: &str =
        "while :; do ip mptcp endpoint add 10.9.9.9 id 99 signal; ip mptcp endpoint delete id 99; done";
    let namespace = Namespace::new();
    let mut writer: Command = namespace.command("sh");
    writer.args(["-c", LOOP]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut writer = writer.spawn().expect("sh starts");
    wait_for("the other writer", || namespace.endpoints().iter().any(|row| row.contains("10.9.9.9")));
    let (mut reached, five) = (0, "{version: 1, endpoints: {a: {address: 10.0.3.1, flags: [subflow]}}}");
    for round in 0..20 {
        let config =
            if round % 2 == 0 { eight(1, 1).replace("  e7: {", "  # e7: {") } else { five.to_owned() };
        let ran = namespace.apply(&config, &["-q"]);
        assert!(matches!(ran.code, 0 | 1 | 3 | 5), "{}: {}", ran.code, ran.stderr);
        reached += usize::from(ran.code == 0);
    }
    writer.kill().expect("killed");
    writer.wait().expect("ends");
    assert!(reached >= 5, "only {reached} of 20 runs reached their goal");
    namespace.apply(&eight(2, 9), &["-q"]).expect(0);
    assert_is(&namespace, 2);
}
