//! The folders to watch so that a file, and every folder and link on the way to it, cannot be replaced unnoticed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::source;

/// How many links are followed, as the kernel does (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// The folders to watch, and which of the events there matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchSet {
    /// The folders to watch. A watched file would be lost as soon as another one is moved into its place.
    pub folders: BTreeSet<PathBuf>,
    /// The paths that matter in them: the files, and folders and links on the way to them.
    names: BTreeSet<PathBuf>,
    /// Folders in which everything matters.
    whole: BTreeSet<PathBuf>,
}

impl WatchSet {
    /// What leads to these files and folders, which need not exist.
    pub fn to(paths: &[PathBuf]) -> WatchSet {
        let mut watch_set = WatchSet::default();
        for path in paths {
            let Ok(path) = std::path::absolute(path) else { continue };
            let end = watch_set.follow(&path);
            let Ok(entries) = fs::read_dir(&end) else { continue };
            // The target of a link in a folder can change elsewhere.
            for entry in entries.flatten().filter(|entry| is_link(&entry.path())) {
                watch_set.follow(&entry.path());
            }
            watch_set.folders.insert(end.clone());
            watch_set.whole.insert(end);
        }
        watch_set
    }

    /// Whether an event at this path matters.
    pub fn concerns(&self, path: &Path) -> bool {
        let within = path.parent().is_some_and(|parent| self.whole.contains(parent));
        within || self.names.contains(path) || self.whole.contains(path)
    }

    /// Whether the file at this path may be read: one that is named, or configuration in a folder that is.
    pub fn reads(&self, path: &Path) -> bool {
        let within = path.parent().is_some_and(|parent| self.whole.contains(parent));
        self.names.contains(path) || within && source::is_configuration(path)
    }

    /// The files in this folder that may be read.
    pub fn files_in(&self, folder: &Path) -> Vec<PathBuf> {
        let entries =
            self.whole.contains(folder).then(|| fs::read_dir(folder).into_iter().flatten().flatten());
        let within = entries.into_iter().flatten().map(|entry| entry.path());
        let named = self.names.iter().filter(|path| path.parent() == Some(folder)).cloned();
        named.chain(within.filter(|path| source::is_configuration(path))).collect()
    }

    /// Walks to a path, link by link, and returns where that ends.
    fn follow(&mut self, path: &Path) -> PathBuf {
        let mut left = steps(path);
        let (mut here, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = left.pop() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let target = fs::read_link(&next).ok().filter(|_| links < LINKS_MAX);
            // Folders further up are hardly ever replaced, and the periodic pass notices that too.
            if target.is_some() || left.len() < 2 || !next.exists() {
                self.folders.insert(here.clone());
                self.names.insert(next.clone());
            }
            match target {
                Some(target) => {
                    links += 1;
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    left.extend(steps(&target));
                }
                None if next.exists() => here = next,
                None => return next,
            }
        }
        here
    }
}

/// The parts of a path, the last one first. `/` and `.` are left out.
fn steps(path: &Path) -> Vec<OsString> {
    let part = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(part).collect()
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}
