//! Hearing of files.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::watch_set::WatchSet;
use super::{drain, pair};

/// The files and folders that are watched. The watcher has a thread of its own, which sleeps until the kernel has news.
pub struct Files {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    trail: Arc<Mutex<WatchSet>>,
    news: UnixStream,
}

impl Files {
    /// Hears of nothing yet.
    pub fn open() -> io::Result<Files> {
        let (news, mut tell) = pair()?;
        let trail = Arc::new(Mutex::new(WatchSet::default()));
        let concerns = Arc::clone(&trail);
        let hear = move |event: notify::Result<Event>| {
            let trail = concerns.lock().unwrap_or_else(PoisonError::into_inner);
            if matters(&event, &trail) {
                // When the socket is full there are news enough in it.
                let _ = tell.write(&[1]);
            }
        };
        let watcher = notify::recommended_watcher(hear).map_err(io::Error::other)?;
        Ok(Files { watcher, watched: BTreeSet::new(), trail, news })
    }

    /// Hears of what leads to these paths, and of nothing else.
    pub fn attend(&mut self, paths: &[PathBuf]) {
        let trail = WatchSet::to(paths);
        // A watch is on what a path led to, which may be another folder now. So all are made anew.
        for folder in std::mem::take(&mut self.watched) {
            // The kernel may have ended it, with the folder.
            let _ = self.watcher.unwatch(&folder);
        }
        for folder in &trail.folders {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder.clone());
                }
                Err(error) => log::warn!("cannot watch {}: {error}", folder.display()),
            }
        }
        *self.trail.lock().unwrap_or_else(PoisonError::into_inner) = trail;
    }

    /// Whether there are news. Afterwards there are none.
    pub fn hear(&mut self) -> bool {
        drain(&self.news)
    }
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

/// Reading is news too, that of this program most of all.
fn matters(event: &notify::Result<Event>, trail: &WatchSet) -> bool {
    let Ok(event) = event else { return true };
    let changes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| trail.concerns(path)))
}
