//! Rules and routes that are put back, taken back, removed and rehearsed; of each other program's, none is touched.

use serde_json::Value;

use super::*;
use crate::kernel::netns::Named;
use crate::kernel::uplinks::listed_by;
use crate::peer::Peer;
use crate::support::program_path;

/// The state before.
const BEFORE: &str = "\
version: 1
uplinks: {one: {dev: c1}, two: {dev: c2, gateway: 10.1.2.253}}
endpoints: {a: {address: 10.1.1.1, dev: c1, flags: [subflow]}}
";

/// It takes steps of every kind, one for rules and routes after the last one for endpoints.
const AFTER: &str = "\
version: 1
limits: {subflows: 5}
uplinks: {two: {dev: c2}, three: {dev: c3}}
endpoints:
  a: {address: 10.1.1.1, dev: c1, flags: [subflow, backup]}
  b: {address: 10.1.2.1, port: 8443, flags: [signal]}
";

/// Its operations, in order.
const OPERATIONS: [&str; 13] = [
    "set-route",
    "set-route",
    "set-route",
    "add-rule",
    "add-rule",
    "add-rule",
    "add-rule",
    "set-limits",
    "set-flags",
    "add-addr",
    "del-rule",
    "del-rule",
    "del-route",
];

/// Three links with addresses, and a default route by each of them.
#[track_caller]
fn host() -> Namespace {
    let host = Namespace::new();
    for n in 1..=3 {
        host.ip_batch(&format!(
            "link add c{n} type veth peer name l{n}\nlink set c{n} addrgenmode none\n\
             link set l{n} addrgenmode none\nlink set c{n} up\nlink set l{n} up\n\
             address add {}/24 dev c{n}\naddress add {}/64 dev c{n} nodad\n\
             route add default via {} dev c{n} metric {n}00\n",
            ipv4(n),
            ipv6(n),
            gateway_ipv4(n)
        ));
    }
    host.ip("-6 route add default via 2001:db8:13::fe dev c3");
    host
}

/// All rules and routes but the kernel's own, which come when it has seen that a link is up.
#[track_caller]
fn routing(host: &Namespace) -> Vec<String> {
    let is_kernels = |line: &String| line.contains(" proto 2 ");
    listed_by(|arguments| host.ip(arguments)).into_iter().filter(|line| !is_kernels(line)).collect()
}

/// Everything that a run can change.
#[track_caller]
fn state(host: &Namespace) -> (Vec<String>, Vec<String>, String) {
    (routing(host), host.endpoints(), host.limits())
}

/// The steps of the one document that a run printed.
fn steps(printed: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(printed).expect("one document");
    document["steps"].as_array().expect("steps").clone()
}

fn operations(steps: &[Value]) -> Vec<&str> {
    steps.iter().map(|step| step["op"].as_str().expect("an operation")).collect()
}

/// The port of an endpoint is taken, and the kernel says so when routes, rules, limits and flags are set already.
#[test]
fn a_refusal_puts_rules_and_routes_back() {
    let host = host();
    host.apply(BEFORE, &[]).expect(0);
    let before = state(&host);
    let server = Peer::plain_server(&host, "10.1.2.1:8443");
    let ran = host.apply(AFTER, &["--format", "json"]).expect(1);
    let carried_out = steps(&ran.stdout);
    let until_refused = &OPERATIONS[..9];
    assert_eq!(&operations(&carried_out)[..9], until_refused, "{}", ran.stdout);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    assert_eq!(document["result"], "rolled-back", "{}", ran.stdout);
    assert_eq!(document["error"]["errno"], "EADDRINUSE", "{}", ran.stdout);
    assert_eq!(state(&host), before);
    drop(server);
    host.apply(AFTER, &[]).expect(0);
    assert_ne!(state(&host), before);
}

#[test]
fn a_trial_takes_rules_and_routes_back() {
    let host = host();
    host.apply(BEFORE, &[]).expect(0);
    let before = state(&host);
    let config = host.folder.path().join("tried.yaml");
    std::fs::write(&config, AFTER).expect("written");
    let mut command = host.command(program_path());
    // It says when it has applied the change, which takes this command as long as there is no file.
    command.args(["try", "--timeout", "60", "--confirm-with"]);
    command.arg(format!("ip rule >{0}/rules; exit 1", host.folder.path().display()));
    command.arg(&config);
    run(command, "").expect(4);
    let rules = std::fs::read_to_string(host.folder.path().join("rules")).expect("the rules of the trial");
    assert!(rules.contains("from 10.1.3.1 lookup") && !rules.contains("10.1.1.1"), "{rules}");
    assert_eq!(state(&host), before);
}

/// What lost its interface during the trial cannot be put back; all else is.
#[test]
fn a_trial_takes_back_what_it_can() {
    let host = host();
    host.apply("{version: 1, uplinks: {one: {dev: c1}, two: {dev: c2}}}", &[]).expect(0);
    let config = host.folder.path().join("tried.yaml");
    std::fs::write(&config, "{version: 1, uplinks: {}}").expect("written");
    let mut command = host.command(program_path());
    command.args(["try", "--timeout", "60", "--confirm-with", "ip link set c2 down; exit 1"]).arg(&config);
    let ran = run(command, "").expect(3);
    assert!(ran.stderr.contains("could not put back route default via 10.1.2.254 dev c2"), "{}", ran.stderr);
    let rules = host.ip("rule");
    assert!(rules.contains("from 10.1.1.1 lookup main suppress_prefixlength 0"), "{rules}");
    assert!(rules.contains("from 10.1.1.1 lookup 8684") && !rules.contains("10.1.2.1"), "{rules}");
}

/// The copy has the same interfaces, addresses and default routes, so that the kernel judges the same steps there.
#[test]
fn a_rehearsal_takes_the_same_steps() {
    let host = host();
    host.apply(BEFORE, &[]).expect(0);
    let before = state(&host);
    let rehearsed = host.apply(AFTER, &["--rehearse", "--format", "json"]).expect(0);
    assert_eq!(state(&host), before);
    let planned = host.apply(AFTER, &["--dry-run", "--format", "json"]).expect(0);
    let applied = host.apply(AFTER, &["--format", "json"]).expect(0);
    let [planned, rehearsed, applied] = [planned, rehearsed, applied].map(|ran| steps(&ran.stdout));
    assert_eq!(operations(&applied), OPERATIONS);
    assert_eq!(rehearsed, applied);
    assert_eq!(planned, applied);
    assert_eq!(host.apply(AFTER, &[]).expect(0).stdout, "no changes\n");
}

/// Whatever has the program's protocol goes, in whatever form; what others made stays, also where it is the same otherwise.
#[test]
fn nothing_declared_removes_what_is_ours() {
    let host = host();
    host.ip_batch(
        "rule add from 10.1.1.1 lookup main suppress_prefixlength 0 priority 8684\n\
         rule add from 10.1.1.1 lookup 868400007 priority 8685 protocol 4\n\
         rule add from 10.1.2.1 lookup 55 priority 99\n\
         route add default via 10.1.1.254 dev c1 table 868400007\n\
         route add 10.55.0.0/16 via 10.1.2.254 dev c2 table 55 proto 4\n",
    );
    host.ip("-6 rule add from 2001:db8:11::1 lookup 55 priority 8685");
    let foreign = routing(&host);
    host.apply(BEFORE, &[]).expect(0);
    host.ip_batch(
        "rule add from 10.1.2.1 fwmark 7 lookup 55 priority 100 protocol 109\n\
         rule add to 10.77.0.0/16 blackhole priority 101 protocol 109\n\
         route add 10.56.0.0/16 via 10.1.2.254 dev c2 table 55 proto 109\n\
         route add blackhole 10.57.0.0/16 proto 109\n",
    );
    let all = routing(&host);
    assert_eq!(all.len(), foreign.len() + 4 + 2 + 4);
    host.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    assert_eq!(routing(&host), all, "without `uplinks` they are not managed");
    host.apply("{version: 1, uplinks: {}}", &[]).expect(0);
    assert_eq!(routing(&host), foreign);
}

#[test]
fn a_glob_of_namespaces() {
    let named = Named::new(["site-a", "site-b", "other"]);
    for (name, net) in [("site-a", 1), ("site-b", 2), ("other", 3)] {
        named.ip(&format!("-n {name} link add eth0 type veth peer name eth1"));
        for command in [
            "link set eth0 up",
            "link set eth1 up",
            &format!("address add 10.5.{net}.1/24 dev eth0"),
            &format!("route add default via 10.5.{net}.254 dev eth0"),
        ] {
            named.ip(&format!("-n {name} {command}"));
        }
    }
    named.apply("{version: 1, uplinks: {lte: {dev: eth0}}}", &["--netns", "site-*"]).expect(0);
    let ways = |name: &str| ways_by(|arguments| named.ip(&format!("-n {name} {arguments}")));
    let way = |net: u8| BTreeMap::from([(format!("10.5.{net}.1"), format!("via 10.5.{net}.254 dev eth0"))]);
    assert_eq!((ways("site-a"), ways("site-b")), (way(1), way(2)));
    assert!(ways("other").is_empty());
    named.apply("{version: 1, uplinks: {}}", &["--netns", "site-*"]).expect(0);
    assert!(ways("site-a").is_empty() && ways("site-b").is_empty());
}
