//! Watches files and folders with inotify.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::model::escaped_path;

use super::events::{drain, pair};
use super::watch_set::WatchSet;

/// How long a file that is open for writing may be quiet before it is taken for finished.
const QUIET: Duration = Duration::from_secs(10);

/// What the watcher's thread knows.
#[derive(Default)]
struct Shared {
    watch_set: WatchSet,
    /// The files that were written to and not closed, and when that was.
    written: BTreeMap<PathBuf, Instant>,
}

/// The files and folders that are watched. The watcher has its own thread, which sleeps until inotify reports an event.
pub struct Files {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    /// The folders that cannot be watched.
    unwatched: BTreeSet<PathBuf>,
    shared: Arc<Mutex<Shared>>,
    /// Receives a byte at each change.
    changed: UnixStream,
}

impl Files {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the kernel refuses a socket or inotify.
    pub fn open() -> io::Result<Files> {
        let (changed, mut wake) = pair()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let its = Arc::clone(&shared);
        let at_event = move |event: notify::Result<Event>| {
            if its.lock().unwrap_or_else(PoisonError::into_inner).take_note(&event) {
                // A full socket is readable already.
                let _ = wake.write(&[1]);
            }
        };
        let watcher = notify::recommended_watcher(at_event).map_err(io::Error::other)?;
        Ok(Files { watcher, watched: BTreeSet::new(), unwatched: BTreeSet::new(), shared, changed })
    }

    /// Watches these paths and what leads to them, and nothing else.
    pub fn attend(&mut self, paths: &[PathBuf]) {
        let watch_set = WatchSet::to(paths);
        // A watch stays on the folder that a path led to, while the path can lead to another one now. So all are replaced.
        for folder in std::mem::take(&mut self.watched) {
            // The kernel ends a watch itself when its folder is removed.
            let _ = self.watcher.unwatch(&folder);
        }
        watch_set.folders.iter().for_each(|folder| self.watch(folder));
        self.unwatched.retain(|folder| !self.watched.contains(folder));
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).watch_set = watch_set;
    }

    /// Watches these paths, which include all of before, without an end to any watch: so nothing goes unnoticed meanwhile.
    pub fn attend_more(&mut self, paths: &[PathBuf]) {
        let watch_set = WatchSet::to(paths);
        let new: Vec<PathBuf> = watch_set.folders.difference(&self.watched).cloned().collect();
        new.iter().for_each(|folder| self.watch(folder));
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).watch_set = watch_set;
    }

    /// Watches a folder; one that cannot be watched is logged once.
    fn watch(&mut self, folder: &Path) {
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder.to_owned());
            }
            Err(error) if self.unwatched.insert(folder.to_owned()) => {
                log::warn!("cannot watch {}: {error}", escaped_path(folder));
            }
            Err(_) => {}
        }
    }

    /// How long to wait at most for a file that is half written: open for writing, and written to a moment ago.
    pub fn unfinished(&self) -> Option<Duration> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.written.retain(|_, at| at.elapsed() < QUIET);
        shared.written.values().map(|at| QUIET.saturating_sub(at.elapsed())).max()
    }

    /// Whether anything changed since the last call.
    pub fn has_changed(&mut self) -> bool {
        drain(&self.changed)
    }
}

/// Readable when something changed.
impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changed.as_fd()
    }
}

impl Shared {
    /// Whether an event calls for a pass. Events of reading do not: this program causes them itself.
    fn take_note(&mut self, event: &notify::Result<Event>) -> bool {
        let Ok(event) = event else { return true };
        for path in event.paths.iter().filter(|path| self.watch_set.reads(path)) {
            match event.kind {
                // A link or a second name of a file is never closed.
                EventKind::Create(_) if !is_new_file(path) => {}
                EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => {
                    self.written.insert(path.clone(), Instant::now());
                }
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_)) => {
                    self.written.remove(path);
                }
                _ => {}
            }
        }
        let changes = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        };
        changes && (event.need_rescan() || event.paths.iter().any(|path| self.watch_set.concerns(path)))
    }
}

fn is_new_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
}
