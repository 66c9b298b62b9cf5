//! Watches files and folders with inotify.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::events::{drain, pair};
use super::watch_set::WatchSet;

/// The files and folders that are watched. The watcher has its own thread, which sleeps until inotify reports an event.
pub struct Files {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    watch_set: Arc<Mutex<WatchSet>>,
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
        let watch_set = Arc::new(Mutex::new(WatchSet::default()));
        let shared = Arc::clone(&watch_set);
        let at_event = move |event: notify::Result<Event>| {
            if matters(&event, &shared.lock().unwrap_or_else(PoisonError::into_inner)) {
                // A full socket is readable already.
                let _ = wake.write(&[1]);
            }
        };
        let watcher = notify::recommended_watcher(at_event).map_err(io::Error::other)?;
        Ok(Files { watcher, watched: BTreeSet::new(), watch_set, changed })
    }

    /// Watches these paths and what leads to them, and nothing else. A folder that cannot be watched is logged.
    pub fn attend(&mut self, paths: &[PathBuf]) {
        let watch_set = WatchSet::to(paths);
        // A watch stays on the folder that a path led to, while the path can lead to another one now. So all are replaced.
        for folder in std::mem::take(&mut self.watched) {
            // The kernel ends a watch itself when its folder is removed.
            let _ = self.watcher.unwatch(&folder);
        }
        for folder in &watch_set.folders {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder.clone());
                }
                Err(error) => log::warn!("cannot watch {}: {error}", folder.display()),
            }
        }
        *self.watch_set.lock().unwrap_or_else(PoisonError::into_inner) = watch_set;
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

/// Whether an event calls for a pass. Events of reading do not: this program causes them itself.
fn matters(event: &notify::Result<Event>, watch_set: &WatchSet) -> bool {
    let Ok(event) = event else { return true };
    let changes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| watch_set.concerns(path)))
}
