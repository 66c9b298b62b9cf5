//! `--watch`: stays, and keeps network namespaces at what the files say.

mod config;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::cli::{Apply, Common};
use crate::config::LoadedConfig;
use crate::linux::netns::{self, Home, Names};
use crate::linux::{Changes, rlimit};
use crate::model::Exit;
use crate::report::About;
use crate::source;
use crate::watch::namespace::{Pass, Trigger, WatchedNamespace};
use crate::watch::{Debounce, EventSources, Systemd, Wakeup};

use super::output::Form;
use super::{Output, load};

/// How long nothing may happen before it is looked again, in seconds, unless the command line says otherwise.
const RESYNC: u32 = 30;

/// Keeps the kernel as declared until it is told to end.
///
/// # Errors
/// When nothing can be watched, or waited for.
pub fn run(options: &Apply, common: &Common, output: &Output) -> io::Result<Exit> {
    if options.paths.iter().any(|path| path.as_os_str() == "-") {
        output.error("standard input cannot be watched", Some("name a file or a folder"));
        return Ok(Exit::Usage);
    }
    let mut events = EventSources::open()?;
    events.attend(&watched_paths(options, common));
    let config = match load::load(&options.paths, options.strict, true, common, output)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if !options.netns.is_empty() {
        // A socket and a lock for each.
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
    let watch = Watch {
        options,
        common,
        output,
        events,
        config,
        refused: None,
        home,
        namespaces,
        awaited: Vec::new(),
        systemd: Systemd::from_environment(),
        debounce: Debounce::default(),
        pending: Pending::default(),
        looked: Duration::ZERO,
        told: Duration::ZERO,
    };
    watch.keep()
}

/// What the files are found by, and the folder of named namespaces where these matter.
fn watched_paths(options: &Apply, common: &Common) -> Vec<PathBuf> {
    let mut paths = source::search_paths(&options.paths, common.root_dir());
    if !options.netns.is_empty() {
        paths.push(netns::FOLDER.into());
    }
    paths
}

struct Watch<'a> {
    options: &'a Apply,
    common: &'a Common,
    output: &'a Output,
    events: EventSources,
    /// The last good configuration.
    config: LoadedConfig,
    /// A newer one that is not good.
    refused: Option<Refused>,
    home: Home,
    namespaces: Vec<WatchedNamespace>,
    /// What was asked for and is not there.
    awaited: Vec<Names>,
    systemd: Systemd,
    debounce: Debounce,
    pending: Pending,
    /// When everything was looked at last.
    looked: Duration,
    /// When the service manager last heard that the program lives.
    told: Duration,
}

/// What was heard of since the last look.
#[derive(Debug, Default)]
struct Pending {
    files: bool,
    /// Numbers of namespaces.
    namespaces: BTreeSet<usize>,
}

/// A configuration that cannot be carried out.
struct Refused {
    /// What was read, if anything was.
    config: Option<LoadedConfig>,
    /// What is wrong with it.
    message: String,
}

impl Watch<'_> {
    fn keep(mut self) -> io::Result<Exit> {
        let first = self.pass_everywhere(Trigger::Start);
        // What keeps the first run from starting would keep all others from it. Of named namespaces one may be stuck and
        // the next one not, unless none may even be entered.
        let is_stuck = match self.options.netns.is_empty() {
            true => !matches!(first, Exit::Success | Exit::Failed | Exit::Inconsistent),
            false => {
                first == Exit::NotPermitted
                    && self.namespaces.iter().all(|namespace| namespace.changes().is_none())
            }
        };
        if is_stuck {
            return Ok(first);
        }
        self.systemd.ready(&self.status());
        loop {
            let at_most = self.due().map(|due| due.saturating_sub(self.events.elapsed()));
            let there = self.namespaces.iter().enumerate();
            let (numbers, changes): (Vec<usize>, Vec<&Changes>) =
                there.filter_map(|(number, namespace)| Some((number, namespace.changes()?))).unzip();
            let heard = self.events.listen(&changes, at_most)?;
            if heard.end {
                self.systemd.stopping();
                return Ok(Exit::Success);
            }
            self.take_note(&heard, &numbers);
            if heard.reload {
                self.systemd.reloading();
                log::info!("told to read everything again");
                self.read_and_pass(Trigger::Resync);
                self.systemd.ready(&self.status());
            }
            self.act();
        }
    }

    /// When there is something to do next, if nothing happens before.
    fn due(&self) -> Option<Duration> {
        let retries = self.namespaces.iter().filter_map(|namespace| namespace.retry_at);
        let others = [self.debounce.due(), self.resync_at(), self.heartbeat_at()];
        others.into_iter().flatten().chain(retries).min()
    }

    fn resync_at(&self) -> Option<Duration> {
        let seconds = self.options.resync.unwrap_or(RESYNC);
        (seconds > 0).then(|| self.looked + Duration::from_secs(seconds.into()))
    }

    fn heartbeat_at(&self) -> Option<Duration> {
        self.systemd.heartbeat().map(|period| self.told + period)
    }

    fn take_note(&mut self, heard: &Wakeup, numbers: &[usize]) {
        for number in heard.changes.iter().filter_map(|index| numbers.get(*index)) {
            // What it was is seen by looking.
            if let Some(Err(error)) = self.namespaces[*number].changes().map(Changes::hear) {
                log::warn!("{error}");
                self.namespaces[*number].leave();
            }
            self.pending.namespaces.insert(*number);
        }
        self.pending.files |= heard.files;
        if heard.files || !heard.changes.is_empty() {
            self.debounce.note(self.events.elapsed());
        }
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = self.events.elapsed();
        let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now);
        if is_due(self.heartbeat_at()) {
            self.systemd.alive();
            self.told = now;
        }
        let retries = |namespace: &WatchedNamespace| is_due(namespace.retry_at);
        let retries: BTreeSet<usize> = self
            .namespaces
            .iter()
            .enumerate()
            .filter(|(_, namespace)| retries(namespace))
            .map(|(number, _)| number)
            .collect();
        if is_due(self.resync_at()) {
            self.read_and_pass(Trigger::Resync);
        } else if is_due(self.debounce.due()) {
            match self.pending.files {
                true => self.read_and_pass(Trigger::Host),
                false => {
                    let numbers = std::mem::take(&mut self.pending.namespaces);
                    self.debounce.clear();
                    self.pass(&numbers, Trigger::Host);
                }
            }
        } else if !retries.is_empty() {
            self.pass(&retries, Trigger::Retry);
        } else {
            return;
        }
        self.systemd.status(&self.status());
    }

    /// Looks everywhere, with the configuration as it is now.
    fn read_and_pass(&mut self, trigger: Trigger) {
        let trigger = if self.read_files() { Trigger::Files } else { trigger };
        self.pass_everywhere(trigger);
    }

    fn pass_everywhere(&mut self, trigger: Trigger) -> Exit {
        self.find_namespaces();
        (self.pending, self.looked) = (Pending::default(), self.events.elapsed());
        self.debounce.clear();
        self.pass(&(0..self.namespaces.len()).collect(), trigger)
    }

    fn pass(&mut self, numbers: &BTreeSet<usize>, trigger: Trigger) -> Exit {
        let Watch { output, config, events, namespaces, .. } = self;
        let ending = events.ending();
        let mut worst = Exit::Success;
        for number in numbers {
            // Hundreds of namespaces may take longer than the end may be put off.
            if ending.load(Ordering::Relaxed) {
                break;
            }
            let namespace = &mut namespaces[*number];
            let exit = match namespace.pass(config, trigger, &ending) {
                Some(pass) => report(output, config, namespace.name.as_deref(), trigger, &pass),
                None => Exit::Unsupported,
            };
            worst = worst.worse(exit);
            namespace.retry_at = namespace.retry_after().map(|pause| events.elapsed() + pause);
        }
        if !self.options.netns.is_empty()
            && let Err(error) = self.home.enter()
        {
            log::warn!("{error}");
        }
        worst
    }

    /// Named namespaces come and go.
    fn find_namespaces(&mut self) {
        if self.options.netns.is_empty() {
            return;
        }
        let names = match netns::find(&self.options.netns) {
            Ok(names) => names,
            Err(error) => return log::warn!("{error}"),
        };
        let there = names.into_iter().filter_map(|name| Some((netns::identity(&name)?, name)));
        let there: Vec<_> = there.collect();
        let awaited = |wanted: &&Names| !there.iter().any(|(_, name)| wanted.means(name));
        let awaited: Vec<Names> = self.options.netns.iter().filter(awaited).cloned().collect();
        for wanted in awaited.iter().filter(|wanted| !self.awaited.contains(wanted)) {
            log::warn!("waiting for network namespace {wanted}: there is none");
        }
        self.awaited = awaited;
        // Under a second name it would seem to be locked by somebody else.
        let mut known = BTreeSet::new();
        let names: Vec<String> =
            there.into_iter().filter(|(identity, _)| known.insert(*identity)).map(|(_, name)| name).collect();
        let is_there =
            |namespace: &WatchedNamespace| namespace.name.as_ref().is_none_or(|name| names.contains(name));
        for gone in self.namespaces.extract_if(.., |namespace| !is_there(namespace)) {
            log::warn!("network namespace {} is gone", gone.name.unwrap_or_default());
        }
        let is_known =
            |name: &String| self.namespaces.iter().any(|namespace| namespace.name.as_ref() == Some(name));
        let new: Vec<String> = names.iter().filter(|name| !is_known(name)).cloned().collect();
        self.namespaces.extend(new.into_iter().map(|name| WatchedNamespace::new(Some(name))));
    }
}

/// Reports a pass. A watch does not stop when its output cannot be written.
fn report(
    output: &Output,
    config: &LoadedConfig,
    netns: Option<&str>,
    trigger: Trigger,
    Pass { result, warnings, is_news }: &Pass,
) -> Exit {
    let exit = match result {
        Ok(report) => report.exit(),
        Err(failure) => failure.kind.exit(),
    };
    if *is_news || output.form == Form::Json {
        let about = About { loaded: Some(config), netns, trigger: Some(trigger.word()) };
        output.diagnose_in(netns, warnings, &[]);
        let _ = output.report(&about, result, true, false);
    }
    exit
}
