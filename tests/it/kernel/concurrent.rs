//! Runs that run at once, or meet another writer.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Namespace, allowed, program_path, run, wait_for};

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
            (0..16).map(|n| start(&namespace, &eight(1 + n % 8, 1 + 8 * (n % 8)))).collect();
        let codes: Vec<_> = runs.into_iter().map(|mut run| run.wait().expect("ends").code()).collect();
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 75))), "{codes:?}");
        let limits = namespace.limits();
        let net = limits.split(' ').next_back().and_then(|subflows| subflows.parse().ok());
        assert_is(&namespace, net.expect("a number"));
    }
}

/// Another program, which goes on until the test ends.
struct Writer(Child);

impl Writer {
    /// Runs a script again and again; what it prints can be read at the end.
    #[track_caller]
    fn start(namespace: &Namespace, script: &str) -> Writer {
        let mut command: Command = namespace.command("sh");
        command.args(["-c", &format!("while :; do {script}; done")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Writer(command.spawn().expect("sh starts"))
    }

    /// Ends it. What it has printed.
    fn stop(mut self) -> String {
        self.0.kill().expect("killed");
        String::from_utf8(self.0.wait_with_output().expect("ends").stdout).expect("UTF-8")
    }
}

/// Applies configurations in turn. Each run ends, with a code that fits. How many of the 20 reached their goal.
#[track_caller]
fn try_often(namespace: &Namespace, configs: [&str; 2]) -> usize {
    let mut reached = 0;
    for round in 0..20 {
        let mut command = namespace.command("timeout");
        let patience = allowed(Duration::from_secs(10)).as_secs().to_string();
        command.args([&patience, program_path(), "-q", "-"]);
        let ran = run(command, configs[round % 2]);
        assert!(matches!(ran.code, 0 | 1 | 3 | 5), "{}: {}", ran.code, ran.stderr);
        reached += usize::from(ran.code == 0);
    }
    reached
}

/// Another program that adds and removes its own endpoint all the time: a run reaches its goal, or says that it could
/// not; and once it is alone again it does.
#[test]
fn a_foreign_writer_is_lived_with() {
    let namespace = Namespace::new();
    let writer = Writer::start(
        &namespace,
        "ip mptcp endpoint add 10.9.9.9 id 99 signal; ip mptcp endpoint delete id 99",
    );
    wait_for("the other writer", || namespace.endpoints().iter().any(|row| row.contains("10.9.9.9")));
    let seven = eight(1, 1).replace("  e7: {", "  # e7: {");
    let reached = try_often(
        &namespace,
        [&seven, "{version: 1, endpoints: {a: {address: 10.0.3.1, flags: [subflow]}}}"],
    );
    writer.stop();
    assert!(reached >= 5, "only {reached} of 20 runs reached their goal");
    namespace.apply(&eight(2, 9), &["-q"]).expect(0);
    assert_is(&namespace, 2);
}

/// With `prune: false` the other writer never misses what it has added.
#[test]
fn a_foreign_writer_keeps_what_it_adds() {
    let namespace = Namespace::new();
    let writer = Writer::start(
        &namespace,
        "ip mptcp endpoint add 10.9.9.9 id 99 signal && ip mptcp endpoint add 10.9.9.8 signal && \
         ip mptcp endpoint delete id 99 && ip mptcp endpoint add 10.9.9.9 id 98 subflow && \
         ip mptcp endpoint delete id 98 && for id in $(ip mptcp endpoint show | sed -n 's/^10.9.9.8 id \\([0-9]*\\) .*/\\1/p'); \
         do ip mptcp endpoint delete id $id; done && echo -n . || echo lost",
    );
    wait_for("the other writer", || namespace.endpoints().iter().any(|row| row.contains("10.9.9.")));
    let three = "\
version: 1
prune: false
limits: {subflows: 3}
endpoints:
  a: {address: 10.0.3.1, id: 1, flags: [subflow]}
  b: {address: 10.0.3.2, id: 2, flags: [subflow]}
  c: {address: 10.0.3.3, id: 3, flags: [subflow]}
";
    let other = three.replace("id: 2", "id: 22").replace("10.0.3.1", "10.0.3.4");
    let reached = try_often(&namespace, [three, &other]);
    let told = writer.stop();
    assert!(told.contains('.') && !told.contains("lost"), "{told}");
    assert!(reached >= 5, "only {reached} of 20 runs reached their goal");
    namespace.apply(three, &["-q"]).expect(0);
    let rows = namespace.endpoints();
    let own: Vec<&String> = rows.iter().filter(|row| !row.starts_with("10.9.9.")).collect();
    assert_eq!(own, ["10.0.3.1 id 1 subflow", "10.0.3.2 id 2 subflow", "10.0.3.3 id 3 subflow"]);
}

/// Another program that changes the very rows that are declared, as fast as it can: each run ends, and the first one
/// that is alone again reaches the goal.
#[test]
fn a_writer_of_the_same_rows_is_given_up_on() {
    let namespace = Namespace::new();
    let writer = Writer::start(
        &namespace,
        "ip mptcp endpoint change id 1 backup; ip mptcp endpoint delete id 2; \
         ip mptcp endpoint add 10.0.1.1 id 2 signal; ip mptcp endpoint change id 1 nobackup",
    );
    wait_for("the other writer", || namespace.endpoints().iter().any(|row| row.contains("10.0.1.1")));
    try_often(&namespace, [&eight(1, 1), &eight(2, 9)]);
    writer.stop();
    namespace.apply(&eight(1, 1), &["-q"]).expect(0);
    assert_is(&namespace, 1);
}
