//! `try --netns`: the trial, its guard, and its lock are of the namespace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{program_path, run, wait_for};

use super::{Named, ONE, documents, words};

const NEW: &str = "10.0.0.1 id 1 signal";
const OLD: &str = "10.0.0.9 id 9 signal";

/// Namespaces with one endpoint each, and a file that declares another one.
fn host<'a>(names: impl IntoIterator<Item = &'a str> + Clone) -> Named {
    let named = Named::new(names.clone());
    for name in names {
        named.ip(&format!("-n {name} mptcp endpoint add 10.0.0.9 id 9 signal"));
    }
    fs::write(named.folder.path().join("tried.yaml"), ONE).expect("written");
    named
}

fn trial(named: &Named, options: &[&str]) -> Command {
    let mut command = named.command(program_path());
    command.arg("try").args(options).arg(named.folder.path().join("tried.yaml"));
    command
}

#[test]
fn a_trial_is_kept_or_taken_back_in_its_namespace() {
    let named = host(["db", "web"]);
    let back = trial(&named, &["--netns=web", "--confirm-with=false", "--format=json"]);
    let documents = documents(&run(back, "").expect(4).stdout);
    let told: Vec<_> = documents.iter().map(|one| (words(one, "netns"), words(one, "result"))).collect();
    assert_eq!(told, [("web", "applied"), ("web", "reverted")]);
    assert_eq!(named.rows_of(["db", "web"]), [OLD, OLD]);
    let keep = trial(&named, &["--netns=web", "--confirm-with=true"]);
    let shown = run(keep, "").expect(0).stdout;
    assert!(shown.starts_with("netns web\n") && shown.ends_with("kept: the command agrees\n"), "{shown}");
    assert_eq!(named.rows_of(["db", "web"]), [OLD, NEW]);
    assert_eq!(named.endpoints(), [""; 0], "where the program was started");
}

/// The command decides in the namespace. What is not kept ends the run.
#[test]
fn namespaces_are_tried_one_after_the_other() {
    let named = host(["a", "b", "c"]);
    let command = "--confirm-with=test \"$(ip netns identify $$)\" = a";
    run(trial(&named, &["--netns=*", command]), "").expect(4);
    assert_eq!(named.rows_of(["a", "b", "c"]), [NEW, OLD, OLD]);
    run(trial(&named, &["--netns=*", "--confirm-with=true"]), "").expect(0);
    assert_eq!(named.rows_of(["a", "b", "c"]), [NEW, NEW, NEW]);
}

#[test]
fn a_missing_namespace_is_named() {
    let named = host(["a"]);
    let ran = run(trial(&named, &["--netns=absent", "--netns=a", "--confirm-with=true"]), "").expect(1);
    assert!(ran.stderr.contains("absent"), "{}", ran.stderr);
}

/// The guard acts where the trial did, and holds its lock, not that of the namespace in which the program was started.
#[test]
fn the_guard_puts_it_back_when_the_terminal_is_gone() {
    let named = host(["db", "web"]);
    let path = named.folder.path().join("tried.yaml");
    let inner = format!("{} --netns web try {}", program_path(), path.display());
    let mut script = named.command("script");
    script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = script.spawn().expect("script(1) starts");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("to keep the change, press Enter") {
        line.clear();
        assert!(output.read_line(&mut line).expect("UTF-8") > 0, "it does not wait");
    }
    assert_eq!(named.rows_of(["db", "web"]), [OLD, NEW]);
    let limits = "{version: 1, limits: {subflows: 3}}";
    named.apply(limits, &["--netns=web"]).expect(75);
    named.apply(limits, &["--netns=db"]).expect(0);
    named.apply(limits, &[]).expect(0);
    child.kill().expect("killed");
    wait_for("the old row", || named.rows_of(["db", "web"]) == [OLD, OLD]);
    wait_for("the lock", || named.apply("{version: 1}", &["--netns=web"]).code == 0);
    child.wait().expect("waited");
}
