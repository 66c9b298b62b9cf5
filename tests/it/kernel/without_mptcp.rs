//! A kernel without MPTCP. Ignored, since such a kernel is to be had in a virtual machine only: Debian's 5.10, which
//! `tests/kernels/run 5.10` boots.

use std::process::Command;

use tempfile::TempDir;

use crate::support::{Ran, program_path, run};

const CONFIG: &str = "{version: 1, limits: {subflows: 4}, sysctls: {enabled: true}, \
                      endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";

/// Runs the program in a network namespace of its own, so that a kernel with MPTCP fails the tests without harm.
#[track_caller]
fn apply(options: &[&str]) -> Ran {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new("unshare");
    command.args(["--net", program_path()]).args(options).arg("-").env("RUNTIME_DIRECTORY", folder.path());
    run(command, CONFIG)
}

#[test]
#[ignore = "needs a kernel without MPTCP: tests/kernels/run 5.10"]
fn it_is_exit_5_with_the_reason() {
    for options in [&[][..], &["--dry-run"], &["--rehearse"], &["--diff", "--detailed-exitcode"]] {
        let ran = apply(options).expect(5);
        assert_eq!(
            ran.stderr,
            "\
error: this kernel has no MPTCP path manager (generic netlink family `mptcp_pm`)
 |
 = help: use a kernel with CONFIG_MPTCP=y; Linux 6.1 or later is known to work
",
            "{options:?}"
        );
        assert_eq!(ran.stdout, "", "{options:?}");
    }
}

#[test]
#[ignore = "needs a kernel without MPTCP: tests/kernels/run 5.10"]
fn files_are_judged_all_the_same() {
    assert!(!std::path::Path::new("/proc/sys/net/mptcp").exists(), "this kernel has MPTCP");
    assert_eq!(apply(&["check"]).expect(0).stdout, "valid: 1 file, 1 endpoint\n");
}

#[test]
#[ignore = "needs a kernel without MPTCP: tests/kernels/run 5.10"]
fn doctor_says_so() {
    let mut command = Command::new(program_path());
    command.args(["doctor", "--format", "json", "-"]);
    let printed = run(command, CONFIG).expect(1).stdout;
    let document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let findings = document["findings"].as_array().expect("a list");
    let found: Vec<_> = findings.iter().map(|finding| (&finding["code"], &finding["severity"])).collect();
    assert_eq!(found, [(&"no-mptcp".into(), &"fault".into())], "{document:#}");
}
