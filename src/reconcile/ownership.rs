//! Keeping the record of own endpoints while a plan is carried out.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::model::diagnostic::Diagnostic;
use crate::model::{AddressId, Endpoint, Identity, OwnedEndpoints, State, Step, code, escaped_path};

use super::failure::{Failure, FailureKind};
use super::report::{Report, Verdict};

/// Where a namespace's own endpoints are remembered, and other runs are kept out.
pub trait Record {
    /// Keeps other runs out, from now on.
    ///
    /// # Errors
    /// When another run does, and when that cannot be found out.
    fn claim(&mut self) -> Result<(), LockError>;

    /// The endpoints that earlier runs made.
    ///
    /// # Errors
    /// When there is a record and it cannot be read or trusted.
    fn owned(&self) -> io::Result<OwnedEndpoints>;

    /// Replaces the record as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    fn remember(&self, owned: &OwnedEndpoints) -> io::Result<()>;

    /// Runs `start`, whose child processes keep other runs out too, as long as they live.
    ///
    /// # Errors
    /// Those of `start`, and when the claim cannot be shared.
    fn inherit(&self, start: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run is going on in this namespace.
    #[error("another run of mptcp-apply is changing this network namespace: {0}")]
    Held(String),
    /// The file cannot be had.
    #[error("cannot lock {}: {}", escaped_path(.0), .1)]
    Unavailable(PathBuf, io::Error),
    /// The name cannot be had that keeps other runs out, with other runtime folders too.
    #[error("cannot claim this network namespace: {0}")]
    Nameless(io::Error),
}

impl LockError {
    /// Without a lock two runs would notice each other all the same, and a host without endpoints because of a full /run
    /// would be worse. So a run goes on, and warns.
    pub fn warning(&self) -> Diagnostic {
        let help = match self {
            LockError::Nameless(_) => "`ss -xap src @mptcp-apply` shows what has it",
            _ => "give it a writable runtime folder by RUNTIME_DIRECTORY",
        };
        Diagnostic::warning(code::NO_LOCK, self.to_string()).help(help)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        let help = "it runs already, perhaps with --watch; wait for it, or stop it";
        let diagnostic = Diagnostic::error(code::FAILED, error.to_string()).help(help);
        Failure::new(FailureKind::Locked, vec![diagnostic])
    }
}

/// The endpoints that this program made in one network namespace. Read when it is first needed: a run that finds
/// nothing to do, and prunes everything anyway, never touches the file.
pub struct Ownership<'r> {
    record: &'r dyn Record,
    /// What the file says, as far as the kernel has it; none while it was not read.
    start: Option<OwnedEndpoints>,
    /// That, and what the plans so far were to add.
    announced: OwnedEndpoints,
    /// What the file says now.
    written: OwnedEndpoints,
    trouble: Option<String>,
}

impl<'r> Ownership<'r> {
    /// The record as it stands, if the target depends on it (`prune: false`).
    pub fn new(record: &'r dyn Record, spares_others: bool, now: &State) -> Ownership<'r> {
        let (announced, written) = (OwnedEndpoints::new(), OwnedEndpoints::new());
        let mut ownership = Ownership { record, start: None, announced, written, trouble: None };
        if spares_others {
            ownership.read(now);
        }
        ownership
    }

    /// The endpoints that may be removed although the configuration says `prune: false`.
    pub fn identities(&self) -> BTreeSet<Identity> {
        self.start.iter().flatten().map(|(identity, _)| *identity).collect()
    }

    /// Records what is about to be added, before it is: a run that is killed in between leaves nothing unclaimed. What
    /// replaces another program's endpoint and could not be told from it is claimed when it has.
    pub fn announce(&mut self, steps: &[Step], now: &State) {
        if self.start.is_none() {
            self.read(now);
        }
        let Some(start) = &self.start else { return };
        let mut owned = start.clone();
        // Those of earlier plans have been added, so that this plan need not have them.
        owned.append(&mut self.announced);
        for endpoint in added(steps.iter()) {
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
    pub fn settle(mut self, report: &Report) -> Option<Diagnostic> {
        if let Some(start) = self.start.take() {
            let owned = match report.verdict {
                Verdict::Unchanged | Verdict::Applied => {
                    let added = added(report.steps()).map(|endpoint| (endpoint.identity, None));
                    present(start.into_iter().chain(added), &report.after)
                }
                Verdict::RolledBack => present(start, &report.after),
                // The kernel may not have told what is left, and so what was own before still is.
                _ => {
                    let (mut own, new): (OwnedEndpoints, OwnedEndpoints) =
                        std::mem::take(&mut self.announced)
                            .into_iter()
                            .partition(|(identity, _)| start.contains_key(identity));
                    own.extend(present(new, &report.after));
                    own
                }
            };
            self.write(owned);
        }
        self.trouble()
    }

    /// Records what a trial that was put back leaves: what was own before. What could not be put back is still recorded as
    /// the trial left it.
    pub fn restore(self, owned: Option<OwnedEndpoints>, report: &Report) {
        if let Some(owned) = owned.filter(|_| report.failure.is_none())
            && let Err(error) = self.record.remember(&owned)
        {
            log::warn!("cannot keep the record of mptcp-apply's own endpoints: {error}");
        }
    }

    /// What kept the record from being read or written.
    pub fn trouble(&self) -> Option<Diagnostic> {
        let message =
            format!("cannot keep the record of mptcp-apply's own endpoints: {}", self.trouble.as_ref()?);
        let help = "with `prune: false` they will be left alone, as if another program had made them";
        Some(Diagnostic::warning(code::NO_RECORD, message).help(help))
    }

    fn read(&mut self, now: &State) {
        match self.record.owned() {
            Ok(owned) => {
                self.start = Some(present(owned.clone(), now));
                self.written = owned;
            }
            // To replace what cannot be read could forget what is in it.
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    /// Also after it failed: what could not be announced may be settled.
    fn write(&mut self, owned: OwnedEndpoints) {
        if owned == self.written {
            return;
        }
        match self.record.remember(&owned) {
            Ok(()) => (self.written, self.trouble) = (owned, None),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

fn added<'s>(steps: impl Iterator<Item = &'s Step>) -> impl Iterator<Item = &'s Endpoint> {
    steps.filter_map(|step| match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint),
        _ => None,
    })
}

/// What of it the kernel has, with the ids there. The rest was removed by another program, was never added because a run
/// was killed, or belonged to a namespace that is gone.
fn present(owned: impl IntoIterator<Item = (Identity, Option<AddressId>)>, state: &State) -> OwnedEndpoints {
    let same = |(identity, id): (Identity, Option<_>)| {
        let row = state.endpoint(identity)?;
        (id.is_none() || id == row.id).then_some((identity, row.id))
    };
    owned.into_iter().filter_map(same).collect()
}
