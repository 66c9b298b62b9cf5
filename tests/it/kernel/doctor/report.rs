//! `doctor --report`: the document for a bug report.

use serde_json::Value;

use crate::kernel::connection::Scenario;
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

/// As in `show --connections`: no endpoint made a subflow of a connection under the userspace path manager.
#[test]
fn its_connections_have_only_endpoints_that_made_their_subflows() {
    let scenario = Scenario::new();
    let client = &scenario.links.client;
    client.ip("mptcp endpoint add 10.1.2.1 id 77 subflow dev c2");
    scenario.perform("create 10.1.2.1%c2 to 10.9.9.9:5000 id 5").expect(0);
    scenario.links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    let ran = doctor(client, "", &["--report", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    let connection = &document["state"]["connections"][0];
    assert_eq!(connection["path-manager"], "userspace", "{connection:#}");
    assert_eq!(connection["subflows"][1]["local-id"], 5, "{connection:#}");
    assert_eq!(connection["subflows"][1]["endpoint-id"], Value::Null, "{connection:#}");
}

/// What `ip rule` and `ip route` write of rules and default routes, all of it, is in the report: what a rule asks for, and
/// what it does.
#[test]
fn it_has_rules_and_default_routes_as_ip_writes_them() {
    let links = Links::new();
    let client = &links.client;
    client.ip("-6 address add 2001:db8:1::1/64 dev c1 nodad");
    for rule in [
        "from 10.1.2.0/24 lookup main suppress_prefixlength 0 priority 500",
        "not from 10.1.2.1 to 10.7.0.0/16 fwmark 0x10/0xff lookup 100 priority 501 protocol static",
        "fwmark 7 unreachable priority 502",
        "iif c1 oif c2 blackhole priority 503",
        "from 10.1.3.1 prohibit priority 504",
        "goto 508 priority 505",
        "ipproto tcp dport 80 lookup 868400002 priority 506",
        "sport 1-9 tos 0x10 lookup 100 suppress_ifgroup 3 priority 507",
        "uidrange 0-0 lookup 100 priority 508",
    ] {
        client.ip(&format!("rule add {rule}"));
    }
    client.ip("-6 rule add from 2001:db8:1::/64 lookup 100 priority 500");
    for route in [
        "default via 10.1.1.2 dev c1 metric 100 src 10.1.1.1 protocol dhcp",
        "unreachable default metric 4000000000",
        "blackhole default table 120",
        "default via 10.99.0.1 dev c2 onlink table 100",
        "default dev c3 table 868400002 scope link",
        "default via inet6 fe80::1 dev c1 table 121",
    ] {
        client.ip(&format!("route add {route}"));
    }
    client.ip("-6 route add default from 2001:db8:1::/64 via fe80::1 dev c1 metric 5");
    client.ip("route add default table 122 nexthop via 10.1.1.2 dev c1 nexthop via 10.1.2.2 dev c2");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = |flag: &str, arguments: &str| {
        let listed = client.sh(&format!("ip {flag} {arguments}"));
        let rows = listed.lines().map(|line| format!("{flag} {}", words(line)));
        rows.collect::<Vec<String>>()
    };
    let text = doctor(client, CONFIG, &["--report"]).stdout;
    let json = doctor(client, CONFIG, &["--report", "--format", "json"]).stdout;
    let document: Value = serde_json::from_str(&json).expect("one document");
    let rows = |field: &str| {
        let rows = document[field].as_array().expect("a list").iter();
        rows.map(|row| row.as_str().expect("a text").to_owned()).collect::<Vec<String>>()
    };
    let rules: Vec<String> = ["-4", "-6"].iter().flat_map(|flag| shown(flag, "rule")).collect();
    assert_eq!(rows("rules"), rules);
    let routes = rows("default-routes");
    for flag in ["-4", "-6"] {
        let listed = shown(flag, "route show table all");
        for route in listed.iter().filter(|row| row.contains(" default") && !row.contains("error")) {
            let is_it = |own: &String| own.replace(" table main", "") == *route || own.starts_with(route);
            assert!(routes.iter().any(is_it), "no {route:?} in {routes:#?}");
        }
    }
    // `ip` has a line for each of several hops.
    let several = "-4 default table 122 nexthop via 10.1.1.2 dev c1 nexthop via 10.1.2.2 dev c2";
    assert!(routes.iter().any(|row| row == several), "{routes:#?}");
    for row in rules.iter().chain(&routes) {
        assert!(text.contains(&format!("\n{row}\n")), "no {row:?} in {text}");
    }
}
