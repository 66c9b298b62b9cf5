//! The user-data of `packaging/cloud-init`, at a first boot and at the next one.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{project, run, wait_for};

use super::machine::{Files, Machine, want, write};

const USER_DATA: &str = "packaging/cloud-init/user-data.yaml";

/// cloud-init itself, and what it and `runcmd` start.
const PACKAGES: [&str; 7] = ["bash", "cloud-init", "coreutils", "dash", "mount", "netcat-openbsd", "procps"];

/// The part of an image's configuration that matters: the modules of all keys in the user-data but `packages`, since the
/// program is there already.
const CLOUD_CFG: &str = "\
datasource_list: [NoCloud]
cloud_init_modules: [write_files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_user]
system_info: {distro: debian, paths: {cloud_dir: /var/lib/cloud, templates_dir: /etc/cloud/templates}}
";

/// An image with this user-data, as it is before its first boot.
fn image(files: &Files, user_data: &str) {
    // What their scripts would do at installation.
    fs::create_dir_all(files.extra.join("bin")).expect("made");
    let authority = files.outside.join("usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt");
    let authority = fs::read_to_string(authority).expect("it has that one");
    write(&files.root, "etc/ssl/certs/ca-certificates.crt", &authority);
    symlink("nc.openbsd", files.extra.join("bin/nc")).expect("linked");
    for unit in ["cloud-config", "cloud-final", "cloud-init-local", "cloud-init-main", "cloud-init-network"] {
        want(&files.root, "cloud-init.target", &format!("{unit}.service"));
    }
    write(&files.root, "etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    write(&files.root, "etc/group", "root:x:0:\n");
    write(&files.root, "etc/cloud/cloud.cfg", CLOUD_CFG);
    let logging = files.outside.join("etc/cloud/cloud.cfg.d/05_logging.cfg");
    write(
        &files.root,
        "etc/cloud/cloud.cfg.d/05_logging.cfg",
        &fs::read_to_string(logging).expect("it has one"),
    );
    write(&files.root, "var/lib/cloud/seed/nocloud/meta-data", "instance-id: test\n");
    write(&files.root, "var/lib/cloud/seed/nocloud/user-data", user_data);
}

/// Waits until cloud-init has done all that is to be done at this boot; what it says then.
#[track_caller]
fn cloud_init(machine: &Machine) -> String {
    let mut command = machine.command("cloud-init");
    command.args(["status", "--wait", "--long"]);
    run(command, "").stdout
}

#[track_caller]
fn boots_with(user_data: &str) -> Machine {
    Machine::with(&PACKAGES, |files| image(files, user_data))
}

fn user_data() -> String {
    fs::read_to_string(project().join(USER_DATA)).expect("UTF-8")
}

#[test]
fn the_first_boot_sets_it_up_and_every_boot_brings_it_back() {
    let mut machine = boots_with(&user_data());
    let said = cloud_init(&machine);
    assert!(said.contains("status: done"), "{said}");
    assert!(said.contains("DataSourceNoCloud"), "{said}");
    assert_eq!(machine.property("mptcp-apply-watch", "ActiveState"), "active");
    machine.link("ens3", &["10.0.0.1"]);
    wait_for("the address", || machine.endpoints() == ["10.0.0.1 id 1 subflow dev ens3"]);

    // What was changed since is not written again.
    machine.write(
        "etc/mptcp-apply/50-uplinks.yaml",
        "{version: 1, endpoints: {e: {dev: ens3, flags: [signal]}}}\n",
    );
    machine.reboot();
    let said = cloud_init(&machine);
    assert!(said.contains("status: done"), "{said}");
    assert_eq!(machine.property("mptcp-apply-watch", "ActiveState"), "active");
    assert_eq!(machine.endpoints(), [""; 0]);
    machine.link("ens3", &["10.0.0.1"]);
    wait_for("the address", || machine.endpoints() == ["10.0.0.1 id 1 signal dev ens3"]);
}

#[test]
fn a_broken_file_fails_loudly_and_enables_nothing() {
    let machine = boots_with(&user_data().replace("flags: [subflow]", "flags: [sublow]"));
    let said = cloud_init(&machine);
    assert!(said.contains("status: error"), "{said}");
    assert_ne!(machine.property("mptcp-apply-watch", "UnitFileState"), "enabled");
    let mut log = machine.command("cat");
    log.arg("/var/log/cloud-init-output.log");
    let log = run(log, "").stdout;
    assert!(log.contains("/etc/mptcp-apply/50-uplinks.yaml:8:13"), "{log}");
}

/// The schema is that of the package; what it does not know is found, so that the test means something.
#[test]
fn the_schema_of_cloud_init_knows_all_of_it() {
    let machine = boots_with(&user_data());
    machine.write("valid", &user_data());
    machine.write("invalid", &user_data().replace("write_files:", "write_file:"));
    for (name, code) in [("valid", 0), ("invalid", 1)] {
        let mut command = machine.command("cloud-init");
        command.args(["schema", "--config-file", &format!("/{name}")]);
        let ran = run(command, "");
        assert_eq!(ran.code, code, "{name}: {}{}", ran.stdout, ran.stderr);
    }
}
