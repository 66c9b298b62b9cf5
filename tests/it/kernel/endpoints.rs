//! From nothing to what is declared, and back.

use crate::support::{Namespace, program_path};

const DUAL: &str = "\
version: 1
limits: {subflows: 4, add-addr-accepted: 1}
endpoints:
  fiber: {address: 192.0.2.10, dev: eth0, id: 1, flags: [subflow, fullmesh]}
  lte: {address: 198.51.100.3, dev: wwan0, id: 2, flags: [subflow, backup]}
  v6: {address: '2001:db8::1', flags: [signal]}
  public: {address: 203.0.113.7, port: 8443, flags: [signal]}
";

fn dual_homed() -> Namespace {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "wwan0")]);
    namespace.ip("address add 192.0.2.10/24 dev eth0");
    namespace.ip("address add 203.0.113.7/32 dev eth0");
    namespace.ip("address add 198.51.100.3/24 dev wwan0");
    namespace.ip("address add 2001:db8::1/64 dev eth0 nodad");
    namespace
}

#[test]
fn a_fresh_host_gets_what_is_declared() {
    let namespace = dual_homed();
    let ran = namespace.apply(DUAL, &[]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
~ limits subflows 2 -> 4 add-addr-accepted 0 -> 1
+ 192.0.2.10 id 1 subflow fullmesh dev eth0   fiber
+ 198.51.100.3 id 2 subflow backup dev wwan0   lte
+ 2001:db8::1 signal   v6
+ 203.0.113.7 port 8443 signal   public
applied: 4 added, 1 changed, 0 removed
"
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(
        namespace.endpoints(),
        [
            "192.0.2.10 id 1 subflow fullmesh dev eth0",
            "198.51.100.3 id 2 subflow backup dev wwan0",
            "2001:db8::1 id 3 signal",
            "203.0.113.7 port 8443 id 4 signal",
        ]
    );
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 4");
}

/// Without CAP_NET_ADMIN the kernel refuses every write, so that a run which succeeds has tried none.
#[test]
fn a_second_run_writes_nothing() {
    let namespace = dual_homed();
    namespace.apply(DUAL, &[]).expect(0);
    let without = |arguments: &[&str], config: &str| {
        let mut command = namespace.command("setpriv");
        command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", program_path()]).args(arguments);
        crate::support::run(command, config)
    };
    let without_the_right = |config: &str| without(&["-"], config);
    let second = without_the_right(DUAL).expect(0);
    assert_eq!(second.stdout, "no changes\n");

    // The same without the right to write does fail when there is something to write.
    let other = without_the_right("{version: 1, limits: {subflows: 1}}").expect(77);
    assert!(other.stderr.starts_with("error: this needs CAP_NET_ADMIN\n"), "{}", other.stderr);
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 4");
    // It says so first, and only that: not what would fail or be missing too.
    let more = "{version: 1, endpoints: {a: {dev: gone0, required: true, flags: [subflow]}, b: {address: 192.0.2.77, flags: [signal]}}}";
    for config in [more, &more.replace("required: true, ", "")] {
        let said = without_the_right(config).expect(77).stderr;
        assert!(said.starts_with("error: this needs CAP_NET_ADMIN\n"), "{said}");
        assert_eq!(said.matches("error: ").count() + said.matches("warning: ").count(), 1, "{said}");
    }
    // A watch would write sooner or later.
    let said = without(&["--watch", "/etc/hostname"], "").expect(77).stderr;
    assert!(said.starts_with("error: this needs CAP_NET_ADMIN\n"), "{said}");
}

#[test]
fn a_dry_run_plans_exactly_what_the_apply_then_does() {
    let namespace = dual_homed();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 7 signal");
    namespace.ip("mptcp endpoint add 198.51.100.3 id 2 subflow dev wwan0");
    let before = namespace.endpoints();
    let planned = namespace.apply(DUAL, &["--dry-run", "--format", "json"]).expect(0);
    assert_eq!(namespace.endpoints(), before, "a dry run changed the table");
    let applied = namespace.apply(DUAL, &["--format", "json"]).expect(0);
    let [planned, applied] = [planned, applied]
        .map(|ran| serde_json::from_str::<serde_json::Value>(&ran.stdout).expect("one JSON document"));
    assert_eq!(planned["result"], "planned");
    assert_eq!(applied["result"], "applied");
    assert_eq!(planned["steps"], applied["steps"]);
    assert_eq!(planned["steps"].as_array().map(Vec::len), Some(6));
    assert_eq!(planned["before"], applied["before"]);
}

#[test]
fn nothing_declared_means_nothing_left() {
    let namespace = dual_homed();
    namespace.apply(DUAL, &[]).expect(0);
    namespace.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), [""; 0]);
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 4", "limits that are not declared stay");
}

#[test]
fn a_table_that_is_not_managed_is_left_alone() {
    let namespace = dual_homed();
    namespace.apply(DUAL, &[]).expect(0);
    let before = namespace.endpoints();
    namespace.apply("{version: 1, limits: {subflows: 1}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), before);
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 1");
}

#[test]
fn the_detailed_exit_code_tells_of_changes() {
    let namespace = dual_homed();
    let detailed = ["--detailed-exitcode"];
    namespace.apply(DUAL, &["--detailed-exitcode", "--dry-run"]).expect(2);
    namespace.apply(DUAL, &detailed).expect(2);
    namespace.apply(DUAL, &detailed).expect(0);
}

/// Order is meaning: the kernel prefers endpoints that were added earlier, so an endpoint without an id is not put
/// behind those with one. Its id must not be one that a later endpoint has to get.
#[test]
fn additions_keep_the_declared_order_and_fixed_ids() {
    let namespace = Namespace::new();
    let config = "\
version: 1
endpoints:
  first: {address: 10.0.0.1, flags: [subflow]}
  second: {address: 10.0.0.2, id: 1, flags: [subflow]}
  third: {address: 10.0.0.3, flags: [subflow]}
  fourth: {address: 10.0.0.4, id: 3, flags: [subflow]}
  fifth: {address: 10.0.0.5, flags: [subflow]}
";
    let ran = namespace.apply(config, &[]).expect(0);
    let order: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split("   ").nth(1)).collect();
    assert_eq!(order, ["first", "second", "third", "fourth", "fifth"]);
    assert_eq!(
        namespace.endpoints(),
        [
            "10.0.0.2 id 1 subflow",
            "10.0.0.1 id 2 subflow",
            "10.0.0.4 id 3 subflow",
            "10.0.0.3 id 4 subflow",
            "10.0.0.5 id 5 subflow",
        ]
    );
}

#[test]
fn mapped_addresses_are_the_ipv4_address() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add ::ffff:192.0.2.1 id 9 subflow");
    let config = "{version: 1, endpoints: {a: {address: 192.0.2.1, flags: [subflow]}}}";
    assert_eq!(namespace.apply(config, &[]).expect(0).stdout, "no changes\n");
    let config = "{version: 1, endpoints: {a: {address: '::ffff:192.0.2.1', flags: [subflow, backup]}}}";
    namespace.apply(config, &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["::ffff:192.0.2.1 id 9 subflow backup"]);
}

#[test]
fn a_ported_endpoint_and_a_plain_one_share_an_address() {
    let namespace = dual_homed();
    let config = "\
version: 1
endpoints:
  plain: {address: 203.0.113.7, id: 1, flags: [subflow]}
  one: {address: 203.0.113.7, id: 2, port: 8001, flags: [signal]}
  two: {address: 203.0.113.7, id: 3, port: 8002, flags: [signal]}
";
    namespace.apply(config, &[]).expect(0);
    assert_eq!(
        namespace.endpoints(),
        [
            "203.0.113.7 id 1 subflow",
            "203.0.113.7 port 8001 id 2 signal",
            "203.0.113.7 port 8002 id 3 signal",
        ]
    );
    // Flags of one of them change without touching the others.
    let config = config.replace("8002, flags: [signal]", "8002, flags: [signal, backup]");
    let ran = namespace.apply(&config, &[]).expect(0);
    assert_eq!(
        ran.stdout,
        "~ 203.0.113.7 port 8002 id 3 signal -> signal backup   two\napplied: 0 added, 1 changed, 0 removed\n"
    );
    assert_eq!(namespace.endpoints()[2], "203.0.113.7 port 8002 id 3 signal backup");
    assert_eq!(namespace.endpoints()[0], "203.0.113.7 id 1 subflow");
}

#[test]
fn a_missing_interface_makes_its_endpoint_wait_and_the_rest_is_applied() {
    let namespace = dual_homed();
    let config = DUAL.replace("dev: wwan0", "dev: wwan7");
    let ran = namespace.apply(&config, &[]).expect(0);
    assert!(ran.stderr.contains("endpoint `lte` waits: there is no interface wwan7"), "{}", ran.stderr);
    assert!(ran.stderr.contains("<stdin>:5:37"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints().len(), 3);
    // An endpoint that waits is declared all the same: the row that is there stays.
    namespace.ip("mptcp endpoint add 198.51.100.3 id 9 subflow");
    namespace.apply(&config, &[]).expect(0);
    assert_eq!(namespace.endpoints().last().map(String::as_str), Some("198.51.100.3 id 9 subflow"));
    // With --strict nothing is applied.
    namespace.apply(&config.replace("subflows: 4", "subflows: 3"), &["--strict"]).expect(78);
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 4");
}

/// The kernel takes any bytes for a name, but for a slash, a colon and blanks.
#[test]
fn an_interface_may_have_any_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let namespace = Namespace::new();
    let name = OsStr::from_bytes(b"z\xff");
    for words in [&["link", "add"][..], &["mptcp", "endpoint", "add", "10.0.0.5", "subflow", "dev"]] {
        let mut command = namespace.command("ip");
        command.args(words).arg(name);
        if words[0] == "link" {
            command.args(["type", "veth", "peer", "name", "other"]);
        }
        crate::support::run(command, "").expect(0);
    }
    let config = "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    namespace.apply(config, &["--diff"]).expect(0);
    namespace.apply("{version: 1, endpoints: {a: {dev: '*', flags: [subflow]}}}", &["--rehearse"]).expect(0);
}

#[test]
fn a_required_endpoint_that_waits_fails_before_anything_is_changed() {
    let namespace = dual_homed();
    let config = DUAL.replace("dev: wwan0,", "dev: wwan7, required: true,");
    for options in [&[][..], &["--dry-run"], &["--wait", "1"]] {
        let ran = namespace.apply(&config, options).expect(1);
        let message = "error: endpoint `lte` is required, and waits: there is no interface wwan7";
        assert!(ran.stderr.contains(message), "{options:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("did you mean `wwan0`?"), "{}", ran.stderr);
        assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2", "{options:?}");
    }
    namespace.apply(&DUAL.replace("dev: wwan0,", "dev: wwan0, required: true,"), &[]).expect(0);
}

/// Typing errors take nothing away that works.
#[test]
fn working_endpoints_are_kept_while_their_successors_wait() {
    let namespace = dual_homed();
    namespace.apply(DUAL, &[]).expect(0);
    let before = namespace.endpoints();
    let typos = "{version: 1, endpoints: {fiber: {dev: eht0, flags: [subflow]}, away: {address: 192.0.2.77, flags: [signal]}}}";
    let ran = namespace.apply(typos, &[]).expect(0);
    assert!(
        ran.stderr.contains("kept: 192.0.2.10, 198.51.100.3; otherwise no endpoint opens"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("kept: 2001:db8::1, 203.0.113.7 port 8443;"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints()[..4], before);
    assert_eq!(namespace.endpoints()[4..], ["192.0.2.77 id 5 signal"]);
    // A declared one of their kind takes their place.
    namespace.apply(&typos.replace("eht0", "eth0, family: ipv4, address: 192.0.2.0/24"), &[]).expect(0);
    let subflow: Vec<String> =
        namespace.endpoints().into_iter().filter(|row| row.contains("subflow")).collect();
    assert_eq!(subflow, ["192.0.2.10 id 1 subflow dev eth0"]);
    namespace.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    assert_eq!(namespace.endpoints(), [""; 0]);
}

/// And so with the rules by which packets leave where their source address is.
#[test]
fn working_uplinks_are_kept_while_their_successors_wait() {
    let namespace = dual_homed();
    let config = "{version: 1, endpoints: {e: {dev: eth0, flags: [subflow]}}, uplinks: {fiber: {dev: eth0, gateway: none}}}";
    namespace.apply(config, &[]).expect(0);
    let way = || namespace.ip("route get 203.0.113.99 from 192.0.2.10");
    let (before, rules) = (way(), namespace.ip("rule"));
    assert!(before.contains("dev eth0"), "{before}");
    let ran =
        namespace.apply(&config.replace("uplinks: {fiber: {dev: eth0", "uplinks: {fiber: {dev: eht0"), &[]);
    let ran = ran.expect(0);
    assert!(ran.stderr.contains("kept: the rules for 192.0.2.10"), "{}", ran.stderr);
    assert_eq!((way(), namespace.ip("rule")), (before, rules));
    namespace.apply("{version: 1, uplinks: {}}", &[]).expect(0);
    assert!(!namespace.ip("rule").contains("192.0.2.10"));
}
