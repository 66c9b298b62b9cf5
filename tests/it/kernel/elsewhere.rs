//! The README's "Coming from elsewhere": its own snippets, compared with what they come from.

use super::readme::blocks;
use crate::support::{Namespace, program_path, run};

/// The two blocks below a heading of that section: what it comes from, and the configuration.
#[track_caller]
pub fn snippets(from: &str) -> (String, String) {
    let [(_, theirs), (kind, ours)] = &blocks(&format!("### {from}"))[..] else {
        panic!("two blocks: {from}")
    };
    assert_eq!(kind, "yaml", "{from}");
    (theirs.clone(), ours.clone())
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
