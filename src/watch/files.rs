//! Watches files and folders with inotify, and knows which of them are being written.
//!
//! What is finished is reported at once: a file that was closed after writing or moved into its place, or a link. What may
//! be half done is not read: a file that is written to until it is closed, and one that is gone until another one may have
//! taken its place, as editors save (`a.yaml` becomes `a.yaml~`, and a new `a.yaml` is written).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

use crate::model::escaped_path;

use super::watch_set::WatchSet;

/// How long a file that is open for writing may be quiet before it is taken for finished.
const QUIET: Duration = Duration::from_secs(10);

/// How long something that is gone may take to come back, and a new folder to be filled.
const SETTLING: Duration = Duration::from_millis(200);

/// Bytes for events: room for many of the largest one, 272 bytes with the longest name.
const BUFFER_SIZE: usize = 8192;

/// How many events are read at once, so that no writer keeps this busy for ever; the kernel queues as many
/// (`fs.inotify.max_queued_events`).
const EVENTS_MAX: usize = 16_384;

/// What changes a file or folder, or replaces it. Reading does not: this program does that itself.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// What became of the watched files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileNews {
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

/// The files and folders that are watched.
pub struct Files {
    inotify: OwnedFd,
    /// The watched folders, and the paths that led to each, by the numbers that inotify gives them.
    watched: BTreeMap<i32, BTreeSet<PathBuf>>,
    /// The folders that cannot be watched.
    unwatched: BTreeSet<PathBuf>,
    configuration: WatchSet,
    others: WatchSet,
    /// What may be half done, and how long it is waited for.
    unfinished: BTreeMap<PathBuf, (Kind, Instant)>,
    news: FileNews,
    /// How many events of configuration came so far.
    events: u64,
}

impl Files {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the kernel refuses inotify.
    pub fn open() -> io::Result<Files> {
        Ok(Files {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            watched: BTreeMap::new(),
            unwatched: BTreeSet::new(),
            configuration: WatchSet::default(),
            others: WatchSet::default(),
            unfinished: BTreeMap::new(),
            news: FileNews::None,
            events: 0,
        })
    }

    /// Watches what leads to these files and folders of configuration, and others, and nothing else.
    pub fn attend(&mut self, configuration: &[PathBuf], others: &[PathBuf]) {
        // What came so far is judged by what was watched so far.
        self.read_events();
        (self.configuration, self.others) = (WatchSet::to(configuration), WatchSet::to(others));
        let folders: BTreeSet<PathBuf> =
            self.configuration.folders.union(&self.others.folders).cloned().collect();
        let mut watched: BTreeMap<i32, BTreeSet<PathBuf>> = BTreeMap::new();
        // A folder that is watched already keeps its number, so that nothing goes unnoticed meanwhile.
        for folder in folders {
            match inotify::add_watch(&self.inotify, &folder, CHANGES) {
                Ok(number) => {
                    self.unwatched.remove(&folder);
                    watched.entry(number).or_default().insert(folder);
                }
                Err(error) if self.unwatched.insert(folder.clone()) => {
                    log::warn!("cannot watch {}: {}", escaped_path(&folder), io::Error::from(error));
                }
                Err(_) => {}
            }
        }
        for number in std::mem::replace(&mut self.watched, watched).into_keys() {
            if !self.watched.contains_key(&number) {
                // The kernel ends a watch itself when its folder is removed.
                let _ = inotify::remove_watch(&self.inotify, number);
            }
        }
    }

    /// How many events of configuration came so far: as many before as after reading it if nothing changed meanwhile.
    pub fn events(&mut self) -> u64 {
        self.read_events();
        self.events
    }

    /// Whether any configuration may be half written.
    pub fn is_writing(&self) -> bool {
        self.unfinished.values().any(|(kind, _)| *kind == Kind::Configuration)
    }

    /// How long to wait at most for what may be half done, unless an event comes before.
    pub fn unfinished(&self) -> Option<Duration> {
        let until = self.unfinished.values().map(|(_, until)| *until).min()?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// What became of the files since the last call.
    pub fn take_news(&mut self) -> FileNews {
        self.read_events();
        let now = Instant::now();
        if self.unfinished.extract_if(.., |_, (_, until)| *until <= now).count() > 0 {
            self.news = FileNews::Content;
        }
        std::mem::take(&mut self.news)
    }

    fn read_events(&mut self) {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_SIZE];
        let mut events = Vec::new();
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        while events.len() < EVENTS_MAX
            && let Ok(event) = reader.next()
        {
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
            events.push((event.wd(), event.events(), name));
        }
        for (number, what, name) in events {
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                (self.news, self.events) = (FileNews::Content, self.events + 1);
            }
            // None leads to a folder that is watched no more.
            for folder in self.watched.get(&number).cloned().unwrap_or_default() {
                let path = name.as_ref().map_or(folder.clone(), |name| folder.join(name));
                self.take_note(path, what);
            }
        }
    }

    fn take_note(&mut self, path: PathBuf, what: ReadFlags) {
        let kind = if self.configuration.reads(&path) {
            Kind::Configuration
        } else if self.others.concerns(&path) {
            Kind::Other
        } else {
            return;
        };
        let is_configuration = kind == Kind::Configuration;
        self.events += u64::from(is_configuration);
        let gone = ReadFlags::MOVED_FROM | ReadFlags::DELETE | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
        if what.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
            self.finish(&path);
        } else if what.intersects(gone) {
            self.await_end(path, kind, SETTLING);
        } else if what.contains(ReadFlags::CREATE) {
            let is_file = is_new_file(&path);
            if is_configuration && !is_file && !what.contains(ReadFlags::ISDIR) {
                // A link or a second name of a file is never closed.
                self.finish(&path);
            } else {
                // A folder is filled, and a network namespace is mounted, after it is there.
                let at_most = if is_configuration && is_file { QUIET } else { SETTLING };
                self.await_end(path, kind, at_most);
            }
        } else if what.contains(ReadFlags::MODIFY) && is_configuration {
            self.await_end(path, kind, QUIET);
        } else if what.contains(ReadFlags::ATTRIB) && is_configuration {
            self.news = self.news.max(FileNews::Attributes);
        }
    }

    fn await_end(&mut self, path: PathBuf, kind: Kind, at_most: Duration) {
        self.unfinished.insert(path, (kind, Instant::now() + at_most));
    }

    fn finish(&mut self, path: &Path) {
        self.unfinished.remove(path);
        self.news = FileNews::Content;
    }
}

/// Readable when something changed.
impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

fn is_new_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
}
