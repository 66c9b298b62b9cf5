//! One network namespace that is kept as declared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::cli::Apply;
use crate::command::Output;
use crate::command::input::Input;
use crate::command::job::{Again, Done, Job};
use crate::command::output::Form;
use crate::config::{Config, EndpointTarget};
use crate::linux::{Changes, LinuxPathManager, netns};
use crate::model::diagnostic::Severity;
use crate::model::{Exit, Identity, State};
use crate::rundir::{Lock, RunDir};
use crate::system::{Error, HostFacts, PathManager};

use super::drift;

/// The longest pause before a failed run is tried again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What all namespaces have in shared.
pub struct Shared<'a> {
    /// The options.
    pub options: &'a Apply,
    /// Where to report.
    pub output: &'a Output,
    /// The last good configuration.
    pub input: &'a Input,
    /// Set when the program is to end.
    pub ending: Arc<AtomicBool>,
}

/// Why it is looked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// For the first time.
    Start,
    /// The configuration is another one.
    Files,
    /// Links or addresses changed.
    Host,
    /// Some time has passed.
    Resync,
    /// It did not work before.
    Retry,
}

impl Trigger {
    /// The word of reports.
    fn word(self) -> &'static str {
        match self {
            Trigger::Start => "start",
            Trigger::Files => "files",
            Trigger::Host => "host",
            Trigger::Resync => "resync",
            Trigger::Retry => "retry",
        }
    }
}

/// One network namespace.
pub struct Place {
    /// Its name; none for the one in which the program was started.
    pub name: Option<String>,
    standing: Option<Standing>,
    /// Endpoints that were added before their address could be used.
    early: BTreeSet<Identity>,
    /// The state after the last run that reached its goal.
    reached: Option<State>,
    failures: u32,
    /// When to try again.
    pub retry_at: Option<Duration>,
    /// Why the last run failed, in a line.
    pub trouble: Option<String>,
    /// Whether trying again is of no use until the configuration changes.
    hopeless: bool,
}

/// What is kept as long as the namespace is there.
struct Standing {
    runtime: RunDir,
    _lock: Option<Lock>,
    changes: Changes,
}

impl Place {
    /// A namespace that was not looked at yet.
    pub fn new(name: Option<String>) -> Place {
        Place {
            name,
            standing: None,
            early: BTreeSet::new(),
            reached: None,
            failures: 0,
            retry_at: None,
            trouble: None,
            hopeless: false,
        }
    }

    /// Forgets what it has of the namespace; the next run goes there anew.
    pub fn leave(&mut self) {
        self.standing = None;
    }

    /// Tells of links and addresses, if the namespace is there.
    pub fn changes(&self) -> Option<&Changes> {
        self.standing.as_ref().map(|standing| &standing.changes)
    }

    /// How long to wait before a failed run is tried again; none when there is no need or no use.
    pub fn retry_after(&self) -> Option<Duration> {
        let doublings = self.failures.checked_sub(1)?.min(6);
        (!self.hopeless).then(|| Duration::from_secs(1 << doublings).min(RETRY_MAX))
    }

    /// How many endpoints the namespace has.
    pub fn endpoints(&self) -> usize {
        self.reached.as_ref().map_or(0, |state| state.endpoints.len())
    }

    /// Looks, and brings the namespace to what is declared.
    pub fn run(&mut self, shared: &Shared<'_>, trigger: Trigger) -> Exit {
        let name = self.name.clone();
        let job = Job::new(shared.options, shared.output, shared.input, name.as_deref());
        let mut job = job.because(trigger.word());
        let stands = self.stand(&mut job);
        // What was tried and taken back would only be tried and taken back again.
        if self.hopeless && trigger != Trigger::Files {
            return Exit::Unsupported;
        }
        log::info!("{}looking: {}", self.prefix(), trigger.word());
        let done = match stands.and_then(|()| self.open(shared, &mut job)) {
            Ok(mut host) => self.look(shared, &mut job, &mut host, trigger),
            Err(exit) => Err(exit),
        };
        let exit = done.as_ref().map_or_else(|exit| *exit, |done| done.exit);
        let is_news = match &done {
            Ok(done) => {
                self.reached.is_none()
                    || trigger == Trigger::Start
                    || done.result != "unchanged"
                    || done.exit != Exit::Success
            }
            Err(_) => true,
        };
        if is_news || shared.output.form == Form::Json {
            // Who watches does not stop because nobody listens.
            let _ = job.tell(done.as_ref());
        }
        self.take_note(exit, done.as_ref().map_or(0, |done| done.steps.len()), &job);
        exit
    }

    /// Goes there, and makes sure that it is still the same namespace, which nobody else keeps.
    fn stand(&mut self, job: &mut Job<'_>) -> Result<(), Exit> {
        if let Some(name) = &self.name {
            let entered = netns::enter(name).map_err(|error| job.kernel_failed(&error));
            // Whatever the name meant before: a socket there would keep it from ending.
            job.stands_in(Some(entered.inspect_err(|_| self.standing = None)?));
        }
        let runtime = job.runtime()?;
        if self.standing.as_ref().is_some_and(|standing| standing.runtime == runtime) {
            return Ok(());
        }
        self.standing = None;
        (self.reached, self.early, self.hopeless) = (None, BTreeSet::new(), false);
        let changes = Changes::subscribe().map_err(|error| job.kernel_failed(&error))?;
        let lock = job.lock(&runtime)?;
        self.standing = Some(Standing { runtime, _lock: lock, changes });
        Ok(())
    }

    fn open(&self, shared: &Shared<'_>, job: &mut Job<'_>) -> Result<LinuxPathManager, Exit> {
        if let Some(standing) = &self.standing {
            // Whatever came before is seen by looking now.
            standing.changes.hear().map_err(|error| job.kernel_failed(&error))?;
        }
        let mut host = LinuxPathManager::open().map_err(|error| job.kernel_failed(&error))?;
        host.hurry_when(Arc::clone(&shared.ending));
        Ok(host)
    }

    fn look(
        &mut self,
        shared: &Shared<'_>,
        job: &mut Job<'_>,
        host: &mut LinuxPathManager,
        trigger: Trigger,
    ) -> Result<Done, Exit> {
        let Some(standing) = &self.standing else { return Err(Exit::Failed) };
        let config = &shared.input.config;
        let ripe = ripe(&self.early, config, host).map_err(|error| job.kernel_failed(&error))?;
        let renewed = without_subflows(&ripe, host);
        let again = Again { runtime: &standing.runtime, renewed: &renewed };
        let done = job.once_more(&again, host)?;
        if let Some(reached) = self.reached.as_ref().filter(|_| trigger != Trigger::Files) {
            for what in drift::between(reached, &done.before, &done.steps) {
                log::warn!("{}{what}", self.prefix());
            }
        }
        if done.exit == Exit::Success {
            self.early.retain(|identity| !ripe.contains(identity));
            let early = too_early(config, &done.after, host).map_err(|error| job.kernel_failed(&error))?;
            for identity in early.difference(&self.early) {
                log::info!(
                    "{}{identity} cannot be used yet; it will be added anew when it can",
                    self.prefix()
                );
            }
            self.early.extend(early);
            self.reached = Some(done.after.clone());
        }
        Ok(done)
    }

    /// What the log says first.
    fn prefix(&self) -> String {
        self.name.as_ref().map_or(String::new(), |name| format!("netns {name}: "))
    }

    fn take_note(&mut self, exit: Exit, steps: usize, job: &Job<'_>) {
        let worked = exit == Exit::Success;
        self.failures = if worked { 0 } else { self.failures.saturating_add(1) };
        self.hopeless = exit == Exit::Unsupported && steps > 0;
        if let Some(pause) = self.retry_after() {
            log::info!("{}trying again in {} s", self.prefix(), pause.as_secs());
        }
        let errors = job.diagnostics().iter().filter(|found| found.severity == Severity::Error);
        let first = errors.chain(job.diagnostics().iter()).find(|_| !worked);
        self.trouble = first.map(|diagnostic| diagnostic.message.clone());
    }
}

/// The declared endpoints with an address of their own, with the interface where one is declared.
fn literal(config: &Config) -> impl Iterator<Item = (Identity, Option<&str>)> {
    config.endpoints.iter().flatten().filter_map(|declaration| match &declaration.target {
        EndpointTarget::Address { identity, dev, .. } => {
            Some((*identity, dev.as_ref().map(|dev| dev.value.as_str())))
        }
        EndpointTarget::Selector { .. } => None,
    })
}

fn is_usable(identity: Identity, dev: Option<&str>, host: &mut LinuxPathManager) -> Result<bool, Error> {
    match dev.map(|dev| host.interface(dev)).transpose()? {
        // Its interface is not there.
        Some(None) => Ok(false),
        on => host.has_address(identity.address, on.flatten()),
    }
}

/// Those endpoints that the table has although their address cannot be used. One with a port needs it to be added at all.
fn too_early(
    config: &Config,
    state: &State,
    host: &mut LinuxPathManager,
) -> Result<BTreeSet<Identity>, Error> {
    let mut early = BTreeSet::new();
    for (identity, dev) in literal(config).filter(|(identity, _)| identity.port.is_none()) {
        if state.endpoint(identity).is_some() && !is_usable(identity, dev, host)? {
            early.insert(identity);
        }
    }
    Ok(early)
}

/// Those of the early endpoints whose address can be used now.
fn ripe(
    early: &BTreeSet<Identity>,
    config: &Config,
    host: &mut LinuxPathManager,
) -> Result<BTreeSet<Identity>, Error> {
    let mut ripe = BTreeSet::new();
    for (identity, dev) in literal(config).filter(|(identity, _)| early.contains(identity)) {
        if is_usable(identity, dev, host)? {
            ripe.insert(identity);
        }
    }
    Ok(ripe)
}

/// Those that no connection uses: its address may have gone and come back so soon that the subflows outlived it.
fn without_subflows(ripe: &BTreeSet<Identity>, host: &mut LinuxPathManager) -> BTreeSet<Identity> {
    if ripe.is_empty() {
        return BTreeSet::new();
    }
    let subflows = host.subflows().unwrap_or_default();
    let used = |identity: &&Identity| {
        subflows.iter().any(|subflow| subflow.established && subflow.local == identity.address)
    };
    ripe.iter().filter(|identity| !used(identity)).copied().collect()
}
