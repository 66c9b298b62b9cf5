//! `check --merged`, whose YAML means the same as the files; `check --each`; and `-v`, which names the files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cases;
use crate::support::{Namespace, Ran, program, program_path, run};

const BASE: &str = "\
version: 1
prune: false
limits: {subflows: 2, add-addr-accepted: 1}
sysctls: {close_timeout: 30, scheduler: default}
uplinks:
  fibre: {dev: eth0, gateway: [192.0.2.1, \"2001:db8::1\"]}
  lte: {dev: [\"wwan*\", \"!wwan9\"], check: {run: \"ping -c1 \\\"9.9.9.9\\\" # no comment\", every: 500ms}}
  link: {dev: tun0, gateway: none, check: {connect: \"203.0.113.7:443\"}}
endpoints:
  gone: {dev: eth7, flags: [subflow]}
  fiber: {address: 192.0.2.10, dev: eth0, id: 3, flags: [subflow], required: false}
  public: {address: \"2001:db8::7\", port: 8443, flags: [signal]}
  'null': {dev: \"*\", family: ipv6, flags: [subflow]}
  net: {address: [\"10.0.0.0/8\", \"!10.0.0.100\"], flags: [subflow]}
";

const SITE: &str = "\
version: 1
limits:
  subflows: max
uplinks:
  lte: {check: {every: 10s, fall: 2}}
endpoints:
  gone: null
  fiber:
    flags: [subflow, backup]
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

/// Runs `check` in a folder, so that files have short names.
fn check(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = program();
    command.current_dir(folder).arg("check").args(arguments);
    run(command, "")
}

/// The lines without the places.
fn values(merged: &str) -> Vec<&str> {
    merged.lines().map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value.trim_end())).collect()
}

#[test]
fn the_merged_configuration_names_the_place_of_each_value() {
    let folder = folder(&[("10-base.yaml", BASE), ("20-site.yaml", SITE)]);
    let merged = check(folder.path(), &["--merged", "10-base.yaml", "20-site.yaml"]).expect(0).stdout;
    for (value, place) in [
        ("  subflows: max", "20-site.yaml:3"),
        ("  add-addr-accepted: 1", "10-base.yaml:3"),
        ("  fiber:", "10-base.yaml:11"),
        ("    dev: eth0", "10-base.yaml:11"),
        ("    flags: [subflow, backup]", "20-site.yaml:9"),
        ("      every: 10s", "20-site.yaml:5"),
        ("      run: \"ping -c1 \\\"9.9.9.9\\\" # no comment\"", "10-base.yaml:7"),
        ("  \"null\":", "10-base.yaml:13"),
    ] {
        let is_it = |line: &str| line.starts_with(value) && line.ends_with(&format!("  # {place}"));
        assert!(merged.lines().any(is_it), "no {value} of {place} in\n{merged}");
    }
    assert!(!merged.contains("gone"), "{merged}");
    // The comments stand below each other.
    let short = merged.lines().filter(|line| !line.contains("run: "));
    let columns: Vec<usize> = short.filter_map(|line| line.find("  # ")).collect();
    assert!(columns.len() > 20 && columns.iter().all(|column| *column == columns[0]), "{merged}");
}

/// A later file that sets other keys of a `check` is not the place of those that it leaves alone.
#[test]
fn keys_of_a_check_keep_their_places() {
    let uplinks = |body: &str| format!("version: 1\nuplinks:\n  u: {body}\n");
    let folder = folder(&[
        ("10.yaml", &uplinks("{dev: eth0, check: gateway}")),
        ("20.yaml", &uplinks("{check: {every: 7s, fall: 9}}")),
        ("30.yaml", &uplinks("{dev: eth0, check: {run: 'true'}}")),
    ]);
    let merged = |files: &[&str]| {
        let merged = check(folder.path(), &[&["--merged"][..], files].concat()).expect(0).stdout;
        let lines = merged.lines().filter(|line| line.contains("check:") || line.contains("run:"));
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>()
    };
    assert_eq!(merged(&["10.yaml", "20.yaml"]), ["check: gateway # 10.yaml:3"]);
    assert_eq!(merged(&["30.yaml", "20.yaml"]), ["check:", "run: \"true\" # 30.yaml:3"]);
    assert_eq!(merged(&["30.yaml"]), ["check: # 30.yaml:3", "run: \"true\" # 30.yaml:3"]);
    let json = check(folder.path(), &["--merged", "--format=json", "10.yaml", "20.yaml"]).expect(0).stdout;
    let document: Value = serde_json::from_str(&json).expect("JSON");
    let of_check =
        json!({"key": ["uplinks", "u", "check"], "value": "gateway", "file": "10.yaml", "line": 3});
    assert!(document["merged"].as_array().expect("a list").contains(&of_check), "{json}");
}

/// It says the same, and merging it once more changes nothing but the places.
#[test]
fn the_merged_configuration_is_one() {
    let folder = folder(&[
        ("10-base.yaml", BASE),
        ("20-site.yaml", SITE),
        ("30-empty.yaml", "{version: 1, uplinks: {}}"),
    ]);
    let files = ["10-base.yaml", "20-site.yaml", "30-empty.yaml"];
    let once = check(folder.path(), &[&["--merged"][..], &files].concat()).expect(0).stdout;
    fs::write(folder.path().join("merged.yaml"), &once).expect("written");
    let twice = check(folder.path(), &["--merged", "merged.yaml"]).expect(0).stdout;
    assert_eq!(values(&once), values(&twice));
    let verdict = |files: &[&str]| check(folder.path(), files).expect(0).stdout.replace("3 files", "1 file");
    assert_eq!(verdict(&files), verdict(&["merged.yaml"]));
    let json_values = |files: &[&str]| -> Vec<(Value, Value)> {
        let ran = check(folder.path(), &[&["--merged", "--format=json"][..], files].concat()).expect(0);
        let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let merged = document["merged"].as_array().expect("a list");
        merged.iter().map(|value| (value["key"].clone(), value["value"].clone())).collect()
    };
    let merged = json_values(&files);
    assert_eq!(merged, json_values(&["merged.yaml"]));
    for (key, value) in [
        (json!(["limits", "subflows"]), json!("max")),
        (json!(["sysctls", "close_timeout"]), json!(30)),
        (json!(["endpoints", "fiber", "required"]), json!(false)),
        (json!(["endpoints", "net", "address"]), json!(["10.0.0.0/8", "!10.0.0.100/32"])),
    ] {
        assert!(merged.contains(&(key, value)), "{merged:?}");
    }
    assert_eq!(
        check(folder.path(), &["--merged", "30-empty.yaml"]).expect(0).stdout,
        "version: 1\nuplinks: {}\n"
    );
}

/// The same for every valid sample.
#[test]
fn samples_mean_the_same_when_merged() {
    let samples = cases::samples("valid");
    for sample in &samples {
        let folder = cases::folder("valid");
        let merged = check(&folder, &["--merged", sample]).expect(0).stdout;
        let again = |arguments: &[&str]| {
            let mut command = program();
            command.arg("check").args(arguments).arg("-");
            run(command, &merged).expect(0).stdout
        };
        let verdict = check(&folder, &[sample]).expect(0).stdout;
        let (_, verdict) = verdict.split_once(", ").expect("a verdict");
        assert_eq!(again(&[]), format!("valid: 1 file, {verdict}"), "{sample}:\n{merged}");
        assert_eq!(values(&again(&["--merged"])), values(&merged), "{sample}");
    }
    assert!(samples.len() > 25, "{samples:?}");
}

/// `ip mptcp` sees no difference between the files and their merged configuration.
#[test]
fn the_merged_configuration_leads_to_the_same_kernel() {
    let base = "version: 1\nlimits: {subflows: 2}\nendpoints:\n  a: {address: 192.0.2.10, dev: eth0, id: 3, flags: [subflow]}\n  b: {address: 203.0.113.7, flags: [signal]}\n";
    let site = "version: 1\nlimits: {add-addr-accepted: max}\nsysctls: {close_timeout: 31}\nendpoints:\n  a: {flags: [subflow, backup]}\n  b: null\n  c: {address: 2001:db8::5, id: 9, flags: [signal]}\n";
    let folder = folder(&[("10-base.yaml", base), ("20-site.yaml", site)]);
    let merged = check(folder.path(), &["--merged", "10-base.yaml", "20-site.yaml"]).expect(0).stdout;
    fs::write(folder.path().join("merged.yaml"), merged).expect("written");
    let state = |files: &[&str]| {
        let namespace = Namespace::new();
        namespace.links(&[("eth0", "wwan0")]);
        let mut command = namespace.command(program_path());
        command.current_dir(folder.path()).args(files);
        run(command, "").expect(0);
        let mut sysctl = namespace.command("cat");
        sysctl.arg("/proc/sys/net/mptcp/close_timeout");
        (namespace.endpoints(), namespace.limits(), run(sysctl, "").expect(0).stdout)
    };
    let of_files = state(&["10-base.yaml", "20-site.yaml"]);
    assert_eq!(of_files.0, ["192.0.2.10 id 3 subflow backup dev eth0", "2001:db8::5 id 9 signal"]);
    assert_eq!(of_files, state(&["merged.yaml"]));
}

#[test]
fn nothing_invalid_is_merged() {
    let folder = folder(&[("a.yaml", "{version: 1, endpoints: {a: {dev: eth0}}}")]);
    let ran = check(folder.path(), &["--merged", "a.yaml"]).expect(78);
    assert_eq!(ran.stdout, "");
    let ran = check(folder.path(), &["--merged", "--format=json", "a.yaml"]).expect(78);
    assert!(!ran.stdout.contains("merged"), "{}", ran.stdout);
    assert!(check(folder.path(), &["--merged", "--each", "a.yaml"]).expect(64).stderr.contains("--each"));
}

/// Files of several hosts share addresses and ids, and one that is broken hides no other.
#[test]
fn each_file_is_judged_by_itself() {
    let one = "{version: 1, endpoints: {a: {address: 192.0.2.1, id: 1, dev: eth0, flags: [subflow]}}}";
    let overlay = "{version: 1, endpoints: {a: {flags: [subflow]}}}";
    let folder =
        folder(&[("a.yaml", one), ("b.yaml", &one.replace("a:", "b:")), ("c.yaml", overlay), ("d.yaml", "")]);
    check(folder.path(), &["a.yaml", "b.yaml"]).expect(78);
    let ran = check(folder.path(), &["--each", "a.yaml", "b.yaml"]).expect(0);
    assert_eq!(ran.stdout, "a.yaml: valid, 1 endpoint\nb.yaml: valid, 1 endpoint\n");
    let ran = check(folder.path(), &["--each", "."]).expect(78);
    let verdicts: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        verdicts,
        [
            "./a.yaml: valid, 1 endpoint",
            "./b.yaml: valid, 1 endpoint",
            "./c.yaml: invalid, 1 error",
            "./d.yaml: valid, endpoints not managed"
        ]
    );
    assert!(ran.stderr.contains("./c.yaml:1:"), "{}", ran.stderr);
    let ran = check(folder.path(), &["--each", "none.yaml", "a.yaml"]).expect(66);
    assert_eq!(ran.stdout, "a.yaml: valid, 1 endpoint\n");
    assert!(ran.stderr.contains("none.yaml: no such file"), "{}", ran.stderr);
    let ran = check(folder.path(), &["--each", "--format=json", "a.yaml", "c.yaml"]).expect(78);
    let documents: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let verdicts: Vec<(&Value, &Value)> = documents.iter().map(|it| (&it["file"], &it["valid"])).collect();
    assert_eq!(verdicts, [(&json!("a.yaml"), &json!(true)), (&json!("c.yaml"), &json!(false))]);
    let quiet = check(folder.path(), &["--each", "-q", "a.yaml", "c.yaml"]).expect(78);
    assert_eq!(quiet.stdout, "");
}

/// In the order in which later ones win, and with what hides a file.
#[test]
fn verbose_names_the_files() {
    let root = TempDir::new().expect("a folder");
    for file in ["usr/lib/mptcp-apply/20-b.yaml", "etc/mptcp-apply/20-b.yaml", "etc/mptcp-apply/10-a.yaml"] {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, "{version: 1, limits: {subflows: 2}}").expect("written");
    }
    let namespace = Namespace::new();
    for verb in
        [&["check"][..], &["check", "--each"], &["--dry-run"], &[], &["status"], &["show"], &["doctor"]]
    {
        let mut command = namespace.command(program_path());
        command.args(verb).args(["-v", "--root-dir"]).arg(root.path());
        let said = run(command, "").stderr;
        let names: Vec<&str> =
            said.lines().filter_map(|line| line.split_once("reading ")).map(|(_, name)| name).collect();
        let expected =
            ["etc/mptcp-apply/10-a.yaml", "etc/mptcp-apply/20-b.yaml"].map(|file| root.path().join(file));
        assert_eq!(names, expected.each_ref().map(|path| path.to_str().expect("UTF-8")), "{verb:?}: {said}");
        assert!(said.contains("usr/lib/mptcp-apply/20-b.yaml is hidden by "), "{verb:?}: {said}");
    }
}
