//! Plans the steps from one state to another, to be applied one after the other. Pure.

mod diff;
mod order;

mod takeback;

pub use order::PlanError;

pub use takeback::{TrialStage, taken_back};

use std::collections::{BTreeMap, BTreeSet};

use crate::model::diagnostic::Diagnostic;
use crate::model::{Capabilities, EndpointNames, Identity, Reason, State, Step};

/// Where to go, and the way there.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The state to reach.
    pub target: State,
    /// The names of its endpoints, and of those that wait.
    pub names: EndpointNames,
    /// The steps to it.
    pub steps: Vec<Step>,
    /// What waits, and what else the target lacks on this host.
    pub warnings: Vec<Diagnostic>,
}

/// The smallest sequence of steps from `current` to `target`, in an order that the kernel accepts at every step.
///
/// Sysctls come first, then limits, since an added endpoint opens subflows at once and within the current limits; then
/// flags that change in place; then additions and removals (see `order`).
///
/// # Errors
/// When no order of steps leads to the target.
pub fn plan(current: &State, target: &State, capabilities: Capabilities) -> Result<Vec<Step>, PlanError> {
    let mut steps = diff::settings(current, target);
    let rows = diff::rows(&current.endpoints, &target.endpoints);
    steps.extend(rows.in_place);
    steps.extend(order::order(&current.endpoints, rows.removals, rows.additions, capabilities)?);
    Ok(steps)
}

/// Gives removals their true reasons: a row that a declaration covers is not one that is not declared.
pub fn give_reasons(steps: &mut [Step], reasons: &BTreeMap<Identity, Reason>) {
    for step in steps {
        if let Step::DelAddr { endpoint, why: why @ Reason::NotDeclared } = step {
            *why = reasons.get(&endpoint.identity).copied().unwrap_or(*why);
        }
    }
}

/// Adds steps to a plan that remove these rows of its target and add them again: the kernel opens subflows on live
/// connections only when an endpoint is added.
pub fn renew(steps: &mut Vec<Step>, target: &State, renewed: &BTreeSet<Identity>) {
    let why = Reason::AddedTooEarly;
    let touched: BTreeSet<Identity> =
        steps.iter().filter_map(Step::endpoint).map(|endpoint| endpoint.identity).collect();
    let rows = target.endpoints.iter().filter(|row| renewed.contains(&row.identity));
    for row in rows.filter(|row| !touched.contains(&row.identity)) {
        steps.push(Step::DelAddr { endpoint: row.clone(), why });
        steps.push(Step::AddAddr { endpoint: row.clone(), why });
    }
}
