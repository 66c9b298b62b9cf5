//! `init`: a first configuration of hosts of several kinds. It is valid, rehearsed and applied as it is; `ip mptcp` judges.

use crate::kernel::elsewhere::without_id;
use crate::kernel::netns::Named;
use crate::peer::Peer;
use crate::support::{Namespace, Ran, is_root, program_path, run};

#[track_caller]
fn init(namespace: &Namespace, arguments: &[&str]) -> Ran {
    let mut command = namespace.command(program_path());
    command.arg("init").args(arguments);
    run(command, "")
}

/// A host with these uplinks: pairs of veth with an address, what follows it, and a default route with this metric.
#[track_caller]
fn host(uplinks: &[(&str, &str, &str, u32)]) -> Namespace {
    let namespace = Namespace::new();
    for (number, (dev, address, options, metric)) in uplinks.iter().enumerate() {
        namespace.links(&[(dev, &format!("peer{number}"))]);
        uplink(&namespace, dev, address, options, *metric);
    }
    namespace
}

/// An address of an interface, and a default route out of it by the router at .1 of its network.
#[track_caller]
fn uplink(namespace: &Namespace, dev: &str, address: &str, options: &str, metric: u32) {
    let router = address.rsplit_once('.').expect("an IPv4 address").0;
    namespace.ip_batch(&format!(
        "address add {address}/24 dev {dev} {options}\n\
         route add default via {router}.1 dev {dev} metric {metric}\n"
    ));
}

/// What DHCP gives.
const LEASE: &str = "valid_lft 3600 preferred_lft 3600";

/// Without comments: what is declared.
fn declared(yaml: &str) -> String {
    let lines = yaml.lines().map(|line| line.split('#').next().unwrap_or_default().trim_end());
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// The file is valid without a warning, can be rehearsed, and gives these rows; then it changes nothing, and `init` prints the
/// same again.
#[track_caller]
fn gives(namespace: &Namespace, arguments: &[&str], rows: &[&str]) -> String {
    let first = init(namespace, arguments).expect(0);
    assert_eq!(first.stderr, "");
    let yaml = first.stdout;
    assert!(yaml.lines().all(|line| line.chars().count() <= 80), "{yaml}");
    let mut check = namespace.command(program_path());
    check.args(["check", "--strict", "-"]);
    let checked = run(check, &yaml).expect(0);
    assert_eq!(checked.stderr, "", "of\n{yaml}");
    let rehearsed = namespace.apply(&yaml, &["--rehearse"]).expect(0);
    assert!(rehearsed.stdout.contains("rehearsed: "), "{}", rehearsed.stdout);
    assert_eq!(namespace.endpoints(), [""; 0], "a rehearsal changes nothing");
    namespace.apply(&yaml, &["--strict"]).expect(0);
    let table: Vec<String> = namespace.endpoints().iter().map(|row| without_id(row)).collect();
    assert_eq!(table, rows, "of\n{yaml}");
    assert_eq!(namespace.apply(&yaml, &[]).expect(0).stdout, "no changes\n", "of\n{yaml}");
    assert_eq!(declared(&init(namespace, arguments).expect(0).stdout), declared(&yaml));
    yaml
}

#[test]
fn leases_become_selectors_and_links_uplinks() {
    let namespace = host(&[("wlan0", "198.51.100.3", LEASE, 600), ("eth0", "192.0.2.10", LEASE, 100)]);
    let rows = ["192.0.2.10 subflow dev eth0", "198.51.100.3 subflow dev wlan0"];
    let yaml = gives(&namespace, &[], &rows);
    assert_eq!(
        declared(&yaml),
        "\
version: 1
limits:
  subflows: 4
  add-addr-accepted: 2
uplinks:
  eth0:
    dev: eth0
  wlan0:
    dev: wlan0
endpoints:
  eth0:
    dev: eth0
    flags: [subflow]
  wlan0:
    dev: wlan0
    flags: [subflow]
"
    );
    assert_eq!(namespace.limits(), "add_addr_accepted 2 subflows 4");
    let way = namespace.ip("route get 203.0.113.9 from 198.51.100.3");
    assert!(way.contains("via 198.51.100.1 dev wlan0"), "{way}");
    // The next lease is followed.
    namespace.ip_batch(&format!(
        "address del 198.51.100.3/24 dev wlan0\naddress add 198.51.100.77/24 dev wlan0 {LEASE}\n\
         route add default via 198.51.100.1 dev wlan0 metric 600\n"
    ));
    namespace.apply(&yaml, &[]).expect(0);
    let table: Vec<String> = namespace.endpoints().iter().map(|row| without_id(row)).collect();
    assert_eq!(table, ["192.0.2.10 subflow dev eth0", "198.51.100.77 subflow dev wlan0"]);
}

/// A modem has no lifetime and no router, and costs.
#[test]
fn a_modem_is_a_backup() {
    let namespace = host(&[("eth0", "192.0.2.10", "", 100)]);
    namespace.ip_batch(
        "link add wwan0 type veth peer name peer1\nlink set peer1 up\nlink set wwan0 arp off up\n\
         address add 10.64.64.23/32 dev wwan0\nroute add default dev wwan0 metric 700\n",
    );
    let yaml =
        gives(&namespace, &[], &["192.0.2.10 subflow dev eth0", "10.64.64.23 subflow backup dev wwan0"]);
    let (_, endpoints) = yaml.split_once("\nendpoints:\n").expect("endpoints");
    assert_eq!(
        declared(endpoints),
        "  eth0:\n    address: 192.0.2.10\n    dev: eth0\n    flags: [subflow]\n  \
         wwan0:\n    dev: wwan0\n    flags: [subflow, backup]\n"
    );
    let way = namespace.ip("route get 203.0.113.9 from 10.64.64.23");
    assert!(way.contains("dev wwan0"), "{way}");
    // Alone, it is no backup of anything.
    namespace.ip("link delete eth0");
    assert!(!init(&namespace, &[]).expect(0).stdout.contains("backup"));
}

/// Bridges, the ends of containers' links and tunnels are left out by kind, whatever they are called.
#[test]
fn what_leads_to_containers_and_through_tunnels_is_left_out() {
    let namespace = host(&[("eth0", "192.0.2.10", "", 100)]);
    let inside = namespace.beside();
    namespace.ip_batch(&format!(
        "link add br-web type bridge\nlink set br-web up\naddress add 172.17.0.1/16 dev br-web\n\
         link add vethed type veth peer name eth0 netns {}\nlink set vethed master br-web up\n\
         link add cali7 type veth peer name eth1 netns {}\nlink set cali7 up\naddress add 10.7.0.1/32 dev cali7\n\
         link add site type vxlan id 7 dstport 4789 dev eth0\nlink set site up\n\
         address add 10.8.0.1/24 dev site\nroute add default dev site metric 50\nlink add down0 type bridge\n",
        inside.pid(),
        inside.pid()
    ));
    // On some hosts only root may open /dev/net/tun.
    if is_root() {
        namespace.ip_batch(
            "tuntap add mode tun name office\nlink set office up\naddress add 10.9.0.1/24 dev office\n",
        );
    }
    let yaml = gives(&namespace, &[], &["192.0.2.10 subflow dev eth0"]);
    let (_, left_out) = yaml.split_once("# Left out:\n").expect("a list");
    let all = left_out.replace("\n#   ", " ");
    for words in [
        "br-web: a bridge without a default route",
        "vethed: part of br-web",
        "peer0, cali7: a veth without a default route",
        "site: a tunnel (vxlan) with a default route; subflows of the endpoints above leave beside it",
        "down0: down",
    ]
    .into_iter()
    .chain(is_root().then_some("office: a tunnel (tun), whose packets leave by another link"))
    {
        assert!(all.contains(words), "no {words:?} in\n{yaml}");
    }
    // A bridge can be the uplink.
    namespace.ip("route add default via 172.17.0.9 dev br-web metric 30");
    assert!(
        declared(&init(&namespace, &[]).expect(0).stdout).contains("\n  br-web:\n    address: 172.17.0.1\n")
    );
}

#[test]
fn of_ipv6_only_what_leads_out_is_taken() {
    let namespace = host(&[("eth0", "192.0.2.10", LEASE, 100)]);
    namespace.ip_batch(&format!(
        "address add 2001:db8::10/64 dev eth0 nodad\naddress add fd00::7/64 dev eth0 nodad {LEASE}\n"
    ));
    // Without a default route of IPv6 the one address would be of no use, and a selector leaves it out.
    let yaml = init(&namespace, &[]).expect(0).stdout;
    assert!(yaml.contains("# - eth0 2001:db8::10: no IPv6 default route"), "{yaml}");
    assert!(yaml.contains("    family: ipv4\n"), "{yaml}");
    namespace.ip("-6 route add default via 2001:db8::1 dev eth0");
    let yaml = gives(&namespace, &[], &["192.0.2.10 subflow dev eth0", "2001:db8::10 subflow dev eth0"]);
    assert!(declared(&yaml).contains("\n  eth0:\n    dev: eth0\n    flags: [subflow]\n"), "{yaml}");
    assert!(yaml.contains("# eth0: default route by 2001:db8::1, metric 1024; a static address\n"), "{yaml}");
    assert!(yaml.contains("# - eth0 fd00::7: a unique local address"), "{yaml}");
}

/// A host that listens for MPTCP announces its addresses, unless the command line says otherwise.
#[test]
fn a_listener_makes_a_server() {
    let namespace = host(&[("eth0", "192.0.2.10", "", 100), ("eth1", "198.51.100.10", "", 200)]);
    let declared_flags = |arguments: &[&str]| {
        let yaml = init(&namespace, arguments).expect(0).stdout;
        yaml.lines()
            .filter_map(|line| line.trim().strip_prefix("flags: ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let plain = Peer::plain_server(&namespace, "192.0.2.10:5000");
    let inside = Peer::server(&namespace, "127.0.0.1:5001");
    assert_eq!(declared_flags(&[]), ["[subflow]"; 2]);
    let server = Peer::server(&namespace, "192.0.2.10:5002");
    assert_eq!(declared_flags(&["--client"]), ["[subflow]"; 2]);
    let yaml = gives(&namespace, &[], &["192.0.2.10 signal dev eth0", "198.51.100.10 signal dev eth1"]);
    assert!(yaml.contains("(port 5002)") && yaml.contains("\n  subflows: max "), "{yaml}");
    assert!(!yaml.contains("add-addr-accepted:"), "{yaml}");
    drop((plain, inside, server));
    assert_eq!(declared_flags(&["--server"]), ["[signal]"; 2]);
    assert_eq!(declared_flags(&["--server", "--client"]), ["[signal, subflow]"; 2]);
}

#[test]
fn static_addresses_have_names_of_their_own() {
    let namespace = host(&[("eth0", "192.0.2.10", "", 100)]);
    namespace.ip("address add 192.0.2.11/24 dev eth0");
    // A link whose name would be a number in YAML, and one that cannot be declared.
    namespace.links(&[("0x10", "peer7"), ("a*b", "peer8")]);
    uplink(&namespace, "0x10", "198.51.100.10", "", 200);
    uplink(&namespace, "a*b", "203.0.113.10", "", 300);
    let rows =
        ["192.0.2.10 subflow dev eth0", "192.0.2.11 subflow dev eth0", "198.51.100.10 subflow dev 0x10"];
    let yaml = gives(&namespace, &[], &rows);
    assert!(declared(&yaml).contains("\n  eth0-2:\n    address: 192.0.2.11\n"), "{yaml}");
    assert!(yaml.contains("# - a*b: its name cannot be written as `dev`"), "{yaml}");
}

#[test]
fn without_a_link_it_says_what_to_do() {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "peer0")]);
    namespace.ip("address add 192.0.2.10/24 dev eth0");
    namespace.ip("mptcp endpoint add 192.0.2.10 id 7 signal");
    let ran = init(&namespace, &[]).expect(0);
    assert!(ran.stderr.starts_with("warning: no link has a default route"), "{}", ran.stderr);
    assert_eq!(declared(&ran.stdout), "version: 1\n");
    assert!(ran.stdout.contains("# Nothing is declared: no link has a default route"), "{}", ran.stdout);
    let mut check = namespace.command(program_path());
    check.args(["check", "--strict", "-"]);
    assert_eq!(run(check, &ran.stdout).expect(0).stderr, "");
    assert_eq!(namespace.apply(&ran.stdout, &["--strict"]).expect(0).stdout, "no changes\n");
    assert_eq!(namespace.endpoints(), ["192.0.2.10 id 7 signal"]);
}

/// A default route is no reason to be left out.
#[test]
fn a_link_local_address_is_the_reason() {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "peer0")]);
    namespace.ip_batch("address add 169.254.3.3/16 dev eth0\nroute add default dev eth0\n");
    let yaml = init(&namespace, &[]).expect(0).stdout;
    assert!(yaml.contains("# - eth0: it has no global address\n"), "{yaml}");
    assert!(yaml.contains("# - peer0: a veth without a default route"), "{yaml}");
}

#[test]
fn a_sysctl_that_is_off_is_turned_on_and_limits_never_fall() {
    let namespace = host(&[("eth0", "192.0.2.10", "", 100)]);
    namespace.ip("mptcp limits set subflows 7 add_addr_accepted 5");
    namespace.sh("echo 0 >/proc/sys/net/mptcp/enabled");
    let yaml = init(&namespace, &[]).expect(0).stdout;
    assert!(yaml.contains("\nsysctls:\n  enabled: 1\n"), "{yaml}");
    namespace.apply(&yaml, &["--strict"]).expect(0);
    assert_eq!(namespace.sh("cat /proc/sys/net/mptcp/enabled").trim(), "1");
    assert_eq!(namespace.limits(), "add_addr_accepted 5 subflows 7");
}

#[test]
fn it_needs_no_rights_and_writes_yaml_alone() {
    let namespace = host(&[("eth0", "192.0.2.10", "", 100)]);
    let mut command = namespace.command("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all", program_path()]);
    command.arg("init");
    assert!(run(command, "").expect(0).stdout.contains("\n    address: 192.0.2.10\n"));
    assert!(init(&namespace, &["--format", "yaml"]).expect(0).stdout.contains("192.0.2.10"));
    assert!(init(&namespace, &["--format", "json"]).expect(64).stderr.contains("`init` writes YAML only"));
}

#[test]
fn each_namespace_has_a_document() {
    let named = Named::new(["one", "two"]);
    for (name, address) in [("one", "192.0.2.10"), ("two", "198.51.100.10")] {
        for command in [
            "link add eth0 type veth peer name peer0",
            "link set eth0 up",
            &format!("address add {address}/24 dev eth0"),
            "route add default dev eth0",
        ] {
            named.ip(&format!("-n {name} {command}"));
        }
    }
    let yaml = init(&named, &["--netns", "one", "--netns", "two"]).expect(0).stdout;
    let (one, two) = yaml.split_once("--- # netns two\n").expect("two documents");
    assert!(one.starts_with("--- # netns one\n") && one.contains("address: 192.0.2.10\n"), "{yaml}");
    assert!(two.contains("address: 198.51.100.10\n"), "{yaml}");
    let mut apply = named.command(program_path());
    apply.args(["--netns", "two", "--strict", "-"]);
    run(apply, two).expect(0);
    let mut table = named.command("ip");
    table.args(["-n", "two", "mptcp", "endpoint", "show"]);
    assert!(run(table, "").expect(0).stdout.starts_with("198.51.100.10 id 1 subflow dev eth0"));
}
