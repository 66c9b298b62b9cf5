use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::CommandFactory;

use super::*;

/// The short ways to parse give the same as the long one.
#[test]
fn short_ways_mean_the_same() {
    let lines = [
        "",
        "a.yaml",
        "a.yaml dir ./show",
        "-",
        "a.yaml -",
        "-n a.yaml",
        "a.yaml --dry-run --format json",
        "--format=yaml",
        "-qn -- -odd check.yaml",
        "-vv --root-dir /x --color never --netns web-* --netns db",
        "--watch --resync 0",
        "--wait 3 --diff --strict --detailed-exitcode",
    ];
    let mut lines: Vec<Vec<OsString>> =
        lines.map(|line| line.split_whitespace().map(OsString::from).collect()).into();
    lines.push(vec![OsString::from_vec(b"\xff.yaml".to_vec())]);
    for line in lines {
        let arguments: Vec<OsString> = ["mptcp-apply".into()].into_iter().chain(line).collect();
        let short = Cli::main_job(&arguments).map(|cli| format!("{cli:?}"));
        let long = Cli::try_parse_from(&arguments).map(|cli| format!("{cli:?}"));
        assert_eq!(short, Some(long.expect("a command line")), "{arguments:?}");
    }
}

/// Subcommands, errors and help take the long way, which has the messages.
#[test]
fn the_long_way_has_the_rest() {
    for line in [
        "check",
        "show a",
        "a check",
        "--root-dir show",
        "-- schema",
        "--help",
        "-h a",
        "--version",
        "--odd",
        "a --wait",
        "--wait x",
        "-n --rehearse",
        "--resync 3",
        "-q -v",
    ] {
        let words = line.split_whitespace().map(OsString::from);
        let arguments: Vec<OsString> = ["mptcp-apply".into()].into_iter().chain(words).collect();
        assert!(Cli::main_job(&arguments).is_none(), "{line}");
    }
    assert!(Cli::main_job(&["mptcp-apply".into(), OsString::new()]).is_none());
}

/// The table of verbs, from which typing errors are explained.
#[test]
fn the_table_has_all_verbs() {
    let command = Cli::command();
    let documented = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut verbs: Vec<&str> = documented.map(clap::Command::get_name).collect();
    verbs.push("help");
    verbs.sort_unstable();
    assert_eq!(verbs, crate::model::VERBS);
}
