//! One network namespace that a watch keeps as declared.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::config::LoadedConfig;
use crate::linux::{Changes, LinuxPathManager, blackhole, clock, netns};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Endpoint, EndpointNames, Exit, Reason, State, Step, WatchCounters, escaped};
use crate::reconcile::{self, Failure, LockError, Mode, Record, Report, Verdict};
use crate::rundir::RunDir;
use crate::system::{Error, HostFacts};

use super::blackhole::BlackholePause;
use super::checks::Checks;
use super::debounce::{Debounce, Edge};
use super::early::{Early, ready, too_early, without_subflows};
use super::healing::Healing;
use super::mending::{end_pause, lost_subflows};
use super::story::{Cause, HostView, Trigger};
use super::warned::Warned;
use super::{drift, settling};

/// The longest pause before a failed pass is tried again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What came of a pass.
pub struct Pass {
    /// The report, or why there is none.
    pub result: Result<Report, Failure>,
    /// Warnings from before the pass.
    pub warnings: Vec<Diagnostic>,
    /// Whether people want to see it: something changed, failed, or is there for the first time.
    pub is_news: bool,
    /// What happened before it.
    pub cause: Cause,
    /// The names that endpoints had before.
    pub former: EndpointNames,
}

/// One network namespace.
pub struct WatchedNamespace {
    /// Its name; none for the one in which the program was started.
    pub name: Option<String>,
    entered: Option<Entered>,
    /// The cookie of the namespace that its name meant at the last look.
    cookie: Option<u64>,
    /// Endpoints whose address cannot be used.
    early: Early,
    pub(super) healing: Healing,
    pub(super) blackhole: BlackholePause,
    pub(super) checks: Checks,
    /// What checks found out since the last pass, in words.
    pub(super) check_events: Vec<String>,
    /// The links and addresses at the last look.
    host: HostView,
    /// The names that endpoints had in the last pass.
    names: EndpointNames,
    /// What was counted.
    pub counters: WatchCounters,
    /// The state after the last pass that reached its goal.
    reached: Option<State>,
    failures: u32,
    /// Notices of its links, addresses, routes and rules.
    pub debounce: Debounce,
    /// When to try again.
    pub retry_at: Option<Duration>,
    /// Why the last pass failed, in a line.
    pub trouble: Option<String>,
    /// Whether trying again is of no use until the configuration changes.
    hopeless: bool,
    warned: Warned,
}

/// What is kept as long as the namespace is there.
struct Entered {
    rundir: RunDir,
    changes: Changes,
}

impl Drop for Entered {
    /// What checks found out is no longer true once nothing checks.
    fn drop(&mut self) {
        let _ = self.rundir.publish_uplinks(&[]);
    }
}

impl WatchedNamespace {
    /// A namespace in which no pass was made yet.
    pub fn new(name: Option<String>) -> WatchedNamespace {
        WatchedNamespace {
            name,
            entered: None,
            cookie: None,
            early: Early::new(),
            healing: Healing::default(),
            checks: Checks::default(),
            check_events: Vec::new(),
            host: HostView::default(),
            names: EndpointNames::new(),
            counters: WatchCounters::default(),
            blackhole: BlackholePause::default(),
            reached: None,
            failures: 0,
            debounce: Debounce::default(),
            retry_at: None,
            trouble: None,
            hopeless: false,
            warned: Warned::default(),
        }
    }

    /// Forgets what it has of the namespace; the next pass enters it again.
    pub fn leave(&mut self) {
        self.entered = None;
    }

    /// Notices of links, addresses, routes and rules, if the namespace is there.
    pub fn changes(&self) -> Option<&Changes> {
        self.entered.as_ref().map(|entered| &entered.changes)
    }

    /// The files of the namespace, if it is there.
    pub(super) fn rundir(&self) -> Option<&RunDir> {
        self.entered.as_ref().map(|entered| &entered.rundir)
    }

    /// The file by which other runs ask for something, once the namespace is entered.
    pub fn request(&self) -> Option<PathBuf> {
        self.entered.as_ref().map(|entered| entered.rundir.request())
    }

    /// How long to wait before a failed pass is tried again; none when there is no need or no use.
    pub fn retry_after(&self) -> Option<Duration> {
        let doublings = self.failures.checked_sub(1)?.min(6);
        (!self.hopeless).then(|| Duration::from_secs(1 << doublings).min(RETRY_MAX))
    }

    /// When to look for lost subflows, and for a pause of MPTCP, again.
    pub fn heal_at(&self) -> Option<Duration> {
        let next = [self.healing.next(), self.blackhole.next()].into_iter().flatten().min();
        next.filter(|_| self.entered.is_some() && !self.hopeless)
    }

    /// How many endpoints the namespace has.
    pub fn endpoints(&self) -> usize {
        self.reached.as_ref().map_or(0, |state| state.endpoints.len())
    }

    /// Makes a pass; none where the last one failed for good, or where a later one will see more. `ending` ends its pauses,
    /// `now` is the time by the clock of the watch.
    pub fn pass(
        &mut self,
        config: &LoadedConfig,
        (mut cause, now): (Cause, Duration),
        ending: &Arc<AtomicBool>,
    ) -> Option<Pass> {
        let edge = self.debounce.begin(now);
        let (mut warnings, trigger) = (Vec::new(), cause.trigger);
        let entered = self.enter(&mut cause, &mut warnings);
        // What was tried and put back would only be tried and put back again.
        if self.hopeless && trigger != Trigger::Files {
            return None;
        }
        if trigger == Trigger::Host && edge == Edge::Leading && entered.is_ok() && self.is_unsettled(config) {
            log::info!("{}looking again in a moment: the host is changing", self.prefix());
            self.debounce.come_again();
            return None;
        }
        self.counters.last = clock::now();
        log::info!("{}looking: {}", self.prefix(), trigger.word());
        let result = entered.and_then(|()| self.reconcile(config, (&mut cause, now), ending));
        let is_news = match &result {
            Ok(report) => {
                self.warned.note(&report.diagnostics)
                    || self.reached.is_none()
                    || trigger == Trigger::Start
                    || report.verdict != Verdict::Unchanged
                    || report.failure.is_some()
                    || self.trouble.is_some()
            }
            Err(_) => true,
        };
        if let Ok(report) = &result
            && report.failure.is_none()
        {
            self.reached = Some(report.after.clone());
        }
        self.take_note(&result, &warnings);
        let former = match &result {
            Ok(report) => std::mem::replace(&mut self.names, report.names.endpoints.clone()),
            Err(_) => self.names.clone(),
        };
        Some(Pass { result, warnings, is_news, cause, former })
    }

    /// Enters the namespace, and makes sure that it is still the same one, which no other run keeps.
    fn enter(&mut self, cause: &mut Cause, warnings: &mut Vec<Diagnostic>) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            // Whatever the name meant before: a socket there would keep that namespace alive.
            netns::enter(name).inspect_err(|_| self.entered = None)?;
        }
        let mut rundir = RunDir::of_this_namespace()?;
        if self.entered.as_ref().is_some_and(|entered| entered.rundir.is_of(&rundir)) {
            return Ok(());
        }
        self.entered = None;
        let is_another = self.cookie.replace(rundir.cookie()) != Some(rundir.cookie());
        if let Some(name) = self.name.as_ref().filter(|_| is_another) {
            self.check_events.clear();
            *cause = cause.clone().appeared(name);
        }
        (self.reached, self.early, self.hopeless) = (None, Early::new(), false);
        (self.checks, self.host) = (Checks::default(), HostView::default());
        (self.healing, self.blackhole) = (Healing::default(), BlackholePause::default());
        let changes = Changes::subscribe()?;
        match rundir.claim() {
            Ok(()) => {}
            Err(error @ LockError::Held(_)) => return Err(error.into()),
            Err(error) => warnings.push(error.warning()),
        }
        self.entered = Some(Entered { rundir, changes });
        Ok(())
    }

    fn reconcile(
        &mut self,
        loaded: &LoadedConfig,
        (cause, now): (&mut Cause, Duration),
        ending: &Arc<AtomicBool>,
    ) -> Result<Report, Failure> {
        let (prefix, trigger) = (self.prefix(), cause.trigger);
        let Some(Entered { rundir, changes }) = &mut self.entered else {
            return Err(Error::Protocol("no network namespace was entered".into()).into());
        };
        // Whatever came before is seen by this pass.
        changes.hear()?;
        let mut system = open(&self.checks)?;
        system.hurry_when(Arc::clone(ending));
        let ready = ready(&self.early, &loaded.config, &mut system)?;
        let mut renewed = BTreeMap::new();
        if let Some(reached) = &self.reached {
            renewed = lost_subflows(&mut self.healing, reached, now, &mut system, &prefix);
        }
        renewed.extend(without_subflows(&ready, &mut system));
        // Until the end of the pass: whoever asked waits for it.
        let request = rundir.take_request();
        let asked = &request.endpoints;
        let requests: Vec<String> = asked.first().map(|_| "renew asked for".to_owned()).into_iter().collect();
        renewed.extend(asked.iter().map(|identity| (*identity, Reason::AskedFor)));
        let mut report = reconcile::reconcile(loaded, &mut system, rundir, Mode::Watch(&renewed))?;
        self.learn_cause(cause, requests, &mut report, &mut system)?;
        if let Some(reached) = self.reached.as_ref().filter(|_| trigger != Trigger::Files) {
            let drift = drift::between(reached, &report.before, report.steps());
            self.counters.drift += u64::from(!drift.is_empty());
            for what in drift {
                log::warn!("{prefix}{what}");
            }
        }
        if matches!(trigger, Trigger::Start | Trigger::Host) {
            let working = system.interfaces()?.iter().filter(|on| on.up && on.carrier && !on.loopback);
            self.blackhole.note_links(now, working.map(|on| on.name.clone()).collect());
        }
        if self.blackhole.is_over(now, blackhole::count()) && blackhole::is_paused() {
            end_pause(&mut system, &mut report, &prefix);
        }
        if report.failure.is_none() {
            let added: Vec<&Endpoint> = settling::added(&report).collect();
            let new = added.iter().map(|row| row.identity).collect();
            self.early.retain(|identity, _| !ready.contains_key(identity));
            for (identity, why) in too_early(&loaded.config, &report.after, &new, &mut system)? {
                if self.early.get(&identity).is_none_or(|_| new.contains(&identity))
                    && self.early.insert(identity, why).is_none()
                {
                    log::info!("{prefix}{identity} cannot be used now; it will be added again when it can");
                }
            }
            let unreachable = settling::without_way(&added, report.after.limits, &mut system);
            self.healing.note_unreachable(unreachable);
        }
        self.aim_checks(&loaded.config, &mut system, now)?;
        Ok(report)
    }

    /// Adds to the cause what happened to links and addresses, what checks found out, and what was asked for.
    fn learn_cause(
        &mut self,
        cause: &mut Cause,
        requests: Vec<String>,
        report: &mut Report,
        system: &mut LinuxPathManager,
    ) -> Result<(), Failure> {
        let mut events = std::mem::take(&mut self.check_events);
        events.extend(requests);
        // A pass that changes nothing reads no more of the host than it needs.
        if matches!(cause.trigger, Trigger::Start | Trigger::Host) || !report.steps.is_empty() {
            let interfaces = system.interfaces()?.to_vec();
            let host = HostView::new(&interfaces, system.addresses()?);
            let before = std::mem::replace(&mut self.host, host);
            if !matches!(cause.trigger, Trigger::Start | Trigger::Files) {
                self.host.name_renamed(&before, report);
                events.extend(self.host.events_since(&before, report.steps()));
            }
        }
        self.name_what_leaves(report);
        if cause.trigger != Trigger::Files {
            *cause = cause.clone().because(&events);
        }
        Ok(())
    }

    /// Gives rows that leave the name of the declaration that still covers them.
    fn name_what_leaves(&self, report: &mut Report) {
        let Report { steps, names, .. } = report;
        let leaving = steps.iter().filter_map(|reported| match &reported.step {
            Step::DelAddr { why: Reason::NotDeclared, .. } => None,
            Step::DelAddr { endpoint, .. } => Some(endpoint.identity),
            _ => None,
        });
        for identity in leaving {
            if let Some(name) = self.names.get(&identity) {
                names.endpoints.entry(identity).or_insert_with(|| name.clone());
            }
        }
    }

    /// Whether a pass at the first of several changes would act on half of them.
    fn is_unsettled(&mut self, loaded: &LoadedConfig) -> bool {
        let Some(Entered { rundir, changes }) = &mut self.entered else { return false };
        let mut look = || {
            changes.hear()?;
            let mut system = open(&self.checks)?;
            let report = reconcile::reconcile(loaded, &mut system, rundir, Mode::Status)?;
            let ready = ready(&self.early, &loaded.config, &mut system)?;
            Ok::<_, Failure>(settling::is_unsettled(&report, &ready, &mut system))
        };
        // What went wrong, the pass reports.
        look().unwrap_or(false)
    }

    /// What log lines begin with.
    pub(super) fn prefix(&self) -> String {
        self.name.as_ref().map_or(String::new(), |name| format!("netns {}: ", escaped(name)))
    }

    fn take_note(&mut self, result: &Result<Report, Failure>, warnings: &[Diagnostic]) {
        let (exit, steps, diagnostics) = match result {
            Ok(report) => (report.exit(), report.steps.len(), &report.diagnostics),
            Err(failure) => (failure.kind.exit(), 0, &failure.diagnostics),
        };
        let worked = exit == Exit::Success;
        self.counters.passes += 1;
        self.counters.failures += u64::from(!worked);
        // Time does not bring what a kernel lacks; what happens on the host may.
        self.failures = if worked || exit == Exit::Unsupported { 0 } else { self.failures.saturating_add(1) };
        self.hopeless = exit == Exit::Unsupported && steps > 0;
        if let Some(pause) = self.retry_after() {
            log::info!("{}trying again in {} s", self.prefix(), pause.as_secs());
        }
        let all = || warnings.iter().chain(diagnostics);
        let errors = all().filter(|found| found.severity == Severity::Error);
        let first = errors.chain(all()).next().filter(|_| !worked);
        let trouble = first.map(|diagnostic| diagnostic.message.clone());
        if let (None, Some(over)) = (&trouble, &self.trouble) {
            log::warn!("{}as declared again, which failed before: {over}", self.prefix());
        }
        self.trouble = trouble;
    }
}

/// The kernel, with what checks have found out about uplinks.
fn open(checks: &Checks) -> Result<LinuxPathManager, Error> {
    let mut system = LinuxPathManager::open()?;
    system.judge_uplinks_by(checks.health());
    Ok(system)
}
