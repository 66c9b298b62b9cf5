//! The state of a network namespace before a run that changed it.

use super::{DeclaredNames, Moment, State, Step};

/// What was there before a run that changed something.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PastState {
    /// When the run was about to take its first step.
    pub time: Moment,
    /// What kind of run it was.
    pub by: RunKind,
    /// Its process.
    pub pid: u32,
    /// The steps that it was about to take, in words.
    pub steps: Vec<String>,
    /// The state before, as far as the run managed it.
    pub before: State,
    /// The names that the configuration of the run gives.
    pub names: DeclaredNames,
}

/// The runs before which the state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// It applied once.
    Apply,
    /// It was a pass of `--watch`.
    Watch,
    /// It was a trial.
    Try,
}

impl RunKind {
    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            RunKind::Apply => "apply",
            RunKind::Watch => "watch",
            RunKind::Try => "try",
        }
    }
}

/// What a run is about to do.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// What kind of run it is.
    pub by: RunKind,
    /// The state now.
    pub before: &'a State,
    /// The steps that it is about to take.
    pub steps: &'a [Step],
    /// The names that its configuration gives.
    pub names: &'a DeclaredNames,
}
