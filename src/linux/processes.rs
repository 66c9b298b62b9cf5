//! The programs that run in this network namespace, by `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::linux::{networkd, proc_file};

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

/// Whether a process has this file open for writing; those are left out that this user may not look into.
pub fn write_to(path: &Path) -> bool {
    let Ok(file) = fs::metadata(path) else { return false };
    let is_it = |descriptor: &PathBuf| {
        fs::read_link(descriptor).is_ok_and(|target| target.file_name() == path.file_name())
            && fs::metadata(descriptor).is_ok_and(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
    };
    processes().any(|process| {
        let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut open = descriptors.map(|descriptor| descriptor.path()).filter(is_it);
        open.any(|descriptor| descriptor.file_name().is_some_and(|number| is_for_writing(&process, number)))
    })
}

/// By its flags: `flags:\t0100001`, in octal.
fn is_for_writing(process: &Path, descriptor: &OsStr) -> bool {
    let text = proc_file::read(process.join("fdinfo").join(descriptor)).unwrap_or_default();
    let flags =
        text.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| OFlags::from_bits_retain(flags).intersects(OFlags::WRONLY | OFlags::RDWR))
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
