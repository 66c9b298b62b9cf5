//! Keeping the record of own endpoints while a plan is carried out.

use std::collections::BTreeSet;

use crate::apply::{Outcome, Verdict};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::model::{Endpoint, Identity, State};
use crate::plan::{Reason, Step};
use crate::runtime::{Owned, Runtime};

/// The endpoints that this program made in one network namespace. Read when it is first needed: a run that finds
/// nothing to do, and prunes everything anyway, never touches the file.
#[derive(Clone)]
pub struct Ownership<'r> {
    runtime: &'r Runtime,
    /// What the file says, as far as the kernel has it; none while it was not read.
    start: Option<Owned>,
    /// What the file says now.
    written: Owned,
    trouble: Option<String>,
}

impl<'r> Ownership<'r> {
    /// The record as it stands, if the configuration depends on it.
    pub fn new(runtime: &'r Runtime, config: &Config, now: &State) -> Ownership<'r> {
        let mut ownership = Ownership { runtime, start: None, written: Owned::new(), trouble: None };
        if !config.prune {
            ownership.read(now);
        }
        ownership
    }

    /// The endpoints that may be removed although the configuration says `prune: false`.
    pub fn identities(&self) -> BTreeSet<Identity> {
        self.start.iter().flatten().map(|(identity, _)| *identity).collect()
    }

    /// Records what is about to be added where nothing was, before it is: a run that is killed in between leaves
    /// nothing unclaimed. What replaces or adopts somebody else's endpoint is claimed when it has.
    pub fn announce(&mut self, steps: &[Step], now: &State) {
        if self.start.is_none() {
            self.read(now);
        }
        let mut owned = self.start.clone().unwrap_or_default();
        owned.extend(steps.iter().filter_map(|step| match step {
            Step::AddAddr { endpoint, why: Reason::Declared } => Some((endpoint.identity, endpoint.id)),
            _ => None,
        }));
        self.write(owned);
    }

    /// Records what is left. A record that could not be kept only matters later, and then to the safe side: what it
    /// lacks is left alone.
    pub fn settle(mut self, outcome: &Outcome) -> Option<Diagnostic> {
        if let Some(mut owned) = self.start.take() {
            owned.extend(added(outcome).map(|endpoint| (endpoint.identity, None)));
            self.write(present(owned, &outcome.after));
        }
        self.trouble()
    }

    /// What kept the record from being read or written.
    pub fn trouble(&self) -> Option<Diagnostic> {
        let message =
            format!("cannot keep the record of mptcp-apply's own endpoints: {}", self.trouble.as_ref()?);
        let help = "with `prune: false` they will be left alone, as if somebody else had made them";
        Some(Diagnostic::warning("no-record", message).help(help))
    }

    fn read(&mut self, now: &State) {
        match self.runtime.owned() {
            Ok(owned) => {
                self.start = Some(present(owned.clone(), now));
                self.written = owned;
            }
            Err(error) => {
                self.start = Some(Owned::new());
                self.trouble = Some(error.to_string());
            }
        }
    }

    fn write(&mut self, owned: Owned) {
        if owned == self.written || self.trouble.is_some() {
            return;
        }
        match self.runtime.remember(&owned) {
            Ok(()) => self.written = owned,
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

/// The rows that a run added and did not take back.
fn added(outcome: &Outcome) -> impl Iterator<Item = &Endpoint> {
    let kept = match &outcome.verdict {
        Verdict::Unchanged | Verdict::Applied => outcome.steps.len(),
        Verdict::RolledBack(_) => 0,
        Verdict::RollbackIncomplete(failure) => failure.carried_out,
    };
    outcome.steps.iter().take(kept).filter_map(|step| match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint),
        _ => None,
    })
}

/// What of it the kernel has, with the ids there. The rest was removed by somebody else, was never added because a run
/// was killed, or belonged to a namespace that is gone.
fn present(owned: Owned, state: &State) -> Owned {
    let same = |(identity, id): (Identity, Option<_>)| {
        let row = state.endpoint(identity)?;
        (id.is_none() || id == row.id).then_some((identity, row.id))
    };
    owned.into_iter().filter_map(same).collect()
}
