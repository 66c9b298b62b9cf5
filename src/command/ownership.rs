//! Keeping the record of own endpoints while a plan is carried out.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::model::code;
use crate::model::diagnostic::Diagnostic;
use crate::model::{AddressId, Endpoint, Identity, State, Step};
use crate::reconcile::{Outcome, Verdict};
use crate::rundir::{Owned, RunDir};

/// The endpoints that this program made in one network namespace. Read when it is first needed: a run that finds
/// nothing to do, and prunes everything anyway, never touches the file.
#[derive(Clone)]
pub struct Ownership<'r> {
    runtime: &'r RunDir,
    /// What the file says, as far as the kernel has it; none while it was not read.
    start: Option<Owned>,
    /// That, and what the plans so far were to add.
    announced: Owned,
    /// What the file says now.
    written: Owned,
    trouble: Option<String>,
}

impl<'r> Ownership<'r> {
    /// The record as it stands, if the configuration depends on it.
    pub fn new(runtime: &'r RunDir, config: &Config, now: &State) -> Ownership<'r> {
        let mut ownership =
            Ownership { runtime, start: None, announced: Owned::new(), written: Owned::new(), trouble: None };
        if !config.prune {
            ownership.read(now);
        }
        ownership
    }

    /// The endpoints that may be removed although the configuration says `prune: false`.
    pub fn identities(&self) -> BTreeSet<Identity> {
        self.start.iter().flatten().map(|(identity, _)| *identity).collect()
    }

    /// Records what is about to be added, before it is: a run that is killed in between leaves nothing unclaimed. What
    /// replaces somebody else's endpoint and could not be told from it is claimed when it has.
    pub fn announce(&mut self, steps: &[Step], now: &State) {
        if self.start.is_none() {
            self.read(now);
        }
        let Some(start) = &self.start else { return };
        let mut owned = start.clone();
        // Those of earlier plans have been added, so that this plan need not have them.
        owned.append(&mut self.announced);
        for endpoint in added(steps) {
            let id = match (owned.get(&endpoint.identity), now.endpoint(endpoint.identity)) {
                (Some(id), _) if *id == endpoint.id => continue,
                // When the run is killed, the row may have its old id or the new one.
                (Some(_), _) => None,
                (None, Some(row)) if endpoint.id.is_none() || endpoint.id == row.id => continue,
                (None, _) => endpoint.id,
            };
            owned.insert(endpoint.identity, id);
        }
        self.announced.clone_from(&owned);
        self.write(owned);
    }

    /// Records what is left. A record that could not be kept only matters later, and then to the safe side: what it
    /// lacks is left alone.
    pub fn settle(mut self, outcome: &Outcome) -> Option<Diagnostic> {
        if let Some(start) = self.start.take() {
            let owned = match outcome.verdict {
                Verdict::Unchanged | Verdict::Applied => {
                    let added = added(&outcome.steps).map(|endpoint| (endpoint.identity, None));
                    present(start.into_iter().chain(added), &outcome.after)
                }
                Verdict::RolledBack(_) => present(start, &outcome.after),
                // The kernel may not have told what is left, and so what was own before still is.
                Verdict::RollbackIncomplete(_) => {
                    let (mut own, new): (Owned, Owned) = std::mem::take(&mut self.announced)
                        .into_iter()
                        .partition(|(identity, _)| start.contains_key(identity));
                    own.extend(present(new, &outcome.after));
                    own
                }
            };
            self.write(owned);
        }
        self.trouble()
    }

    /// What kept the record from being read or written.
    pub fn trouble(&self) -> Option<Diagnostic> {
        let message =
            format!("cannot keep the record of mptcp-apply's own endpoints: {}", self.trouble.as_ref()?);
        let help = "with `prune: false` they will be left alone, as if somebody else had made them";
        Some(Diagnostic::warning(code::NO_RECORD, message).help(help))
    }

    fn read(&mut self, now: &State) {
        match self.runtime.owned() {
            Ok(owned) => {
                self.start = Some(present(owned.clone(), now));
                self.written = owned;
            }
            // To replace what cannot be read could forget what is in it.
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    /// Also after it failed: what could not be announced may be settled.
    fn write(&mut self, owned: Owned) {
        if owned == self.written {
            return;
        }
        match self.runtime.remember(&owned) {
            Ok(()) => (self.written, self.trouble) = (owned, None),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

fn added(steps: &[Step]) -> impl Iterator<Item = &Endpoint> {
    steps.iter().filter_map(|step| match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint),
        _ => None,
    })
}

/// What of it the kernel has, with the ids there. The rest was removed by somebody else, was never added because a run
/// was killed, or belonged to a namespace that is gone.
fn present(owned: impl IntoIterator<Item = (Identity, Option<AddressId>)>, state: &State) -> Owned {
    let same = |(identity, id): (Identity, Option<_>)| {
        let row = state.endpoint(identity)?;
        (id.is_none() || id == row.id).then_some((identity, row.id))
    };
    owned.into_iter().filter_map(same).collect()
}
