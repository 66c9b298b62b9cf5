//! Jobs that are tried only, and those that take back what was tried.

use std::time::Duration;

use crate::command::failure;
use crate::desired::ResolveError;
use crate::model::{Exit, State};
use crate::reconcile::{Goal, Outcome};
use crate::report::text::Tense;
use crate::rundir::{Lock, RunDir};
use crate::trial::{Guard, TrialSpec};

use super::{Done, Job};

impl<'a> Job<'a> {
    /// Tries it only: before the first write there is a guard that takes it back.
    pub fn on_trial(mut self, timeout: Duration, reporting: Vec<String>) -> Job<'a> {
        self.trial = Some((timeout, reporting));
        self
    }

    /// The guard, if there is anything to be taken back, and what it was handed over.
    pub fn into_guard(self) -> Option<(Guard, TrialSpec)> {
        self.guard
    }

    /// Sees to it that a trial is taken back, whatever becomes of this process.
    ///
    /// # Errors
    /// When there is no guard to be had.
    pub fn set_guard(&mut self, runtime: &RunDir, before: &State, goal: &Goal) -> Result<(), Exit> {
        let Some((timeout, reporting)) = self.trial.take().filter(|_| !goal.steps.is_empty()) else {
            return Ok(());
        };
        let handover = TrialSpec {
            before: before.clone(),
            goal: goal.state.clone(),
            sysctls: self.sysctls.clone(),
            owned: runtime.owned().ok().map(|owned| owned.into_iter().collect()),
            timeout,
        };
        let shared = self.lock.as_ref().map_or(Ok(()), Lock::share);
        let guard = shared.and_then(|()| Guard::start(&reporting, &handover));
        let guard = guard.and_then(|guard| {
            self.lock.as_ref().map_or(Ok(()), Lock::share_no_more)?;
            Ok(guard)
        });
        match guard {
            Ok(guard) => self.guard = Some((guard, handover)),
            Err(error) => {
                let message = format!("cannot start the guard that would take it back: {error}");
                return Err(self.fail(Exit::Failed, message, Some("nothing was changed")));
            }
        }
        Ok(())
    }

    /// What came of taking something back.
    pub fn taken_back(&mut self, outcome: Outcome, wanted: &State) -> Done {
        let mut done = self.done(outcome, wanted);
        if done.exit == Exit::Success {
            (done.result, done.tense, done.exit) = ("reverted", Tense::TakenBack, Exit::TakenBack);
        } else {
            done.exit = Exit::Inconsistent;
        }
        done
    }

    /// Takes note that something cannot be taken back.
    pub fn cannot(&mut self, unreachable: &ResolveError) -> Result<Done, Exit> {
        self.diagnostics.extend(failure::unreachable(unreachable).diagnostics);
        Err(Exit::Inconsistent)
    }
}
