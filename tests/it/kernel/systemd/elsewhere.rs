//! The README's "Coming from elsewhere": NetworkManager and mptcpd themselves, and then the snippets beside theirs.

use crate::kernel::elsewhere::{snippets, without_id};
use crate::support::{run, wait_for};

use super::machine::{Files, Machine, write};

/// The two programs, and what they and the snippets start.
const PACKAGES: [&str; 6] = ["coreutils", "dash", "dbus", "mptcpd", "mptcpd-plugins", "network-manager"];

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nmessagebus:x:100:100::/nonexistent:/usr/sbin/nologin\n";

const GROUP: &str = "root:x:0:\nmessagebus:x:100:\n";

/// Without polkit, and with interfaces as they are in a container, about which udev says nothing.
const NETWORK_MANAGER: &str = "[main]\nauth-polkit=false\nplugins=keyfile\nno-auto-default=*\n";

/// A connection of NetworkManager with an address and a default route.
fn connection(name: &str, dev: &str, address: &str, gateway: &str) -> String {
    format!(
        "[connection]\nid={name}\ntype=ethernet\ninterface-name={dev}\nautoconnect=false\n\
         [ipv4]\nmethod=manual\naddress1={address},{gateway}\n[ipv6]\nmethod=disabled\n"
    )
}

/// A machine with both, neither of them started.
#[track_caller]
fn machine(prepare: impl FnOnce(&Files)) -> Machine {
    let machine = Machine::with(&PACKAGES, |files| {
        write(&files.root, "etc/passwd", PASSWD);
        write(&files.root, "etc/group", GROUP);
        prepare(files);
    });
    machine.is_up();
    for dev in ["eth0", "wwan0"] {
        machine.link(dev, &[]);
    }
    machine
}

/// A command of a shell inside, which has to succeed.
#[track_caller]
fn sh(machine: &Machine, script: &str) -> String {
    let mut command = machine.command("sh");
    command.args(["-euc", script]);
    let ran = run(command, "");
    assert_eq!(ran.code, 0, "{script}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// What the table holds, whatever the ids, once there are so many rows.
#[track_caller]
fn rows(machine: &Machine, count: usize) -> Vec<String> {
    wait_for("the endpoints", || machine.endpoints().len() == count);
    let mut rows: Vec<_> = machine.endpoints().iter().map(|row| without_id(row)).collect();
    rows.sort();
    rows
}

/// Compares the table that the other program has made with what the configuration says and makes.
#[track_caller]
fn gives_the_same(machine: &Machine, unit: &str, config: &str, expected: &[&str]) {
    let theirs = rows(machine, expected.len());
    assert_eq!(theirs, expected);
    machine.write("etc/mptcp-apply/test.yaml", config);
    assert_eq!(machine.by_hand(&["--dry-run"]).expect(0).stdout, "no changes\n");
    machine.does(&format!("kill --signal=KILL {unit}"));
    wait_for("its end", || machine.property(unit, "ActiveState") != "active");
    machine.ip("mptcp endpoint flush");
    machine.by_hand(&[]).expect(0);
    assert_eq!(rows(machine, expected.len()), theirs);
}

#[test]
fn network_manager() {
    let (script, config) = snippets("From NetworkManager");
    let machine = machine(|files| {
        write(&files.root, "etc/NetworkManager/NetworkManager.conf", NETWORK_MANAGER);
    });
    let connections = [
        ("fiber", connection("fiber", "eth0", "192.0.2.10/24", "192.0.2.1")),
        ("lte", connection("lte", "wwan0", "198.51.100.3/24", "198.51.100.1")),
    ];
    for (name, text) in connections {
        let folder = "/etc/NetworkManager/system-connections";
        sh(
            &machine,
            &format!("mkdir -p {folder}; umask 077; printf %s '{text}' >{folder}/{name}.nmconnection"),
        );
    }
    machine.drop_in("NetworkManager", "[Service]\nRestart=no\n");
    machine.does("start NetworkManager");
    sh(&machine, &script);
    let expected = ["192.0.2.10 subflow dev eth0", "198.51.100.3 subflow backup dev wwan0"];
    gives_the_same(&machine, "NetworkManager", &config, &expected);
}

#[test]
fn mptcpd() {
    let (settings, config) = snippets("From mptcpd");
    let machine = machine(|files| write(&files.root, "etc/mptcpd/mptcpd.conf", &settings));
    machine.ip("address add 192.0.2.10/24 dev eth0");
    machine.ip("address add 198.51.100.3/24 dev wwan0");
    machine.drop_in("mptcp", "[Service]\nRestart=no\n");
    machine.does("start mptcp");
    let expected = ["192.0.2.10 subflow dev eth0", "198.51.100.3 subflow dev wwan0"];
    gives_the_same(&machine, "mptcp", &config, &expected);
}
