//! The programs that run in this network namespace, by `/proc`.

use std::collections::{BTreeMap, BTreeSet};
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

/// Those of the files that a process has open for writing, but for processes that this user may not look into.
pub fn open_for_writing(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut open = Vec::new();
    let all = if files.is_empty() { None } else { Some(processes()) };
    for process in all.into_iter().flatten() {
        let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        for descriptor in descriptors.map(|descriptor| descriptor.path()) {
            // Most are others, as their names tell.
            let Ok(target) = fs::read_link(&descriptor) else { continue };
            let is_it =
                |file: &mut PathBuf| file.file_name() == target.file_name() && is_same(file, &descriptor);
            if files.iter_mut().any(is_it) && is_for_writing(&process, &descriptor) {
                open.extend(files.extract_if(.., is_it));
            }
        }
    }
    open
}

fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

/// By its flags: `flags:\t0100001`, in octal.
fn is_for_writing(process: &Path, descriptor: &Path) -> bool {
    let Some(number) = descriptor.file_name() else { return false };
    let text = proc_file::read(process.join("fdinfo").join(number)).unwrap_or_default();
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
