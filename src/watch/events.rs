//! What a watch waits for: files, signals, and notices of links, addresses, routes and rules.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::linux::{Changes, signals, wait};

use super::files::{FileNews, Files};

/// The files and signals that are watched.
pub struct EventSources {
    /// None where inotify is not to be had: files are then read from time to time.
    files: Option<Files>,
    /// The terminal that this process was started in. Its hangup ends the watch.
    terminal: Option<OwnedFd>,
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
    /// What became of files, and of folders on the way to them.
    pub files: FileNews,
    /// SIGHUP came: everything is to be read again at once.
    pub reload: bool,
    /// SIGTERM or SIGINT came, or the terminal hung up.
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
        let terminal = terminal();
        let (reload, end) = (signals::socket(&[SIGHUP])?, signals::socket(&[SIGTERM, SIGINT])?);
        let ending = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, Arc::clone(&ending))?;
        }
        let files = Files::open().inspect_err(|error| {
            log::warn!(
                "cannot watch files: {error}; they are only read every --resync seconds, and at SIGHUP"
            );
        });
        Ok(EventSources { files: files.ok(), terminal, reload, end, ending, since: Instant::now() })
    }

    /// Watches these files and folders of configuration from now on, and others that call for a pass: their content, their
    /// replacement, and the folders and links that lead to them. They need not exist.
    pub fn attend(&mut self, configuration: &[PathBuf], others: &[PathBuf]) {
        if let Some(files) = &mut self.files {
            files.attend(configuration, others);
        }
    }

    /// Whether any configuration may be half written, so that it must not be read.
    pub fn is_writing(&self) -> bool {
        self.files.as_ref().is_some_and(Files::is_writing)
    }

    /// How many events of configuration came so far. What they are is left for [`EventSources::file_news`].
    pub fn file_events(&self) -> u64 {
        self.files.as_ref().map_or(0, Files::events)
    }

    /// Whether configuration changed since that many events came.
    pub fn has_changed_since(&self, file_events: u64) -> bool {
        self.files.as_ref().is_some_and(|files| files.has_changed_since(file_events))
    }

    /// What became of files since the last call, or the last wait.
    pub fn file_news(&mut self) -> FileNews {
        self.files.as_mut().map_or_else(FileNews::default, Files::take_news)
    }

    /// How long to wait at most for files that may be half done, unless an event comes before.
    pub fn unfinished(&self) -> Option<Duration> {
        self.files.as_ref()?.unfinished()
    }

    /// A flag that SIGTERM and SIGINT set, for code that runs between two waits.
    pub fn ending(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ending)
    }

    /// The time since [`EventSources::open`].
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits for a file, a signal, one of `changes` or one of `others`, `at_most` that long; for ever if that is none. What
    /// came of the others is for their owners to find out.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn listen(
        &mut self,
        changes: &[&Changes],
        others: Vec<PollFd<'_>>,
        at_most: Option<Duration>,
    ) -> io::Result<Wakeup> {
        let mut all = vec![PollFd::new(&self.reload, PollFlags::IN), PollFd::new(&self.end, PollFlags::IN)];
        // A hangup is reported without being asked for; keys are of no interest.
        all.extend(self.terminal.as_ref().map(|terminal| PollFd::new(terminal, PollFlags::empty())));
        let terminal_ends = all.len();
        all.extend(self.files.as_ref().map(|files| PollFd::new(files, PollFlags::IN)));
        let changes_at = all.len();
        all.extend(changes.iter().map(|one| PollFd::new(*one, PollFlags::IN)));
        all.extend(others);
        wait::wait(&mut all, at_most)?;
        let ready: Vec<bool> = all.iter().map(wait::is_ready).collect();
        Ok(Wakeup {
            files: self.file_news(),
            reload: ready[0] && drain(&self.reload),
            end: ready[1..terminal_ends].contains(&true),
            changes: (0..changes.len()).filter(|index| ready[changes_at + index]).collect(),
        })
    }
}

/// The terminal that this process was started in, unless it is to outlive that (`nohup(1)`).
fn terminal() -> Option<OwnedFd> {
    if signals::ignored().contains(SIGHUP) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()
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
