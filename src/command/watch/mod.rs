//! `--watch`: keeps running, and re-applies the files after changes.

mod config;
mod metrics;
mod namespaces;

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{Apply, Common};
use crate::config::LoadedConfig;
use crate::linux::netns::{self, Home, Names};
use crate::linux::{Changes, LinuxPathManager, rlimit, stream};
use crate::model::{Exit, escaped_path};
use crate::reconcile::Failure;
use crate::report::ReportContext;
use crate::rundir::RunDir;
use crate::source;
use crate::watch::namespace::WatchedNamespace;
use crate::watch::story::{Cause, Trigger};
use crate::watch::{Debounce, EventSources, FileChange, FileNews, MetricsFile, Systemd, Wakeup};

use config::Reading;

use super::{Output, load};
use metrics::Metrics;

/// The default of `--resync`: seconds after a pass over all namespaces until the next one.
const RESYNC: u32 = 30;

/// Keeps the kernel as declared until SIGTERM or SIGINT.
///
/// # Errors
/// When files and signals cannot be watched.
pub fn run(options: &Apply, common: &Common, output: &Output) -> io::Result<Exit> {
    if options.paths.iter().any(|path| path.as_os_str() == "-") {
        output.error("standard input cannot be watched", Some("name a file or a folder"));
        return Ok(Exit::Usage);
    }
    if !LinuxPathManager::may_write() {
        // Sooner or later it would, and before that it would only say what else it lacks.
        let context = ReportContext { loaded: None, netns: None, cause: None, checks: &[] };
        return output.report(&context, &Err(Failure::not_permitted()), false, false);
    }
    stream::never_wait()?;
    let mut events = EventSources::open()?;
    if let Ok(rundir) = RunDir::of_this_namespace() {
        // First: once the folder above it is watched, a folder that appears there is news.
        rundir.prepare();
    }
    attend(&mut events, options, common, &[]);
    let read = match events.is_writing() {
        true => Err(config::half_written()),
        false => config::read(options, common),
    };
    let (config, none) = match read {
        Err(none) if none.exit == Exit::NoInput => (None, Some(none)),
        loaded => match load::accept(loaded, output)? {
            Ok(config) => (Some(config), None),
            Err(exit) => return Ok(exit),
        },
    };
    let sources = config.as_ref().map_or(&[][..], |config| &config.sources);
    if let Some(path) = &options.metrics
        && let Some(objection) = MetricsFile::objection(path, sources)
    {
        let message = format!("metrics cannot replace {}: {objection}", escaped_path(path));
        output.error(&message, Some("name a file of its own, which need not exist"));
        return Ok(Exit::Usage);
    }
    if !options.netns.is_empty() {
        // Each namespace needs a socket and a lock.
        rlimit::raise_limit();
    }
    let home = match Home::remember() {
        Ok(home) => home,
        Err(error) => {
            output.error(&error.to_string(), None);
            return Ok(Exit::Failed);
        }
    };
    let namespaces = if options.netns.is_empty() { vec![WatchedNamespace::new(None)] } else { Vec::new() };
    let mut watch = Watch {
        options,
        common,
        output,
        events,
        config,
        refused: None,
        home,
        namespaces,
        missing: Vec::new(),
        systemd: Systemd::from_environment(),
        metrics: options.metrics.as_deref().map(Metrics::new),
        debounce: Debounce::default(),
        news: FileNews::default(),
        last_pass: Duration::ZERO,
        last_heartbeat: Duration::ZERO,
    };
    if let Some(none) = none {
        watch.refuse(None, &none.diagnostic);
    }
    watch.run()
}

/// Watches the files of the configuration, and what else calls for a pass: requests of other runs, and with `--netns` the
/// folder of named namespaces.
fn attend(events: &mut EventSources, options: &Apply, common: &Common, namespaces: &[WatchedNamespace]) {
    let names = (!options.netns.is_empty()).then(|| netns::FOLDER.into());
    let others: Vec<PathBuf> = namespaces.iter().filter_map(WatchedNamespace::request).chain(names).collect();
    events.attend(&source::search_paths(&options.paths, common.root_dir()), &others);
}

/// The state of a watch.
struct Watch<'a> {
    options: &'a Apply,
    common: &'a Common,
    output: &'a Output,
    events: EventSources,
    /// The last valid configuration, which is in force; none before the first one, when nothing is touched.
    config: Option<LoadedConfig>,
    /// A newer one that is invalid, or the lack of any.
    refused: Option<Refused>,
    home: Home,
    namespaces: Vec<WatchedNamespace>,
    /// The names of `--netns` that match no namespace.
    missing: Vec<Names>,
    systemd: Systemd,
    /// With `--metrics`.
    metrics: Option<Metrics>,
    /// Events of files; each namespace has its own.
    debounce: Debounce,
    /// What became of the files since they were read.
    news: FileNews,
    /// The time of the last pass over all namespaces.
    last_pass: Duration,
    /// The time of the last WATCHDOG=1.
    last_heartbeat: Duration,
}

/// A configuration that must not be applied.
struct Refused {
    /// The files, if they could be read.
    config: Option<LoadedConfig>,
    /// What is wrong with it.
    message: String,
}

impl Watch<'_> {
    fn run(mut self) -> io::Result<Exit> {
        let first = self.pass_everywhere(Trigger::Start.into());
        // If the first pass cannot start, later ones cannot either. Of named namespaces, one may fail and the next one
        // work, unless none may be entered.
        let is_stuck = if self.options.netns.is_empty() {
            !matches!(first, Exit::Success | Exit::Failed | Exit::Inconsistent)
        } else {
            first == Exit::NotPermitted && self.namespaces.iter().all(|it| it.changes().is_none())
        };
        if is_stuck {
            return Ok(first);
        }
        // Only now it is known where requests come in.
        attend(&mut self.events, self.options, self.common, &self.namespaces);
        self.systemd.ready(&self.status());
        loop {
            let at_most = self.due().map(|due| due.saturating_sub(self.events.elapsed()));
            let namespaces = self.namespaces.iter().enumerate();
            let (numbers, changes): (Vec<usize>, Vec<&Changes>) =
                namespaces.filter_map(|(number, namespace)| Some((number, namespace.changes()?))).unzip();
            let checks = self.namespaces.iter().flat_map(WatchedNamespace::check_descriptors).collect();
            let wakeup = self.events.listen(&changes, checks, at_most)?;
            if wakeup.end {
                self.systemd.stopping();
                return Ok(Exit::Success);
            }
            self.note(&wakeup, &numbers);
            if wakeup.reload {
                self.systemd.reloading();
                log::info!("SIGHUP: reading all files again");
                self.read_and_pass(Cause::hangup());
                self.systemd.ready(&self.status());
            }
            self.run_due();
        }
    }

    /// The time of the next pass or heartbeat, if no event comes before.
    fn due(&self) -> Option<Duration> {
        let namespaces = self.namespaces.iter();
        let retries =
            namespaces.flat_map(|it| [it.debounce.due(), it.retry_at, it.heal_at(), it.check_at()]).flatten();
        let now = self.events.elapsed();
        let unsent = self.systemd.has_unsent().then(|| now + Systemd::RETRY);
        let unfinished = self.events.unfinished().map(|left| now + left);
        let others = [self.files_at(), self.resync_at(), self.heartbeat_at(), unsent, unfinished];
        others.into_iter().flatten().chain(retries).min()
    }

    /// When to read files that changed. While one is being written, that is once it is closed.
    fn files_at(&self) -> Option<Duration> {
        self.debounce.due().filter(|_| !self.events.is_writing())
    }

    fn resync_at(&self) -> Option<Duration> {
        let seconds = self.options.resync.unwrap_or(RESYNC);
        (seconds > 0).then(|| self.last_pass + Duration::from_secs(seconds.into()))
    }

    fn heartbeat_at(&self) -> Option<Duration> {
        self.systemd.heartbeat().map(|period| self.last_heartbeat + period)
    }

    /// Remembers what a wakeup reports, for the pass that follows.
    fn note(&mut self, wakeup: &Wakeup, numbers: &[usize]) {
        let now = self.events.elapsed();
        for number in wakeup.changes.iter().filter_map(|index| numbers.get(*index)) {
            // The pass reads everything, so the notices themselves are not needed.
            if let Some(Err(error)) = self.namespaces[*number].changes().map(Changes::hear) {
                log::warn!("{error}");
                self.namespaces[*number].leave();
            }
            self.namespaces[*number].debounce.note(now);
        }
        self.note_files(wakeup.files);
    }

    fn note_files(&mut self, news: FileNews) {
        if news != FileNews::default() {
            self.news = self.news.and(news);
            self.debounce.note(self.events.elapsed());
        }
    }

    /// Runs what is due.
    fn run_due(&mut self) {
        self.systemd.send();
        let now = self.events.elapsed();
        let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now);
        if is_due(self.heartbeat_at()) {
            self.systemd.alive();
            self.last_heartbeat = now;
        }
        let due = |at: fn(&WatchedNamespace) -> Option<Duration>| -> BTreeSet<usize> {
            let namespaces = (0..).zip(&self.namespaces);
            namespaces.filter(|(_, namespace)| is_due(at(namespace))).map(|(number, _)| number).collect()
        };
        let changed = due(|it| it.debounce.due());
        let (retries, healings) = (due(|it| it.retry_at), due(WatchedNamespace::heal_at));
        let checked = self.run_checks(now);
        if !checked.is_empty() {
            self.pass(&checked, &Trigger::Check.into());
        } else if is_due(self.resync_at()) {
            self.read_and_pass(Trigger::Resync.into());
        } else if is_due(self.files_at()) {
            self.read_and_pass(Cause::same_files());
        } else if !changed.is_empty() {
            self.pass(&changed, &Trigger::Host.into());
        } else if !retries.is_empty() {
            self.pass(&retries, &Trigger::Retry.into());
        } else if !healings.is_empty() {
            self.pass(&healings, &Trigger::Subflows.into());
        } else {
            return;
        }
        self.systemd.status(&self.status());
    }

    /// Reads the files again, and makes a pass over all namespaces, unless only configuration calls for it, and it is being
    /// written, is invalid, or has nothing new but attributes.
    fn read_and_pass(&mut self, cause: Cause) {
        self.debounce.begin(self.events.elapsed());
        let news = mem::take(&mut self.news);
        let reading = self.read_files();
        // What came meanwhile is read next time.
        let later = self.events.file_news();
        self.note_files(later);
        if matches!(reading, Reading::Postponed) {
            self.note_files(news);
        }
        let cause = match (reading, cause.trigger) {
            (Reading::New(cause), _) => cause,
            (Reading::Postponed, Trigger::Host) => return,
            (Reading::Same, Trigger::Host) if news.configuration == FileChange::Content => cause,
            (Reading::Same | Reading::Refused, Trigger::Host) if news.others => Cause::other_files(),
            (Reading::Same | Reading::Refused, Trigger::Host) => return,
            _ => cause,
        };
        self.pass_everywhere(cause);
    }
}
