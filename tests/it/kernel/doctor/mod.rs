//! `doctor`: each finding is brought about for real, and hosts in good health are left in peace.

mod host;
mod live;
mod middlebox;
mod probe;
mod report;
mod server;
pub mod situations;
mod uplinks;

use std::process::Command;

use serde_json::Value;

use crate::support::{Namespace, Ran, program_path, run};

/// Runs it with this configuration; an empty one is none.
#[track_caller]
fn doctor(namespace: &Namespace, config: &str, options: &[&str]) -> Ran {
    let mut command = namespace.command(program_path());
    command.arg("doctor").args(options);
    if config.is_empty() {
        command.args(["--root-dir", namespace.folder.path().join("no-such-folder").to_str().expect("UTF-8")]);
    } else {
        command.arg("-");
    }
    run(command, config)
}

/// The page that a user without any right sees.
#[track_caller]
fn doctor_without_rights(namespace: &Namespace, config: &str) -> Ran {
    run(without_rights(namespace, &[program_path(), "doctor", "-"]), config)
}

/// A command, started without any right.
fn without_rights(namespace: &Namespace, words: &[&str]) -> Command {
    let mut command = namespace.command("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all"]).args(words);
    command
}

/// The findings. The exit code has to agree with them, and so has the page for people.
#[track_caller]
fn findings(namespace: &Namespace, config: &str) -> Vec<Value> {
    let ran = doctor(namespace, config, &["--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    assert_eq!((&document["version"], &document["netns"]), (&1.into(), &Value::Null));
    let findings = document["findings"].as_array().expect("a list").clone();
    let fault = findings.iter().any(|finding| finding["severity"] == "fault");
    assert_eq!(ran.code, i32::from(fault), "{document:#}");
    for finding in &findings {
        for key in ["code", "title", "evidence", "meaning", "remedy"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "no {key} in {finding:#}");
        }
    }
    findings
}

/// What was found, as `fault no-route lte`.
#[track_caller]
fn found(namespace: &Namespace, config: &str) -> Vec<String> {
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
    let line = |finding: &Value| {
        format!("{} {} {}", word(finding, "severity"), word(finding, "code"), word(finding, "endpoint"))
    };
    findings(namespace, config).iter().map(line).collect()
}

/// Waits for just these findings: what they are about takes some round trips.
#[track_caller]
fn wait_for_findings(namespace: &Namespace, config: &str, expected: &[&str]) {
    let last = std::cell::RefCell::new(Vec::new());
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_secs(30) {
        last.replace(found(namespace, config));
        if *last.borrow() == expected {
            return;
        }
    }
    panic!("{:?} where {expected:?} should be", last.borrow());
}

/// Carries out the remedy of the finding of this code, with these words in place of those that only the user knows.
#[track_caller]
fn mend(namespace: &Namespace, config: &str, code: &str, words: &[(&str, &str)]) {
    mend_by("sh", namespace, config, code, words);
}

/// The same by a shell that takes every way of quoting.
#[track_caller]
fn mend_by(shell: &str, namespace: &Namespace, config: &str, code: &str, words: &[(&str, &str)]) {
    let findings = findings(namespace, config);
    let finding = findings.iter().find(|finding| finding["code"] == code);
    let remedy =
        finding.unwrap_or_else(|| panic!("no {code} in {findings:#?}"))["remedy"].as_str().expect("text");
    let remedy = words.iter().fold(remedy.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut command = namespace.command(shell);
    command.args(["-euc", &remedy]);
    run(command, "").expect(0);
}

/// Runs a shell script inside.
#[track_caller]
fn sh(namespace: &Namespace, script: &str) {
    namespace.sh(script);
}
