//! Watches files and folders with inotify, and knows which of them are being written.
//!
//! What is finished is reported at once: a file that was closed after writing or moved into its place, or a link. What may
//! be half done is not read: a file that is written to until it is closed, and one that is gone until another one may have
//! taken its place, as editors save (`a.yaml` becomes `a.yaml~`, and a new `a.yaml` is written).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::linux::{processes, wait};
use crate::model::escaped_path;

use super::events::{drain, pair};
use super::watch_set::WatchSet;

/// How long a file that is open for writing may be quiet before it is taken for finished.
const QUIET: Duration = Duration::from_secs(10);

/// How long something that is gone may take to come back, and a new folder to be filled.
const SETTLING: Duration = Duration::from_millis(200);

/// How long the watcher's thread may take to report an event.
const LATENESS: Duration = Duration::from_millis(1);

/// What became of the watched files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileNews {
    /// What became of the configuration.
    pub configuration: FileChange,
    /// Whether others came or went, which only call for a pass.
    pub others: bool,
}

impl FileNews {
    /// Both together.
    pub fn and(self, later: FileNews) -> FileNews {
        FileNews {
            configuration: self.configuration.max(later.configuration),
            others: self.others || later.others,
        }
    }

    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Configuration => self.configuration = FileChange::Content,
            Kind::Other => self.others = true,
        }
    }
}

/// What became of files of configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileChange {
    /// Nothing.
    #[default]
    None,
    /// The owner or the permissions of one changed.
    Attributes,
    /// One was written, replaced or removed.
    Content,
}

/// What a path is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is configuration, or leads there.
    Configuration,
    /// It only calls for a pass.
    Other,
}

/// The device and the inode of a folder.
type Identity = (u64, u64);

/// The files and folders that are watched. The watcher has its own thread, which sleeps until inotify reports an event.
pub struct Files {
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, Identity>,
    /// The folders that cannot be watched.
    unwatched: BTreeSet<PathBuf>,
    shared: Arc<Mutex<Shared>>,
    /// Receives a byte at each event that matters.
    changed: UnixStream,
}

/// What the watcher's thread knows.
#[derive(Default)]
struct Shared {
    configuration: WatchSet,
    others: WatchSet,
    /// The folders that were moved or removed, which ends their watches.
    gone: BTreeSet<PathBuf>,
    /// What may be half done, and how long it is waited for.
    unfinished: BTreeMap<PathBuf, (Kind, Instant)>,
    news: FileNews,
    /// The file that was closed last, under whatever name; careful programs then move it into its place.
    closed: Option<PathBuf>,
    /// Whether what is being moved was that file.
    is_whole: bool,
    /// How many events of configuration came so far.
    events: u64,
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
            if lock(&its).take_note(event) {
                // A full socket is readable already.
                let _ = wake.write(&[1]);
            }
        };
        let watcher = notify::recommended_watcher(at_event).map_err(io::Error::other)?;
        Ok(Files { watcher, watched: BTreeMap::new(), unwatched: BTreeSet::new(), shared, changed })
    }

    /// Watches what leads to these files and folders of configuration, and others, and nothing else.
    pub fn attend(&mut self, configuration: &[PathBuf], others: &[PathBuf]) {
        let (configuration, others) = (WatchSet::to(configuration), WatchSet::to(others));
        let folders: BTreeSet<PathBuf> = configuration.folders.union(&others.folders).cloned().collect();
        let gone = {
            let mut shared = lock(&self.shared);
            (shared.configuration, shared.others) = (configuration, others);
            mem::take(&mut shared.gone)
        };
        // A folder that is still the same one stays watched, so that nothing goes unnoticed meanwhile.
        let stays = |folder: &PathBuf, known: &Identity| {
            folders.contains(folder)
                && !gone.contains(folder)
                && identity(folder).is_ok_and(|identity| identity == *known)
        };
        for (folder, _) in self.watched.extract_if(.., |folder, known| !stays(folder, known)) {
            // The kernel ends a watch itself when its folder is removed.
            let _ = self.watcher.unwatch(&folder);
        }
        for folder in folders {
            if !self.watched.contains_key(&folder) {
                self.watch(folder.clone());
                self.await_writers(&folder);
            }
        }
    }

    /// What was being written before its folder was watched is waited for: inotify tells of what comes, not of what is.
    fn await_writers(&mut self, folder: &Path) {
        let mut shared = lock(&self.shared);
        for path in processes::open_for_writing(shared.configuration.files_in(folder)) {
            shared.await_end(&path, Kind::Configuration, QUIET);
        }
    }

    /// Watches a folder; one that cannot be watched is logged once.
    fn watch(&mut self, folder: PathBuf) {
        // First, so that a folder that takes its place meanwhile is found to be another one.
        let identity = identity(&folder).map_err(notify::Error::io);
        let watched = self.watcher.watch(&folder, RecursiveMode::NonRecursive);
        match identity.and_then(|identity| watched.map(|()| identity)) {
            Ok(identity) => {
                self.unwatched.remove(&folder);
                self.watched.insert(folder, identity);
            }
            Err(error) if self.unwatched.insert(folder.clone()) => {
                log::warn!("cannot watch {}: {error}", escaped_path(&folder));
            }
            Err(_) => {}
        }
    }

    /// How many events of configuration came so far, for [`Files::has_changed_since`]. The descriptor is not readable for
    /// the sake of these any more.
    pub fn events(&self) -> u64 {
        drain(&self.changed);
        lock(&self.shared).events
    }

    /// Whether configuration changed since that many events came, as it may while it is read.
    pub fn has_changed_since(&self, events: u64) -> bool {
        // On a busy machine the thread may be later still. Then its event calls for another reading, when the file is
        // finished. To wait for the thread itself could take as long as others keep writing.
        let _ = wait::readable([self.changed.as_fd()], Some(LATENESS));
        lock(&self.shared).events != events
    }

    /// Whether any configuration may be half written.
    pub fn is_writing(&self) -> bool {
        lock(&self.shared).unfinished.values().any(|(kind, _)| *kind == Kind::Configuration)
    }

    /// How long to wait at most for what may be half done, unless an event comes before.
    pub fn unfinished(&self) -> Option<Duration> {
        let until = lock(&self.shared).unfinished.values().map(|(_, until)| *until).min()?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// What became of the files since the last call.
    pub fn take_news(&mut self) -> FileNews {
        drain(&self.changed);
        let (mut shared, now) = (lock(&self.shared), Instant::now());
        let Shared { unfinished, news, .. } = &mut *shared;
        for (_, (kind, _)) in unfinished.extract_if(.., |_, (_, until)| *until <= now) {
            news.add(kind);
        }
        mem::take(news)
    }
}

/// Readable when something changed.
impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changed.as_fd()
    }
}

impl Shared {
    /// Whether an event matters. Events of reading do not: this program causes them itself.
    fn take_note(&mut self, event: notify::Result<Event>) -> bool {
        let known = event.ok().filter(|event| !event.need_rescan());
        let Some(Event { kind: what, paths, .. }) = known else {
            // Some are lost, of any folder.
            self.note_gone(Path::new("/"));
            [Kind::Configuration, Kind::Other].into_iter().for_each(|kind| self.news.add(kind));
            self.events += 1;
            return true;
        };
        // One with two paths repeats those of either.
        let [path] = &paths[..] else { return false };
        let is_gone =
            matches!(what, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)));
        if is_gone {
            self.note_gone(path);
        }
        self.note_closing(what, path);
        let kind = if self.configuration.reads(path) {
            Kind::Configuration
        } else if self.others.concerns(path) {
            Kind::Other
        } else {
            return false;
        };
        let is_configuration = kind == Kind::Configuration;
        match what {
            // To ask all processes takes a while, so only those are asked for that were not seen to be closed.
            EventKind::Modify(ModifyKind::Name(RenameMode::To))
                if is_configuration
                    && !mem::take(&mut self.is_whole)
                    && !processes::open_for_writing(vec![path.clone()]).is_empty() =>
            {
                self.await_end(path, kind, QUIET);
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => self.finish(path, kind),
            _ if is_gone => self.await_end(path, kind, SETTLING),
            EventKind::Create(created) => {
                let is_file = is_new_file(path);
                if is_configuration && !is_file && created != CreateKind::Folder {
                    // A link or a second name of a file is never closed.
                    self.finish(path, kind);
                } else {
                    // A folder is filled, and a network namespace is mounted, after it is there.
                    self.await_end(path, kind, if is_configuration && is_file { QUIET } else { SETTLING });
                }
            }
            EventKind::Modify(ModifyKind::Data(_)) if is_configuration => self.await_end(path, kind, QUIET),
            EventKind::Modify(ModifyKind::Metadata(_)) if is_configuration => {
                let configuration = &mut self.news.configuration;
                *configuration = FileChange::Attributes.max(*configuration);
            }
            _ => return false,
        }
        self.events += u64::from(is_configuration);
        true
    }

    /// Remembers whether a file that is moved was closed before.
    fn note_closing(&mut self, what: EventKind, path: &Path) {
        let is_it = self.closed.as_deref() == Some(path);
        match what {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => self.closed = Some(path.to_owned()),
            EventKind::Modify(ModifyKind::Data(_)) if is_it => self.closed = None,
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => self.is_whole = is_it,
            _ => {}
        }
    }

    /// Remembers that the watches of a folder, and of those in it, end.
    fn note_gone(&mut self, path: &Path) {
        let folders = self.configuration.folders.union(&self.others.folders);
        self.gone.extend(folders.filter(|folder| folder.starts_with(path)).cloned());
    }

    fn await_end(&mut self, path: &Path, kind: Kind, at_most: Duration) {
        self.unfinished.insert(path.to_owned(), (kind, Instant::now() + at_most));
    }

    fn finish(&mut self, path: &Path, kind: Kind) {
        self.unfinished.remove(path);
        self.news.add(kind);
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(folder: &Path) -> io::Result<Identity> {
    fs::metadata(folder).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn is_new_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
}
