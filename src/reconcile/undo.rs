//! Putting a trial back: the target of a pass that leads to the state of before, from wherever the trial got to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{AddressId, DeclaredNames, Identity, OwnedEndpoints, Reason, State, Step, UplinkNames};
use crate::plan::{self, Plan, TrialStage};
use crate::system::{Observed, Scope, System};

use super::failure::Failure;
use super::observe::Target;

/// What a trial changes, as far as putting it back needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revert {
    /// The state to go back to.
    pub before: State,
    /// The state to which the trial leads.
    pub goal: State,
    /// The state that it reached; none while its plan may have been carried out in part.
    pub reached: Option<State>,
    /// What is managed.
    pub scope: Scope,
    /// The names of endpoints. JSON has no keys that are no text.
    endpoints: Vec<(Identity, String)>,
    /// The names of uplinks.
    uplinks: UplinkNames,
    /// The endpoints that this program had made before, if that is known.
    owned: Option<Vec<(Identity, Option<AddressId>)>>,
}

impl Revert {
    /// What leads back from `plan` to the state `before`, and to the endpoints that were this program's own then.
    pub fn new(before: &State, plan: &Plan, scope: Scope, owned: Option<OwnedEndpoints>) -> Revert {
        Revert {
            before: before.clone(),
            goal: plan.target.clone(),
            reached: None,
            scope,
            endpoints: plan.names.endpoints.clone().into_iter().collect(),
            uplinks: plan.names.uplinks.clone(),
            owned: owned.map(|owned| owned.into_iter().collect()),
        }
    }

    /// The endpoints that this program had made before, with the ids that they have in the state `after`.
    pub fn owned(&self, after: &State) -> Option<OwnedEndpoints> {
        let id = |identity| after.endpoint(identity).and_then(|row| row.id);
        let owned = self.owned.iter().flatten();
        self.owned.is_some().then(|| owned.map(|(it, old)| (*it, id(*it).or(*old))).collect())
    }
}

impl Target for Revert {
    fn scope(&self) -> Scope {
        self.scope.clone()
    }

    fn plan(
        &self,
        now: &Observed,
        _: &BTreeSet<Identity>,
        removed: &BTreeSet<Identity>,
        _: &mut dyn System,
    ) -> Result<Plan, Failure> {
        let (tried, stage) = match &self.reached {
            None => (&self.goal, TrialStage::Begun),
            Some(reached) => (reached, TrialStage::Reached { removed: removed.clone() }),
        };
        let target = plan::taken_back(&self.before, tried, &now.state, &stage);
        let steps = plan::plan(&now.state, &target, now.capabilities)?;
        let steps = steps.into_iter().map(|step: Step| step.because(Reason::PutBack)).collect();
        let endpoints = self.endpoints.iter().cloned().collect();
        let names = DeclaredNames { endpoints, uplinks: self.uplinks.clone() };
        Ok(Plan { target, names, steps, warnings: Vec::new() })
    }
}
