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
        "--format=json",
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
        "--format yaml",
    ] {
        let words = line.split_whitespace().map(OsString::from);
        let arguments: Vec<OsString> = ["mptcp-apply".into()].into_iter().chain(words).collect();
        assert!(Cli::main_job(&arguments).is_none(), "{line}");
    }
    assert!(Cli::main_job(&["mptcp-apply".into(), OsString::new()]).is_none());
}

/// Options before the verb mean the same as behind it.
#[test]
fn options_may_stand_before_the_verb() {
    let read = |line: &str| {
        let words = line.split_whitespace().map(OsString::from);
        let arguments: Vec<OsString> = ["mptcp-apply".into()].into_iter().chain(words).collect();
        Cli::read(&arguments)
    };
    for (before, behind) in [
        ("--netns web show", "show --netns web"),
        ("--netns=web -v --format json status a.yaml", "status --netns=web -v --format json a.yaml"),
        ("--netns show show", "show --netns show"),
        ("--id 3 show", "show --id 3"),
        ("--timeout 3 --strict try -", "try --timeout 3 --strict -"),
        ("-n renew a", "renew -n a"),
        ("-qn renew a", "renew -qn a"),
    ] {
        let [before, behind] = [before, behind].map(|line| format!("{:?}", read(line).expect("a command")));
        assert_eq!(before, behind);
    }
    for line in ["-- show", "--netns show", "./show", "-n a.yaml", "a.yaml show"] {
        assert!(read(line).expect("a command line").command.is_none(), "{line}");
    }
    for (line, message) in [
        (
            "--dry-run check",
            "`mptcp-apply check` does not take `--dry-run`; `mptcp-apply` without a command, `mptcp-apply renew` take it",
        ),
        ("show -w", "`mptcp-apply show` does not take `-w`; `mptcp-apply` without a command takes it"),
        (
            "--id 3 a.yaml",
            "`mptcp-apply` without a command does not take `--id`; `mptcp-apply show` takes it",
        ),
        ("--format yaml check", "only `show`, `history`, `init` take `--format yaml`"),
        ("show --id 3 --format yaml", "`show --id` writes no YAML"),
    ] {
        let said = read(line).expect_err(line).to_string();
        assert!(said.contains(message), "{line}: {said}");
    }
}

/// `verb_index` relies on it.
#[test]
fn no_short_option_takes_a_value() {
    let command = Cli::command();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    for arg in commands.flat_map(clap::Command::get_arguments) {
        assert!(arg.get_short().is_none() || !arg.get_action().takes_values(), "{arg}");
    }
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
