//! `mptcp-apply-watch.service`: the watch as a service.

use crate::support::wait_for;

use super::CONFIG;
use super::machine::{Machine, enable, write};

const WATCH: &str = "mptcp-apply-watch";

/// One endpoint on 10.0.0.N for each of these numbers.
fn declare(machine: &Machine, numbers: &[u8]) {
    machine.write(CONFIG, &config(numbers));
}

fn config(numbers: &[u8]) -> String {
    let endpoint = |n: &u8| format!("  e{n}: {{address: 10.0.0.{n}, id: {n}, flags: [subflow]}}\n");
    let endpoints: String = numbers.iter().map(endpoint).collect();
    format!("version: 1\nendpoints:\n{endpoints}")
}

/// What `ip mptcp` says of them.
fn rows(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|n| format!("10.0.0.{n} id {n} subflow")).collect()
}

fn status(machine: &Machine) -> String {
    machine.property(WATCH, "StatusText")
}

/// A moment that systemd has noted, in microseconds of the clock that never jumps.
fn moment(machine: &Machine, what: &str) -> u64 {
    machine.property(WATCH, &format!("{what}TimestampMonotonic")).parse().expect("a number")
}

/// A machine with the watch on, which keeps an endpoint.
#[track_caller]
fn watched() -> Machine {
    let machine = Machine::new();
    declare(&machine, &[1]);
    // What is not enabled is forgotten when it stops, with all that is known of it.
    machine.does("enable --now mptcp-apply-watch");
    machine
}

#[test]
fn starting_and_reloading_end_when_the_files_are_applied() {
    let machine = watched();
    // Nothing is waited for here: systemd has waited.
    assert_eq!(machine.endpoints(), rows(&[1]));
    assert_eq!(status(&machine), "as declared: 1 endpoint");
    for numbers in [&[1, 2][..], &[2, 3, 4], &[4]] {
        declare(&machine, numbers);
        machine.does("reload mptcp-apply-watch");
        assert_eq!(machine.endpoints(), rows(numbers));
    }
    assert_eq!(status(&machine), "as declared: 1 endpoint");
    assert_eq!(machine.property(WATCH, "Type"), "notify-reload");
    assert_eq!(machine.property(WATCH, "NRestarts"), "0");
}

#[test]
fn an_invalid_file_is_in_the_status_and_the_last_good_one_in_force() {
    let machine = watched();
    let invalid = config(&[1, 2]).replace("subflow", "sublow");
    machine.write(CONFIG, &invalid);
    machine.does("reload mptcp-apply-watch");
    let refused = status(&machine);
    assert!(
        refused.starts_with(
            "configuration invalid, keeping the last good one: /etc/mptcp-apply/10-test.yaml:3:"
        ),
        "{refused}"
    );
    assert_eq!(machine.property(WATCH, "ActiveState"), "active");
    assert_eq!(machine.endpoints(), rows(&[1]));
    machine.ip("mptcp endpoint delete id 1");
    machine.does("reload mptcp-apply-watch");
    assert_eq!(machine.endpoints(), rows(&[1]));
    // No command has to say that it is good again.
    declare(&machine, &[1, 2]);
    wait_for("a good status", || status(&machine) == "as declared: 2 endpoints");
    assert_eq!(machine.endpoints(), rows(&[1, 2]));
    // Every line of an error is one, and drift is a warning.
    let [errors, warnings] = ["err", "warning"].map(|priority| machine.journal_of(priority));
    assert!(errors.contains("did you mean `subflow`?") && !errors.contains("drift"), "{errors}");
    assert!(warnings.contains("drift: another program removed 10.0.0.1"), "{warnings}");
    assert!(!warnings.contains("applied: "), "{warnings}");
    assert!(!machine.journal().contains("<4>"), "{}", machine.journal());
}

#[test]
fn a_service_that_cannot_start_says_why_and_does_not_try_again() {
    let machine = Machine::new();
    machine.write(CONFIG, "version: 2");
    assert_ne!(machine.systemctl("start mptcp-apply-watch").code, 0);
    assert_eq!(machine.property(WATCH, "ExecMainStatus"), "78");
    assert_eq!(machine.property(WATCH, "ActiveState"), "failed");
}

/// It may be enabled before there is a file.
#[test]
fn the_service_waits_for_the_first_file() {
    let machine = Machine::new();
    machine.does("start mptcp-apply-watch");
    let waiting = status(&machine);
    assert!(waiting.starts_with("waiting for the first configuration"), "{waiting}");
    declare(&machine, &[1]);
    wait_for("a good status", || status(&machine) == "as declared: 1 endpoint");
}

#[test]
fn it_stops_within_a_second_and_endpoints_stay() {
    let machine = watched();
    machine.does("stop mptcp-apply-watch");
    let start = moment(&machine, "ActiveExit");
    let took = moment(&machine, "InactiveEnter") - start;
    assert_ne!(start, 0);
    assert!(took < 1_000_000, "{took} µs");
    assert_eq!(machine.property(WATCH, "Result"), "success");
    assert_eq!(machine.property(WATCH, "ExecMainStatus"), "0");
    assert_eq!(machine.endpoints(), rows(&[1]));
    // It knows them again.
    machine.write(CONFIG, "{version: 1, prune: false, endpoints: {}}");
    machine.does("start mptcp-apply-watch");
    assert_eq!(machine.endpoints(), [""; 0]);
}

#[test]
fn the_watchdog_is_content_and_starts_what_hangs_anew() {
    let machine = watched();
    assert_eq!(machine.property(WATCH, "WatchdogUSec"), "6min");
    machine.drop_in(WATCH, "[Service]\nWatchdogSec=2s\nRestartSec=100ms\n");
    machine.does("restart mptcp-apply-watch");
    let start = moment(&machine, "ActiveEnter");
    wait_for("the third heartbeat", || moment(&machine, "Watchdog") > start + 2_900_000);
    assert_eq!(machine.property(WATCH, "NRestarts"), "0");
    machine.does("kill --signal=STOP mptcp-apply-watch");
    wait_for("a new start", || machine.property(WATCH, "NRestarts") == "1");
    wait_for("its end", || machine.property(WATCH, "ActiveState") == "active");
    assert!(machine.journal().contains("Watchdog timeout"), "{}", machine.journal());
    assert_eq!(machine.endpoints(), rows(&[1]));
}

/// A lock that is held now is free later.
#[test]
fn somebody_elses_lock_is_waited_for() {
    let machine = watched();
    machine.does("stop mptcp-apply-watch");
    machine.drop_in(WATCH, "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=100ms\n");
    let lock = machine.lock_file();
    lock.try_lock().expect("it is free");
    assert_ne!(machine.systemctl("start mptcp-apply-watch").code, 0);
    // It is started again and again, and has none while it runs.
    wait_for("its exit code", || machine.property(WATCH, "ExecMainStatus") == "75");
    drop(lock);
    wait_for("the service", || machine.property(WATCH, "ActiveState") == "active");
}

#[test]
fn of_both_units_the_watch_wins_and_each_makes_way_for_the_other() {
    let machine = Machine::boot(|root| {
        enable(root, "mptcp-apply.service");
        enable(root, "mptcp-apply-watch.service");
        write(root, CONFIG, "{version: 1, limits: {subflows: 3}}");
    });
    machine.is_up();
    let states = || [WATCH, "mptcp-apply"].map(|unit| machine.property(unit, "ActiveState"));
    assert_eq!(states(), ["active", "inactive"]);
    machine.does("start mptcp-apply");
    assert_eq!(states(), ["inactive", "active"]);
    machine.does("start mptcp-apply-watch");
    assert_eq!(states(), ["active", "inactive"]);
    assert_eq!(machine.property(WATCH, "NRestarts"), "0");
    let journal = machine.journal();
    assert!(!journal.contains("another run") && !journal.contains("cycle"), "{journal}");
    // However long that takes: it does not hear this signal, and is killed in the end.
    machine.drop_in(WATCH, "[Service]\nKillSignal=SIGCONT\nTimeoutStopSec=1s\n");
    machine.does("start mptcp-apply");
    assert_eq!(states(), ["failed", "active"]);
}
