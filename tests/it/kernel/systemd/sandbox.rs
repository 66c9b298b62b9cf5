//! What the services may do, and what not.

use crate::support::{project, run, wait_for};

use super::CONFIG;
use super::machine::Machine;

/// Whether a process of the machine may write there, as its mounts say: the innermost, and of those the last.
fn is_writable(machine: &Machine, process: &str, path: &str) -> bool {
    let mounts = machine.proc(&format!("{process}/mountinfo"));
    let covers = |mount: &&str| {
        let point = mount.split(' ').nth(4).unwrap_or_default();
        path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || point == "/")
    };
    let innermost = mounts.lines().filter(covers).max_by_key(|mount| mount.split(' ').nth(4).map(str::len));
    let options = innermost.and_then(|mount| mount.split(' ').nth(5)).expect("a mount");
    options.split(',').any(|option| option == "rw")
}

#[test]
fn with_more_rights_it_can_try_ports_and_nothing_else() {
    let machine = Machine::new();
    let config = "\
version: 1
limits: {add-addr-accepted: 4}
sysctls: {stale_loss_cnt: 7, path_manager: kernel}
endpoints:
  port: {address: 10.0.0.1, port: 443, flags: [signal]}
  six: {address: 2001:db8::1, port: 8443, flags: [signal]}
  selector: {dev: eth0, family: ipv4, flags: [subflow]}
";
    machine.ip("address add 2001:db8::1/128 dev eth0 nodad");
    machine.write(CONFIG, config);
    machine.drop_in("mptcp-apply-watch", &drop_in_of_the_readme(1));
    machine.does("start mptcp-apply-watch");
    assert_eq!(machine.property("mptcp-apply-watch", "StatusText"), "as declared: 6 endpoints");
    let rows = machine.endpoints();
    assert_eq!(rows[..2], ["10.0.0.1 port 443 id 1 signal", "2001:db8::1 port 8443 id 2 signal"]);
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert_eq!(machine.sysctl("mptcp/stale_loss_cnt"), "7");
    // Before one with a port is removed, its port is tried.
    let other_ids =
        config.replace("port: 443", "id: 11, port: 443").replace("port: 8443", "id: 12, port: 8443");
    machine.write(CONFIG, &other_ids);
    machine.does("reload mptcp-apply-watch");
    let rows = machine.endpoints();
    for row in ["10.0.0.1 port 443 id 11 signal", "2001:db8::1 port 8443 id 12 signal"] {
        assert!(rows.iter().any(|there| there == row), "{rows:?}");
    }
    let process = machine.property("mptcp-apply-watch", "MainPID");
    for (path, expected) in [
        ("/proc/sys/net/mptcp/enabled", true),
        ("/run/mptcp-apply/netns-1.lock", true),
        ("/proc/sys/net/ipv4/ip_forward", false),
        ("/proc/sys/kernel/core_pattern", false),
        ("/etc/mptcp-apply", false),
        ("/usr/sbin", false),
        ("/var/lib", false),
        ("/sys/fs/cgroup", false),
    ] {
        assert_eq!(is_writable(&machine, &process, path), expected, "{path}");
    }
    let status = machine.proc(&format!("{process}/status"));
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // CAP_NET_BIND_SERVICE and CAP_NET_ADMIN.
    assert_eq!(line("CapEff:"), Some("0000000000001400"));
    assert_eq!(line("CapBnd:"), Some("0000000000001400"));
    assert_eq!((line("NoNewPrivs:"), line("Seccomp:")), (Some("1"), Some("2")));
}

/// These would filter what reaches the kernel's own sockets for endpoints on ports, which belong to the unit.
#[test]
fn nothing_filters_the_packets_of_endpoints() {
    let machine = Machine::new();
    for unit in ["mptcp-apply", "mptcp-apply-watch", "mptcp-apply-watch@blue"] {
        for filter in ["IPAddressDeny", "IPIngressFilterPath", "IPEgressFilterPath", "SocketBindDeny"] {
            assert_eq!(machine.property(unit, filter), "", "{unit}: {filter}");
        }
        // All but none.
        assert_eq!(machine.property(unit, "RestrictNetworkInterfaces"), "~", "{unit}");
    }
}

#[test]
fn an_instance_keeps_its_network_namespace_alone() {
    const INSTANCE: &str = "mptcp-apply-watch@web-1";
    let machine = Machine::new();
    machine.drop_in(INSTANCE, "[Service]\nRestartSec=100ms\n");
    let config = "{version: 1, sysctls: {stale_loss_cnt: 9}, endpoints: {a: {dev: eth1, flags: [subflow]}}}";
    machine.write("etc/netns/web-1/mptcp-apply/a.yaml", config);
    // The namespace is waited for.
    assert_ne!(machine.systemctl(&format!("start {INSTANCE}")).code, 0);
    machine.ip("netns add web-1");
    wait_for("the instance", || machine.property(INSTANCE, "ActiveState") == "active");
    machine.ip("-n web-1 link set lo up");
    machine.ip("link add eth1 netns web-1 type veth peer name out");
    machine.ip("link set out up");
    machine.ip("-n web-1 address add 192.0.2.1/24 dev eth1");
    machine.ip("-n web-1 link set eth1 up");
    let inside = || machine.ip("netns exec web-1 ip mptcp endpoint show").trim().to_owned();
    wait_for("the endpoint", || inside() == "192.0.2.1 id 1 subflow dev eth1");
    assert_eq!(machine.endpoints(), [""; 0]);
    assert_eq!(machine.sysctl("mptcp/stale_loss_cnt"), "4");
    let process = machine.property(INSTANCE, "MainPID");
    let status = machine.proc(&format!("{process}/status"));
    assert!(status.contains("CapEff:\t0000000000001000\n"), "{status}");
    // The network namespace of the machine itself is another matter.
    machine.write(CONFIG, "{version: 1, endpoints: {b: {address: 10.0.0.2, id: 2, flags: [signal]}}}");
    machine.does("start mptcp-apply-watch");
    assert_eq!(machine.endpoints(), ["10.0.0.2 id 2 signal"]);
    assert_eq!(inside(), "192.0.2.1 id 1 subflow dev eth1");
}

/// The one for checks of uplinks.
pub const CHECKS: usize = 4;

/// One of the drop-ins in the README of `packaging`, as it stands there.
#[track_caller]
pub fn drop_in_of_the_readme(number: usize) -> String {
    let readme = std::fs::read_to_string(project().join("packaging/README.md")).expect("a README");
    let text = readme.split("```ini\n").nth(number).and_then(|rest| rest.split("```").next());
    text.expect("a drop-in").to_owned()
}

/// Without them neither connections nor commands can be checked, which counts as passed.
#[test]
fn with_sockets_the_watch_checks_uplinks() {
    let machine = Machine::with(&["dash"], |_| {});
    machine.is_up();
    machine.link("eth0", &["10.0.0.1"]);
    let check = "{run: 'echo $DEV | { read name; echo $name is silent; exit 1; }', every: 100ms, fall: 1}";
    let connect = "{connect: '10.9.9.9:9', every: 100ms, timeout: 100ms, fall: 1, rise: 1}";
    machine.link("eth1", &["192.0.2.1"]);
    machine.write(
        CONFIG,
        &format!(
            "{{version: 1, uplinks: {{a: {{dev: eth1, gateway: none, check: {connect}}}, \
             b: {{dev: eth0, gateway: none, check: {check}}}}}}}"
        ),
    );
    machine.does("start mptcp-apply-watch");
    let says = |words: &str| wait_for(words, || machine.journal().contains(words));
    says(
        "uplink `a` (eth1) counts as up, since it cannot be checked: cannot open a socket: Address family not",
    );
    says(
        "uplink `b` (eth0) counts as up, since it cannot be checked: cannot run a command: Operation not permitted",
    );
    machine.drop_in("mptcp-apply-watch", &drop_in_of_the_readme(CHECKS));
    machine.does("restart mptcp-apply-watch");
    says("uplink `a` (eth1) is down: no answer within 100 ms");
    says("uplink `b` (eth0) is down: its command exited with 1: eth0 is silent");
}

#[test]
fn with_a_folder_the_watch_keeps_metrics() {
    const FOLDER: &str = "var/lib/prometheus/node-exporter";
    let machine = Machine::new();
    machine.write(&format!("{FOLDER}/others.prom"), "");
    machine.write(CONFIG, "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [signal]}}}");
    machine.drop_in("mptcp-apply-watch", &drop_in_of_the_readme(5));
    machine.does("start mptcp-apply-watch");
    let page = machine.proc(&format!("1/root/{FOLDER}/mptcp.prom"));
    assert!(page.contains("\nmptcp_apply_endpoints_present 1\n"), "{page}");
    assert!(page.contains("\nmptcp_apply_watch_passes_total 1\n"), "{page}");
    assert_eq!(machine.property("mptcp-apply-watch", "StatusText"), "as declared: 1 endpoint");
}

/// The number is ten times the one that `systemd-analyze` shows.
#[track_caller]
fn is_no_more_exposed(machine: &Machine, unit: &str, than: u32) {
    let mut command = machine.command("systemd-analyze");
    command.args(["security", "--no-pager", "--offline=true", &format!("--threshold={than}"), unit]);
    run(command, "").expect(0);
}

/// Above 1023 ports need no right of one's own, and sysctls, selectors and live links none either.
#[test]
fn as_it_is_the_watch_can_do_its_work() {
    let machine = Machine::new();
    let declare = |dev: &str, port: u16| {
        machine.write(
            CONFIG,
            &format!(
                "{{version: 1, sysctls: {{stale_loss_cnt: 7}}, endpoints: {{\
                 port: {{address: 127.0.0.1, port: {port}, flags: [signal]}}, a: {{dev: {dev}, flags: [subflow]}}}}}}"
            ),
        );
    };
    declare("eth0", 8443);
    machine.does("start mptcp-apply-watch");
    assert_eq!(machine.property("mptcp-apply-watch", "StatusText"), "as declared: 5 endpoints");
    assert_eq!(machine.sysctl("mptcp/stale_loss_cnt"), "7");
    machine.link("eth1", &["192.0.2.1"]);
    declare("eth1", 8444);
    machine.does("reload mptcp-apply-watch");
    let rows = machine.endpoints();
    assert!(rows.iter().any(|row| row.starts_with("127.0.0.1 port 8444 ")), "{rows:?}");
    assert!(rows.iter().any(|row| row.starts_with("192.0.2.1 ")), "{rows:?}");
    assert_eq!(rows.len(), 2, "{rows:?}");
    let status = machine.proc(&format!("{}/status", machine.property("mptcp-apply-watch", "MainPID")));
    assert!(status.contains("CapEff:\t0000000000001000\n"), "{status}");
    declare("eth1", 443);
    machine.does("reload mptcp-apply-watch");
    let said = machine.property("mptcp-apply-watch", "StatusText");
    assert!(said.starts_with("not as declared: the kernel refused to add 127.0.0.1 port 443"), "{said}");
    // What is there is kept.
    assert_eq!(machine.endpoints().len(), 2);
}

#[test]
fn one_service_keeps_many_network_namespaces_when_it_may() {
    let machine = Machine::new();
    machine.write(CONFIG, "{version: 1, sysctls: {stale_loss_cnt: 9}, limits: {subflows: 5}}");
    for name in ["web-1", "web-2", "db"] {
        machine.ip(&format!("netns add {name}"));
    }
    machine.drop_in("mptcp-apply-watch", &drop_in_of_the_readme(3));
    machine.does("start mptcp-apply-watch");
    let limits =
        |name: &str| machine.ip(&format!("netns exec {name} ip mptcp limits show")).trim().to_owned();
    assert_eq!(limits("web-1"), "add_addr_accepted 0 subflows 5");
    assert_eq!(limits("web-2"), limits("web-1"));
    assert_eq!(limits("db"), "add_addr_accepted 0 subflows 2");
    let status = machine.property("mptcp-apply-watch", "StatusText");
    assert_eq!(status, "as declared: 0 endpoints in 2 network namespaces");
    assert_eq!(machine.sysctl("mptcp/stale_loss_cnt"), "4");
}

/// What is left is named in the unit: root, this network, and one capability.
#[test]
fn systemd_finds_the_watch_well_shut_in() {
    let machine = Machine::new();
    for unit in ["mptcp-apply-watch.service", "mptcp-apply-watch@.service"] {
        is_no_more_exposed(&machine, &format!("/usr/lib/systemd/system/{unit}"), 16);
    }
    let unit = std::fs::read_to_string(project().join("packaging/systemd/mptcp-apply-watch.service"));
    let without_ports = format!("{}\n{}", unit.expect("the unit"), drop_in_of_the_readme(2));
    machine.write("etc/systemd/system/less.service", &without_ports);
    is_no_more_exposed(&machine, "/etc/systemd/system/less.service", 14);
}

#[test]
fn without_ports_no_packet_has_to_reach_the_watch() {
    let machine = Machine::new();
    machine.drop_in("mptcp-apply-watch", &drop_in_of_the_readme(2));
    machine.write(
        CONFIG,
        "{version: 1, sysctls: {stale_loss_cnt: 7}, endpoints: {a: {dev: eth0, flags: [subflow]}}}",
    );
    machine.does("start mptcp-apply-watch");
    assert_eq!(machine.property("mptcp-apply-watch", "StatusText"), "as declared: 4 endpoints");
    assert_eq!(machine.sysctl("mptcp/stale_loss_cnt"), "7");
}
