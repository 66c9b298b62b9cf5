//! NetworkManager.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::kernel::systemd::machine::write;
use crate::support::run;

use super::site::{DEVS, FIRST, MOVED, Manager, ONE, PutBack, Site};

/// What NetworkManager asks for its connectivity check, beyond both providers, and how the far end answers.
const CONNECTIVITY: &str =
    "[connectivity]\nenabled=true\nuri=http://203.0.113.9/\nresponse=online\ninterval=20\n";
const FAR_SOCKET: &str =
    "[Socket]\nListenStream=203.0.113.9:80\nAccept=yes\nNetworkNamespacePath=/run/netns/r\n";
const FAR_SERVICE: &str = "\
[Service]
StandardInput=socket
ExecStart=sh -c 'read line; printf \"HTTP/1.1 200 OK\\\\r\\\\nContent-Length: 6\\\\r\\\\nConnection: close\\\\r\\\\n\\\\r\\\\nonline\"'
";

#[track_caller]
fn site() -> Site {
    site_with("{one: {dev: eth1}, two: {dev: eth2}}", "")
}

#[track_caller]
fn site_with(uplinks: &'static str, more: &str) -> Site {
    let manager = Manager {
        name: "NetworkManager",
        uplinks,
        has_finished: |machine, dev| {
            let mut command = machine.command("nmcli");
            command.args(["--terse", "--fields", "DEVICE,STATE", "device"]);
            run(command, "").stdout.lines().any(|line| line == format!("{dev}:connected"))
        },
        defaults: &DEVS,
    };
    Site::new(manager, |files| {
        // Without polkit.
        let settings = format!("[main]\nauth-polkit=false\nplugins=keyfile\nno-auto-default=*\n{more}");
        write(&files.root, "etc/NetworkManager/NetworkManager.conf", &settings);
        write(&files.root, "etc/systemd/system/far.socket", FAR_SOCKET);
        write(&files.root, "etc/systemd/system/far@.service", FAR_SERVICE);
        for (dev, metric) in DEVS.iter().zip([100, 200]) {
            let connection = format!(
                "[connection]\nid={dev}\ntype=ethernet\ninterface-name={dev}\n\
                 [ipv4]\nmethod=auto\nroute-metric={metric}\n[ipv6]\nmethod=auto\nroute-metric={metric}\n"
            );
            let path = format!("etc/NetworkManager/system-connections/{dev}.nmconnection");
            write(&files.root, &path, &connection);
            let permissions = fs::Permissions::from_mode(0o600);
            fs::set_permissions(files.root.join(path), permissions).expect("it is ours");
        }
    })
}

#[test]
fn network_manager() {
    let site = site();
    site.event("start", "systemctl start NetworkManager", "", FIRST);
    site.moves();
    site.event("renewal to another address", "", "Deleted", MOVED);
    let put_back = site.event("connection up", "nmcli connection up eth2", "Deleted", MOVED);
    assert_eq!(put_back.rules, 0);
    let put_back = site.event("restart", "systemctl restart NetworkManager", "", MOVED);
    assert_eq!(put_back, PutBack { rules: 0, routes: 0 });
    // It waits for some seconds, which a carrier may be away.
    site.event("carrier lost", "ip -n r link set r2 down", "", ONE);
    site.event("carrier back", "ip -n r link set r2 up", "", MOVED);
}

#[test]
#[ignore = "a lease takes two minutes to expire; tests/managers/run takes the time"]
fn network_manager_and_a_lease_that_is_lost() {
    let site = site();
    site.event("start", "systemctl start NetworkManager", "", FIRST);
    site.event("lease expired", "systemctl stop provider@2", "Deleted", ONE);
    site.event("lease back", "systemctl start provider@2", "", FIRST);
}

/// The first provider falls silent. NetworkManager then gives its routes a worse metric, and the check of the uplink adds a
/// route by the other one; neither takes the other's for a change to put back.
#[test]
#[ignore = "NetworkManager looks every 20 s; tests/managers/run takes the time"]
fn network_manager_checks_its_connectivity_too() {
    const CHECKED: &str =
        "{one: {dev: eth1, check: {connect: '203.0.113.9:80', every: 1s, timeout: 1s}}, two: {dev: eth2}}";
    let site = site_with(CHECKED, CONNECTIVITY);
    site.sh("systemctl start far.socket");
    site.event("start", "systemctl start NetworkManager", "", FIRST);
    let defaults = || site.machine.ip("-4 route show default");
    let is_doubted = || defaults().contains(" dev eth1 proto dhcp src 10.0.1.50 metric 20100");
    let stands_in = || defaults().contains(" dev eth2 proto 109 ");
    let is_settled = || !is_doubted() && !stands_in() && defaults().contains(" dev eth1 ");
    let silence =
        |verb: &str| site.sh(&format!("ip -n r rule {verb} iif r1 to 203.0.113.9 priority 50 blackhole"));
    wait_long("both providers answer", is_settled);
    site.machine.does("stop mptcp-apply-watch");
    silence("add");
    let alone = wait_long("the worse metric", is_doubted);
    silence("del");
    wait_long("the end of the worse metric", is_settled);
    site.machine.does("start mptcp-apply-watch");
    let before = site.put_back();
    silence("add");
    let checked = wait_long("the stand-in", stands_in);
    wait_long("the worse metric beside it", is_doubted);
    let way = site.sh("ip route get 203.0.113.9");
    assert!(way.contains(" dev eth2 "), "{way}");
    silence("del");
    let back = wait_long("the end of both", is_settled);
    assert_eq!(site.put_back(), before, "neither is put back");
    println!(
        "| NetworkManager | silent provider, its connectivity check every 20 s | {:.1} s | - | 0 | 0 |",
        alone.as_secs_f32()
    );
    println!(
        "| NetworkManager | the same, `check` every second beside it | {:.1} s | - | 0 | 0 |",
        checked.as_secs_f32()
    );
    println!("| NetworkManager | the provider answers again | {:.1} s | - | 0 | 0 |", back.as_secs_f32());
}

/// Waits for what NetworkManager does when it looks again, and tells how long it took.
#[track_caller]
fn wait_long(what: &str, holds: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(180), "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
    start.elapsed()
}
