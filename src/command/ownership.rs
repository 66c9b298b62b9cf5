//! Keeping the record of own endpoints while a plan is carried out.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::model::{Identity, State};
use crate::plan::Step;
use crate::runtime::Runtime;

/// The endpoints that this program made in one network namespace. Read when it is first needed: a run that finds
/// nothing to do, and prunes everything anyway, never touches the file.
#[derive(Clone)]
pub struct Ownership<'r> {
    runtime: &'r Runtime,
    recorded: Option<BTreeSet<Identity>>,
    owned: BTreeSet<Identity>,
    unwritten: Option<String>,
}

impl<'r> Ownership<'r> {
    /// The record as it stands, if the configuration depends on it.
    pub fn new(runtime: &'r Runtime, config: &Config) -> Ownership<'r> {
        let recorded = (!config.prune).then(|| runtime.owned());
        Ownership { runtime, owned: recorded.clone().unwrap_or_default(), recorded, unwritten: None }
    }

    /// The endpoints that may be removed although the configuration says `prune: false`.
    pub fn identities(&self) -> &BTreeSet<Identity> {
        &self.owned
    }

    /// Forgets what the kernel does not have: it was removed by somebody else, or never added because a run was killed.
    pub fn forget_missing(&mut self, state: &State) {
        self.owned.retain(|identity| state.endpoint(*identity).is_some());
    }

    /// Records what is about to be added, before it is: a run that is killed in between leaves nothing unclaimed.
    pub fn announce(&mut self, steps: &[Step]) {
        if self.recorded.is_none() {
            self.owned = self.runtime.owned();
            self.recorded = Some(self.owned.clone());
        }
        self.owned.extend(steps.iter().filter_map(|step| match step {
            Step::AddAddr { endpoint, .. } => Some(endpoint.identity),
            _ => None,
        }));
        self.write();
    }

    /// Records what is left. A record that could not be written only matters later, and then to the safe side: what
    /// it lacks is left alone.
    pub fn settle(mut self, after: &State) -> Option<Diagnostic> {
        self.forget_missing(after);
        self.write();
        let message = format!("cannot record which endpoints are mptcp-apply's own: {}", self.unwritten?);
        let help = "with `prune: false` they will be left alone later, as if somebody else had made them";
        Some(Diagnostic::warning("no-record", message).help(help))
    }

    fn write(&mut self) {
        if self.recorded.as_ref().is_none_or(|recorded| *recorded == self.owned) {
            return;
        }
        match self.runtime.remember(&self.owned) {
            Ok(()) => (self.recorded, self.unwritten) = (Some(self.owned.clone()), None),
            Err(error) => self.unwritten = Some(error.to_string()),
        }
    }
}
