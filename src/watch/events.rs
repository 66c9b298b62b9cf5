//! What a watch waits for: files, signals, and notices of links and addresses.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::linux::{Changes, signals, wait};

use super::files::Files;

/// The files and signals that are watched.
pub struct EventSources {
    files: Files,
    /// Receives a byte at each SIGHUP.
    reload: UnixStream,
    /// Receives a byte at each SIGTERM and SIGINT.
    end: UnixStream,
    ending: Arc<AtomicBool>,
    since: Instant,
}

/// What ended a wait.
#[derive(Debug, Default)]
pub struct Wakeup {
    /// A file, or a folder on the way to one, may have changed.
    pub files: bool,
    /// SIGHUP came: everything is to be read again at once.
    pub reload: bool,
    /// SIGTERM or SIGINT came.
    pub end: bool,
    /// The numbers of the [`Changes`] that have notices.
    pub changes: Vec<usize>,
}

impl EventSources {
    /// From now on SIGHUP, SIGTERM and SIGINT only end a wait.
    ///
    /// # Errors
    /// When the kernel refuses a socket, a handler or inotify.
    pub fn open() -> io::Result<EventSources> {
        let (reload, end) = (signals::socket(&[SIGHUP])?, signals::socket(&[SIGTERM, SIGINT])?);
        let ending = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, Arc::clone(&ending))?;
        }
        Ok(EventSources { files: Files::open()?, reload, end, ending, since: Instant::now() })
    }

    /// Watches these files and folders from now on, and no others: their content, their replacement, and the folders and
    /// links that lead to them. They need not exist.
    pub fn attend(&mut self, paths: &[PathBuf]) {
        self.files.attend(paths);
    }

    /// A flag that SIGTERM and SIGINT set, for code that runs between two waits.
    pub fn ending(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ending)
    }

    /// The time since [`EventSources::open`].
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits for a file, a signal or one of `changes`, `at_most` that long; for ever if that is none.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn listen(&mut self, changes: &[&Changes], at_most: Option<Duration>) -> io::Result<Wakeup> {
        const OWN: usize = 3;
        let own = [self.files.as_fd(), self.reload.as_fd(), self.end.as_fd()];
        let ready = wait::readable(own.into_iter().chain(changes.iter().map(AsFd::as_fd)), at_most)?;
        let is_ready = |index: usize| ready.get(index).is_some_and(|ready| *ready);
        let changes = (0..changes.len()).filter(|index| is_ready(OWN + index)).collect();
        Ok(Wakeup {
            files: is_ready(0) && self.files.has_changed(),
            reload: is_ready(1) && drain(&self.reload),
            end: is_ready(2),
            changes,
        })
    }
}

pub(super) fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    there.set_nonblocking(true)?;
    Ok((here, there))
}

/// Reads all bytes. Whether there were any.
pub(super) fn drain(mut stream: &UnixStream) -> bool {
    let (mut bytes, mut any) = ([0; 64], false);
    while matches!(stream.read(&mut bytes), Ok(length) if length > 0) {
        any = true;
    }
    any
}
