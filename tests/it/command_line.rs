//! Options, exit codes, streams.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use mptcp_apply::VERSION;
use tempfile::TempDir;

use crate::support::{Namespace, Ran, is_root, program, program_path, run};

fn with(arguments: &[&str]) -> Ran {
    with_input(arguments, "")
}

fn with_input(arguments: &[&str], input: &str) -> Ran {
    let mut command = program();
    command.args(arguments);
    run(command, input)
}

#[test]
fn help_and_version_are_results() {
    let help = with(&["--help"]).expect(0);
    for word in [
        "--dry-run",
        "--rehearse",
        "--detailed-exitcode",
        "check",
        "monitor",
        "schema",
        "Exit codes:",
        "NO_COLOR",
    ] {
        assert!(help.stdout.contains(word), "no {word} in {}", help.stdout);
    }
    // The first is no job, and so the main one.
    for job in mptcp_apply::model::VERBS.into_iter().filter(|verb| *verb != "help").chain(["--quiet"]) {
        let [short, long] = ["-h", "--help"].map(|option| with(&[job, option]).expect(0).stdout);
        for help in [&short, &long] {
            let longest = help.lines().map(str::len).max();
            assert!(longest <= Some(80), "{job}: {longest:?}: {help}");
        }
        assert!(short.lines().count() <= 30, "{job} -h is more than a screen: {short}");
        assert!(long.lines().count() > short.lines().count(), "{job} --help is no longer: {long}");
    }
    let short = with(&["-h"]).expect(0).stdout;
    assert_eq!(short.lines().filter(|line| line.starts_with("  mptcp-apply ")).count(), 2, "{short}");
    assert!(!short.contains("Exit codes:") && !short.contains("--resync"), "{short}");
    let version = with(&["--version"]).expect(0).stdout;
    let rest =
        version.strip_prefix("mptcp-apply ").and_then(|rest| rest.strip_suffix(")\n")).expect("one line");
    let (number, build) = rest.split_once(" (").expect("what was built");
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    // A release build has the commit and its day before the target; tests/packages/run compares these with git.
    let target = build.rsplit_once(", ").map_or(build, |(_, target)| target);
    assert!(
        VERSION.ends_with(&format!(" ({target})")) || VERSION.ends_with(&format!(", {target})")),
        "{version}"
    );
    assert_eq!(with(&["show", "--version"]).expect(0), with(&["-V", "show"]).expect(0));
}

#[test]
fn help_is_a_verb_too() {
    assert_eq!(with(&["help"]).expect(0), with(&["--help"]).expect(0));
    assert_eq!(with(&["help", "check"]).expect(0), with(&["check", "--help"]).expect(0));
    assert_eq!(with(&["--color", "never", "help", "check"]).expect(0), with(&["check", "--help"]).expect(0));
    assert!(Path::new("help").metadata().is_err(), "no file here has that name");
}

/// The general help would hide the typing error.
#[test]
fn help_for_no_verb_is_refused() {
    for (arguments, said) in [
        (&["help", "chek"][..], "error: there is no command `chek`; did you mean `check`?\n"),
        (&["help", "plan"], "error: there is no command `plan`; `mptcp-apply --dry-run` prints the plan\n"),
        (&["--color", "never", "help", "foo"], "error: there is no command `foo`\n"),
        (&["-h", "chek"], "error: there is no command `chek`; did you mean `check`?\n"),
        (&["chek", "--help"], "error: there is no command `chek`; did you mean `check`?\n"),
    ] {
        let ran = with(arguments).expect(64);
        assert!(ran.stderr.starts_with(said) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
    for arguments in [&["help", "help"][..], &["help", "-v"], &["-h", "edge.yaml"], &["-h", "--", "chek"]] {
        with(arguments).expect(0);
    }
}

/// An option that a verb does not take is refused on either side of it, with the verbs that take it.
#[test]
fn options_of_other_verbs_name_them() {
    for arguments in [&["--timeout", "3", "show"][..], &["show", "--timeout", "3"]] {
        let said = with(arguments).expect(64).stderr;
        let refused = "error: `mptcp-apply show` does not take `--timeout`; `mptcp-apply try` takes it\n";
        assert!(said.starts_with(refused) && said.contains("Usage: mptcp-apply show"), "{said}");
    }
    let said = with(&["show", "--no-such-option"]).expect(64).stderr;
    assert!(said.contains("unexpected argument '--no-such-option'"), "{said}");
}

/// What the parser advises is no way out.
#[test]
fn tips_do_not_mislead() {
    for (arguments, wrong, right) in [
        (&["--wait", "-1", "-n", "a.yaml"][..], "-- -1", "unexpected argument"),
        (&["show", "--timeuot", "3"], "-- --timeuot", "unexpected argument"),
        (&["--format", "xml", "-n", "a.yaml"], "similar value", "invalid value 'xml'"),
        (&["--wait", "0.5", "-n", "a.yaml"], "invalid digit", "a whole number of seconds"),
        (&["try", "--timeout", "0", "a.yaml"], "invalid digit", "seconds from 1 to 86400"),
        (&["--wait", "4294967296", "a.yaml"], "too large", "seconds from 0 to 4294967295"),
        (&["--watch", "--resync", "99999999999", "a.yaml"], "too large", "seconds from 0 to 4294967295"),
        (&["show", "--id", "x"], "invalid digit", "a number from 1 to 255"),
        (&["show", "--id", "256"], "too large", "a number from 1 to 255"),
        (&["history", "abc"], "invalid digit", "a number from 1 to 255"),
        (&["history", "0"], "zero", "a number from 1 to 255"),
        (&["--no-color", "a.yaml"], "similar", "write '--color never'"),
        (&["check", "--no-strict", "a.yaml"], "similar", "leave '--strict' out"),
        (&["try", "--confirm-with", "", "a.yaml"], "kept", "--confirm-with <CMD>': the command is empty"),
        (&["try", "--confirm-with", " \n", "a.yaml"], "kept", "--confirm-with <CMD>': the command is empty"),
        // One that helps stays.
        (&["--dry-ran"], "-- --dry-ran", "a similar argument exists: '--dry-run'"),
        // An option of another command names that.
        (&["--timeout", "3", "a.yaml"], "similar", "`mptcp-apply try` takes it"),
        (
            &["status", "--strict"],
            "similar",
            "`mptcp-apply` without a command, `mptcp-apply check`, `mptcp-apply try` take it",
        ),
        (&["check", "--watch"], "similar", "`mptcp-apply` without a command takes it"),
    ] {
        let said = with(arguments).expect(64).stderr;
        assert!(!said.contains(wrong) && said.contains(right), "{arguments:?}: {said}");
    }
}

/// Files whose names nearly end with `.yaml` are named, with and without others beside them.
#[test]
fn files_that_look_meant_are_named() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    fs::write(folder.path().join("20-b.yml"), "{version: 1}").expect("written");
    let alone = with(&["check", path]).expect(66).stderr;
    assert!(alone.contains("names of configuration files end with .yaml: rename "), "{alone}");
    assert!(alone.contains("20-b.yml"), "{alone}");
    fs::write(folder.path().join("10-a.yaml"), "{version: 1}").expect("written");
    let beside = with(&["check", path]).expect(0).stderr;
    assert!(beside.contains("warning: ") && beside.contains("20-b.yml is not read"), "{beside}");
    let (meant, others) = (["a.YAML", "b.Yaml", "c.yalm", "d.json"], ["e.yaml~", ".f.yml", "g.html", "yml"]);
    for name in meant.iter().chain(&others) {
        fs::write(folder.path().join(name), "{version: 1}").expect("written");
    }
    let said = with(&["check", path]).expect(0).stderr;
    let is_named = |name: &&str| said.contains(&format!("/{name} is not read"));
    assert!(meant.iter().all(is_named) && !others.iter().any(is_named), "{said}");
    let etc = folder.path().join("etc/mptcp-apply");
    fs::create_dir_all(&etc).expect("made");
    fs::write(etc.join("c.yml"), "{version: 1}").expect("written");
    assert!(with(&["check", "--root-dir", path]).expect(66).stderr.contains("c.yml"));
    assert!(with(&["doctor", "--root-dir", path]).stderr.contains("c.yml"));
}

#[test]
fn usage_errors_are_64() {
    for arguments in [
        &["--no-such-option"][..],
        &["--format", "xml"],
        &["--color", "sometimes"],
        &["-n", "--rehearse"],
        &["-q", "-v"],
        &["check", "--dry-run"],
        &["--dry-run", "check"],
        &["schema", "extra"],
        &["--root-dir"],
        &["check", "-", "-"],
    ] {
        let ran = with(arguments).expect(64);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.starts_with("error: "), "{arguments:?}: {}", ran.stderr);
    }
}

/// Options that would do nothing are refused, and the message says which.
#[test]
fn options_without_effect_are_refused() {
    for (arguments, words) in [
        (&["--resync", "3", "a.yaml"][..], "--watch"),
        (&["--watch", "--diff", "-"], "--diff"),
        (&["--watch", "--wait", "3", "-"], "--wait"),
        (&["--watch", "--detailed-exitcode", "-"], "--detailed-exitcode"),
        (&["--rehearse", "--wait", "3", "-"], "--wait"),
        (&["check", "--merged", "--each", "a.yaml"], "--each"),
        (&["show", "--all", "--id", "1"], "--id"),
        (&["show", "--connections", "--id", "1"], "--id"),
        (&["show", "--connections", "--format", "yaml"], "`--format json` has them"),
        (&["show", "--id", "1", "--format", "yaml"], "writes no YAML"),
        (&["show", "--format", "openmetrics"], "only `status`"),
        (&["schema", "--format", "text"], "the schema is JSON"),
        (&["monitor", "--format", "yaml"], "only `show`"),
        (&["--strict", "status"], "does not take `--strict`"),
    ] {
        let said = with(arguments).expect(64).stderr;
        assert!(said.starts_with("error: ") && said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn options_for_every_job_may_stand_before_and_after_it() {
    for arguments in [&["--format", "json", "check", "-"][..], &["check", "--format", "json", "-"]] {
        let ran = with_input(arguments, "version: 1").expect(0);
        assert_eq!(
            ran.stdout,
            "{\"version\":1,\"valid\":true,\"errors\":[],\"warnings\":[],\"selectors\":[]}\n"
        );
    }
}

#[test]
fn no_input_is_66() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().to_str().expect("UTF-8");
    let ran = with(&["check", "--root-dir", root]).expect(66);
    assert!(ran.stderr.contains("no configuration found"), "{}", ran.stderr);
    assert!(ran.stderr.contains("etc/mptcp-apply"), "{}", ran.stderr);
    assert!(with(&["check", root]).expect(66).stderr.contains("there is no *.yaml file in this folder"));
    assert!(with(&["check", "/no/such/file"]).expect(66).stderr.contains("/no/such/file: no such file"));
    for (word, hint) in [
        ("chekc", "did you mean `check`?"),
        ("plan", "`mptcp-apply --dry-run` prints the plan"),
        ("diff", "--dry-run --diff"),
        ("apply", "without a verb"),
        ("version", "--version"),
        ("rollback", "history 1"),
        ("verify", "`mptcp-apply check`"),
        ("lint", "`mptcp-apply check`"),
        ("logs", "`mptcp-apply history`"),
        ("events", "`mptcp-apply monitor`"),
        ("export", "show --format yaml"),
        ("flush", "`endpoints: {}` removes all"),
        ("del", "remove the endpoints from the files"),
        ("destroy", "remove the endpoints from the files"),
        ("reset", "remove the endpoints from the files"),
        ("reload", "SIGHUP"),
        ("enable", "systemctl enable --now"),
        ("stop", "systemctl disable --now"),
        ("edit", "with an editor"),
        ("restore", "history 1"),
        ("qwertz", "--help"),
    ] {
        for arguments in [&[word][..], &[word, "edge.yaml"], &["-n", word]] {
            let said = with(arguments).expect(66).stderr;
            assert!(said.contains(hint), "{arguments:?}: {said}");
        }
    }
}

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// As netplan does: a file hides those of its name in the folders before, and what is left is read in the order of
/// the names, whatever the folder.
#[test]
fn standard_folders_hide_and_order_by_name() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path();
    let limit = |number| format!("{{version: 1, limits: {{subflows: {number}}}}}");
    write(root, "usr/lib/mptcp-apply/10-a.yaml", &limit(1));
    write(root, "usr/lib/mptcp-apply/50-hidden.yaml", "not: [valid");
    write(root, "etc/mptcp-apply/50-hidden.yaml", "{version: 1, limits: {add-addr-accepted: 5}}");
    write(root, "etc/mptcp-apply/20-b.yaml", "also: [not");
    write(root, "run/mptcp-apply/20-b.yaml", "");
    write(root, "run/mptcp-apply/05-early.yaml", &limit(7));
    write(root, "etc/mptcp-apply/.hidden.yaml", "not: [valid");
    write(root, "etc/mptcp-apply/notes.txt", "not: [valid");
    let namespace = Namespace::new();
    let ran = {
        let mut command = namespace.command(program_path());
        command.args(["--root-dir", root.to_str().expect("UTF-8")]);
        run(command, "").expect(0)
    };
    assert_eq!(
        ran.stdout,
        "~ limits subflows 2 -> 1 add-addr-accepted 0 -> 5\napplied: 0 added, 1 changed, 0 removed\n"
    );
    assert_eq!(namespace.limits(), "add_addr_accepted 5 subflows 1");
}

#[test]
fn named_files_and_folders_are_read_in_the_order_given() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path();
    write(root, "one.yaml", "{version: 1, limits: {subflows: 1, add-addr-accepted: 1}}");
    write(root, "more/a.yaml", "{version: 1, limits: {subflows: 2}}");
    write(root, "more/b.yaml", "{version: 1, limits: {subflows: 3}}");
    let namespace = Namespace::new();
    let mut command = namespace.command(program_path());
    command.args([root.join("one.yaml"), root.join("more")]).arg("-");
    run(command, "{version: 1, limits: {add-addr-accepted: 4}}").expect(0);
    assert_eq!(namespace.limits(), "add_addr_accepted 4 subflows 3");
}

#[test]
fn quiet_leaves_only_errors() {
    let warned = "{version: 1, endpoints: {a: {address: 127.0.0.1, flags: [subflow]}}}";
    assert_ne!(with_input(&["check", "-"], warned).expect(0).stderr, "");
    let ran = with_input(&["check", "-q", "-"], warned).expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_ne!(with_input(&["check", "-q", "-"], "version: 2").expect(78).stderr, "");
}

#[test]
fn colours_come_when_asked_for() {
    let namespace = Namespace::new();
    let config = "{version: 1, limits: {subflows: 1}}";
    let coloured = namespace.apply(config, &["-n", "--color", "always"]).expect(0);
    assert!(
        coloured.stdout.starts_with("\x1b[33m~ limits subflows 2 -> 1\x1b[0m\n"),
        "{:?}",
        coloured.stdout
    );
    assert!(!namespace.apply(config, &["-n"]).expect(0).stdout.contains('\x1b'));
    assert!(with_input(&["check", "--color", "always", "-"], "x: 1").expect(78).stderr.contains('\x1b'));
}

#[test]
fn verbose_tells_each_step() {
    let namespace = Namespace::new();
    let config = "{version: 1, limits: {subflows: 1}}";
    let ran = namespace.apply(config, &["-v"]).expect(0);
    assert!(ran.stderr.contains("set limits subflows 1 add-addr-accepted 0"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("netlink: "), "{}", ran.stderr);
    let ran = namespace.apply(config, &["-vv"]).expect(0);
    assert!(ran.stderr.contains("netlink: "), "{}", ran.stderr);
}

/// Whoever reads the output has seen enough; that is no failure.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut command = program();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.arg("schema").stdout(writer).stderr(Stdio::piped()).stdin(Stdio::null());
    let output = command.spawn().expect("starts").wait_with_output().expect("ends");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    // What the run found out still decides.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = program();
    command.args(["check", "/no/such/file"]).stdout(Stdio::null()).stderr(writer).stdin(Stdio::null());
    assert_eq!(command.status().expect("runs").code(), Some(66));
}

/// Who acts on the exit code has to learn what became of the kernel, not of the report.
#[test]
fn output_that_cannot_be_written_hides_no_outcome() {
    let namespace = Namespace::new();
    let full = || fs::File::options().write(true).open("/dev/full").expect("there is /dev/full");
    let code = |subflows: &str, options: &[&str], redirect: fn(&mut Command, fs::File)| {
        let file = namespace.folder.path().join("limits.yaml");
        fs::write(&file, format!("{{version: 1, limits: {{subflows: {subflows}}}}}")).expect("written");
        let mut command = namespace.command(program_path());
        command.args(options).arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        redirect(&mut command, full());
        command.status().expect("runs").code()
    };
    let stdout = |command: &mut Command, file: fs::File| {
        command.stdout(file);
    };
    let stderr = |command: &mut Command, file: fs::File| {
        command.stderr(file);
    };
    assert_eq!(code("3", &[], stdout), Some(0));
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 3");
    assert_eq!(code("4", &["--format", "json", "--detailed-exitcode"], stdout), Some(2));
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 4");
    assert_eq!(code("1000", &[], stdout), Some(5));
    assert_eq!(code("1000", &[], stderr), Some(5));
    assert_eq!(code("a few", &[], stderr), Some(78));
    // Where the output is all that there is, it has failed.
    assert_eq!(code("5", &["--dry-run"], stdout), Some(1));
    assert_eq!(code("5", &["--rehearse"], stdout), Some(1));
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 4");
    let mut command = program();
    command.arg("schema").stdout(full()).stderr(Stdio::piped());
    let output = command.spawn().expect("starts").wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left on device"));
}

#[test]
fn the_diff_is_unified_yaml() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 4 subflow");
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow, backup]}}}";
    let ran = namespace.apply(config, &["--dry-run", "--diff"]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
--- current
+++ desired
@@ -8,3 +8,4 @@
     id: 4
     flags:
     - subflow
+    - backup
~ 10.0.0.1 id 4 subflow -> subflow backup   a
plan: 0 to add, 1 to change, 0 to remove
"
    );
    // The desired side is a configuration that leads there.
    let same = "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    assert_eq!(namespace.apply(same, &["--dry-run", "--diff"]).expect(0).stdout, "no changes\n");
}

/// A host with two endpoints that another program made.
fn with_two_endpoints() -> Namespace {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "wwan0")]);
    for row in ["198.51.100.3 id 2 subflow dev wwan0", "10.9.9.9 id 7 signal"] {
        namespace.ip(&format!("mptcp endpoint add {row}"));
    }
    namespace
}

#[test]
fn the_plan_reads_as_promised() {
    let namespace = with_two_endpoints();
    let config = "\
version: 1
limits: {subflows: 4}
endpoints:
  fiber: {address: 192.0.2.10, dev: eth0, id: 1, flags: [subflow, fullmesh]}
  lte: {address: 198.51.100.3, dev: wwan0, flags: [subflow, backup]}
";
    assert_eq!(
        namespace.apply(config, &["--dry-run"]).expect(0).stdout,
        "\
~ limits subflows 2 -> 4
~ 198.51.100.3 id 2 subflow -> subflow backup dev wwan0   lte
- 10.9.9.9 id 7 signal   not declared, closes its subflows
+ 192.0.2.10 id 1 subflow fullmesh dev eth0   fiber
plan: 1 to add, 2 to change, 1 to remove
"
    );
}

/// With `--format json` every run prints one document, also one that could not start.
#[test]
fn a_run_that_cannot_start_prints_a_document_too() {
    let namespace = Namespace::new();
    let document =
        |ran: Ran| -> serde_json::Value { serde_json::from_str(&ran.stdout).expect("one document") };
    for options in [&["--format=json"][..], &["--format=json", "--dry-run"]] {
        let invalid = document(namespace.apply("{version: 1, limits: {subflows: x}}", options).expect(78));
        assert_eq!((&invalid["result"], &invalid["changed"]), (&"invalid".into(), &false.into()));
        assert_eq!((&invalid["before"], &invalid["error"]["line"]), (&serde_json::Value::Null, &1.into()));
        assert!(invalid["error"]["message"].as_str().is_some_and(|message| message.contains("number")));
    }
    let strict = "{version: 1, endpoints: {a: {address: 10.0.0.1, dev: gone0, flags: [subflow]}}}";
    let strict = document(namespace.apply(strict, &["--format=json", "--strict"]).expect(78));
    assert_eq!((&strict["result"], &strict["error"]["code"]), (&"invalid".into(), &"dev-missing".into()));
    let mut command = namespace.command(program_path());
    command.args(["--format=json", "/nonexistent/a.yaml"]);
    let absent = document(run(command, "").expect(66));
    assert_eq!((&absent["result"], &absent["error"]["code"]), (&"unchanged".into(), &"no-input".into()));
    for (arguments, exit, words) in [
        ("-n --netns gone-too", 1, "gone-too"),
        ("show --netns gone-too", 1, "gone-too"),
        ("monitor --netns gone-too", 1, "gone-too"),
        ("check /nonexistent/a.yaml", 66, "/nonexistent/a.yaml"),
        ("doctor /nonexistent/a.yaml", 66, "/nonexistent/a.yaml"),
    ] {
        let mut command = namespace.command(program_path());
        command.args(arguments.split(' ')).args(["--format", "json"]);
        if arguments.starts_with("-n") {
            command.arg("-");
        }
        let refused = document(run(command, "{version: 1, endpoints: {}}").expect(exit));
        let message = refused["error"]["message"].as_str().expect("a message");
        assert!(message.contains(words), "{arguments}: {message}");
        assert_eq!(refused["errors"][0]["message"], message, "{arguments}");
    }
}

/// `error` is one of them, and `errors` has all, each once.
#[test]
fn a_document_has_all_errors() {
    let namespace = Namespace::new();
    let twice = "a: {dev: gone0, required: true, flags: [subflow]}, b: {dev: gone1, required: true, flags: [subflow]}";
    let soft = twice.replace("required: true, ", "");
    let with = |endpoints: &str| format!("{{version: 1, endpoints: {{{endpoints}}}}}");
    for (config, option, exit, expected) in [
        (
            "{version: 1, limits: {subflows: x}, endpoints: {a: {address: 10.0.0.1, id: 0, flags: [subflow]}}}",
            "-n",
            78,
            ["type", "range"],
        ),
        (&with(twice), "-n", 1, ["required", "required"]),
        (&with(&soft), "--strict", 78, ["dev-missing", "dev-missing"]),
    ] {
        let ran = namespace.apply(config, &["--format=json", option]).expect(exit);
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one document");
        let errors = document["errors"].as_array().expect("a list");
        let codes: Vec<&str> = errors.iter().filter_map(|error| error["code"].as_str()).collect();
        assert_eq!(codes, expected, "{document:#}");
        for field in ["code", "message", "file", "line", "column", "help", "endpoint"] {
            assert_eq!(errors[0][field], document["error"][field], "{document:#}");
        }
    }
    let ran = namespace.apply("{version: 1, endpoints: {}}", &["--format=json"]).expect(0);
    assert!(!ran.stdout.contains("\"errors\""), "{}", ran.stdout);
}

#[test]
fn the_plan_document_has_the_promised_shape() {
    let namespace = with_two_endpoints();
    namespace.ip("address add 192.0.2.10/24 dev eth0");
    namespace.ip("address add 198.51.100.3/24 dev wwan0");
    let config = "\
version: 1
limits: {subflows: 4}
sysctls: {checksum_enabled: true}
endpoints:
  fiber: {address: 192.0.2.10, dev: eth0, id: 1, flags: [subflow, fullmesh]}
  lte: {address: 198.51.100.3, dev: wwan0, flags: [subflow, backup]}
  gone: {address: 198.51.100.9, dev: wwan9, flags: [subflow]}
";
    let ran = namespace.apply(config, &["--dry-run", "--format", "json"]).expect(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    let mut document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert!(
        document["diff"].take().as_str().is_some_and(|diff| diff.starts_with("--- current\n+++ desired\n"))
    );
    let row = serde_json::json!({"address": "10.9.9.9", "port": null, "id": 7, "dev": null, "flags": ["signal"], "name": null});
    let lte = |flags: &[&str]| serde_json::json!({"address": "198.51.100.3", "port": null, "id": 2, "dev": "wwan0", "flags": flags, "name": "lte"});
    assert_eq!(
        document,
        serde_json::json!({
            "version": 1, "netns": null, "result": "planned", "changed": true,
            "steps": [
                {"op": "set-sysctl", "name": "checksum_enabled", "from": 0, "to": 1, "disruption": "none"},
                {"op": "set-limits", "from": {"subflows": 2, "add-addr-accepted": 0},
                 "to": {"subflows": 4, "add-addr-accepted": 0}, "disruption": "none"},
                {"op": "set-flags", "endpoint": "lte", "address": "198.51.100.3", "port": null, "id": 2,
                 "dev": "wwan0", "from": ["subflow"], "to": ["subflow", "backup"], "disruption": "none",
                 "why": "flags differ"},
                {"op": "del-addr", "endpoint": null, "address": "10.9.9.9", "port": null, "id": 7, "dev": null,
                 "flags": ["signal"], "disruption": "closes-subflows", "why": "not declared"},
                {"op": "add-addr", "endpoint": "fiber", "address": "192.0.2.10", "port": null, "id": 1,
                 "dev": "eth0", "flags": ["subflow", "fullmesh"], "disruption": "none", "why": "declared"},
            ],
            "warnings": [{"code": "dev-missing", "endpoint": "gone",
                "message": "endpoint `gone` waits: there is no interface wwan9",
                "file": "<stdin>", "line": 7, "column": 38, "help": "did you mean `wwan0`?"}],
            "before": {"limits": {"subflows": 2, "add-addr-accepted": 0},
                "endpoints": [lte(&["subflow"]), row], "sysctls": {"checksum_enabled": 0}},
            "after": {"limits": {"subflows": 4, "add-addr-accepted": 0},
                "endpoints": [
                    {"address": "192.0.2.10", "port": null, "id": 1, "dev": "eth0",
                     "flags": ["subflow", "fullmesh"], "name": "fiber"},
                    lte(&["subflow", "backup"])],
                "sysctls": {"checksum_enabled": 1}},
            "diff": null,
        })
    );
}

/// What a file says is carried out with root's rights.
#[test]
fn files_that_others_can_write_are_refused() {
    let namespace = Namespace::new();
    let file = namespace.folder.path().join("config.yaml");
    fs::write(&file, "{version: 1, limits: {subflows: 5}}").expect("written");
    let apply = |options: &[&str]| {
        let mut command = namespace.command(program_path());
        command.args(options).arg(&file);
        run(command, "")
    };
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("set");
    mode(0o666);
    let ran = apply(&[]).expect(77);
    assert!(ran.stderr.contains("every user can write to it"), "{}", ran.stderr);
    assert!(ran.stderr.contains("chmod go-w"), "{}", ran.stderr);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
    for option in ["--dry-run", "--rehearse"] {
        assert!(apply(&[option]).expect(0).stderr.starts_with("warning: "), "{option}");
    }
    mode(0o664);
    let ran = apply(&[]).expect(0);
    assert!(ran.stderr.starts_with("warning: ") && ran.stderr.contains("group"), "{}", ran.stderr);
    mode(0o644);
    assert_eq!(apply(&[]).expect(0).stderr, "");
}

/// Users who can write to a named folder could add a file to it. The folder of a named file is the choice of the user who
/// names it.
#[test]
fn named_folders_that_others_can_write_are_refused() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path().join("open");
    write(&folder, "a.yaml", "{version: 1, limits: {subflows: 5}}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).expect("set");
    let apply = |path: &Path| {
        let mut command = namespace.command(program_path());
        command.arg(path);
        run(command, "")
    };
    assert!(apply(&folder).expect(77).stderr.contains("open decides what root does"));
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
    assert_eq!(apply(&folder.join("a.yaml")).expect(0).stderr, "");
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 5");
}

/// A link says nothing itself: what it leads to is judged, wherever that lies.
#[test]
fn links_are_judged_by_what_they_lead_to() {
    let namespace = Namespace::new();
    let root = namespace.folder.path();
    write(root, "elsewhere/limits", "{version: 1, limits: {subflows: 5}}");
    write(root, "etc/mptcp-apply/b.yaml", "");
    let (target, link) = (root.join("elsewhere/limits"), root.join("etc/mptcp-apply/a.yaml"));
    std::os::unix::fs::symlink(&target, &link).expect("made");
    std::os::unix::fs::symlink("/dev/null", root.join("etc/mptcp-apply/c.yaml")).expect("made");
    let apply = |path: Option<&Path>| {
        let mut command = namespace.command(program_path());
        command.arg("--root-dir").arg(root).args(path);
        run(command, "")
    };
    let mode = |mode| fs::set_permissions(&target, fs::Permissions::from_mode(mode)).expect("set");
    for open in [0o664, 0o666] {
        mode(open);
        let ran = apply(None).expect(77);
        assert!(ran.stderr.contains("mptcp-apply/a.yaml decides what root does"), "{}", ran.stderr);
    }
    assert!(apply(Some(&link)).expect(77).stderr.contains("every user can write to it"));
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
    mode(0o644);
    assert_eq!(apply(None).expect(0).stderr, "");
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 5");
}

/// Only root can give files away, and only to root does it matter whose they are.
#[test]
fn files_of_other_users_are_refused_or_warned_about() {
    let namespace = Namespace::new();
    let root = namespace.folder.path();
    write(root, "etc/mptcp-apply/a.yaml", "{version: 1, limits: {subflows: 5}}");
    let (folder, file) = (root.join("etc/mptcp-apply"), root.join("etc/mptcp-apply/a.yaml"));
    let apply = |path: Option<&Path>| {
        let mut command = namespace.command(program_path());
        command.arg("--root-dir").arg(root).args(path);
        run(command, "")
    };
    if !is_root() {
        // In a user namespace the caller's own files are root's.
        assert_eq!(apply(None).expect(0).stderr, "");
        return;
    }
    let give = |path: &Path, user| std::os::unix::fs::chown(path, Some(user), None).expect("given away");
    for path in [&folder, &file] {
        give(path, 65534);
        let ran = apply(None).expect(77);
        assert!(ran.stderr.contains("it belongs to user 65534, not to root"), "{}", ran.stderr);
        assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
        // Somebody has asked for it.
        let ran = apply(Some(path)).expect(0);
        assert!(ran.stderr.starts_with("warning: ") && ran.stderr.contains("65534"), "{}", ran.stderr);
        namespace.ip("mptcp limits set subflows 2");
        give(path, 0);
    }
    assert_eq!(apply(None).expect(0).stderr, "");
}

#[test]
fn installed_files_must_be_roots_own() {
    let namespace = Namespace::new();
    let root = namespace.folder.path();
    write(root, "etc/mptcp-apply/a.yaml", "{version: 1, limits: {subflows: 5}}");
    let folder = root.join("etc/mptcp-apply");
    let apply = || {
        let mut command = namespace.command(program_path());
        command.arg("--root-dir").arg(root);
        run(command, "")
    };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    mode(&folder.join("a.yaml"), 0o664);
    assert!(apply().expect(77).stderr.contains("group"));
    mode(&folder.join("a.yaml"), 0o644);
    mode(&folder, 0o775);
    assert!(apply().expect(77).stderr.contains("etc/mptcp-apply decides what root does"));
    mode(&folder, 0o755);
    // Who can write to the folder above can put another one in its place.
    for above in [root.join("etc"), root.to_owned()] {
        let expected = format!("error: {} decides what root does", above.display());
        mode(&above, 0o777);
        assert!(apply().expect(77).stderr.contains(&expected), "{expected}");
        mode(&above, 0o755);
    }
    if is_root() {
        std::os::unix::fs::chown(folder.join("a.yaml"), Some(65534), None).expect("given away");
        assert!(apply().expect(77).stderr.contains("it belongs to user 65534"));
        std::os::unix::fs::chown(folder.join("a.yaml"), Some(0), None).expect("taken back");
    }
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
    apply().expect(0);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 5");
}

#[test]
fn a_file_that_may_not_be_read_is_77() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("secret.yaml");
    fs::write(&file, "version: 1").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).expect("set");
    let mut command = if is_root() { Command::new("setpriv") } else { program() };
    if is_root() {
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]);
        command.arg(program_path());
    }
    command.arg("check").arg(&file);
    let ran = run(command, "").expect(77);
    assert!(ran.stderr.contains("secret.yaml: Permission denied"), "{}", ran.stderr);
}
