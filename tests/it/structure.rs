//! The shape of the source: pure inside, thin edges.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mptcp_apply::model::code::{CODES, CodeRow, Level};

use crate::support::project;

/// The modules that may touch the outside.
const EDGES: [&str; 9] =
    ["source/", "linux/", "watch/", "trial/", "command/", "rundir.rs", "rundir/", "log.rs", "main.rs"];

/// What only they may name.
const OUTSIDE: [&str; 10] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::os",
    "Instant",
    "neli::",
    "rustix::",
    "nix::sched",
    "io::stdout",
    "io::stdin",
];

/// Of these, what the verbs may name: they write the results and ask who runs them.
const VERBS_MAY: [&str; 4] = ["io::stdout", "std::env", "std::process", "rustix::"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Compiled for tests and fuzzers alone, as `tests.rs` and what is in a folder `tests` are for tests.
const FUZZERS: &str = "linux/netlink/fuzz.rs";

/// Each source file's path below `src`, and its text without tests and comments.
fn code() -> Vec<(String, String)> {
    let root = project().join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    assert!(paths.len() > 30, "only {} source files found", paths.len());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let name = path.strip_prefix(&root).expect("below src").to_str().expect("UTF-8").to_owned();
        (name, code.collect::<Vec<_>>().join("\n"))
    };
    paths.into_iter().map(read).filter(|(name, _)| name != FUZZERS && !name.contains("tests")).collect()
}

#[test]
fn only_the_edges_touch_the_outside() {
    for (name, text) in code() {
        let edge = EDGES.iter().any(|edge| name.starts_with(edge));
        let verb = name.starts_with("command/");
        for outside in OUTSIDE.iter().filter(|outside| text.contains(**outside)) {
            assert!(edge, "{name} is no edge and names {outside}");
            assert!(!verb || VERBS_MAY.contains(outside), "{name} names {outside}");
        }
    }
}

/// What is pure takes the system as traits, and can be tested on a model.
#[test]
fn nothing_pure_imports_the_edge() {
    let pure = [
        "config/",
        "connection/",
        "desired/",
        "doctor/",
        "init/",
        "model/",
        "plan/",
        "reconcile/",
        "report/",
        "system.rs",
    ];
    for (name, text) in code().iter().filter(|(name, _)| pure.iter().any(|pure| name.starts_with(pure))) {
        assert!(!text.contains("linux::"), "{name} imports the edge");
    }
}

#[test]
fn nothing_outside_tests_can_panic_by_choice() {
    for (name, text) in code() {
        for word in [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!"] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
    }
}

/// The wall clock jumps, at boot most of all; nothing may hang on it. One file reads it, for what is shown.
#[test]
fn nothing_asks_what_time_it_is() {
    for (name, text) in code().into_iter().filter(|(name, _)| name != "linux/clock.rs") {
        for word in ["SystemTime", "UNIX_EPOCH", "ClockId::Realtime", ".modified()", ".created()"] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn files_stay_small() {
    const LINES_MAX: usize = 400;
    for (name, text) in code() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines of code");
    }
}

/// The table of codes is what the program uses, and no more.
#[test]
fn every_code_is_used_as_its_row_says() {
    let text: String =
        code().into_iter().filter(|(name, _)| name != "model/code.rs").map(|(_, text)| text).collect();
    let compact: String = text.split_whitespace().collect();
    let mut words = BTreeSet::new();
    for CodeRow { code, levels, meaning } in CODES {
        let word = code.word();
        assert!(words.insert(word), "{word} is there twice");
        assert!(word.split('-').all(|part| !part.is_empty()), "{word}");
        assert!(word.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()), "{word}");
        assert!(meaning.len() > 10 && meaning.ends_with('.'), "{word} is not documented: {meaning}");
        let name = format!("code::{}", word.replace('-', "_").to_uppercase());
        let is_whole = |rest: &str| !rest.starts_with(|c: char| c == '_' || c.is_ascii_uppercase());
        assert!(text.split(&name).skip(1).any(is_whole), "{name} is not used");
        let calls = [
            ("Diagnostic::error", Level::Error),
            ("Diagnostic::warning", Level::Warning),
            ("Diagnostic::note", Level::Note),
            ("Finding::fault", Level::Fault),
            ("Finding::hint", Level::Hint),
        ];
        for (call, level) in calls {
            // A fault may become a hint later, so that only what is written beside the code counts.
            let made = compact.contains(&format!("{call}({name},"));
            assert!(!made || levels.contains(&level), "{word} is {level:?} somewhere");
        }
    }
}

/// One word, one thing.
#[test]
fn no_two_public_types_share_a_name() {
    // Still to be renamed, in linux and reconcile.
    const SHARED: [&str; 1] = ["Verdict"];
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in code() {
        for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("pub ")) {
            let Some((kind, rest)) = line.split_once(' ') else { continue };
            if ["struct", "enum", "trait", "type"].contains(&kind) {
                let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                places.entry(name).or_default().push(file.clone());
            }
        }
    }
    assert!(places.len() > 100, "only {} types found", places.len());
    for (name, files) in places {
        assert_eq!(files.len() > 1, SHARED.contains(&name.as_str()), "{name} is a type of {files:?}");
    }
}
