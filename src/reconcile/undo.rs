//! Putting a trial back: the target of a pass that leads to the state of before, from wherever the trial got to.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::model::diagnostic::Diagnostic;
use crate::model::{
    AddressId, DeclaredNames, Endpoint, Family, Identity, MAIN_TABLE, OwnedEndpoints, Reason, State, Step,
    UplinkRule, code,
};
use crate::plan::{self, Plan, TrialStage};
use crate::system::{Errno, Observed, Refusal, Scope, System};

use super::failure::Failure;
use super::last_path;
use super::observe::Target;
use super::settle::subflows;

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
    /// The names of declarations.
    names: DeclaredNames,
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
            names: plan.names.clone(),
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

impl Revert {
    /// The implicit endpoints that the trial adopted or removed, which only the kernel makes.
    fn adopted(&self, now: &State) -> Vec<Diagnostic> {
        let tried = self.reached.as_ref().unwrap_or(&self.goal);
        let is_implicit =
            |state: &State, identity| state.endpoint(identity).is_some_and(Endpoint::is_implicit);
        let lost = self.before.endpoints.iter().filter(|row| {
            row.is_implicit() && !is_implicit(tried, row.identity) && !is_implicit(now, row.identity)
        });
        let warning = |row: &Endpoint| {
            let stays = now.endpoint(row.identity).map_or(String::new(), |row| format!("; {row} stays"));
            let message =
                format!("could not put back {row}: only the kernel makes implicit endpoints{stays}");
            Diagnostic::error(code::ROLLBACK_INCOMPLETE, message)
                .help("subflows from it carry on; new ones need no such endpoint")
        };
        lost.map(warning).collect()
    }
}

/// Leaves rows in the table that live connections cannot do without.
fn with_last_paths(now: &State, target: &mut State, system: &mut dyn System) -> Vec<Diagnostic> {
    let going = last_path::going(now, target);
    let live = if going.is_empty() { Vec::new() } else { subflows(system) };
    let needed = last_path::needed(&going, &live);
    target.endpoints.extend(needed.iter().map(|(row, _)| (*row).clone()));
    needed.into_iter().map(last_path::stays).collect()
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
        system: &mut dyn System,
    ) -> Result<Plan, Failure> {
        let (tried, stage) = match &self.reached {
            None => (&self.goal, TrialStage::Begun),
            Some(reached) => (reached, TrialStage::Reached { removed: removed.clone() }),
        };
        let mut target = plan::taken_back(&self.before, tried, &now.state, &stage);
        let mut warnings = without_lost_routes(&now.state, &mut target, system)?;
        warnings.extend(self.adopted(&now.state));
        warnings.extend(with_last_paths(&now.state, &mut target, system));
        let steps = plan::plan(&now.state, &target, now.capabilities)?;
        let steps = steps.into_iter().map(|step: Step| step.because(Reason::PutBack)).collect();
        Ok(Plan { target, names: self.names.clone(), steps, warnings })
    }
}

/// Leaves out routes that cannot be put back, and the rules that lead to them: their interface or router went meanwhile. All
/// else is still put back.
fn without_lost_routes(
    now: &State,
    target: &mut State,
    system: &mut dyn System,
) -> Result<Vec<Diagnostic>, Failure> {
    let mut found = Vec::new();
    let Some(uplinks) = &mut target.uplinks else { return Ok(found) };
    let up: BTreeSet<NonZeroU32> =
        system.interfaces()?.iter().filter(|on| on.up).map(|on| on.index).collect();
    let mut lost = Vec::new();
    for route in uplinks.routes.iter().filter(|route| !now.uplinks().routes.contains(route)) {
        let is_up = route.dev.as_ref().is_none_or(|dev| up.contains(&dev.index));
        let verdict = if is_up { system.check_route(route) } else { Err(Refusal::new(Errno::ENETDOWN)) };
        if let Err(refusal) = verdict {
            let message = format!("could not put back {route} ({refusal})");
            found.push(Diagnostic::error(code::ROLLBACK_INCOMPLETE, message));
            lost.push(route.place());
        }
    }
    // The rules to the main table do not need what stands in for an uplink there.
    let is_lost = |from, table| lost.iter().any(|place| (place.0, place.1) == (Family::of(from), table));
    let leads_to = |rule: &UplinkRule| {
        rule.table != MAIN_TABLE && rule.from.is_some_and(|from| is_lost(from, rule.table))
    };
    let stranded: Vec<IpAddr> =
        uplinks.rules.iter().filter(|rule| leads_to(rule)).filter_map(|rule| rule.from).collect();
    uplinks.routes.retain(|route| !lost.contains(&route.place()));
    uplinks.rules.retain(|rule| rule.from.is_none_or(|from| !stranded.contains(&from)));
    Ok(found)
}
