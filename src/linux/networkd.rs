//! What systemd-networkd does to rules and routes that it did not make: unless its configuration says otherwise, it removes
//! them when it starts, and whenever it configures a link again (`networkd.conf`(5)).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a service's processes are, with the unified hierarchy of control groups and with the older one.
const CGROUPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd"];

/// The folders of configuration files. Of files with the same name the first counts.
const FOLDERS: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];

/// The settings that let other programs' routes and rules alone when they are off.
const SETTINGS: [&str; 2] = ["ManageForeignRoutes", "ManageForeignRoutingPolicyRules"];

/// Whether it runs in this network namespace, and removes what others made.
pub fn removes_foreign_routing() -> bool {
    runs_here() && !spares_foreign(Path::new("/"))
}

/// Other processes may be hidden from this one, as they are in the service, so their namespaces cannot be compared. But the
/// kernel gives a process's first netlink socket of a kind the number of the process, and lists those of one namespace.
fn runs_here() -> bool {
    let processes = CGROUPS.iter().find_map(|folder| {
        fs::read_to_string(format!("{folder}/system.slice/systemd-networkd.service/cgroup.procs")).ok()
    });
    processes.is_some_and(|processes| has_socket(&sockets(), &processes))
}

/// The kernel's list of the netlink sockets of this thread's network namespace.
pub(super) fn sockets() -> String {
    fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default()
}

/// Whether one of these processes, a line each, is named in the kernel's list of netlink sockets (`netlink_native_seq_show`).
pub(super) fn has_socket(sockets: &str, processes: &str) -> bool {
    let ports = sockets.lines().filter_map(|line| line.split_whitespace().nth(2));
    // 0 is a process outside of what this one sees, and the kernel's own sockets.
    let mut ports = ports.filter(|port| *port != "0");
    ports.any(|port| processes.lines().any(|process| process == port))
}

/// Whether the configuration files below `root` say that both are to be left alone.
fn spares_foreign(root: &Path) -> bool {
    let mut settings = BTreeMap::new();
    for file in files(root) {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('='));
        for (key, value) in lines.map(|(key, value)| (key.trim(), value.trim())) {
            let known = SETTINGS.iter().find(|setting| **setting == key);
            settings.extend(known.map(|setting| (*setting, is_off(value))));
        }
    }
    SETTINGS.iter().all(|setting| settings.get(setting) == Some(&true))
}

/// `networkd.conf`, then what is added to it by file name, whatever the folder.
fn files(root: &Path) -> Vec<PathBuf> {
    let folder = |name: &str| root.join(name).join("systemd");
    let main = FOLDERS.iter().map(|name| folder(name).join("networkd.conf")).find(|path| path.exists());
    let mut additions = BTreeMap::new();
    for name in FOLDERS {
        let entries = fs::read_dir(folder(name).join("networkd.conf.d")).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".conf")) {
            additions.entry(entry.file_name()).or_insert_with(|| entry.path());
        }
    }
    main.into_iter().chain(additions.into_values()).collect()
}

/// Whether systemd takes the word for "no" (`parse_boolean`).
fn is_off(word: &str) -> bool {
    ["0", "no", "n", "false", "f", "off"].contains(&word.to_ascii_lowercase().as_str())
}
