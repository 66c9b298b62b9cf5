//! Input that was not written to be read: huge, deep, or damaged. It ends in an ordinary verdict, soon.

use std::fs;
use std::process::Command;
use std::time::Duration;

use mptcp_apply::config;
use mptcp_apply::source::FILE_MAX;
use proptest::prelude::*;

use super::cases::{folder, samples};
use super::judge::{FILE_SEPARATOR, judge};
use super::support::{Ran, program, program_path, project, run};

/// The most processor time of one run, in seconds, without optimisation.
const SECONDS_MAX: u32 = 5;

/// Runs `check` on this text. The kernel ends it when it takes too long; processor time is the same on a busy machine.
#[track_caller]
fn check(text: &str) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -t {SECONDS_MAX} && exec \"$0\" check -")]);
    command.arg(program_path()).env_clear();
    run(command, text)
}

/// A megabyte of this.
fn megabyte_of(unit: &str) -> String {
    unit.repeat(FILE_MAX as usize / unit.len())
}

fn endpoints(count: usize) -> String {
    let endpoint = |n: usize| format!("  e{n}: {{address: 10.0.{}.{}, flags: [signal]}}\n", n / 256, n % 256);
    format!("version: 1\nendpoints:\n{}", (0..count).map(endpoint).collect::<String>())
}

#[test]
fn as_many_endpoints_as_allowed() {
    let ran = check(&endpoints(config::DECLARATIONS_MAX)).expect(0);
    assert_eq!(ran.stdout, "valid: 1 file, 4096 endpoints\n");
}

#[test]
fn one_endpoint_too_many() {
    let ran = check(&endpoints(config::DECLARATIONS_MAX + 1)).expect(78);
    let expected = "\
error: more than 4096 endpoints are declared
    --> <stdin>:4099:3
     |
4099 |   e4096: {address: 10.0.16.0, flags: [signal]}
     |   ^^^^^ the first one too many
     |
     = help: a selector (`dev` or a prefix) stands for many addresses
";
    assert_eq!(ran.stderr, expected);
}

fn uplinks(count: usize) -> String {
    let uplink = |n: usize| format!("  u{n}: {{dev: eth{n}, gateway: 10.1.{}.{}}}\n", n / 100, n % 100);
    format!("version: 1\nuplinks:\n{}", (0..count).map(uplink).collect::<String>())
}

#[test]
fn as_many_uplinks_as_allowed() {
    let ran = check(&uplinks(config::DECLARATIONS_MAX)).expect(0);
    assert_eq!(ran.stdout, "valid: 1 file, endpoints not managed, 4096 uplinks\n");
}

#[test]
fn one_uplink_too_many() {
    let ran = check(&uplinks(config::DECLARATIONS_MAX + 1)).expect(78);
    let expected = "\
error: more than 4096 uplinks are declared
    --> <stdin>:4099:3
     |
4099 |   u4096: {dev: eth4096, gateway: 10.1.40.96}
     |   ^^^^^ the first one too many
     |
     = help: a glob in `dev` stands for many interfaces
";
    assert_eq!(ran.stderr, expected);
}

#[test]
fn very_many_names_and_routers_of_one_uplink() {
    for list in ["dev: [", "dev: [eth0], gateway: [", "dev: [eth0, eth1], gateway: ["] {
        let word = if list.starts_with("dev: [eth0") { "10.1.1.1," } else { "e," };
        let ran = check(&format!("version: 1\nuplinks: {{a: {{{list}{}}}}}\n", word.repeat(100_000) + "]"));
        assert!([0, 78].contains(&ran.code), "{}", ran.code);
    }
    let two = |dev: &str| format!("{{dev: [{}]}}", dev.repeat(100_000));
    let ran = check(&format!("version: 1\nuplinks: {{a: {}, b: {}}}\n", two("e,"), two("e,"))).expect(78);
    assert!(ran.stderr.contains("two uplinks name e\n"), "{}", &ran.stderr[..200]);
}

#[test]
fn a_file_may_have_a_megabyte_and_no_more() {
    let text = format!("version: 1\n{}", megabyte_of("#"));
    check(&text[..FILE_MAX as usize]).expect(0);
    let ran = check(&text).expect(78);
    assert!(ran.stderr.starts_with("error: <stdin> is larger than 1 MiB\n"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
}

#[test]
fn an_endless_input_ends() {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -t {SECONDS_MAX} && exec \"$0\" check /dev/zero")]);
    command.arg(program_path()).env_clear();
    run(command, "").expect(78);
}

#[test]
fn a_megabyte_of_anything_is_judged_in_time() {
    let refused = [
        "[", "{", "- ", "? ", "?\n", "\"", "'", "a: ", "a: b\n", "&a ", "&a", "*a ", "!", "!a ", "|", "> ",
        "\0", ":", "%", "@", "w", "é", ",", "[,", "[\n", "-\n", "---\n", "}", "]", "\\", "<<: ", "{a: ",
        "\u{1}",
    ];
    for unit in refused {
        let ran = check(&megabyte_of(unit)).expect(78);
        assert!(ran.stderr.starts_with("error: "), "{unit:?}: {}", ran.stderr);
    }
    // Nothing but blanks, comments and one document's marks says nothing, and that is allowed.
    for unit in ["\n", "#", " ", "\r", "\r\n", "# x\n"] {
        check(&megabyte_of(unit)).expect(0);
    }
}

#[test]
fn half_a_million_wrong_flags_on_one_line() {
    let start = "version: 1\nendpoints: {a: {address: 10.0.0.1, flags: [";
    let ran = check(&format!("{start}{}x]}}}}\n", "x,".repeat(500_000))).expect(78);
    assert!(ran.stderr.ends_with("\nand 499001 more\n"), "{}", &ran.stderr[ran.stderr.len() - 200..]);
    let ran = check(&format!("{start}{}x]}}}}\n", "é,".repeat(340_000))).expect(78);
    assert!(ran.stderr.contains("<stdin>:2:2042\n"), "the column of the thousandth flag counts characters");
}

#[test]
fn thirty_thousand_unknown_keys() {
    let keys: String = (0..30_000).map(|n| format!("subflow{n}: 1\n")).collect();
    let ran = check(&format!("version: 1\n{keys}")).expect(78);
    assert!(ran.stderr.ends_with("\nand 29000 more\n"), "{}", &ran.stderr[ran.stderr.len() - 200..]);
}

#[test]
fn sixty_thousand_empty_endpoints() {
    let names: String = (0..60_000).map(|n| format!("e{n}: {{}}, ")).collect();
    check(&format!("version: 1\nendpoints: {{{names}}}\n")).expect(78);
}

#[test]
fn warnings_hide_no_error() {
    let loopback =
        |n: usize| format!("  e{n}: {{address: 127.0.{}.{}, flags: [subflow]}}\n", n / 256, n % 256);
    let many: String = (0..1500).map(loopback).collect();
    let ran = check(&format!("version: 1\nendpoints:\n{many}  last: {{dev: eth0, flags: []}}\n")).expect(78);
    assert!(ran.stderr.contains("error: no flag among "), "the one error is shown");
}

fn without_dev(count: usize) -> String {
    let line = |n: usize| format!("  e{n}: {{address: 10.1.{}.{}, flags: [subflow]}}\n", n / 256, n % 256);
    format!("version: 1\nendpoints:\n{}", (0..count).map(line).collect::<String>())
}

#[test]
fn ten_warnings_of_one_kind_are_shown_each() {
    let ran = check(&without_dev(10)).expect(0);
    assert_eq!(ran.stderr.matches("warning: ").count(), 10, "{}", ran.stderr);
}

#[test]
fn thousands_of_warnings_of_one_kind_are_shown_as_one() {
    let ran = check(&without_dev(config::DECLARATIONS_MAX)).expect(0);
    let expected = "\
warning: endpoint `e0` has no `dev`: the kernel may send its subflows by another interface than the one that has 10.1.0.0 (and 4095 more `dev-unset` warnings)
 --> <stdin>:3:17
  |
3 |   e0: {address: 10.1.0.0, flags: [subflow]}
  |                 ^^^^^^^^
4 |   e1: {address: 10.1.0.1, flags: [subflow]}
  |                 -------- `e1`
5 |   e2: {address: 10.1.0.2, flags: [subflow]}
  |                 -------- `e2`
  |
  = help: add `dev` with the interface that has the address
";
    assert_eq!(ran.stderr, expected);
    let mut command = program();
    command.args(["check", "--format", "json", "-"]);
    let ran = run(command, &without_dev(config::DECLARATIONS_MAX)).expect(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let lines = report["warnings"].as_array().expect("a list").iter().map(|found| found["line"].as_u64());
    assert!(lines.eq((3_u64..).map(Some).take(config::DECLARATIONS_MAX)), "each of them has its place");
}

/// One thing that can happen to a text.
#[derive(Clone, Debug)]
enum Damage {
    Flip(u8),
    Delete(usize),
    Insert(&'static str),
    Repeat(usize),
    Truncate,
}

/// What means something to YAML, or to those who count characters.
const TOKENS: [&str; 42] = [
    "- ", "-", "? ", ": ", ":", ",", "[", "]", "{", "}", "#", " #", "&a ", "*a", "!", "!x ", "!!int ", "|",
    "|2\n", ">-\n", "\"", "'", "\\", "\\q", "%", "@", "`", "<<: ", "---\n", "...\n", "\n", "\r", "\r\n",
    "\t", " ", "\0", "\u{1b}", "\u{feff}", "é", "🦀", "\u{202e}", "null",
];

fn damage() -> impl Strategy<Value = (prop::sample::Index, Damage)> {
    let kind = prop_oneof![
        4 => any::<u8>().prop_map(Damage::Flip),
        3 => (1..20_usize).prop_map(Damage::Delete),
        6 => prop::sample::select(&TOKENS[..]).prop_map(Damage::Insert),
        2 => (1..80_usize).prop_map(Damage::Repeat),
        1 => Just(Damage::Truncate),
    ];
    (any::<prop::sample::Index>(), kind)
}

fn damaged(original: &[u8], damages: &[(prop::sample::Index, Damage)]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for (index, damage) in damages {
        if bytes.is_empty() {
            break;
        }
        let at = index.index(bytes.len());
        let end = |length: usize| (at + length).min(bytes.len());
        match damage {
            Damage::Flip(mask) => bytes[at] ^= mask,
            Damage::Delete(length) => drop(bytes.drain(at..end(*length))),
            Damage::Insert(token) => drop(bytes.splice(at..at, token.bytes())),
            Damage::Repeat(length) => {
                let part = bytes[at..end(*length)].to_vec();
                drop(bytes.splice(at..at, part));
            }
            Damage::Truncate => bytes.truncate(at),
        }
    }
    bytes
}

/// The valid samples that are one file each.
fn valid_samples() -> Vec<Vec<u8>> {
    let names = samples("valid").into_iter().filter(|name| name.ends_with(".yaml"));
    names.map(|name| fs::read(folder("valid").join(name)).expect("a sample")).collect()
}

/// Words, and bytes that mostly are none.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(&TOKENS[..]).prop_map(|token| token.as_bytes().to_vec());
    prop_oneof![6 => token, 1 => prop::collection::vec(any::<u8>(), 1..3)]
}

/// The parser counts bytes in the lines of directives; this was once a column behind the end.
#[test]
fn a_directive_in_other_letters_is_judged() {
    judge("%éé\0\r\n".as_bytes());
}

/// One uplink of a file, in words of which most are right.
fn uplink() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&["a", "b", "eth0", "c.d", "-e", "a"][..]);
    let devs = [
        "eth0",
        "eth1",
        "eth3",
        "eth4",
        "eth5",
        "eth9",
        "lo",
        "usb0",
        "'*'",
        "'eth[0-3]'",
        "'!eth0'",
        "[eth2]",
        "[eth0, eth1]",
        "[eth2, eth2]",
        "['e*', '!eth0']",
        "[]",
        "eth/0",
    ];
    let gateways = [
        "192.0.2.1",
        "'fe80::1'",
        "['192.0.2.9', 'fe80::9']",
        "none",
        "['192.0.2.9', '10.1.1.254']",
        "eth0",
        "[]",
    ];
    let dev = prop::option::weighted(0.9, prop::sample::select(devs.to_vec()));
    let gateway = prop::option::weighted(0.3, prop::sample::select(gateways.to_vec()));
    (name, dev, gateway).prop_map(|(name, dev, gateway)| {
        let dev = dev.map(|dev| format!("dev: {dev}, ")).unwrap_or_default();
        let gateway = gateway.map(|gateway| format!("gateway: {gateway}")).unwrap_or_default();
        let body = if (dev.as_str(), gateway.as_str()) == ("", "") {
            "null".to_owned()
        } else {
            format!("{{{dev}{gateway}}}")
        };
        format!("  {name}: {body}\n")
    })
}

fn file_of_uplinks() -> impl Strategy<Value = String> {
    let uplinks = prop::collection::vec(uplink(), 1..4);
    uplinks.prop_map(|uplinks| format!("version: 1\nuplinks:\n{}", uplinks.concat()))
}

proptest! {
    #![proptest_config(crate::support::repeatable(400))]

    #[test]
    fn uplinks_of_some_files_are_judged(files in prop::collection::vec(file_of_uplinks(), 1..3)) {
        judge(files.join(&char::from(FILE_SEPARATOR).to_string()).as_bytes());
    }

    #[test]
    fn a_damaged_file_is_judged(damages in prop::collection::vec(damage(), 1..10)) {
        let original = fs::read(folder("valid").join("all-keys.yaml")).expect("the sample");
        judge(&damaged(&original, &damages));
    }

    #[test]
    fn a_damaged_flow_mapping_is_judged(damages in prop::collection::vec(damage(), 1..10)) {
        let original = fs::read(folder("valid").join("flow-style.yaml")).expect("the sample");
        judge(&damaged(&original, &damages));
    }

    #[test]
    fn two_damaged_files_are_judged(
        files in prop::collection::vec(prop::sample::select(valid_samples()), 2),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        judge(&damaged(&files.join(&FILE_SEPARATOR), &damages));
    }

    #[test]
    fn any_text_is_judged(tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..40)) {
        judge(tokens.concat().as_bytes());
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(&bytes);
    }

    #[test]
    fn any_bytes_between_text_are_judged(parts in prop::collection::vec(part(), 0..20)) {
        judge(&parts.concat());
    }
}

/// Inputs that led the fuzzer of `tests/fuzz` into some part of the program that no other did.
#[test]
fn what_the_fuzzer_found_is_judged_in_time() {
    let entries = fs::read_dir(project().join("tests/fuzz/corpus/configuration")).expect("the corpus");
    let mut inputs: Vec<_> =
        entries.map(|entry| fs::read(entry.expect("an entry").path()).expect("an input")).collect();
    assert!(inputs.len() >= 150, "only {} inputs found", inputs.len());
    inputs.extend(valid_samples());
    for input in inputs {
        let before = processor_time();
        judge(&input);
        let spent = processor_time() - before;
        assert!(spent < Duration::from_secs(SECONDS_MAX.into()), "{spent:?} for {input:?}");
    }
}

/// What this thread has used of the processor, which other work on the machine does not lengthen.
fn processor_time() -> Duration {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").expect("statistics of this thread");
    let nanoseconds = statistics.split_whitespace().next().expect("a number").parse();
    Duration::from_nanos(nanoseconds.expect("a number"))
}
