//! `--watch`: stays, and keeps network namespaces at what the files say.

mod drift;
mod files;
mod place;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use place::{Place, Trigger};

use crate::cli::{Apply, Common};
use crate::linux::netns::{self, Home, Names};
use crate::linux::{Changes, rlimit};
use crate::model::Exit;
use crate::source;
use crate::watch::{Debounce, EventSources, Systemd, Wakeup};

use super::Output;
use super::input::{self, Input};

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
    let mut ears = EventSources::open()?;
    ears.attend(&origins(options, common));
    let mut input = match input::read(&options.paths, common.root_dir()) {
        Ok(input) => input,
        Err(none) => return Ok(none.tell(output)),
    };
    let judged = input.judge(options);
    output.diagnose(&input.diagnostics, &input.sources);
    if let Err(exit) = judged {
        return Ok(exit);
    }
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
    let places = if options.netns.is_empty() { vec![Place::new(None)] } else { Vec::new() };
    let watch = Watch {
        options,
        common,
        output,
        ears,
        input,
        refused: None,
        home,
        places,
        awaited: Vec::new(),
        service: Systemd::from_environment(),
        settling: Debounce::default(),
        pending: Pending::default(),
        looked: Duration::ZERO,
        told: Duration::ZERO,
    };
    watch.keep()
}

/// What the files are found by, and the folder of named namespaces where these matter.
fn origins(options: &Apply, common: &Common) -> Vec<PathBuf> {
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
    ears: EventSources,
    /// The last good configuration.
    input: Input,
    /// A newer one that is not good.
    refused: Option<Refused>,
    home: Home,
    places: Vec<Place>,
    /// What was asked for and is not there.
    awaited: Vec<Names>,
    service: Systemd,
    settling: Debounce,
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
    places: BTreeSet<usize>,
}

/// A configuration that cannot be carried out.
struct Refused {
    /// What was read, if anything was.
    input: Option<Input>,
    /// What is wrong with it.
    message: String,
}

impl Watch<'_> {
    fn keep(mut self) -> io::Result<Exit> {
        let first = self.look_everywhere(Trigger::Start);
        // What keeps the first run from starting would keep all others from it. Of named namespaces one may be stuck and
        // the next one not, unless none may even be entered.
        let is_stuck = match self.options.netns.is_empty() {
            true => !matches!(first, Exit::Success | Exit::Failed | Exit::Inconsistent),
            false => first == Exit::NotPermitted && self.places.iter().all(|place| place.changes().is_none()),
        };
        if is_stuck {
            return Ok(first);
        }
        self.service.ready(&self.status());
        loop {
            let at_most = self.due().map(|due| due.saturating_sub(self.ears.elapsed()));
            let there = self.places.iter().enumerate();
            let (numbers, changes): (Vec<usize>, Vec<&Changes>) =
                there.filter_map(|(number, place)| Some((number, place.changes()?))).unzip();
            let heard = self.ears.listen(&changes, at_most)?;
            if heard.end {
                self.service.stopping();
                return Ok(Exit::Success);
            }
            self.take_note(&heard, &numbers);
            if heard.reload {
                self.service.reloading();
                log::info!("told to read everything again");
                self.read_and_look(Trigger::Resync);
                self.service.ready(&self.status());
            }
            self.act();
        }
    }

    /// When there is something to do next, if nothing happens before.
    fn due(&self) -> Option<Duration> {
        let retries = self.places.iter().filter_map(|place| place.retry_at);
        let others = [self.settling.due(), self.resync_at(), self.heartbeat_at()];
        others.into_iter().flatten().chain(retries).min()
    }

    fn resync_at(&self) -> Option<Duration> {
        let seconds = self.options.resync.unwrap_or(RESYNC);
        (seconds > 0).then(|| self.looked + Duration::from_secs(seconds.into()))
    }

    fn heartbeat_at(&self) -> Option<Duration> {
        self.service.heartbeat().map(|period| self.told + period)
    }

    fn take_note(&mut self, heard: &Wakeup, numbers: &[usize]) {
        for number in heard.changes.iter().filter_map(|index| numbers.get(*index)) {
            // What it was is seen by looking.
            if let Some(Err(error)) = self.places[*number].changes().map(Changes::hear) {
                log::warn!("{error}");
                self.places[*number].leave();
            }
            self.pending.places.insert(*number);
        }
        self.pending.files |= heard.files;
        if heard.files || !heard.changes.is_empty() {
            self.settling.note(self.ears.elapsed());
        }
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = self.ears.elapsed();
        let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now);
        if is_due(self.heartbeat_at()) {
            self.service.alive();
            self.told = now;
        }
        let retries = |place: &Place| is_due(place.retry_at);
        let retries: BTreeSet<usize> = self
            .places
            .iter()
            .enumerate()
            .filter(|(_, place)| retries(place))
            .map(|(number, _)| number)
            .collect();
        if is_due(self.resync_at()) {
            self.read_and_look(Trigger::Resync);
        } else if is_due(self.settling.due()) {
            match self.pending.files {
                true => self.read_and_look(Trigger::Host),
                false => {
                    let places = std::mem::take(&mut self.pending.places);
                    self.settling.clear();
                    self.look(&places, Trigger::Host);
                }
            }
        } else if !retries.is_empty() {
            self.look(&retries, Trigger::Retry);
        } else {
            return;
        }
        self.service.status(&self.status());
    }

    /// Looks everywhere, with the configuration as it is now.
    fn read_and_look(&mut self, trigger: Trigger) {
        let trigger = if self.read_files() { Trigger::Files } else { trigger };
        self.look_everywhere(trigger);
    }

    fn look_everywhere(&mut self, trigger: Trigger) -> Exit {
        self.find_namespaces();
        (self.pending, self.looked) = (Pending::default(), self.ears.elapsed());
        self.settling.clear();
        self.look(&(0..self.places.len()).collect(), trigger)
    }

    fn look(&mut self, numbers: &BTreeSet<usize>, trigger: Trigger) -> Exit {
        let Watch { options, output, input, ears, .. } = self;
        let shared = place::Shared { options, output, input, ending: ears.ending() };
        let mut worst = Exit::Success;
        for number in numbers {
            // Hundreds of namespaces may take longer than the end may be put off.
            if shared.ending.load(Ordering::Relaxed) {
                break;
            }
            let place = &mut self.places[*number];
            worst = worst.worse(place.run(&shared, trigger));
            place.retry_at = place.retry_after().map(|pause| ears.elapsed() + pause);
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
        let is_there = |place: &Place| place.name.as_ref().is_none_or(|name| names.contains(name));
        for gone in self.places.extract_if(.., |place| !is_there(place)) {
            log::warn!("network namespace {} is gone", gone.name.unwrap_or_default());
        }
        let is_known = |name: &String| self.places.iter().any(|place| place.name.as_ref() == Some(name));
        let new: Vec<String> = names.iter().filter(|name| !is_known(name)).cloned().collect();
        self.places.extend(new.into_iter().map(|name| Place::new(Some(name))));
    }
}
