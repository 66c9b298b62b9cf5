//! The README's own commands, configurations and outputs, as they stand there.

use std::fs;

use super::elsewhere::without_id;
use crate::support::{Namespace, Ran, program, program_path, project, run};

/// The fenced blocks below a heading, each with its kind.
#[track_caller]
pub fn blocks(heading: &str) -> Vec<(String, String)> {
    let readme = fs::read_to_string(project().join("README.md")).expect("UTF-8");
    let (_, rest) = readme.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = ["\n## ", "\n### "].into_iter().filter_map(|next| rest.find(next)).min();
    let fenced = rest[..section.unwrap_or(rest.len())].split("```").skip(1).step_by(2);
    let block = fenced.map(|text| text.split_once('\n').expect("lines"));
    block.map(|(kind, text)| (kind.to_owned(), text.to_owned())).collect()
}

/// What the commands mean here: the standard folders are those of the namespace, what is edited becomes `config.yaml`, a
/// trial is confirmed, and a unit has to be one of `packaging`.
const WORDS: &str = r#"
mptcp_apply() {
    if [ "$1" != try ]; then "$PROGRAM" --root-dir "$PWD" "$@"; return; fi
    "$PROGRAM" --root-dir "$PWD" "$@" 2>said & trial=$!
    until grep -q SIGUSR1 said; do kill -0 "$trial" || { cat said >&2; exit 1; }; sleep 0.05; done
    kill -USR1 "$trial"
    wait "$trial"
}
sudo() { "$@"; }
sudoedit() { cp config.yaml "$PWD$1"; }
systemctl() { for unit; do :; done; test -e "$PROJECT/packaging/systemd/$unit.service"; }
"#;

/// Commands of the README, carried out inside.
#[track_caller]
fn typed(namespace: &Namespace, commands: &str) -> Ran {
    let mut sh = namespace.command("sh");
    // A function of a shell can have no hyphen.
    let commands = commands.replace("mptcp-apply ", "mptcp_apply ");
    sh.current_dir(namespace.folder.path()).env("PROGRAM", program_path()).env("PROJECT", project());
    sh.args(["-euc", &format!("{WORDS}{commands}")]);
    run(sh, "").expect(0)
}

#[test]
fn the_first_command_prints_what_is_shown() {
    let section = blocks("## Two commands");
    let command = section[0].1.trim().strip_prefix("cargo run --release -- ").expect("the command");
    let namespace = Namespace::new();
    let mut program = namespace.command(program_path());
    program.current_dir(project()).args(command.split(' '));
    let ran = run(program, "").expect(0);
    assert_eq!(numbered(&(ran.stderr + &ran.stdout)), numbered(&section[1].1));
}

/// A table has the number of its interface, which kernels with interfaces of their own count otherwise.
fn numbered(text: &str) -> String {
    let mut parts = text.split("868400");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "TABLE" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn two_providers_get_what_is_said() {
    let config = &blocks("## Two providers")[0].1;
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "peer0"), ("wwan0", "peer1")]);
    for (dev, net, metric) in [("eth0", "192.0.2", 100), ("wwan0", "198.51.100", 200)] {
        namespace.ip(&format!("address add {net}.10/24 dev {dev}"));
        namespace.ip(&format!("route add default via {net}.1 dev {dev} metric {metric}"));
    }
    let way = |from: &str| namespace.ip(&format!("route get 203.0.113.9 from {from}"));
    assert!(way("198.51.100.10").contains("via 192.0.2.1 dev eth0"), "no rule yet");
    namespace.apply(config, &[]).expect(0);
    assert!(way("192.0.2.10").contains("via 192.0.2.1 dev eth0"));
    assert!(way("198.51.100.10").contains("via 198.51.100.1 dev wwan0"));
    // Two rules an address, and the three that are always there.
    assert_eq!(namespace.ip("-4 rule show").lines().count(), 4 + 3);
    // A network behind this host, which a single rule would cut off.
    namespace.links(&[("br0", "guest0")]);
    namespace.ip("address add 10.9.9.1/24 dev br0");
    let inside = namespace.ip("route get 10.9.9.7 from 198.51.100.10");
    assert!(inside.contains("dev br0"), "{inside}");
}

#[test]
fn an_error_looks_as_it_is_shown() {
    let config = blocks("## A first file")[0].1.replacen("[subflow]", "[subflwo]", 1);
    let folder = tempfile::TempDir::new().expect("a folder");
    fs::write(folder.path().join("10-laptop.yaml"), config).expect("written");
    let mut check = program();
    check.current_dir(&folder).args(["check", "10-laptop.yaml"]);
    assert_eq!(run(check, "").expect(78).stderr, blocks("## What a run guarantees")[0].1);
}

/// The state that was saved before is there again after the commands that go back.
#[test]
fn the_first_file_does_what_is_said_and_can_be_taken_back() {
    let [config, commands, shown] = &blocks("## A first file")[..] else { panic!("three blocks") };
    let going_back = &blocks("## Questions")[0].1;
    let (save, go_back) = going_back.split_once('\n').expect("lines");
    let namespace = Namespace::new();
    namespace.links(&[("wlan0", "peer0"), ("wwan0", "peer1")]);
    namespace.ip("address add 192.0.2.10/24 dev wlan0");
    namespace.ip("address add 198.51.100.3/24 dev wwan0");
    namespace.ip("mptcp endpoint add 192.0.2.10 id 7 signal");
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9");
    let before = (namespace.endpoints(), namespace.limits());
    typed(&namespace, save);
    for id in [7, 9] {
        namespace.ip(&format!("mptcp endpoint delete id {id}"));
    }
    fs::create_dir_all(namespace.folder.path().join("etc/mptcp-apply")).expect("made");
    fs::write(namespace.folder.path().join("config.yaml"), &config.1).expect("written");
    let ran = typed(&namespace, &commands.1);
    assert!(ran.stdout.starts_with(&shown.1), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("\nrehearsed: 2 to add") && ran.stdout.contains("\nkept: "),
        "{}",
        ran.stdout
    );
    let rows: Vec<_> = namespace.endpoints().iter().map(|row| without_id(row)).collect();
    assert_eq!(rows, ["192.0.2.10 subflow dev wlan0", "198.51.100.3 subflow backup dev wwan0"]);
    typed(&namespace, go_back);
    assert_eq!(before.0, ["192.0.2.10 id 7 signal", "10.9.9.9 id 9"]);
    // The row without a flag cannot be declared, and does not come back.
    assert_eq!((&namespace.endpoints()[..], namespace.limits()), (&before.0[..1], before.1));
}
