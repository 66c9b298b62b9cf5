//! `doctor --netns`: the evidence of the namespace, and remedies that work from outside of it.

use crate::support::{Ran, program_path, run};

use super::{Named, documents, words};

/// The doctor, without a configuration.
#[track_caller]
fn doctor(named: &Named, options: &[&str]) -> Ran {
    let mut command = named.command(program_path());
    command.arg("doctor").args(["--root-dir", named.folder.path().to_str().expect("UTF-8")]).args(options);
    run(command, "")
}

#[test]
fn findings_are_those_of_the_namespace_and_remedies_work_there() {
    let named = Named::new(["off", "on"]);
    named.run_in("off", "echo 0 >/proc/sys/net/mptcp/enabled");
    let ran = doctor(&named, &["--netns=*", "--format=json"]).expect(1);
    let documents = documents(&ran.stdout);
    let names: Vec<&str> = documents.iter().map(|document| words(document, "netns")).collect();
    assert_eq!(names, ["off", "on"]);
    let has = |index: usize, code: &str| {
        let findings = documents[index]["findings"].as_array().expect("findings");
        findings.iter().find(|finding| finding["code"] == code)
    };
    let finding = has(0, "mptcp-disabled").expect("the finding");
    assert_eq!(has(1, "mptcp-disabled"), None);
    let remedy = words(finding, "remedy");
    assert_eq!(remedy, "ip netns exec off sysctl -w net.mptcp.enabled=1");
    named.sh(remedy);
    assert_eq!(named.run_in("off", "cat /proc/sys/net/mptcp/enabled"), "1\n");
    let ran = doctor(&named, &["--netns=on", "--netns=off"]);
    assert!(!ran.stdout.contains("mptcp-disabled"), "{}", ran.stdout);
    let headings: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("netns ")).collect();
    assert_eq!(headings, ["netns on", "netns off"]);
}

#[test]
fn the_command_of_a_remedy_names_the_namespace() {
    let named = Named::new(["web"]);
    let path = named.folder.path().join("one.yaml");
    std::fs::write(&path, super::ONE).expect("written");
    let path = path.to_str().expect("UTF-8");
    let ran = doctor(&named, &["--netns=web", "--format=json", path]);
    let documents = documents(&ran.stdout);
    let findings = documents[0]["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["code"] == "not-applied").expect("the finding");
    let remedy = words(finding, "remedy");
    assert!(remedy.contains(&format!(" --netns web {path}")), "{remedy}");
    named.sh(remedy);
    assert_eq!(named.rows_of(["web"]), ["10.0.0.1 id 1 signal"]);
}

#[test]
fn a_missing_namespace_is_named() {
    let ran = doctor(&Named::new(["on"]), &["--netns=absent"]).expect(1);
    assert!(ran.stderr.contains("absent"), "{}", ran.stderr);
}
