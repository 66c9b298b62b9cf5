//! DHCP clients without a manager: udhcpc with Debian's script, which the kernel's own IPv6 stands beside, and dhcpcd.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::kernel::systemd::machine::write;

use super::site::{DEVS, FIRST, MOVED, Manager, ONE, Site};

/// Debian's script makes default routes without a metric, so that the interface that comes second gets none.
const UDHCPC: &str = "\
systemctl start udhcpc@eth1
until [ -n \"$(ip route show default)\" ]; do sleep 0.05; done
systemctl start udhcpc@eth2
";

#[track_caller]
fn udhcpc() -> Site {
    let manager = Manager {
        name: "udhcpc",
        uplinks: "{one: {dev: eth1}, two: {dev: eth2, gateway: 10.0.2.1}}",
        has_finished: |_, _| true,
        defaults: &["eth1"],
    };
    Site::new(manager, |files| {
        let script = fs::read_to_string(files.outside.join("etc/udhcpc/default.script"));
        write(&files.root, "etc/udhcpc/default.script", &script.expect("it has one"));
        let permissions = fs::Permissions::from_mode(0o755);
        fs::set_permissions(files.root.join("etc/udhcpc/default.script"), permissions).expect("it is ours");
        let unit = "[Service]\nExecStart=busybox udhcpc -f -i %i -s /etc/udhcpc/default.script\n";
        write(&files.root, "etc/systemd/system/udhcpc@.service", unit);
    })
}

#[track_caller]
fn dhcpcd() -> Site {
    let manager = Manager {
        name: "dhcpcd",
        uplinks: "{one: {dev: eth1}, two: {dev: eth2}}",
        has_finished: |_, _| true,
        defaults: &DEVS,
    };
    Site::new(manager, |files| {
        let settings = fs::read_to_string(files.outside.join("etc/dhcpcd.conf")).expect("it has one");
        // There is no udev.
        write(&files.root, "etc/dhcpcd.conf", &format!("{settings}\nnodev\n"));
        fs::create_dir_all(files.root.join("var/lib/dhcpcd")).expect("made");
        let unit = "[Service]\nExecStart=dhcpcd --nobackground eth1 eth2\n";
        write(&files.root, "etc/systemd/system/dhcpcd.service", unit);
    })
}

#[test]
fn udhcpc_and_its_script() {
    let site = udhcpc();
    site.event("start", UDHCPC, "", FIRST);
    let signal = |name: &str| format!("systemctl kill --kill-whom=main --signal={name} udhcpc@eth2");
    site.moves();
    // By itself it renews after half of the lease, whatever the server says.
    site.event("renewal to another address", &signal("USR1"), "Deleted", MOVED);
    site.event("lease released", &signal("USR2"), "", ONE);
    site.event("lease back", &signal("USR1"), "", MOVED);
    site.event("restart", "systemctl restart udhcpc@eth2", "Deleted", MOVED);
    site.event("carrier flap", "ip -n r link set r2 down; sleep 1; ip -n r link set r2 up", "", MOVED);
}

#[test]
fn dhcpcd_and_its_routes() {
    let site = dhcpcd();
    site.event("start", "systemctl start dhcpcd", "", FIRST);
    site.moves();
    site.event("renewal to another address", "", "Deleted", MOVED);
    site.event("carrier lost", "ip -n r link set r2 down", "", ONE);
    site.event("carrier back", "ip -n r link set r2 up", "", MOVED);
    site.event("restart", "systemctl restart dhcpcd", "", MOVED);
}

#[test]
#[ignore = "a lease takes two minutes to expire; tests/managers/run takes the time"]
fn clients_and_a_lease_that_is_lost() {
    let sites = [(udhcpc(), UDHCPC), (dhcpcd(), "systemctl start dhcpcd")];
    for (site, start) in sites {
        site.event("start", start, "", FIRST);
        site.event("lease expired", "systemctl stop provider@2", "Deleted", ONE);
        site.event("lease back", "systemctl start provider@2", "", FIRST);
    }
}
