//! systemd-networkd, without and with the file that lets other programs' rules and routes alone.

use std::fs;

use crate::kernel::systemd::machine::write;
use crate::support::project;

use super::site::{DEVS, FIRST, MOVED, Manager, ONE, PutBack, Site};

const WARNING: &str = "systemd-networkd removes rules and routes that it did not make";

#[track_caller]
fn site(name: &'static str) -> Site {
    let manager = Manager {
        name,
        uplinks: "{one: {dev: eth1}, two: {dev: eth2}}",
        has_finished: |machine, dev| {
            let mut command = machine.command("networkctl");
            command.args(["--no-legend", "--no-pager", "list", dev]);
            let ran = crate::support::run(command, "");
            ran.stdout.split_whitespace().last() == Some("configured")
        },
        defaults: &DEVS,
    };
    Site::new(manager, |files| {
        for (dev, metric) in DEVS.iter().zip([100, 200]) {
            let network = format!(
                "[Match]\nName={dev}\n[Network]\nDHCP=ipv4\n\
                 [DHCPv4]\nRouteMetric={metric}\nClientIdentifier=mac\n"
            );
            write(&files.root, &format!("etc/systemd/network/{dev}.network"), &network);
        }
    })
}

/// What a run by hand says, behind these words of a shell.
#[track_caller]
fn warnings(site: &Site, prefix: &str) -> String {
    site.sh(&format!("{prefix}mptcp-apply --dry-run 2>&1 >/dev/null"))
}

#[test]
fn what_systemd_networkd_removes_is_put_back() {
    let site = site("systemd-networkd");
    site.event("start", "systemctl start systemd-networkd", "", FIRST);
    let journal = site.machine.journal();
    assert!(journal.contains(WARNING), "the service finds it although it sees no processes: {journal}");
    assert!(warnings(&site, "").contains(WARNING));
    // It does not run in that namespace.
    assert!(!warnings(&site, "ip netns exec r ").contains(WARNING));
    site.moves();
    site.event("renewal to another address", "", "Deleted", MOVED);
    site.event("carrier lost", "ip -n r link set r2 down", "", ONE);
    site.event("carrier back", "ip -n r link set r2 up", "", MOVED);
    let put_back = site.event("restart", "systemctl restart systemd-networkd", "Deleted", MOVED);
    assert_eq!(put_back, PutBack { rules: 8, routes: 4 });
    let put_back = site.event("reconfigure", "networkctl reconfigure eth1", "Deleted", MOVED);
    assert!(put_back.rules > 0, "{put_back:?}");
}

#[test]
fn with_the_file_of_the_package_systemd_networkd_removes_nothing() {
    let site = site("systemd-networkd, told not to");
    site.event("start", "systemctl start systemd-networkd", "", FIRST);
    let file = fs::read_to_string(project().join("packaging/networkd/mptcp-apply.conf"));
    site.machine.write("etc/systemd/networkd.conf.d/mptcp-apply.conf", &file.expect("the file"));
    let none = PutBack { rules: 0, routes: 0 };
    assert_eq!(site.event("restart", "systemctl restart systemd-networkd", "", FIRST), none);
    assert_eq!(site.event("restart", "systemctl restart systemd-networkd", "", FIRST), none);
    let put_back = site.event("reconfigure", "networkctl reconfigure eth1", "Deleted", FIRST);
    assert_eq!(put_back.rules, 0);
    assert_eq!(warnings(&site, ""), "");
}

#[test]
#[ignore = "a lease takes two minutes to expire; tests/managers/run takes the time"]
fn systemd_networkd_and_a_lease_that_is_lost() {
    let site = site("systemd-networkd");
    site.event("start", "systemctl start systemd-networkd", "", FIRST);
    site.event("lease expired", "systemctl stop provider@2", "Deleted", ONE);
    site.event("lease back", "systemctl start provider@2", "", FIRST);
}
