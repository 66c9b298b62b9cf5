//! `--rehearse`: the real kernel judges, and the host stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Namespace, Ran, is_root, kernel_release, program_path, project, run, wait_for};

/// A host with interfaces, addresses, sysctls, limits and endpoints of its own.
fn host() -> Namespace {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "eth1")]);
    for command in [
        "link add down0 type veth peer name down1",
        "address add 192.0.2.1/24 dev eth0",
        "address add 2001:db8::1/64 dev eth0 nodad",
        "mptcp limits set subflows 3 add_addr_accepted 1",
        "mptcp endpoint add 192.0.2.1 id 5 subflow dev eth0",
        "mptcp endpoint add 192.0.2.1 port 8443 id 6 signal",
        "mptcp endpoint add 10.9.9.9 id 7 signal",
    ] {
        namespace.ip(command);
    }
    namespace.apply("{version: 1, sysctls: {stale_loss_cnt: 9}}", &[]).expect(0);
    // The kernel's own addresses of both ends of the pair come by themselves.
    let is_settled =
        |addresses: String| addresses.matches("fe80::").count() == 2 && !addresses.contains("tentative");
    wait_for("the end of duplicate address detection", || is_settled(namespace.ip("-o address")));
    namespace
}

/// Everything that a rehearsal could have touched.
fn fingerprint(namespace: &Namespace) -> String {
    let mut sysctls = namespace.command("sh");
    sysctls.args(["-c", "grep -r . /proc/sys/net/mptcp | sort"]);
    let parts =
        ["-o link", "-o address", "mptcp endpoint show", "mptcp limits show"].map(|what| namespace.ip(what));
    parts.concat() + &run(sysctls, "").expect(0).stdout
}

const CONFIG: &str = "\
version: 1
limits: {subflows: 8}
endpoints:
  a: {address: 192.0.2.1, dev: eth0, id: 5, flags: [subflow, backup]}
  b: {address: 192.0.2.1, port: 8444, flags: [signal]}
  c: {address: '2001:db8::1', port: 8445, flags: [signal]}
  d: {address: 198.51.100.1, dev: new0, port: 8446, flags: [signal]}
";

#[test]
fn the_plan_is_carried_out_in_a_copy() {
    let namespace = host();
    let before = fingerprint(&namespace);
    let ran = namespace.apply(CONFIG, &["--rehearse"]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
~ limits subflows 3 -> 8
~ 192.0.2.1 id 5 subflow -> subflow backup dev eth0   a
+ 192.0.2.1 port 8444 signal   b
+ 2001:db8::1 port 8445 signal   c
+ 198.51.100.1 port 8446 signal dev new0   d
- 192.0.2.1 port 8443 id 6 signal   not declared, closes its subflows
- 10.9.9.9 id 7 signal   not declared, closes its subflows
rehearsed: 3 to add, 2 to change, 2 to remove; this host was not changed
"
    );
    assert_eq!(
        ran.stderr,
        "\
warning: the rehearsal created new0, which this host does not have
 |
 = help: on this host itself, endpoints on missing interfaces wait
"
    );
    assert_eq!(fingerprint(&namespace), before);
}

/// What the rehearsal says of the state it started from is what `ip mptcp` says of the host.
#[test]
fn the_copy_has_the_state_of_the_host() {
    let namespace = host();
    let config = "{version: 1, limits: {subflows: 3}, sysctls: {stale_loss_cnt: 9}}";
    let ran = namespace.apply(config, &["--rehearse", "--format", "json"]).expect(0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let rows = document["before"]["endpoints"].as_array().expect("rows");
    let row = |row: &serde_json::Value| {
        let port = row["port"].as_u64().map(|port| format!(" port {port}")).unwrap_or_default();
        let dev = row["dev"].as_str().map(|dev| format!(" dev {dev}")).unwrap_or_default();
        let (address, flag) =
            (row["address"].as_str().unwrap_or_default(), row["flags"][0].as_str().unwrap_or_default());
        format!("{address}{port} id {} {flag}{dev}", row["id"])
    };
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), namespace.endpoints());
    assert_eq!(document["before"]["limits"], serde_json::json!({"subflows": 3, "add-addr-accepted": 1}));
    assert_eq!(document["before"]["sysctls"], serde_json::json!({"stale_loss_cnt": 9}));
    assert_eq!(document["result"], "unchanged");
}

/// An interface that the configuration calls by an alternative name is no other one.
#[test]
fn alternative_names_are_copied() {
    let namespace = host();
    let long = "enp3s0-uplink-of-the-house";
    for name in ["uplink", long] {
        namespace.ip(&format!("link property add dev eth0 altname {name}"));
    }
    let before = fingerprint(&namespace);
    for name in ["uplink", long, "enp3*"] {
        let target = if name == "enp3*" { "family: ipv4" } else { "address: 192.0.2.1" };
        let config =
            format!("{{version: 1, endpoints: {{a: {{{target}, dev: '{name}', flags: [subflow]}}}}}}");
        let ran = namespace.apply(&config, &["--rehearse"]).expect(0);
        assert_eq!(ran.stderr, "", "{name}");
        // The row for eth0 stays, in the copy as on the host.
        assert!(
            ran.stdout.contains("rehearsed: 0 to add, 0 to change, 2 to remove"),
            "{name}: {}",
            ran.stdout
        );
    }
    assert_eq!(fingerprint(&namespace), before);
}

#[test]
fn a_step_that_the_kernel_would_refuse_is_found() {
    let namespace = host();
    let before = fingerprint(&namespace);
    // The address is on no interface, so that the kernel cannot listen there; no plan can show that.
    let config = "{version: 1, endpoints: {a: {address: 203.0.113.9, port: 8443, flags: [signal]}}}";
    namespace.apply(config, &["--dry-run"]).expect(0);
    let ran = namespace.apply(config, &["--rehearse", "--format", "json"]).expect(1);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(document["result"], "rolled-back");
    assert_eq!(document["error"]["errno"], "EADDRNOTAVAIL");
    assert_eq!(fingerprint(&namespace), before);
}

#[test]
fn the_exit_code_can_tell_of_changes() {
    let namespace = host();
    let options = ["--rehearse", "--detailed-exitcode"];
    namespace.apply(CONFIG, &options).expect(2);
    namespace.apply("{version: 1, limits: {subflows: 3}}", &options).expect(0);
}

#[test]
fn an_endpoint_of_a_lost_interface_is_copied_as_it_is() {
    let namespace = host();
    namespace.ip("link delete eth0");
    let config = "{version: 1, endpoints: {a: {address: 192.0.2.1, dev: down0, flags: [subflow]}}}";
    let ran = namespace.apply(config, &["--rehearse"]).expect(0);
    assert!(ran.stdout.contains("a, its interface is gone"), "{}", ran.stdout);
}

#[test]
fn the_examples_can_be_rehearsed_anywhere() {
    for entry in fs::read_dir(project().join("examples")).expect("examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "svg") {
            continue;
        }
        let namespace = Namespace::new();
        let mut command = namespace.command(program_path());
        command.arg("--rehearse").arg(&path);
        let ran = run(command, "");
        let needs = match path.file_name().and_then(|name| name.to_str()) {
            Some("all-keys.yaml") => (6, 18),
            Some("laptop.yaml" | "multi-wan-router.yaml") => (6, 14),
            _ => (0, 0),
        };
        if kernel_release() < needs {
            assert_eq!(ran.code, 5, "{}: {}", path.display(), ran.stderr);
            assert!(ran.stderr.contains("this kernel has no sysctl"), "{}", ran.stderr);
            continue;
        }
        assert_eq!(ran.code, 0, "{}: {}", path.display(), ran.stderr);
        let warnings = ran.stderr.lines().filter(|line| line.starts_with("warning: "));
        let mut unexpected = warnings.filter(|line| {
            !line.contains("the rehearsal created")
                && !line.contains("waits: ")
                && !line.contains("stands for nothing")
                && !line.contains("is not checked by this run")
        });
        assert_eq!(unexpected.next(), None, "{}: {}", path.display(), ran.stderr);
        assert!(ran.stdout.contains("this host was not changed"), "{}: {}", path.display(), ran.stdout);
    }
}

/// A copy of the program that every user may run, wherever the project lies.
fn program_for_everybody(namespace: &Namespace) -> PathBuf {
    let program = namespace.folder.path().join("mptcp-apply");
    // By another process: a file that this one has open for writing, and any child of it for a moment, cannot be run.
    let mut copy = Command::new("cp");
    copy.arg(program_path()).arg(&program);
    run(copy, "").expect(0);
    fs::set_permissions(namespace.folder.path(), fs::Permissions::from_mode(0o755)).expect("opened");
    program
}

fn rehearse(mut command: Command, program: &PathBuf, config: &str) -> Ran {
    command.arg(program).args(["--rehearse", "-"]);
    run(command, config)
}

/// One that any machine can rehearse.
const ELSEWHERE: &str =
    "{version: 1, endpoints: {a: {address: 198.51.100.1, dev: new0, port: 8446, flags: [signal]}}}";

/// Runs as an ordinary user either way: when the tests run as root they become one for this.
#[test]
fn an_ordinary_user_may_rehearse() {
    let namespace = host();
    let program = program_for_everybody(&namespace);
    let mut command = namespace.command("setpriv");
    if is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
    } else {
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
    }
    let before = fingerprint(&namespace);
    let ran = rehearse(command, &program, CONFIG).expect(0);
    assert!(ran.stdout.contains("rehearsed: 3 to add"), "{}", ran.stdout);
    assert_eq!(fingerprint(&namespace), before);
}

/// Inside a user namespace that allows no further ones, root still may make a network namespace.
fn where_users_may_not(namespace: &Namespace, then: &str) -> Command {
    let mut command = namespace.command("unshare");
    let script = format!("echo 0 >/proc/sys/user/max_user_namespaces && exec {then} \"$@\"");
    command.args(["--user", "--map-root-user", "sh", "-c", &script, "sh"]);
    command
}

#[test]
fn root_may_rehearse_where_users_may_not() {
    let namespace = Namespace::new();
    let program = program_for_everybody(&namespace);
    // The namespace of the network belongs to another user namespace, so that it has to be one of its own.
    let ran = rehearse(where_users_may_not(&namespace, "unshare --net"), &program, ELSEWHERE).expect(0);
    assert!(ran.stdout.contains("rehearsed:"), "{}", ran.stdout);
}

#[test]
fn without_permission_for_either_it_says_what_to_do() {
    let namespace = Namespace::new();
    let program = program_for_everybody(&namespace);
    let command = where_users_may_not(&namespace, "setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin");
    let ran = rehearse(command, &program, ELSEWHERE).expect(77);
    assert!(ran.stderr.contains("cannot make a throw-away network namespace"), "{}", ran.stderr);
    assert!(ran.stderr.contains("user.max_user_namespaces"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}
