//! What systemd itself says of the units.

use crate::support::run;

use super::machine::Machine;

const UNITS: [&str; 3] =
    ["mptcp-apply.service", "mptcp-apply-watch.service", "mptcp-apply-watch@blue.service"];

#[test]
fn systemd_finds_nothing_wrong_with_them() {
    let machine = Machine::new();
    let mut command = machine.command("systemd-analyze");
    // No manual is installed there; that the units name the right pages, the packages' tests see.
    command.args(["verify", "--recursive-errors=yes", "--man=no"]).args(UNITS);
    let ran = run(command, "").expect(0);
    assert_eq!((ran.stdout, ran.stderr), (String::new(), String::new()));
}
