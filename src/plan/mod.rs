//! Plans the steps from one state to another, to be applied one after the other. Pure.

mod diff;
mod order;
mod takeback;
mod uplinks;

pub use order::PlanError;

pub use takeback::{TrialStage, taken_back};

use std::collections::{BTreeMap, BTreeSet};

use crate::model::diagnostic::Diagnostic;
use crate::model::{
    Capabilities, DeclaredNames, Family, Identity, Reason, State, Step, UplinkRoute, UplinkRule,
};

/// Where to go, and the way there.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The state to reach.
    pub target: State,
    /// The names of what it consists of, and of what waits.
    pub names: DeclaredNames,
    /// The steps to it.
    pub steps: Vec<Step>,
    /// What waits, and what else the target lacks on this host.
    pub warnings: Vec<Diagnostic>,
}

/// The smallest sequence of steps from `current` to `target`, in an order that the kernel accepts at every step.
///
/// Sysctls come first, then the routes and rules by which packets of new subflows leave (see `uplinks`), then limits, since
/// an added endpoint opens subflows at once and within the current limits; then flags that change in place; then
/// additions and removals of endpoints (see `order`); at last rules and routes that go.
///
/// # Errors
/// When no order of steps leads to the target.
pub fn plan(current: &State, target: &State, capabilities: Capabilities) -> Result<Vec<Step>, PlanError> {
    let uplinks = uplinks::uplinks(current, target);
    let rows = diff::rows(&current.endpoints, &target.endpoints);
    let mut steps = diff::sysctls(current, target);
    steps.extend(uplinks.first);
    steps.extend(diff::limits(current, target));
    steps.extend(rows.in_place);
    steps.extend(order::order(&current.endpoints, rows.removals, rows.additions, capabilities)?);
    steps.extend(uplinks.last);
    Ok(steps)
}

/// Why something leaves that a declaration covers.
#[derive(Debug, Default)]
pub struct Reasons {
    /// Rows.
    pub endpoints: BTreeMap<Identity, Reason>,
    /// Rules.
    pub rules: Vec<(UplinkRule, Reason)>,
    /// Routes, by their place.
    pub routes: BTreeMap<(Family, u32, u32), Reason>,
}

/// Gives removals their true reasons: what a declaration covers is not something that is not declared.
pub fn give_reasons(steps: &mut [Step], reasons: &Reasons) {
    let of_route = |route: &UplinkRoute| reasons.routes.get(&route.place()).copied();
    let of_rule = |rule| reasons.rules.iter().find(|(own, _)| own == rule).map(|(_, reason)| *reason);
    for step in steps {
        match step {
            Step::DelAddr { endpoint, why: why @ Reason::NotDeclared } => {
                *why = reasons.endpoints.get(&endpoint.identity).copied().unwrap_or(*why);
            }
            Step::DelRule { rule, why } => *why = of_rule(rule).unwrap_or(*why),
            Step::DelRoute { route, why } => *why = of_route(route).unwrap_or(*why),
            _ => {}
        }
    }
}

/// Adds steps to a plan that remove these rows of its target and add them again, for these reasons: the kernel opens
/// subflows on live connections only when an endpoint is added.
pub fn renew(steps: &mut Vec<Step>, target: &State, renewed: &BTreeMap<Identity, Reason>) {
    let touched: BTreeSet<Identity> =
        steps.iter().filter_map(Step::endpoint).map(|endpoint| endpoint.identity).collect();
    let rows = target.endpoints.iter().filter_map(|row| Some((row, *renewed.get(&row.identity)?)));
    for (row, why) in rows.filter(|(row, _)| !touched.contains(&row.identity)) {
        steps.push(Step::DelAddr { endpoint: row.clone(), why });
        steps.push(Step::AddAddr { endpoint: row.clone(), why });
    }
}
