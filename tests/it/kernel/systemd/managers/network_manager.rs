//! NetworkManager.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::kernel::systemd::machine::write;
use crate::support::run;

use super::site::{DEVS, FIRST, MOVED, Manager, ONE, PutBack, Site};

#[track_caller]
fn site() -> Site {
    let manager = Manager {
        name: "NetworkManager",
        uplinks: "{one: {dev: eth1}, two: {dev: eth2}}",
        has_finished: |machine, dev| {
            let mut command = machine.command("nmcli");
            command.args(["--terse", "--fields", "DEVICE,STATE", "device"]);
            run(command, "").stdout.lines().any(|line| line == format!("{dev}:connected"))
        },
        defaults: &DEVS,
    };
    Site::new(manager, |files| {
        // Without polkit.
        let settings = "[main]\nauth-polkit=false\nplugins=keyfile\nno-auto-default=*\n";
        write(&files.root, "etc/NetworkManager/NetworkManager.conf", settings);
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
