//! The files of `packaging/` that repeat the code, written again and compared: manual pages and completions.
//!
//! A manual page is a template, `packaging/man/NAME.in`, in which a line `@WORD@` stands for what the code knows. What a
//! template leaves out fails too. `clap_mangen` is not used: it makes a page of each subcommand, and describes no keys.

mod codes;
mod keys;
mod options;
mod roff;

use std::collections::BTreeSet;

use clap::CommandFactory;
use clap_complete::Shell;
use mptcp_apply::cli::Cli;
use mptcp_apply::model::Exit;
use mptcp_apply::model::code::CODES;
use serde_json::Value;
use snapbox::Data;

use super::support::{clean, program, project, run};

/// Compares a file with what it should be. SNAPSHOTS=overwrite writes it again.
#[track_caller]
fn fresh(file: &str, expected: impl Into<Data>) {
    let published = Data::read_from(&project().join("packaging").join(file), None).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(expected.into().raw(), published);
}

/// The command line as users may know it: without the jobs that are hidden, and with every option in each job.
fn command_line() -> clap::Command {
    let mut whole = Cli::command();
    let shown: Vec<clap::Command> =
        whole.get_subcommands().filter(|job| !job.is_hide_set()).cloned().collect();
    // clap can take no subcommand away, but describes one that is made new.
    let mut command = clap::Command::new("mptcp-apply")
        .bin_name("mptcp-apply")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(shown);
    let usage = whole.render_usage().to_string();
    command = command.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    command.build();
    command
}

/// What stands for `@words@` in a template.
fn generated(words: &str, command: &clap::Command) -> String {
    let (kind, name) = words.split_once(' ').unwrap_or((words, ""));
    match kind {
        "synopsis" => options::synopsis(command),
        "job" => options::job(command, name),
        "options" => options::of(command, name),
        "exit-codes" => {
            Exit::ALL.iter().map(|exit| roff::item(&exit.code().to_string(), exit.meaning())).collect()
        }
        "codes" => codes::of(name),
        "keys" => keys::of(name),
        _ => panic!("`@{words}@` stands for nothing"),
    }
}

/// The day of the release, which stands beside the version.
fn release_date() -> String {
    let manifest = std::fs::read_to_string(project().join("Cargo.toml")).expect("a manifest");
    let date = manifest.lines().find_map(|line| line.strip_prefix("release-date = "));
    date.expect("a date").trim_matches('"').to_owned()
}

/// The page of a template. Every one of `needed` has to be in it.
fn page(name: &str, needed: &[String]) -> String {
    let template = std::fs::read_to_string(project().join("packaging/man").join(format!("{name}.in")));
    let command = command_line();
    let mut missing = needed.to_vec();
    let mut page =
        format!(".\\\" Generated from {name}.in by a test; SNAPSHOTS=overwrite cargo test generated\n");
    for line in template.expect("a template").lines() {
        if let Some(words) = line.strip_prefix('@').and_then(|line| line.strip_suffix('@')) {
            missing.retain(|needed| needed != words);
            page += &generated(words, &command);
        } else if !line.starts_with(".\\\"") {
            page += &line.replace("@version@", env!("CARGO_PKG_VERSION")).replace("@date@", &release_date());
            page.push('\n');
        }
    }
    assert!(missing.is_empty(), "{name}.in lacks {missing:?}");
    page
}

#[test]
fn the_manual_of_the_program_is_fresh() {
    let mut needed = ["synopsis", "options", "options everywhere", "exit-codes"].map(str::to_owned).to_vec();
    for job in command_line().get_subcommands() {
        needed.push(format!("job {}", job.get_name()));
        needed.push(format!("options {}", job.get_name()));
    }
    fresh("man/mptcp-apply.8", page("mptcp-apply.8", &needed));
}

#[test]
fn the_manual_of_the_configuration_is_fresh() {
    let needed = ["keys", "keys limits", "keys sysctls", "keys uplinks", "keys endpoints"].map(str::to_owned);
    fresh("man/mptcp-apply.yaml.5", page("mptcp-apply.yaml.5", &needed));
}

#[test]
fn the_manual_of_the_json_documents_is_fresh() {
    fresh("man/mptcp-apply-json.5", page("mptcp-apply-json.5", &["codes diagnostics".to_owned()]));
}

#[test]
fn the_manual_of_the_doctor_is_fresh() {
    let page = page("mptcp-apply-doctor.7", &["codes findings".to_owned()]);
    // Beside its line in the table, each has an entry with evidence and remedy.
    let (_, entries) = page.split_once(".SH EVIDENCE AND REMEDIES\n").expect("the section");
    let findings = CODES.iter().filter(|row| row.levels.iter().any(|level| level.is_of_findings()));
    let words = findings.map(|row| row.code.word());
    let lacking: Vec<&str> = words.filter(|word| !entries.contains(&roff::bold(word))).collect();
    assert!(lacking.is_empty(), "mptcp-apply-doctor.7.in explains nothing of {lacking:?}");
    fresh("man/mptcp-apply-doctor.7", page);
}

/// Of all files that the tests of the configuration have.
#[test]
fn the_codes_of_the_configuration_are_listed() {
    let mut seen = BTreeSet::new();
    for folder in ["invalid", "valid"] {
        let cases = std::fs::read_dir(project().join("tests/cases").join(folder)).expect("cases");
        let cases = cases.map(|entry| entry.expect("an entry").path());
        for case in cases.filter(|path| path.is_dir() || path.extension().is_some_and(|kind| kind == "yaml"))
        {
            let mut command = program();
            command.args(["check", "--format", "json"]).arg(&case);
            let document: Value = serde_json::from_str(&run(command, "").stdout).expect("a document");
            for list in ["errors", "warnings"] {
                let found = document[list].as_array().expect("a list");
                seen.extend(found.iter().map(|found| found["code"].as_str().expect("a code").to_owned()));
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    seen.retain(|seen| !CODES.iter().any(|row| row.code.word() == seen));
    assert!(seen.is_empty(), "not listed: {seen:?}");
}

#[test]
fn the_changelog_of_the_debian_package_is_fresh() {
    let (version, date) = (env!("CARGO_PKG_VERSION"), release_date());
    let changelog = std::fs::read_to_string(project().join("CHANGELOG.md")).expect("a changelog");
    let newest = changelog.lines().find(|line| line.starts_with("## [")).expect("a release");
    let heading = format!("## [{version}] - ");
    assert!(
        newest == format!("{heading}{date}") || newest == format!("{heading}unreleased"),
        "Cargo.toml has {version} of {date}, CHANGELOG.md {newest}"
    );
    let mut command = std::process::Command::new("date");
    command.args(["--utc", "--date", &date, "--rfc-email"]);
    let at = run(clean(command), "").expect(0).stdout;
    let text = format!(
        "mptcp-apply ({version}-1) unstable; urgency=medium\n\n  * Version {version}; the file changelog says what is new.\n\n \
         -- The mptcp-apply authors <mptcp-apply@users.noreply.github.com>  {at}"
    );
    fresh("debian/changelog", text);
}

#[test]
fn completions_are_fresh() {
    let files = [
        (Shell::Bash, "completions/mptcp-apply.bash"),
        (Shell::Zsh, "completions/_mptcp-apply"),
        (Shell::Fish, "completions/mptcp-apply.fish"),
    ];
    for (shell, file) in files {
        let mut completions = Vec::new();
        clap_complete::generate(shell, &mut command_line(), "mptcp-apply", &mut completions);
        let mut completions = String::from_utf8(completions).expect("UTF-8");
        if shell == Shell::Zsh {
            completions = with_verbs_or_files(&completions);
        }
        // clap_complete 4.6 takes the hyphen of the program's name for the mark of a subcommand, in one of two places, and
        // so bash would complete nothing behind a subcommand.
        fresh(file, completions.replace("mptcp__subcmd__apply", "mptcp__apply"));
    }
}

/// clap_complete 4.6 takes the first word for a file, so that zsh would complete nothing behind a verb. It is either.
#[track_caller]
fn with_verbs_or_files(zsh: &str) -> String {
    const FIRST: &str = "'::paths -- Files and folders, `-` for standard input:_files' \\\n\":: :_mptcp-apply_commands\" \\\n";
    const CASE: &str = "        case $line[2] in\n";
    const ESAC: &str = "        esac\n    ;;\nesac\n}\n";
    const END: &str = "(( $+functions[_mptcp-apply_commands] )) ||\n";
    let replaced = [
        (FIRST, "\": :_mptcp-apply_verbs_or_files\" \\\n"),
        ("words=($line[2] ", "words=($line[1] "),
        ("command-$line[2]:", "command-$line[1]:"),
        (CASE, "        case $line[1] in\n"),
        (ESAC, "            (*)\n_files && ret=0\n;;\n        esac\n    ;;\nesac\n}\n"),
        (
            END,
            "_mptcp-apply_verbs_or_files() {\n    _alternative 'commands:command:_mptcp-apply_commands' \
             'files:file:_files'\n}\n\n(( $+functions[_mptcp-apply_commands] )) ||\n",
        ),
    ];
    replaced.iter().fold(zsh.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    })
}

#[test]
fn hidden_commands_are_documented_nowhere() {
    let whole = Cli::command();
    let hidden: Vec<&str> =
        whole.get_subcommands().filter(|job| job.is_hide_set()).map(|job| job.get_name()).collect();
    assert_eq!(hidden, ["guard"]);
    for file in [
        "man/mptcp-apply.8",
        "man/mptcp-apply-json.5",
        "completions/mptcp-apply.bash",
        "completions/_mptcp-apply",
        "completions/mptcp-apply.fish",
    ] {
        let text = std::fs::read_to_string(project().join("packaging").join(file)).expect("a file");
        assert!(!text.contains("guard"), "{file}");
    }
}

#[test]
fn the_examples_of_the_manual_are_valid() {
    let text = std::fs::read_to_string(project().join("packaging/man/mptcp-apply.yaml.5")).expect("a manual");
    let examples = text.split(".nf\n").skip(1).map(|rest| rest.split(".fi\n").next().expect("an end"));
    // What the kernel and other programs have stands there too.
    let examples = examples.filter(|example| example.starts_with("version: 1\n"));
    let examples: Vec<String> = examples.map(|example| example.replace("\\-", "-")).collect();
    let [laptop, server, later, providers] = &examples[..] else { panic!("{examples:?}") };
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let files = [
        ("10-laptop.yaml", laptop),
        ("20-later.yaml", later),
        ("server.yaml", server),
        ("providers.yaml", providers),
    ];
    for (name, example) in files {
        std::fs::write(path(name), example).expect("written");
    }
    // The later one changes what the first one declares.
    for files in [
        vec!["10-laptop.yaml"],
        vec!["10-laptop.yaml", "20-later.yaml"],
        vec!["server.yaml"],
        vec!["providers.yaml"],
    ] {
        let mut command = program();
        command.args(["check", "--strict"]).args(files.into_iter().map(path));
        run(command, "").expect(0);
    }
}
