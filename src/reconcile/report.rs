//! What became of a pass: the verdict, every step that reached the kernel, the states around them, and why it failed.
//! Text and JSON render the same report.

use crate::model::diagnostic::Diagnostic;
use crate::model::{DeclaredNames, Exit, State, Step};
use crate::system::Refusal;

use super::failure::{Failure, FailureKind};

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There was nothing to do, or nothing could be begun.
    Unchanged,
    /// The plan was worked out, and not carried out.
    Planned,
    /// The plan was carried out in a sandbox.
    Rehearsed,
    /// The kernel is as desired.
    Applied,
    /// It is not, and everything is as before.
    RolledBack,
    /// It is not, and not everything is as before.
    RollbackIncomplete,
    /// A trial was put back.
    Reverted,
    /// The configuration is invalid, so that no pass was begun.
    Invalid,
}

impl Verdict {
    /// The word of reports, and the exit code of a pass that did not fail.
    fn row(self) -> (&'static str, Exit) {
        match self {
            Verdict::Unchanged => ("unchanged", Exit::Success),
            Verdict::Planned => ("planned", Exit::Success),
            Verdict::Rehearsed => ("rehearsed", Exit::Success),
            Verdict::Applied => ("applied", Exit::Success),
            Verdict::RolledBack => ("rolled-back", Exit::Failed),
            Verdict::RollbackIncomplete => ("rollback-incomplete", Exit::Inconsistent),
            Verdict::Reverted => ("reverted", Exit::TakenBack),
            Verdict::Invalid => ("invalid", Exit::Invalid),
        }
    }

    /// The verdict on a pass that a failure of this kind kept from starting.
    pub fn not_started(kind: FailureKind) -> Verdict {
        if kind == FailureKind::Invalid { Verdict::Invalid } else { Verdict::Unchanged }
    }

    /// The word of reports.
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// The exit code. A failure tells more than the verdict, unless the state is neither the old nor the new one.
    pub fn exit(self, failure: Option<FailureKind>) -> Exit {
        match (self, failure) {
            (Verdict::RollbackIncomplete, _) | (_, None) => self.row().1,
            (_, Some(kind)) => kind.exit(),
        }
    }
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was only planned.
    Planned,
    /// The kernel carried it out.
    Done,
    /// The kernel refused it.
    Refused(Refusal),
    /// A step before it failed.
    NotTried,
}

impl StepOutcome {
    /// The word of reports.
    pub fn word(&self) -> &'static str {
        match self {
            StepOutcome::Planned => "planned",
            StepOutcome::Done => "done",
            StepOutcome::Refused(_) => "refused",
            StepOutcome::NotTried => "not-tried",
        }
    }
}

/// A step, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedStep {
    /// The step.
    pub step: Step,
    /// What became of it.
    pub outcome: StepOutcome,
}

/// What became of a pass.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// Every step that reached the kernel, in that order, whatever asked for it: the plan, renewals, and what put steps
    /// back. After a failure also the steps that were not tried; of a plan that was not carried out, all.
    pub steps: Vec<ReportedStep>,
    /// The state before.
    pub before: State,
    /// The state after; of a plan that was not carried out, the one to which it leads.
    pub after: State,
    /// The names of declarations.
    pub names: DeclaredNames,
    /// Warnings, then what the failure says.
    pub diagnostics: Vec<Diagnostic>,
    /// Why the goal was not reached.
    pub failure: Option<Failure>,
}

impl Report {
    /// The steps alone.
    pub fn steps(&self) -> impl Iterator<Item = &Step> + Clone {
        self.steps.iter().map(|reported| &reported.step)
    }

    /// Takes note that another process carries the plan out.
    pub fn mark_carried_out(&mut self) {
        self.steps.iter_mut().for_each(|step| step.outcome = StepOutcome::Done);
        if self.verdict == Verdict::Planned {
            self.verdict = Verdict::Applied;
        }
    }

    /// Adds a step that was carried out beside the plan.
    pub fn carried_out(&mut self, step: Step) {
        self.steps.push(ReportedStep { step, outcome: StepOutcome::Done });
        if self.verdict == Verdict::Unchanged {
            self.verdict = Verdict::Applied;
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.verdict.exit(self.failure.as_ref().map(|failure| failure.kind))
    }
}
