//! The differences between the rules and routes of two states.
//!
//! Routes come before the rules that lead to them, and go after them, so that no rule ever leads to an empty table. A
//! route that changes is replaced in place, which loses no packet.

use crate::model::{Reason, State, Step};

/// The steps for uplinks, on either side of those for endpoints.
#[derive(Debug, Default)]
pub struct UplinkSteps {
    /// Routes and rules that come.
    pub first: Vec<Step>,
    /// Rules and routes that go.
    pub last: Vec<Step>,
}

/// Compares the rules and routes of two states.
pub fn uplinks(current: &State, target: &State) -> UplinkSteps {
    let (Some(current), Some(target)) = (&current.uplinks, &target.uplinks) else {
        return UplinkSteps::default();
    };
    let mut steps = UplinkSteps::default();
    for to in &target.routes {
        let from = current.routes.iter().find(|route| route.key() == to.key());
        let why = if from.is_some() { Reason::RouterChanged } else { Reason::Declared };
        if from != Some(to) {
            steps.first.push(Step::SetRoute { from: from.cloned(), to: to.clone(), why });
        }
    }
    let mut left = current.rules.clone();
    for rule in &target.rules {
        match left.iter().position(|own| own == rule) {
            Some(at) => drop(left.remove(at)),
            None => steps.first.push(Step::AddRule { rule: rule.clone(), why: Reason::Declared }),
        }
    }
    // Backwards: the rule to the table of an uplink goes before the one to the main table.
    let gone = left.into_iter().rev().map(|rule| Step::DelRule { rule, why: Reason::NotDeclared });
    steps.last.extend(gone);
    let stays = |key| target.routes.iter().any(|route| route.key() == key);
    let gone = current.routes.iter().filter(|route| !stays(route.key())).cloned();
    steps.last.extend(gone.map(|route| Step::DelRoute { route, why: Reason::NotDeclared }));
    steps
}
