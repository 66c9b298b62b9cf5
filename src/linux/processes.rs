//! The programs that run in this network namespace, by `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::linux::networkd;

/// Those of the named programs that run in this thread's network namespace, in alphabetical order. A process whose
/// namespace this user may not read counts if it has a netlink socket here: otherwise it may belong to a container.
pub fn running(names: &[&str]) -> Vec<String> {
    let Ok(own) = fs::read_link("/proc/thread-self/ns/net") else { return Vec::new() };
    let name = |process: PathBuf| {
        let name = program(&process).filter(|name| names.contains(&name.as_str()))?;
        let number = process.file_name()?.to_str()?;
        let has_socket = |_| networkd::has_socket(&networkd::sockets(), number);
        let here = fs::read_link(process.join("ns/net")).map_or_else(has_socket, |other| other == own);
        here.then_some(name)
    };
    let found: BTreeSet<String> = processes().filter_map(name).collect();
    found.into_iter().collect()
}

/// The names of the programs that hold these sockets, by their inodes; without those that this user may not look into.
pub fn holders(inodes: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let mut holders = BTreeMap::new();
    for process in processes() {
        let Ok(descriptors) = fs::read_dir(process.join("fd")) else { continue };
        let inode = |path: PathBuf| {
            let link = fs::read_link(path).ok()?;
            link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        };
        let held = descriptors.filter_map(Result::ok).filter_map(|entry| inode(entry.path()));
        let held: Vec<u32> = held.filter(|inode| inodes.contains(inode)).collect();
        if let (false, Some(name)) = (held.is_empty(), program(&process)) {
            // The service manager comes first, and holds the sockets that it opens for services.
            held.into_iter().for_each(|inode| _ = holders.entry(inode).or_insert_with(|| name.clone()));
        }
    }
    holders
}

fn program(process: &Path) -> Option<String> {
    Some(fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned())
}

/// The folder of each process.
fn processes() -> impl Iterator<Item = PathBuf> {
    let is_number = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_number)
}
