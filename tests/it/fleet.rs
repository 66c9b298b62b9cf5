//! What is for many hosts, in `packaging`, agrees with the program and with its README.

use std::fs;

use crate::support::{program, project, run};

#[track_caller]
fn text(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Each file that names the version names this one.
#[test]
fn the_version_is_one() {
    let version = env!("CARGO_PKG_VERSION");
    for (path, line) in [
        ("packaging/ansible/galaxy.yml", format!("\nversion: {version}\n")),
        ("packaging/kubernetes/mptcp-apply.yaml", format!("/mptcp-apply:{version}\n")),
        ("packaging/kubernetes/README.md", format!("/mptcp-apply:{version}\n")),
    ] {
        assert!(text(path).contains(&line), "{path} lacks {line:?}");
    }
}

/// That is the one which `tests/ansible` plays.
#[test]
fn its_readme_shows_the_playbook_as_it_is() {
    let playbook = text("packaging/ansible/playbooks/fleet.yml");
    let shown = format!("```yaml\n{}```\n", playbook.trim_start_matches("---\n"));
    assert!(text("packaging/README.md").contains(&shown), "{shown}");
}

/// The lines below the one that says `NAME: |`, without their indentation.
#[track_caller]
fn block(path: &str, name: &str) -> String {
    let text = text(path);
    let (_, rest) = text.split_once(&format!("{name}: |\n")).expect("the block");
    let indentation = rest.len() - rest.trim_start().len();
    let inside = rest.lines().take_while(|line| line.starts_with(&" ".repeat(indentation)));
    inside.map(|line| format!("{}\n", &line[indentation..])).collect()
}

#[test]
fn their_configurations_are_valid() {
    for (path, name) in [
        ("packaging/cloud-init/user-data.yaml", "content"),
        ("packaging/kubernetes/mptcp-apply.yaml", "nodes.yaml"),
    ] {
        let config = block(path, name);
        assert!(config.contains("endpoints:"), "{config}");
        let mut check = program();
        check.args(["check", "--strict", "-"]);
        run(check, &config).expect(0);
    }
}
