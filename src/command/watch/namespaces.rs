//! Passes over the watched namespaces, and which these are.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::command::Output;
use crate::command::output::OutputFormat;
use crate::config::LoadedConfig;
use crate::linux::clock;
use crate::linux::netns::{self, Names};
use crate::linux::stream::Stream;
use crate::log;
use crate::model::{EndpointNames, Exit};
use crate::reconcile::{Report, StepOutcome};
use crate::report::{ReportContext, time};
use crate::watch::CheckNews;
use crate::watch::namespace::{Pass, WatchedNamespace};
use crate::watch::story::{Cause, Trigger, consequence};

use super::Watch;

impl Watch<'_> {
    /// Makes a pass over all namespaces, also new ones. The worst exit code.
    pub fn pass_everywhere(&mut self, cause: Cause) -> Exit {
        self.find_namespaces();
        self.last_pass = self.events.elapsed();
        self.pass(&(0..self.namespaces.len()).collect(), &cause)
    }

    /// Makes a pass over the namespaces of these numbers. The worst exit code.
    pub fn pass(&mut self, numbers: &BTreeSet<usize>, cause: &Cause) -> Exit {
        let Watch { output, config, events, namespaces, metrics, .. } = self;
        let Some(config) = config else { return Exit::Success };
        let ending = events.ending();
        let (mut worst, mut is_seen) = (Exit::Success, false);
        for number in numbers {
            // Hundreds of namespaces may take longer than SIGTERM may be delayed.
            if ending.load(Ordering::Relaxed) {
                break;
            }
            let namespace = &mut namespaces[*number];
            let exit = match namespace.pass(config, (cause.clone(), events.elapsed()), &ending) {
                Some(pass) => {
                    let exit = report(output, config, namespace, events.elapsed(), &pass);
                    if let Some(metrics) = metrics
                        && (pass.is_news || pass.cause.trigger == Trigger::Resync)
                    {
                        metrics.look(namespace, config);
                        is_seen = true;
                    }
                    exit
                }
                None => Exit::Unsupported,
            };
            worst = worst.worse(exit);
            namespace.retry_at = namespace.retry_after().map(|pause| events.elapsed() + pause);
        }
        if let Some(metrics) = metrics.as_mut().filter(|_| is_seen) {
            metrics.write(namespaces);
        }
        self.go_home();
        worst
    }

    /// Looks at the checks of all namespaces. The numbers of those in which the health of an uplink changed.
    pub fn run_checks(&mut self, now: Duration) -> BTreeSet<usize> {
        let is_due = |namespace: &WatchedNamespace| {
            namespace.check_at().is_some_and(|at| at <= now) || !namespace.check_descriptors().is_empty()
        };
        let due: BTreeSet<usize> =
            (0..).zip(&self.namespaces).filter(|(_, it)| is_due(it)).map(|(number, _)| number).collect();
        if due.is_empty() {
            return due;
        }
        let mut news = |number: &usize| self.namespaces[*number].run_checks(now) == CheckNews::Health;
        let changed = due.into_iter().filter(|number| news(number)).collect();
        self.go_home();
        changed
    }

    /// Returns from named namespaces.
    fn go_home(&self) {
        if !self.options.netns.is_empty()
            && let Err(error) = self.home.enter()
        {
            ::log::warn!("{error}");
        }
    }

    /// Adds named namespaces that are new, and drops those that are gone.
    fn find_namespaces(&mut self) {
        if self.options.netns.is_empty() {
            return;
        }
        let names = match netns::find(&self.options.netns) {
            Ok(names) => names,
            Err(error) => return ::log::warn!("{error}"),
        };
        let there = names.into_iter().filter_map(|name| Some((netns::identity(&name)?, name)));
        let there: Vec<_> = there.collect();
        let is_missing = |wanted: &&Names| !there.iter().any(|(_, name)| wanted.means(name));
        let missing: Vec<Names> = self.options.netns.iter().filter(is_missing).cloned().collect();
        for wanted in missing.iter().filter(|wanted| !self.missing.contains(wanted)) {
            ::log::warn!("waiting for network namespace {wanted}: none exists");
        }
        self.missing = missing;
        // One namespace may have several names; under a second one its lock would be held.
        let mut known = BTreeSet::new();
        let names: Vec<String> =
            there.into_iter().filter(|(identity, _)| known.insert(*identity)).map(|(_, name)| name).collect();
        let is_there =
            |namespace: &WatchedNamespace| namespace.name.as_ref().is_none_or(|name| names.contains(name));
        for gone in self.namespaces.extract_if(.., |namespace| !is_there(namespace)) {
            ::log::warn!("network namespace {} is gone", gone.name.unwrap_or_default());
        }
        let is_known =
            |name: &String| self.namespaces.iter().any(|namespace| namespace.name.as_ref() == Some(name));
        let new: Vec<String> = names.iter().filter(|name| !is_known(name)).cloned().collect();
        self.namespaces.extend(new.into_iter().map(|name| WatchedNamespace::new(Some(name))));
    }
}

/// Reports a pass. If the output cannot be written, the watch continues.
fn report(
    output: &Output,
    config: &LoadedConfig,
    namespace: &WatchedNamespace,
    now: Duration,
    Pass { result, warnings, is_news, cause, former }: &Pass,
) -> Exit {
    let exit = match result {
        Ok(report) => report.exit(),
        Err(failure) => failure.kind.exit(),
    };
    if *is_news || output.format == OutputFormat::Json {
        let (netns, checks) = (namespace.name.as_deref(), namespace.uplink_statuses(now));
        let heading = heading(output, cause, result.as_ref().ok(), former);
        let cause = Some(cause.reported(&heading));
        let context = ReportContext { loaded: Some(config), netns, cause, checks: &checks };
        output.diagnose_in(netns, warnings, &[]);
        let _ = output.report(&context, result, true, false);
    }
    exit
}

/// `12:03:07 wwan0 went down: lte (10.1.2.1) leaves`. The journal has its own time.
fn heading(output: &Output, cause: &Cause, report: Option<&Report>, former: &EndpointNames) -> String {
    let Some(report) = report.filter(|_| output.format == OutputFormat::Text) else { return String::new() };
    let time = match log::is_journal(Stream::Output) {
        true => String::new(),
        false => time::seconds(clock::now(), clock::time_zone().as_ref()) + " ",
    };
    let done = report.steps.iter().filter(|step| step.outcome == StepOutcome::Done).map(|step| &step.step);
    // What a pass that failed did, it has put back.
    let done = done.filter(|_| report.failure.is_none());
    let consequence = consequence(done, &report.names.endpoints, former);
    let colon = if consequence.is_empty() { "" } else { ": " };
    format!("{time}{}{colon}{consequence}\n", cause.words)
}
