//! The README's "Coming from elsewhere": its own snippets, compared with what they come from.

use std::fs;

use crate::support::{Namespace, program_path, project, run};

/// The two snippets below a heading of that section: what it comes from, and the configuration.
#[track_caller]
pub fn snippets(from: &str) -> (String, String) {
    let readme = fs::read_to_string(project().join("README.md")).expect("UTF-8");
    let (_, section) = readme.split_once("\n## Coming from elsewhere\n").expect("it has the section");
    let (_, part) = section.split_once(&format!("\n### {from}\n")).unwrap_or_else(|| panic!("no {from}"));
    let mut fences = part.split("```").skip(1).step_by(2);
    let mut next = |kind: &str| {
        let (found, text) = fences.next().expect("a snippet").split_once('\n').expect("lines");
        assert_eq!(found, kind, "{from}");
        text.to_owned()
    };
    let theirs = part.split("```").nth(1).and_then(|text| text.lines().next()).expect("a snippet");
    (next(theirs), next("yaml"))
}

/// A row without its id, which each program chooses by itself.
pub fn without_id(row: &str) -> String {
    let words: Vec<_> = row.split(' ').collect();
    let at = words.iter().position(|word| *word == "id").expect("each row has one");
    [&words[..at], &words[at + 2..]].concat().join(" ")
}

#[test]
fn a_script_of_ip_mptcp() {
    let (script, config) = snippets("From an `ip mptcp` script");
    let [theirs, ours] = [(); 2].map(|()| {
        let namespace = Namespace::new();
        namespace.links(&[("eth0", "peer0"), ("wwan0", "peer1")]);
        namespace.ip("address add 192.0.2.10/24 dev eth0");
        namespace.ip("address add 198.51.100.3/24 dev wwan0");
        namespace
    });
    let mut command = theirs.command("sh");
    command.args(["-euc", &script]);
    run(command, "").expect(0);
    assert_eq!(theirs.endpoints().len(), 3, "{:?}", theirs.endpoints());
    assert_eq!(theirs.apply(&config, &[]).expect(0).stdout, "no changes\n");
    ours.apply(&config, &[]).expect(0);
    assert_eq!(ours.endpoints(), theirs.endpoints());
    assert_eq!(ours.limits(), theirs.limits());
    // As the section says, the program writes such a file itself.
    let mut command = theirs.command(program_path());
    command.args(["show", "--format", "yaml"]);
    let written = run(command, "").expect(0).stdout;
    assert_eq!(ours.apply(&written, &[]).expect(0).stdout, "no changes\n");
}
