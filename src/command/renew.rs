//! `mptcp-apply renew`: asks for the subflows of endpoints again, on live connections.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::cli::{Common, Renew};
use crate::config::suggestion;
use crate::connection::confirmation;
use crate::linux::LinuxPathManager;
use crate::linux::signals::Interruption;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Endpoint, EndpointNames, Exit, State, code, counted, escaped};
use crate::reconcile::{self, Failure, FailureKind, Mode, Renewal, RenewalEffect, Report, Verdict};
use crate::report::ReportContext;
use crate::rundir::RunDir;
use crate::system::{PathManager, Scope};

use super::installed::InstalledNames;
use super::output::OutputFormat;
use super::{Output, netns};

/// How long subflows may take to come, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// How long a watch may take to answer: it may be in the midst of a pass.
const ANSWER: Duration = Duration::from_secs(5);
/// How long its pass may take then: it drains what carries data, and waits until data moves again.
const PASS_MAX: Duration = Duration::from_secs(60);

/// Renews the named endpoints in each of the namespaces.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Renew, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let installed = InstalledNames::load(common, &output);
    let signals = Rc::new(Interruption::default());
    let report = |netns: Option<&str>, result: &Result<Report, Failure>| {
        let context = ReportContext { loaded: None, netns, cause: None, checks: &[] };
        output.report(&context, result, !options.dry_run, false)
    };
    let fail = |netns: Option<&str>, failure| report(netns, &Err(failure));
    netns::in_each(&options.within.netns, &output, Severity::Warning, fail, |netns| {
        signals.let_go();
        if signals.came() {
            return fail(netns, Failure::not_begun(&[]));
        }
        let mut run = match Run::new(options, &installed) {
            Ok(run) => run,
            Err(failure) => return fail(netns, failure),
        };
        let mut warnings = run.warnings();
        if output.format == OutputFormat::Text {
            // Before it is done; a document has them in its place.
            output.diagnose_in(netns, &std::mem::take(&mut warnings), &[]);
        }
        run.system.interrupted_by(&signals);
        let mode = if options.dry_run { Mode::Plan(None) } else { Mode::Renew };
        let mut result = run.reconcile(mode, warnings.clone());
        if result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Locked) {
            result = run.ask_the_watch(result, warnings);
        }
        let outcome = match &mut result {
            Ok(report) if report.verdict == Verdict::Applied => run.await_subflows(report),
            _ => String::new(),
        };
        let exit = report(netns, &result)?;
        if output.format == OutputFormat::Text && !output.quiet {
            output.print(&outcome)?;
        }
        Ok(exit)
    })
}

/// The endpoints of one namespace that are to be renewed.
struct Run {
    system: LinuxPathManager,
    names: EndpointNames,
    /// In the order of the command line.
    rows: Vec<(Endpoint, RenewalEffect)>,
    /// When it was begun, by the system's clock.
    begun: Duration,
}

impl Run {
    fn new(options: &Renew, installed: &InstalledNames) -> Result<Run, Failure> {
        let mut system = LinuxPathManager::open()?;
        let state = system.observe(&Scope::default())?.state;
        let names = installed.endpoint_names(&mut system)?;
        let rows = rows(&options.names, &state, &names, installed)
            .map_err(|found| Failure::new(FailureKind::Refused, found))?;
        let connections = system.live_connections()?;
        let effect = |row: Endpoint| {
            let reaches = |row: &Endpoint, peer: IpAddr| system.reaches(row, peer);
            let effect = RenewalEffect::of(&row, state.limits, &connections, reaches);
            (row, effect)
        };
        let rows = rows.into_iter().map(effect).collect();
        let begun = system.elapsed();
        let run = Run { system, names, rows, begun };
        let refused = run.rows.iter().filter(|(_, effect)| !effect.is_harmless() && !options.force);
        let refused: Vec<Diagnostic> = refused.map(|(row, effect)| run.refusal(row, effect)).collect();
        if refused.is_empty() { Ok(run) } else { Err(Failure::new(FailureKind::Refused, refused)) }
    }

    /// The endpoint as messages call it.
    fn called(&self, row: &Endpoint) -> String {
        match self.names.get(&row.identity) {
            Some(name) => format!("{name} ({})", row.identity),
            None => row.identity.to_string(),
        }
    }

    /// The diagnostic with the name of its endpoint.
    fn about(&self, row: &Endpoint, diagnostic: Diagnostic) -> Diagnostic {
        Diagnostic { endpoint: self.names.get(&row.identity).cloned(), ..diagnostic }
    }

    fn refusal(&self, row: &Endpoint, effect: &RenewalEffect) -> Diagnostic {
        let lost = counted(effect.closed - effect.returning, "connection");
        let why = if row.identity.port.is_some() {
            "its port stays closed for a minute after it is removed"
        } else if !row.opens_subflows() {
            "it only announces, and the peers decide whether they ask again"
        } else {
            "they were opened by the other end, have no other subflow or no room for another one, or their peer \
             cannot be reached from it"
        };
        let called = self.called(row);
        let message = format!("renewing {called} closes subflows of {lost} that may not come back: {why}");
        let help = "nothing was changed; `--force` renews it all the same";
        self.about(row, Diagnostic::error(code::RENEW_CLOSES, message).help(help))
    }

    /// What is closed, to be said before it is done.
    fn warnings(&self) -> Vec<Diagnostic> {
        let closing = self.rows.iter().filter(|(_, effect)| effect.closed > 0);
        let warning = |(row, RenewalEffect { closed, returning, .. }): &(Endpoint, RenewalEffect)| {
            let (called, closed) = (self.called(row), counted(*closed, "connection"));
            let message =
                format!("renewing {called} closes the subflows of {closed}; {returning} can ask again");
            self.about(row, Diagnostic::warning(code::RENEW_CLOSES, message))
        };
        closing.map(warning).collect()
    }

    fn reconcile(&mut self, mode: Mode<'_>, warnings: Vec<Diagnostic>) -> Result<Report, Failure> {
        let mut rundir = RunDir::of_this_namespace()?;
        let rows = self.rows.iter().map(|(row, _)| row.clone()).collect();
        let target = Renewal { rows, names: self.names.clone(), warnings };
        reconcile::reconcile(&target, &mut self.system, &mut rundir, mode)
    }

    /// Has the run that holds the lock renew them, if that is a watch. `locked` is the failure otherwise.
    fn ask_the_watch(
        &mut self,
        locked: Result<Report, Failure>,
        warnings: Vec<Diagnostic>,
    ) -> Result<Report, Failure> {
        let rundir = RunDir::of_this_namespace()?;
        let mut report = self.reconcile(Mode::Plan(None), warnings)?;
        let start = self.system.elapsed();
        if rundir.ask(self.rows.iter().map(|(row, _)| row.identity)).is_err() {
            return locked;
        }
        self.wait_while(|| rundir.is_asked(), start + ANSWER);
        if rundir.withdraw() {
            return locked;
        }
        self.wait_while(|| rundir.is_answering(), start + PASS_MAX);
        report.after = self.system.observe(&Scope::default())?.state;
        report.mark_carried_out();
        Ok(report)
    }

    /// Waits until something ends, at most until this time of the system's clock, or a signal.
    fn wait_while(&mut self, goes_on: impl Fn() -> bool, until: Duration) {
        while goes_on() && self.system.elapsed() < until && !self.system.is_interrupted() {
            self.system.pause(PAUSE);
        }
    }

    /// Waits until the subflows are there that can come, and the peers have accepted them, and tells how many came.
    fn await_subflows(&mut self, report: &mut Report) -> String {
        let start = self.system.elapsed();
        let (mut there, mut complete_since) = (self.count(), None);
        loop {
            let now = self.system.elapsed();
            let is_complete =
                there.iter().zip(&self.rows).all(|(there, (_, effect))| *there >= effect.expected());
            complete_since = complete_since.or(Some(now)).filter(|_| is_complete);
            let is_accepted =
                complete_since.is_some_and(|since| now - since >= confirmation(since - self.begun));
            if is_accepted || now - start >= PATIENCE || self.system.is_interrupted() {
                break;
            }
            self.system.pause(PAUSE);
            there = self.count();
        }
        let mut outcome = String::new();
        for ((row, effect), there) in self.rows.iter().zip(there) {
            let (called, expected) = (self.called(row), effect.expected());
            if there < expected {
                let message = format!(
                    "{} could have a subflow from {called}, of which {there} got one",
                    counted(expected, "connection")
                );
                let warning = Diagnostic::warning(code::SUBFLOW_MISSING, message)
                    .help("`mptcp-apply doctor` looks for the reason");
                report.diagnostics.push(self.about(row, warning));
            } else {
                outcome += &format!("{called}: {} with a subflow\n", counted(there, "connection"));
            }
        }
        outcome
    }

    /// How many connections have an established subflow from each of the endpoints.
    fn count(&mut self) -> Vec<usize> {
        let subflows = self.system.subflows().unwrap_or_default();
        let count = |(row, _): &(Endpoint, RenewalEffect)| {
            let own = subflows.iter().filter(|path| path.established && path.local == row.identity.address);
            own.map(|path| path.connection).collect::<BTreeSet<u32>>().len()
        };
        self.rows.iter().map(count).collect()
    }
}

/// The rows of the table that these words name: the name of a declaration, or an address.
fn rows(
    words: &[String],
    state: &State,
    names: &EndpointNames,
    installed: &InstalledNames,
) -> Result<Vec<Endpoint>, Vec<Diagnostic>> {
    let (mut rows, mut errors): (Vec<Endpoint>, Vec<Diagnostic>) = (Vec::new(), Vec::new());
    for word in words {
        let address: Option<IpAddr> = word.parse().ok();
        let is_meant =
            |row: &&Endpoint| names.get(&row.identity) == Some(word) || Some(row.identity.address) == address;
        let own: Vec<&Endpoint> = state.endpoints.iter().filter(is_meant).collect();
        match own.iter().find(|row| row.is_implicit()) {
            Some(row) => errors.push(error(format!("{row} is the kernel's own endpoint, and opens nothing"))),
            None if own.is_empty() && installed.declares(word) => errors.push(not_there(word)),
            None if own.is_empty() => errors.push(unknown(word, names)),
            None => {
                rows.extend(own.into_iter().filter(|row| !rows.contains(row)).cloned().collect::<Vec<_>>())
            }
        }
    }
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

fn not_there(name: &str) -> Diagnostic {
    error(format!("{} is declared, and not in the kernel's table", escaped(name)))
        .help("`mptcp-apply` adds it, and that opens its subflows, or says what it waits for")
}

fn unknown(word: &str, names: &EndpointNames) -> Diagnostic {
    let known: Vec<&str> = names.values().map(String::as_str).collect();
    let near = suggestion(word, &known).unwrap_or_else(|| {
        "names are those of the installed configuration; `mptcp-apply show` lists the endpoints".to_owned()
    });
    error(format!("no endpoint has the name or address `{}`", escaped(word))).help(near)
}

fn error(message: String) -> Diagnostic {
    Diagnostic::error(code::FAILED, message)
}
