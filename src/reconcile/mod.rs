//! One pass over one network namespace: observe, plan, carry out as one transaction, read back. [`reconcile`] is the only
//! door: applying, rehearsing, trying, putting back, watching and `doctor` go through it.
//!
//! A pass takes the system as traits, so that all of it can be tested on a model.

mod backup;
mod drain;
mod failure;
mod last_path;
mod observe;
mod ownership;
mod ports;
mod progress;
mod recover;
mod refusal;
mod renewal;
mod report;
mod settle;
mod subflows;
mod transaction;
mod undo;
mod verify;
mod wait;

pub use failure::{Failure, FailureKind};
pub use observe::{Observation, ObserveError, Target, observe};
pub use ownership::{LockError, Ownership, Record};
pub use progress::{LiveData, is_full, stalled};
pub use refusal::{Explanation, explain};
pub use renewal::{Renewal, RenewalEffect};
pub use report::{Report, ReportedStep, StepOutcome, Verdict};
pub use transaction::{ApplyOptions, apply};
pub use undo::Revert;
pub use wait::Wait;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use crate::model::diagnostic::{Diagnostic, Severity, Strictness};
use crate::model::{Beginning, DeclaredNames, Identity, Reason, RunKind, State, Step, code};
use crate::plan::{self, Plan};
use crate::system::System;

/// What a pass does with its plan: the arguments as they are meant.
pub enum Mode<'m> {
    /// Change nothing, and warn of what would end the run before its first step.
    Plan(Option<Wait<'m>>),
    /// Change nothing, and report required declarations that wait as the others are.
    Status,
    /// Carry the plan out in a sandbox, of which nothing is recorded. The warnings say how it differs from the host.
    Rehearse(Vec<Diagnostic>),
    /// Carry the plan out.
    Apply(Option<Wait<'m>>),
    /// Carry the plan out once a guard is in place that puts it back.
    Try(&'m mut dyn Safeguard),
    /// Put a trial back, and the record with it.
    Revert(&'m Revert),
    /// Carry the plan out, and add these endpoints again, for connections that have no subflow from them.
    Watch(&'m BTreeMap<Identity, Reason>),
    /// Carry the plan out, which removes rows and adds them again: it makes none, so none is recorded.
    Renew,
}

/// Puts a trial back, whatever becomes of this process.
pub trait Safeguard {
    /// Takes its place. Nothing was written before.
    ///
    /// # Errors
    /// When there is no guard afterwards.
    fn set(&mut self, revert: Revert) -> io::Result<()>;
}

/// How long to wait for ports that are still closing when a trial is put back: those of the endpoints that were tried are,
/// for a minute.
const REVERT_PATIENCE: Duration = Duration::from_secs(130);

impl Mode<'_> {
    /// Whether other runs are kept out.
    fn claims(&self) -> bool {
        // A guard was handed the claim of the process that tries, and a watch keeps its own.
        matches!(self, Mode::Apply(_) | Mode::Try(_) | Mode::Renew)
    }

    /// The run before which the state is kept. Those that renew lead to the state that they find.
    fn kind(&self) -> Option<RunKind> {
        match self {
            Mode::Apply(_) => Some(RunKind::Apply),
            Mode::Try(_) => Some(RunKind::Try),
            Mode::Watch(_) => Some(RunKind::Watch),
            Mode::Plan(_) | Mode::Status | Mode::Rehearse(_) | Mode::Revert(_) | Mode::Renew => None,
        }
    }
}

/// Makes one pass: brings the system to `target` as `mode` says, and keeps `record` of the endpoints that it makes.
///
/// # Errors
/// When the pass could not start.
pub fn reconcile(
    target: &dyn Target,
    system: &mut dyn System,
    record: &mut dyn Record,
    mut mode: Mode<'_>,
) -> Result<Report, Failure> {
    let mut pass = Pass { target, system, warnings: Vec::new() };
    if mode.claims() && !pass.system.is_privileged() {
        pass.refuse_to_write(record)?;
    }
    let waited = match &mut mode {
        Mode::Plan(Some(wait)) | Mode::Apply(Some(wait)) => {
            Some(wait.until_ready(target, pass.system, record)?)
        }
        Mode::Rehearse(warnings) => {
            pass.warnings.append(warnings);
            None
        }
        _ => None,
    };
    // While a run only waits for something, others may apply.
    if mode.claims() {
        pass.claim(record)?;
    }
    let record = &*record;
    let (Observation { before, mut plan }, ownership) = match observe(target, pass.system, record) {
        Ok(seen) => seen,
        Err(ObserveError::Unreadable(error)) => return Err(error.into()),
        Err(ObserveError::NoWay(no_way)) => return Ok(pass.no_way(*no_way)),
    };
    pass.warn(&mut plan, &ownership, waited.is_some())?;
    let patience = match mode {
        Mode::Revert(_) => REVERT_PATIENCE,
        _ => waited.unwrap_or_default(),
    };
    if let Mode::Watch(renewed) = &mode {
        plan::renew(&mut plan.steps, &plan.target, renewed);
    }
    pass.judge(&mode)?;
    match mode {
        Mode::Plan(_) => {
            if plan.steps.iter().any(backup::concerns) {
                plan.steps = backup::for_live_subflows(plan.steps, &settle::subflows(pass.system));
            }
            return Ok(match pass.foreseen(&before, &plan, patience) {
                Some(failure) => pass.not_begun(before, plan, failure),
                None => pass.planned(before, plan),
            });
        }
        Mode::Status => return Ok(pass.planned(before, plan)),
        _ => {}
    }
    if waited.is_some() && !plan.steps.is_empty() && pass.system.is_interrupted() {
        return Err(Failure::not_begun(&[]));
    }
    if let (Mode::Try(guard), false) = (&mut mode, plan.steps.is_empty()) {
        let revert = Revert::new(&before, &plan, target.scope(), record.owned().ok());
        let mut set = || guard.set(revert.clone());
        record.inherit(&mut set).map_err(|error| no_guard(&error))?;
    }
    pass.keep(&before, &plan, record, &mode);
    let report = pass.carry_out(before, plan, ownership, patience, &mode);
    let before = match &mode {
        Mode::Revert(revert) => &revert.before,
        _ => &report.before,
    };
    if let Verdict::RolledBack | Verdict::Reverted = report.verdict
        && let Err(error) = record.forget(before)
    {
        log::debug!("the state before is still listed, though it was put back: {error}");
    }
    Ok(report)
}

struct Pass<'p> {
    target: &'p dyn Target,
    system: &'p mut dyn System,
    warnings: Vec<Diagnostic>,
}

impl Pass<'_> {
    /// Refuses a pass that would write, before anything else that this user lacks. Sysctls are left out: root may set them
    /// without the capability.
    fn refuse_to_write(&mut self, record: &dyn Record) -> Result<(), Failure> {
        let Ok((Observation { plan, .. }, _)) = observe(self.target, self.system, record) else {
            return Ok(());
        };
        let needs_it = |step: &Step| !matches!(step, Step::SetSysctl { .. });
        if plan.steps.iter().any(needs_it) { Err(Failure::not_permitted()) } else { Ok(()) }
    }

    /// Keeps other runs out, as far as possible.
    fn claim(&mut self, record: &mut dyn Record) -> Result<(), Failure> {
        match record.claim() {
            Ok(()) => {}
            Err(error @ LockError::Held(_)) => return Err(error.into()),
            Err(error) => self.warnings.push(error.warning()),
        }
        Ok(())
    }

    fn no_way(self, (failure, now): (Failure, State)) -> Report {
        let diagnostics = [self.warnings, failure.diagnostics.clone()].concat();
        Report {
            verdict: Verdict::Unchanged,
            steps: Vec::new(),
            before: now.clone(),
            after: now,
            names: DeclaredNames::default(),
            diagnostics,
            failure: Some(failure),
        }
    }

    /// Warns of what waits, or of all that was waited for in vain, and of settings that make endpoints useless.
    fn warn(&mut self, plan: &mut Plan, ownership: &Ownership<'_>, waited: bool) -> Result<(), Failure> {
        let mut first = std::mem::take(&mut self.warnings);
        first.extend(ownership.trouble());
        self.warnings = match waited {
            true => self.target.missing(plan, self.system)?,
            false => std::mem::take(&mut plan.warnings),
        };
        // Of those that wait there may be thousands, which are not copied so.
        self.warnings.splice(..0, first);
        self.warnings.extend(self.target.inert(plan, self.system)?);
        Ok(())
    }

    /// What a port would end a run with.
    fn foreseen(&mut self, before: &State, plan: &Plan, patience: Duration) -> Option<Failure> {
        let steps = &plan.steps;
        if let Some((index, refusal)) = ports::in_use(self.system, steps) {
            let at = self.target.locate(&steps[index], &plan.names);
            let failure = Failure::foreseen(&steps[index], &refusal, before, at);
            return Some(failure.at_step(index, &steps[index], &plan.names));
        }
        let closing = ports::closing(self.system, steps);
        let needed = ports::patience_for(&closing);
        let first = closing.first().filter(|_| patience < needed)?;
        let step = &steps[first.step];
        Some(Failure::port_closing(first, needed, step).at_step(first.step, step, &plan.names))
    }

    /// A required declaration that waits ends the pass, and so does a route that the kernel would refuse, but not in the
    /// watch, not for `status`, and not what puts a trial back; under `--strict` a warning does.
    fn judge(&mut self, mode: &Mode<'_>) -> Result<(), Failure> {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        if !matches!(mode, Mode::Status | Mode::Watch(_) | Mode::Revert(_))
            && self.warnings.iter().any(is_error)
        {
            self.warnings.sort_by_key(|found| !is_error(found));
            return Err(Failure::new(FailureKind::Waiting, std::mem::take(&mut self.warnings)));
        }
        if self.target.strictness() == Strictness::Lenient || self.warnings.is_empty() {
            return Ok(());
        }
        let warnings = std::mem::take(&mut self.warnings).into_iter();
        let errors = warnings.map(|warning| Diagnostic { severity: Severity::Error, ..warning });
        Err(Failure::new(FailureKind::Invalid, errors.collect()))
    }

    /// Keeps the state before the first step, unless the plan leads to that very state, as one that only renews does.
    fn keep(&mut self, before: &State, plan: &Plan, record: &dyn Record, mode: &Mode<'_>) {
        let Some(by) = mode.kind().filter(|_| !before.agrees_with(&plan.target)) else { return };
        let run = Beginning { by, before, steps: &plan.steps, names: &plan.names };
        let is_known = |found: &Diagnostic| [code::NO_LOCK, code::NO_RECORD].contains(&found.code);
        if let Err(error) = record.keep(&run)
            && !self.warnings.iter().any(is_known)
        {
            let message = format!("cannot keep the state before this run: {error}");
            let help = "`mptcp-apply history` does not list it; the run goes on";
            self.warnings.push(Diagnostic::warning(code::NO_HISTORY, message).help(help));
        }
    }

    /// A plan that would end before its first step.
    fn not_begun(self, before: State, plan: Plan, mut failure: Failure) -> Report {
        failure.diagnostics.push(failure::aftermath(0, true, &[]));
        let not_tried = |step| ReportedStep { step, outcome: StepOutcome::NotTried };
        Report {
            verdict: Verdict::RolledBack,
            steps: plan.steps.into_iter().map(not_tried).collect(),
            after: before.clone(),
            before,
            names: plan.names,
            diagnostics: [self.warnings, failure.diagnostics.clone()].concat(),
            failure: Some(failure),
        }
    }

    fn planned(self, before: State, plan: Plan) -> Report {
        let Plan { target: after, names, steps, warnings: _ } = plan;
        let planned = |step| ReportedStep { step, outcome: StepOutcome::Planned };
        Report {
            verdict: if steps.is_empty() { Verdict::Unchanged } else { Verdict::Planned },
            steps: steps.into_iter().map(planned).collect(),
            before,
            after,
            names,
            diagnostics: self.warnings,
            failure: None,
        }
    }

    fn carry_out(
        self,
        before: State,
        plan: Plan,
        mut ownership: Ownership<'_>,
        patience: Duration,
        mode: &Mode<'_>,
    ) -> Report {
        let Pass { target, system, mut warnings } = self;
        let is_recorded = !matches!(mode, Mode::Rehearse(_) | Mode::Revert(_) | Mode::Renew);
        let (scope, owned) = (target.scope(), ownership.identities());
        let locate = |step: &_, names: &_| target.locate(step, names);
        let options = ApplyOptions { scope: &scope, patience, locate: &locate };
        if !plan.steps.is_empty() {
            system.hold_signals();
        }
        let announce = |steps: &[Step], now: &State| {
            if is_recorded {
                ownership.announce(steps, now);
            }
        };
        let mut report = apply(
            system,
            options,
            before,
            plan,
            |system, now, removed| {
                let plan = target.plan(now, &owned, removed, system)?;
                if !plan.steps.is_empty() {
                    log::info!("something is left to do; planning again");
                }
                Ok(plan)
            },
            announce,
        );
        // Those of the first plan are known already; a later one may have others.
        let known: BTreeSet<_> = warnings.iter().map(|known| (known.code, known.message.as_str())).collect();
        report.diagnostics.retain(|found| !known.contains(&(found.code, found.message.as_str())));
        if is_recorded {
            let known = warnings.iter().any(|known| known.code == code::NO_RECORD);
            warnings.extend(ownership.settle(&report).filter(|_| !known));
        } else if let Mode::Revert(revert) = mode {
            ownership.restore(revert.owned(&report.after), &report);
        }
        warnings.append(&mut report.diagnostics);
        Report { verdict: verdict(report.verdict, mode, &warnings), diagnostics: warnings, ..report }
    }
}

/// What the end of a transaction means in this mode.
fn verdict(verdict: Verdict, mode: &Mode<'_>, warnings: &[Diagnostic]) -> Verdict {
    let is_left = |found: &Diagnostic| found.code == code::ROLLBACK_INCOMPLETE;
    match (mode, verdict) {
        (Mode::Revert(_), _) if warnings.iter().any(is_left) => Verdict::RollbackIncomplete,
        (Mode::Rehearse(_), Verdict::Applied) => Verdict::Rehearsed,
        (Mode::Revert(_), Verdict::Applied | Verdict::Unchanged) => Verdict::Reverted,
        // What was tried is still there, at least in part.
        (Mode::Revert(_), _) => Verdict::RollbackIncomplete,
        (_, verdict) => verdict,
    }
}

fn no_guard(error: &io::Error) -> Failure {
    let message = format!("cannot start the guard that would put it back: {error}");
    let diagnostic = Diagnostic::error(code::FAILED, message).help("nothing was changed");
    Failure::new(FailureKind::Refused, vec![diagnostic])
}
