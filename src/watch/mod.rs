//! Hearing that something may have changed: files, links, addresses, and signals. What is heard is never trusted for its
//! content, and may be too much or too little: whoever hears it looks again, and looks from time to time anyway.

mod debounce;
pub mod drift;
mod files;
pub mod namespace;
mod systemd;

mod watch_set;

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use files::Files;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

use crate::linux::{Changes, wait};

pub use debounce::Debounce;
pub use systemd::Systemd;

/// What there is to hear.
pub struct EventSources {
    files: Files,
    /// Gets a byte from each SIGHUP.
    reload: UnixStream,
    /// Gets a byte from each SIGTERM and SIGINT.
    end: UnixStream,
    ending: Arc<AtomicBool>,
    since: Instant,
}

/// What was heard.
#[derive(Debug, Default)]
pub struct Wakeup {
    /// A file, or a folder on the way to one, may have changed.
    pub files: bool,
    /// SIGHUP: everything is to be read again now.
    pub reload: bool,
    /// SIGTERM or SIGINT.
    pub end: bool,
    /// The numbers of those [`Changes`] that have something new.
    pub changes: Vec<usize>,
}

impl EventSources {
    /// Hears signals from now on, which do nothing else then.
    ///
    /// # Errors
    /// When the kernel has no more sockets or watches to give.
    pub fn open() -> io::Result<EventSources> {
        let (reload, hangs_up) = pair()?;
        pipe::register(SIGHUP, hangs_up)?;
        let (end, ends) = pair()?;
        let ending = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, Arc::clone(&ending))?;
            pipe::register(signal, ends.try_clone()?)?;
        }
        Ok(EventSources { files: Files::open()?, reload, end, ending, since: Instant::now() })
    }

    /// Hears of these files and folders from now on, and of nothing else: of their content, of their being replaced, and
    /// of what leads to them. They need not be there.
    pub fn attend(&mut self, paths: &[PathBuf]) {
        self.files.attend(paths);
    }

    /// Set when the program is to end, so that whoever waits for something else need not hear of it first.
    pub fn ending(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ending)
    }

    /// How long it has been listening.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits until there is something to hear, `at_most` that long; for ever if that is none.
    ///
    /// # Errors
    /// When the kernel does not let it wait.
    pub fn listen(&mut self, changes: &[&Changes], at_most: Option<Duration>) -> io::Result<Wakeup> {
        const OWN: usize = 3;
        let own = [self.files.as_fd(), self.reload.as_fd(), self.end.as_fd()];
        let ready = wait::readable(own.into_iter().chain(changes.iter().map(AsFd::as_fd)), at_most)?;
        let heard = |index: usize| ready.get(index).is_some_and(|ready| *ready);
        let changes = (0..changes.len()).filter(|index| heard(OWN + index)).collect();
        Ok(Wakeup {
            files: heard(0) && self.files.hear(),
            reload: heard(1) && drain(&self.reload),
            end: heard(2),
            changes,
        })
    }
}

fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    there.set_nonblocking(true)?;
    Ok((here, there))
}

/// Whether there was anything.
fn drain(mut stream: &UnixStream) -> bool {
    let (mut bytes, mut any) = ([0; 64], false);
    while matches!(stream.read(&mut bytes), Ok(length) if length > 0) {
        any = true;
    }
    any
}
