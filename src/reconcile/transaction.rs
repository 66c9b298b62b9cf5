//! Carrying a plan out as one transaction: check, stop at the first refusal, undo, read back.
//!
//! There is no compare-and-swap in the kernel and no notice of changes, so whether a goal is reached is decided by
//! planning again from what the kernel says afterwards: it is reached when nothing is left to do. That also makes a
//! run that was killed half-way harmless; the next one plans from wherever it stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{DeclaredNames, Endpoint, Flags, Identity, State, Step, Token, code};
use crate::plan::Plan;
use crate::system::{Observed, PathManager, Refusal, Scope};

use super::backup;
use super::drain::{Drain, is_disruptive};
use super::failure::{self, Failure};
use super::last_path;
use super::ports::{self, PUTTING_BACK, RETRY, closing, patience_for};
use super::progress;
use super::report::{Report, ReportedStep, StepOutcome, Verdict};
use super::settle::subflows;
use super::subflows::Subflows;
use super::verify::{dropped_flags, interfered, may_pass};

/// How often a plan is made again because another writer changed the table meanwhile.
const REPLANS_MAX: usize = 5;

/// How long to wait before a new plan when the table does not show what was in its way, for each plan so far.
const BREATH: Duration = Duration::from_millis(10);

/// What holds for a whole transaction.
#[derive(Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// What is managed.
    pub scope: &'a Scope,
    /// How long to wait for ports that are closing, in all.
    pub patience: Duration,
    /// Where in the files a step of the plan with these names comes from.
    pub locate: &'a dyn Fn(&Step, &DeclaredNames) -> Option<Location>,
}

/// Carries out `plan` from the state `before`, and plans again by `replan` when another writer interferes; `replan` gets
/// the identities that were removed so far. `announce` gets each plan before its first step, and the state that it
/// starts from.
pub fn apply<K: PathManager + ?Sized>(
    kernel: &mut K,
    options: ApplyOptions<'_>,
    before: State,
    plan: Plan,
    mut replan: impl FnMut(&mut K, &Observed, &BTreeSet<Identity>) -> Result<Plan, Failure>,
    mut announce: impl FnMut(&[Step], &State),
) -> Report {
    let mut current = before.clone();
    let mut transaction = Transaction {
        kernel,
        options,
        patience: options.patience,
        before,
        plan,
        journal: Vec::new(),
        removed: BTreeSet::new(),
        lowered: Vec::new(),
        subflows: Subflows::default(),
        drain: Drain::default(),
        busy: BTreeSet::new(),
    };
    let mut plans = 0;
    loop {
        let now = if transaction.plan.steps.is_empty() {
            match transaction.renew(&current) {
                Ok(None) => return transaction.reached(current),
                Ok(Some(now)) => Ok(now),
                Err(error) => Err(Failed::unread(error.into())),
            }
        } else if plans > REPLANS_MAX {
            Err(Failed { failure: Failure::unstable(), rest: transaction.plan.steps.clone() })
        } else {
            plans += 1;
            announce(&transaction.plan.steps, &current);
            transaction.attempt(&current, plans)
        };
        let next = now.and_then(|now| {
            let plan = replan(transaction.kernel, &now, &transaction.removed).map_err(Failed::unread)?;
            Ok((now.state, plan))
        });
        match next {
            Ok((state, plan)) => {
                (current, transaction.plan) = (state, plan);
                transaction.forget_refused();
            }
            Err(failed) => return transaction.roll_back(failed),
        }
    }
}

/// What ends a transaction, and the steps of the plan that were not tried.
struct Failed {
    failure: Failure,
    rest: Vec<Step>,
}

impl Failed {
    fn unread(failure: Failure) -> Failed {
        Failed { failure, rest: Vec::new() }
    }
}

/// A step that reached the kernel.
struct Entry {
    step: Step,
    refusal: Option<Refusal>,
    /// Whether rolling back undoes it. A renewal leaves everything as it was.
    undo: bool,
}

pub(super) struct Transaction<'k, K: ?Sized> {
    pub(super) kernel: &'k mut K,
    pub(super) options: ApplyOptions<'k>,
    /// What is left of it.
    patience: Duration,
    before: State,
    pub(super) plan: Plan,
    journal: Vec<Entry>,
    /// The identities that were removed so far.
    removed: BTreeSet<Identity>,
    /// Rows that are `backup` for a moment, and their own flags.
    pub(super) lowered: Vec<(Endpoint, Flags)>,
    pub(super) subflows: Subflows,
    pub(super) drain: Drain,
    /// The connections that moved data over rows that were drained.
    busy: BTreeSet<u32>,
}

impl<K: PathManager + ?Sized> Transaction<'_, K> {
    /// Carries out the steps of one plan, the one of that number. What the kernel shows afterwards, also when another writer
    /// kept the plan from being finished.
    fn attempt(&mut self, current: &State, plans: usize) -> Result<Observed, Failed> {
        let mut steps = self.plan.steps.clone();
        let disrupts = steps.iter().any(is_disruptive);
        if disrupts || steps.iter().any(backup::concerns) {
            let live = subflows(self.kernel);
            if disrupts {
                self.drain = Drain::new(&steps, &live, current);
                self.busy.extend(&self.drain.connections);
                self.subflows.begin(self.kernel, &live);
                steps = self.drain.arrange(steps);
            }
            steps = backup::for_live_subflows(steps, &live);
        }
        let failed = |journal: usize, index: usize, failure: Failure, names: &_| {
            let failure = failure.at_step(journal + index, &steps[index], names);
            Failed { failure, rest: steps.clone() }
        };
        let start = self.journal.len();
        if let Some((index, refusal)) = ports::foreseen(self.kernel, &steps) {
            let failure = Failure::foreseen(&steps[index], &refusal, current, self.locate(&steps[index]));
            return Err(failed(start, index, failure, &self.plan.names));
        }
        let closing = closing(self.kernel, &steps);
        let needed = patience_for(&closing);
        if let Some(first) = closing.first().filter(|_| self.patience < needed) {
            let failure = Failure::port_closing(first, needed, &steps[first.step]);
            return Err(failed(start, first.step, failure, &self.plan.names));
        }
        let mut expected = current.clone();
        let mut refused = None;
        // Where in the journal each step of the plan is: renewals may come in between.
        let mut positions = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            if let Err(failure) = self.make_before_break(step) {
                let failure = failure.at_step(self.journal.len(), step, &self.plan.names);
                return Err(Failed { failure, rest: steps[index..].to_vec() });
            }
            self.note_gains(step, &expected);
            self.drain_before(step, &mut expected);
            let step = &step.of_row(&expected);
            log::info!("{step}");
            positions.push(self.journal.len());
            match self.execute(step) {
                Ok(()) => {
                    step.replay(&mut expected);
                    self.subflows.note(step);
                }
                Err(refusal) => {
                    refused = Some((index, refusal));
                    break;
                }
            }
        }
        let carried_out = refused.as_ref().map_or(steps.len(), |(index, _)| *index);
        let rest = steps.get(positions.len()..).unwrap_or_default().to_vec();
        let failed = |index: usize, failure: Failure, names: &_| Failed {
            failure: failure.at_step(positions[index], &steps[index], names),
            rest: rest.clone(),
        };
        let now = match self.kernel.observe(self.options.scope) {
            Ok(now) => now,
            Err(error) => return Err(Failed { failure: error.into(), rest }),
        };
        if let Some((index, flags)) = dropped_flags(&steps[..carried_out], &now.state) {
            let failure = Failure::flags_dropped(&steps[index], flags, self.locate(&steps[index]));
            return Err(failed(index, failure, &self.plan.names));
        }
        match refused {
            Some((index, refusal)) if !interfered(&refusal, &expected, &now.state) => {
                if plans <= REPLANS_MAX && may_pass(&steps[index], &refusal) {
                    self.kernel.pause(BREATH * plans as u32);
                    return self
                        .kernel
                        .observe(self.options.scope)
                        .map_err(|error| Failed { failure: error.into(), rest });
                }
                let failure =
                    Failure::refused(&steps[index], &refusal, &now.state, self.locate(&steps[index]));
                Err(failed(index, failure, &self.plan.names))
            }
            _ => Ok(now),
        }
    }

    /// Carries out one step, which rolling back undoes.
    pub(super) fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        self.carry_out(step, true)
    }

    /// Carries out one step, and enters it into the journal. Where its port is still closing, that waits until it is
    /// closed.
    pub(super) fn carry_out(&mut self, step: &Step, undo: bool) -> Result<(), Refusal> {
        let mut result = self.kernel.execute(step);
        while result.as_ref().is_err_and(ports::is_closed) && self.outlast(step) {
            result = self.kernel.execute(step);
        }
        if let (Ok(()), Step::DelAddr { endpoint, .. }) = (&result, step) {
            self.removed.insert(endpoint.identity);
        }
        let refusal = result.as_ref().err().cloned();
        if let Some(refusal) = &refusal {
            log::info!("refused: {refusal}");
        }
        self.journal.push(Entry { step: step.clone(), undo: undo && refusal.is_none(), refusal });
        result
    }

    /// The last `count` steps leave everything as it was, and need not be undone.
    pub(super) fn is_neutral(&mut self, count: usize) {
        self.journal.iter_mut().rev().take(count).for_each(|entry| entry.undo = false);
    }

    /// Undoes one step. Where the connections of an endpoint still hold its port, that waits until they do not.
    fn put_back(&mut self, undo: &Step) -> Result<(), Refusal> {
        let result = self.carry_out(undo, false);
        let identity = undo.endpoint().map(|endpoint| endpoint.identity);
        let held =
            |kernel: &mut K| identity.is_some_and(|it| kernel.connections(it).is_ok_and(|count| count > 0));
        if result.as_ref().is_err_and(ports::is_closed) && held(self.kernel) {
            log::warn!("waiting for the port, to {undo}");
            self.patience = PUTTING_BACK;
            return self.carry_out(undo, false);
        }
        result
    }

    /// Waits until nothing is on the port of a step any more, unless patience ends before.
    fn outlast(&mut self, step: &Step) -> bool {
        while self.patience > Duration::ZERO {
            log::debug!("the port is closed; {} s of patience left", self.patience.as_secs());
            let pause = RETRY.min(self.patience);
            self.kernel.pause(pause);
            self.patience -= pause;
            if !self.kernel.check(step).is_err_and(|refusal| ports::is_closed(&refusal)) {
                return true;
            }
        }
        false
    }

    /// A step that another writer's change made the kernel refuse changed nothing, and is planned again.
    fn forget_refused(&mut self) {
        self.journal.retain(|entry| entry.refusal.is_none());
    }

    fn locate(&self, step: &Step) -> Option<Location> {
        (self.options.locate)(step, &self.plan.names)
    }

    fn reached(mut self, after: State) -> Report {
        self.forget_refused();
        let verdict = if self.journal.is_empty() { Verdict::Unchanged } else { Verdict::Applied };
        let stalled = progress::await_data(self.kernel, &self.busy);
        let Plan { names, warnings: mut diagnostics, .. } = self.plan;
        diagnostics.extend(stalled.into_iter().map(|connection| {
            let message = format!("the data of connection {} does not move any more", Token(connection));
            let help = "restart its application; a larger net.ipv4.tcp_rmem at the end that receives keeps new connections from it";
            Diagnostic::warning(code::DATA_STALLED, message).help(help)
        }));
        diagnostics.extend(self.subflows.lost().iter().map(|endpoint| {
            let message = format!("live connections did not get their subflows back from {endpoint}");
            let help = "new connections are not concerned; `ss -Htn` and the peer's limits may tell why";
            let name = names.endpoints.get(&endpoint.identity).cloned().unwrap_or_default();
            Diagnostic::warning(code::SUBFLOWS_LOST, message).endpoint(name).help(help)
        }));
        let steps = reported(self.journal);
        Report { verdict, steps, before: self.before, after, names, diagnostics, failure: None }
    }

    /// Undoes what was done, last step first, and reads back.
    fn roll_back(mut self, Failed { mut failure, rest }: Failed) -> Report {
        self.restore_lowered();
        let now = self.kernel.observe(self.options.scope).map(|now| now.state).unwrap_or_else(|_| {
            let mut expected = self.before.clone();
            self.done().for_each(|entry| entry.step.replay(&mut expected));
            expected
        });
        let carried_out = self.done().count();
        // The kernel alone makes implicit endpoints, so one that was removed is gone with its subflow.
        let lost = self
            .done()
            .any(|entry| matches!(&entry.step, Step::DelAddr { endpoint, .. } if endpoint.is_implicit()));
        let done = self.journal.iter().filter(|entry| entry.undo).rev();
        let mut reached = now.clone();
        let undo = done.filter_map(|entry| {
            let undo = entry.step.undo(&reached)?;
            undo.replay(&mut reached);
            Some(undo)
        });
        let mut undo: Vec<Step> = undo.collect();
        let going = last_path::going(&now, &reached);
        let live = if going.is_empty() { Vec::new() } else { subflows(self.kernel) };
        let needed = last_path::needed(&going, &live);
        undo.retain(|step| match step {
            Step::DelAddr { endpoint, .. } => needed.iter().all(|(row, _)| row.identity != endpoint.identity),
            _ => true,
        });
        let tried = self.journal.len();
        let mut not_undone = Vec::new();
        for undo in undo {
            log::info!("undo: {undo}");
            if let Err(refusal) = self.put_back(&undo) {
                not_undone.push((undo, refusal));
            }
        }
        let read = self.kernel.observe(self.options.scope).map(|now| now.state);
        let restored = !lost && read.as_ref().is_ok_and(|after| after.agrees_with(&self.before));
        failure.diagnostics.push(failure::aftermath(carried_out, restored, &not_undone));
        failure.diagnostics.extend(needed.into_iter().map(last_path::stays));
        let mut steps = reported(self.journal);
        let not_tried = |step| ReportedStep { step, outcome: StepOutcome::NotTried };
        steps.splice(tried..tried, rest.into_iter().map(not_tried));
        Report {
            verdict: if restored { Verdict::RolledBack } else { Verdict::RollbackIncomplete },
            steps,
            before: self.before,
            after: read.unwrap_or(now),
            names: self.plan.names,
            diagnostics: failure.diagnostics.clone(),
            failure: Some(failure),
        }
    }

    fn done(&self) -> impl Iterator<Item = &Entry> {
        self.journal.iter().filter(|entry| entry.refusal.is_none())
    }
}

fn reported(journal: Vec<Entry>) -> Vec<ReportedStep> {
    let reported = |Entry { step, refusal, .. }| ReportedStep {
        step,
        outcome: refusal.map_or(StepOutcome::Done, StepOutcome::Refused),
    };
    journal.into_iter().map(reported).collect()
}
