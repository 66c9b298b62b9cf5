//! `doctor --report`: the document for a bug report.

use serde_json::Value;

use crate::kernel::links::Links;
use crate::support::{program_path, run};

use super::doctor;

const CONFIG: &str =
    "{version: 1, limits: {subflows: 8}, endpoints: {two: {address: 10.1.2.1, dev: c2, flags: [subflow]}}}";

/// What `ip`, `ss` and the kernel show is in it, as text and as JSON, and a warning says what it contains.
#[test]
fn it_has_what_a_bug_report_needs() {
    let links = Links::new();
    let client = &links.client;
    client.apply(CONFIG, &[]).expect(0);
    let _peers = links.connect();
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    client.ip("mptcp endpoint add 10.1.3.1 id 77 subflow dev c3");
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    let ran = doctor(client, CONFIG, &["--report"]);
    let (version, release) = (client.sh(&format!("{} --version", program_path())), client.sh("uname -r"));
    for words in [
        format!("{}, Linux {}\n", version.trim(), release.trim()),
        "\n== findings ==\nfault: the kernel's state differs from the configuration\n".to_owned(),
        "\n== applying would ==\nremove 10.1.3.1".to_owned(),
        "\n10.1.3.1 id 77 subflow dev c3\n".to_owned(),
        "\n  established  10.1.2.1%c2:".to_owned(),
        "\nMPCapableSYNTX 1\n".to_owned(),
        "\n10.1.2.1 dev c2 settled\n".to_owned(),
        " lookup 103".to_owned(),
    ] {
        assert!(ran.stdout.contains(&words), "no {words:?} in {}", ran.stdout);
    }
    assert!(ran.stderr.contains("warning: the report has the addresses"), "{}", ran.stderr);

    let ran = doctor(client, CONFIG, &["--report", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    assert_eq!(document["kernel"], release.trim());
    assert_eq!(document["findings"][0]["code"], "not-applied");
    assert_eq!(document["state"]["connections"][0]["subflows"].as_array().map(Vec::len), Some(3));
    // What it prints as a configuration leads to this very state.
    let mut dry = client.command(program_path());
    dry.args(["--dry-run", "-"]);
    assert_eq!(run(dry, document["configuration"].as_str().expect("YAML")).expect(0).stdout, "no changes\n");
}
