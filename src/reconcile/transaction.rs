//! Carrying a plan out as one transaction: check, stop at the first refusal, undo, read back.
//!
//! There is no compare-and-swap in the kernel and no notice of changes, so whether a goal is reached is decided by
//! planning again from what the kernel says afterwards: it is reached when nothing is left to do. That also makes a
//! run that was killed half-way harmless; the next one plans from wherever it stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::desired::ResolveError;
use crate::model::code;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Flags, Identity, State, Step, Sysctl};
use crate::system::{self, PathManager, Refusal};

use super::ports::{self, Closing, PUTTING_BACK, RETRY, closing, patience_for};
use super::subflows::Paths;
use super::verify::{dropped_flags, interfered};

/// How often a plan is made anew because somebody else changed the table meanwhile.
const REPLANS_MAX: usize = 5;

/// Where to go, and the way there.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The state to reach.
    pub state: State,
    /// The steps to it.
    pub steps: Vec<Step>,
    /// What there is to say about it.
    pub warnings: Vec<Diagnostic>,
}

/// What holds for a whole run.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The sysctls that are managed.
    pub sysctls: &'a [Sysctl],
    /// How long to wait for ports that are closing, in all.
    pub patience: Duration,
}

/// How it ended.
#[derive(Debug)]
pub enum Verdict {
    /// There was nothing to do.
    Unchanged,
    /// The goal is reached.
    Applied,
    /// It is not, and everything is as before.
    RolledBack(Failure),
    /// It is not, and not everything is as before.
    RollbackIncomplete(Failure),
}

/// Why the goal was not reached.
#[derive(Debug)]
pub struct Failure {
    /// The step that failed, as its index in [`Outcome::steps`]; none when it was not one step.
    pub step: Option<usize>,
    /// What went wrong.
    pub cause: Cause,
    /// How many steps had been carried out before it.
    pub carried_out: usize,
    /// Undo steps that were refused.
    pub not_undone: Vec<(Step, Refusal)>,
}

/// What went wrong.
#[derive(Debug)]
pub enum Cause {
    /// The kernel refused the step; the state at that moment.
    Refused(Refusal, State),
    /// The step adds an endpoint again whose port will be closed for a minute, since it has connections.
    Closing {
        /// Which, and how many.
        what: Closing,
        /// How much patience it needs, with those like it.
        needed: Duration,
    },
    /// The kernel took the step and left these flags out.
    FlagsDropped(Flags),
    /// The run was to end while live connections waited for other paths than the one that the step takes.
    Interrupted,
    /// Somebody else kept changing the table.
    Unstable,
    /// The state after the step made the goal unreachable.
    ResolveError(ResolveError),
    /// The state after the step could not be read.
    Unreadable(system::Error),
}

/// What became of a goal.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The steps that were carried out; after a failure also the rest of the plan.
    pub steps: Vec<Step>,
    /// The state before.
    pub before: State,
    /// The state after.
    pub after: State,
    /// What there is to say about the last plan.
    pub warnings: Vec<Diagnostic>,
}

/// Carries out `goal` from the state `before`, planning anew by `replan` when somebody else interferes. `announce`
/// hears each plan before its first step, and the state that it starts from.
pub fn apply<K: PathManager>(
    kernel: &mut K,
    Terms { sysctls, patience }: Terms<'_>,
    before: State,
    mut goal: Goal,
    mut replan: impl FnMut(&mut K, &State) -> Result<Goal, ResolveError>,
    mut announce: impl FnMut(&[Step], &State),
) -> Outcome {
    let mut transaction = Transaction {
        kernel,
        sysctls,
        patience,
        before: before.clone(),
        done: Vec::new(),
        earlier: 0,
        declared: BTreeSet::new(),
        paths: Paths::default(),
    };
    let (mut current, mut plans) = (before, 0);
    loop {
        let declared = goal.state.endpoints.iter().filter(|row| row.name.is_some());
        transaction.declared = declared.map(|row| row.identity).collect();
        let after = if goal.steps.is_empty() {
            match transaction.renew(&current) {
                Ok(None) => break,
                Ok(Some(state)) => Ok(state),
                Err(error) => Err((None, Cause::Unreadable(error))),
            }
        } else if plans > REPLANS_MAX {
            Err((None, Cause::Unstable))
        } else {
            plans += 1;
            announce(&goal.steps, &current);
            transaction.attempt(&current, &goal)
        };
        current = match after {
            Ok(state) => state,
            Err((step, cause)) => return transaction.roll_back(step, cause, &goal.steps),
        };
        goal = match replan(transaction.kernel, &current) {
            Ok(goal) => goal,
            Err(unreachable) => return transaction.roll_back(None, Cause::ResolveError(unreachable), &[]),
        };
    }
    transaction.reached(current, goal.warnings)
}

pub(super) struct Transaction<'k, K> {
    pub(super) kernel: &'k mut K,
    pub(super) sysctls: &'k [Sysctl],
    /// What is left of it.
    pub(super) patience: Duration,
    pub(super) before: State,
    pub(super) done: Vec<Step>,
    /// How many of these belong to plans before the present one.
    pub(super) earlier: usize,
    /// The endpoints that the goal has a declaration for.
    pub(super) declared: BTreeSet<Identity>,
    pub(super) paths: Paths,
}

impl<K: PathManager> Transaction<'_, K> {
    /// Carries out the steps of one plan. The state afterwards, also when somebody else kept the plan from being
    /// finished; or what went wrong, with the number of the step that did.
    fn attempt(&mut self, current: &State, goal: &Goal) -> Result<State, (Option<usize>, Cause)> {
        self.earlier = self.done.len();
        if let Some((index, refusal)) = ports::foreseen(self.kernel, &goal.steps) {
            return Err((Some(index), Cause::Refused(refusal, current.clone())));
        }
        let closing = closing(self.kernel, &goal.steps);
        if let Some(first) = closing.first().filter(|_| self.patience < patience_for(&closing)) {
            return Err((Some(first.step), Cause::Closing { what: *first, needed: patience_for(&closing) }));
        }
        self.paths.begin(self.kernel, &goal.steps);
        let mut expected = current.clone();
        let mut refused = None;
        for (index, step) in goal.steps.iter().enumerate() {
            self.make_before_break(step).map_err(|cause| (Some(index), cause))?;
            log::info!("{step}");
            match self.execute(step) {
                Ok(()) => {
                    step.replay(&mut expected);
                    self.paths.note(step);
                    self.done.push(step.clone());
                }
                Err(refusal) => {
                    refused = Some((index, refusal));
                    break;
                }
            }
        }
        let now = self.kernel.observe(self.sysctls).map_err(|error| (None, Cause::Unreadable(error)))?.state;
        let carried_out = refused.as_ref().map_or(goal.steps.len(), |(index, _)| *index);
        if let Some((index, flags)) = dropped_flags(&goal.steps[..carried_out], &now) {
            return Err((Some(index), Cause::FlagsDropped(flags)));
        }
        match refused {
            Some((_, refusal)) if interfered(&refusal, &expected, &now) => Ok(now),
            Some((index, refusal)) => Err((Some(index), Cause::Refused(refusal, now))),
            None => Ok(now),
        }
    }

    /// Carries out one step; where its port is still closing, as soon as it is closed.
    pub(super) fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        let mut result = self.kernel.execute(step);
        while result.as_ref().is_err_and(ports::is_closed) && self.outlast(step) {
            result = self.kernel.execute(step);
        }
        result.inspect_err(|refusal| log::info!("refused: {refusal}"))
    }

    /// Undoes one step. Where the connections of an endpoint still hold its port, as soon as they do not any more.
    fn put_back(&mut self, undo: &Step) -> Result<(), Refusal> {
        let result = self.execute(undo);
        let identity = undo.endpoint().map(|endpoint| endpoint.identity);
        let held =
            |kernel: &mut K| identity.is_some_and(|it| kernel.connections(it).is_ok_and(|count| count > 0));
        if result.as_ref().is_err_and(ports::is_closed) && held(self.kernel) {
            log::warn!("waiting for the port, to {undo}");
            self.patience = PUTTING_BACK;
            return self.execute(undo);
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

    fn reached(self, after: State, mut warnings: Vec<Diagnostic>) -> Outcome {
        warnings.extend(self.paths.lost().iter().map(|endpoint| {
            let message = format!("live connections did not get their subflows back from {endpoint}");
            let help = "new connections are not concerned; `ss -Htn` and the peer's limits may tell why";
            Diagnostic::warning(code::SUBFLOWS_LOST, message)
                .endpoint(endpoint.name.clone().unwrap_or_default())
                .help(help)
        }));
        let verdict = if self.done.is_empty() { Verdict::Unchanged } else { Verdict::Applied };
        Outcome { verdict, steps: self.done, before: self.before, after, warnings }
    }

    /// Undoes what was done, last step first, and reads back. `failed` counts in `plan`, not all of which
    /// may have been carried out.
    fn roll_back(mut self, failed: Option<usize>, cause: Cause, plan: &[Step]) -> Outcome {
        let mut not_undone = Vec::new();
        let now = self.kernel.observe(self.sysctls).map(|now| now.state).unwrap_or_else(|_| {
            let mut expected = self.before.clone();
            self.done.iter().for_each(|step| step.replay(&mut expected));
            expected
        });
        for undo in self.done.iter().rev().filter_map(|step| step.undo(&now)).collect::<Vec<_>>() {
            log::info!("undo: {undo}");
            if let Err(refusal) = self.put_back(&undo) {
                not_undone.push((undo, refusal));
            }
        }
        let Transaction { kernel, sysctls, before, done, earlier, .. } = self;
        let read = kernel.observe(sysctls).map(|now| now.state);
        // The kernel alone makes implicit endpoints, so one that was removed is gone with its subflow.
        let lost =
            done.iter().any(|step| matches!(step, Step::DelAddr { endpoint, .. } if endpoint.is_implicit()));
        let restored = !lost && read.as_ref().is_ok_and(|after| after.agrees_with(&before));
        let after = read.unwrap_or(now);
        let carried_out = done.len();
        let rest = plan.get(done.len() - earlier..).unwrap_or_default();
        let steps = done.into_iter().chain(rest.iter().cloned()).collect();
        let failure = Failure { step: failed.map(|index| earlier + index), cause, carried_out, not_undone };
        let verdict =
            if restored { Verdict::RolledBack(failure) } else { Verdict::RollbackIncomplete(failure) };
        Outcome { verdict, steps, before, after, warnings: Vec::new() }
    }
}
