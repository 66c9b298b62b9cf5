//! Carrying a plan out as one transaction: check, stop at the first refusal, undo, read back.
//!
//! There is no compare-and-swap in the kernel and no notice of changes, so whether a goal is reached is decided by
//! planning again from what the kernel says afterwards: it is reached when nothing is left to do. That also makes a
//! run that was killed half-way harmless; the next one plans from wherever it stopped.

use std::collections::BTreeSet;

use crate::desired::Unreachable;
use crate::diagnostic::Diagnostic;
use crate::kernel::{self, Errno, Kernel, Refusal};
use crate::model::{Flags, Identity, State, Sysctl, SysctlValue};
use crate::plan::{Disruption, Step};

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
    /// The kernel took the step and left these flags out.
    FlagsDropped(Flags),
    /// Somebody else kept changing the table.
    Unstable,
    /// The state after the step made the goal unreachable.
    Unreachable(Unreachable),
    /// The state after the step could not be read.
    Unreadable(kernel::Error),
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
pub fn apply<K: Kernel>(
    kernel: &mut K,
    sysctls: &[Sysctl],
    before: State,
    mut goal: Goal,
    mut replan: impl FnMut(&mut K, &State) -> Result<Goal, Unreachable>,
    mut announce: impl FnMut(&[Step], &State),
) -> Outcome {
    let mut transaction =
        Transaction { kernel, sysctls, before: before.clone(), done: Vec::new(), earlier: 0 };
    let mut current = before;
    for replans in 0.. {
        if goal.steps.is_empty() {
            break;
        }
        if replans > REPLANS_MAX {
            return transaction.roll_back(None, Cause::Unstable, &[]);
        }
        announce(&goal.steps, &current);
        current = match transaction.attempt(&current, &goal) {
            Ok(state) => state,
            Err((step, cause)) => return transaction.roll_back(step, cause, &goal.steps),
        };
        goal = match replan(transaction.kernel, &current) {
            Ok(goal) => goal,
            Err(unreachable) => return transaction.roll_back(None, Cause::Unreachable(unreachable), &[]),
        };
    }
    transaction.reached(current, goal.warnings)
}

struct Transaction<'k, K> {
    kernel: &'k mut K,
    sysctls: &'k [Sysctl],
    before: State,
    done: Vec<Step>,
    /// How many of these belong to plans before the present one.
    earlier: usize,
}

impl<K: Kernel> Transaction<'_, K> {
    /// Carries out the steps of one plan. The state afterwards, also when somebody else kept the plan from being
    /// finished; or what went wrong, with the number of the step that did.
    fn attempt(&mut self, current: &State, goal: &Goal) -> Result<State, (Option<usize>, Cause)> {
        self.earlier = self.done.len();
        if let Some((index, refusal)) = self.foreseen(&goal.steps) {
            return Err((Some(index), Cause::Refused(refusal, current.clone())));
        }
        let mut expected = current.clone();
        let mut refused = None;
        for (index, step) in goal.steps.iter().enumerate() {
            log::info!("{step}");
            match self.kernel.execute(step) {
                Ok(()) => {
                    step.replay(&mut expected);
                    self.done.push(step.clone());
                }
                Err(refusal) => {
                    log::info!("refused: {refusal}");
                    refused = Some((index, refusal));
                    break;
                }
            }
        }
        let now = self.kernel.read(self.sysctls).map_err(|error| (None, Cause::Unreadable(error)))?;
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

    /// The first step that would be refused although live connections would have been disturbed before it. Where
    /// nothing is at stake the kernel may say itself what it refuses, and in its own words.
    fn foreseen(&mut self, steps: &[Step]) -> Option<(usize, Refusal)> {
        let port = |step: &Step| step.endpoint().and_then(|endpoint| endpoint.identity.port);
        let first_disturbing = steps.iter().position(|step| step.disruption() != Disruption::None)?;
        // An endpoint that listens on the same port is in the way of its successor until it is removed.
        let removals = steps.iter().filter(|step| matches!(step, Step::DelAddr { .. }));
        let freed: Vec<_> = removals.filter_map(port).collect();
        let is_freed = |step: &Step| port(step).is_some_and(|port| freed.contains(&port));
        let enabled = steps.iter().find_map(|step| match step {
            Step::SetSysctl { sysctl: Sysctl::ENABLED, to, .. } => Some(*to != SysctlValue::Number(0)),
            _ => None,
        });
        let mut later = steps.iter().enumerate().skip(first_disturbing);
        later.find_map(|(index, step)| match self.kernel.check(step) {
            Ok(()) if enabled == Some(false) && port(step).is_some() => {
                let is_addition = matches!(step, Step::AddAddr { .. });
                is_addition.then(|| (index, Refusal::new(Errno::ENOPROTOOPT)))
            }
            Ok(()) => None,
            Err(refusal) if refusal.errno == Errno::EADDRINUSE && is_freed(step) => None,
            Err(refusal) if refusal.errno == Errno::ENOPROTOOPT && enabled == Some(true) => None,
            Err(refusal) => Some((index, refusal)),
        })
    }

    fn reached(self, after: State, warnings: Vec<Diagnostic>) -> Outcome {
        let verdict = if self.done.is_empty() { Verdict::Unchanged } else { Verdict::Applied };
        Outcome { verdict, steps: self.done, before: self.before, after, warnings }
    }

    /// Undoes what was done, last step first, and reads back. `failed` counts in `plan`, not all of which
    /// may have been carried out.
    fn roll_back(self, failed: Option<usize>, cause: Cause, plan: &[Step]) -> Outcome {
        let Transaction { kernel, sysctls, before, done, earlier } = self;
        let mut not_undone = Vec::new();
        let now = kernel.read(sysctls).unwrap_or_else(|_| {
            let mut expected = before.clone();
            done.iter().for_each(|step| step.replay(&mut expected));
            expected
        });
        for step in done.iter().rev() {
            let Some(undo) = step.undo(&now) else { continue };
            log::info!("undo: {undo}");
            if let Err(refusal) = kernel.execute(&undo) {
                log::info!("refused: {refusal}");
                not_undone.push((undo, refusal));
            }
        }
        let read = kernel.read(sysctls);
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

/// Whether a refusal comes from a change that somebody else made, or the kernel itself by an implicit endpoint. The
/// error number does not tell, least of all up to Linux 6.1, which says EINVAL to everything; the table does.
fn interfered(refusal: &Refusal, expected: &State, now: &State) -> bool {
    let implicit = |state: &State| -> BTreeSet<Identity> {
        state.endpoints.iter().filter(|row| row.is_implicit()).map(|row| row.identity).collect()
    };
    refusal.errno == Errno::ESTALE || !now.agrees_with(expected) || implicit(now) != implicit(expected)
}

/// The first step of which the kernel kept everything but some flags. Kernels since 6.19 (and stable ones that took
/// the change) drop flags that they do not know without a word.
fn dropped_flags(steps: &[Step], now: &State) -> Option<(usize, Flags)> {
    steps.iter().enumerate().find_map(|(index, step)| {
        let (endpoint, sent) = match step {
            Step::SetFlags { endpoint, to, .. } => (endpoint, *to),
            Step::AddAddr { endpoint, .. } => (endpoint, endpoint.flags),
            Step::SetSysctl { .. } | Step::SetLimits { .. } | Step::DelAddr { .. } => return None,
        };
        let row = now.endpoint(endpoint.identity)?;
        let dropped = sent.without(row.flags).intersection(Flags::YOUNG);
        (dropped != Flags::default() && !row.is_implicit()).then_some((index, dropped))
    })
}
