//! The differences between the rules and routes of two states.
//!
//! Routes come before the rules that lead to them, and go after them, so that no rule ever leads to an empty table. A
//! route that changes is replaced in place, which loses no packet. Only what another program made with the protocol of this
//! one, and what the kernel takes for the same as something that comes, goes before that comes.

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
    let mut coming = Vec::new();
    for to in &target.routes {
        let from = current.routes.iter().find(|route| route.key() == to.key());
        let why = match from {
            // One that stands in moves when another uplink is to.
            Some(from) if from.dev == to.dev => Reason::RouterChanged,
            _ if to.is_stand_in() => Reason::UplinkDown,
            _ => Reason::Declared,
        };
        if from != Some(to) {
            coming.push(Step::SetRoute { from: from.cloned(), to: to.clone(), why });
        }
    }
    let mut left = current.rules.clone();
    for rule in &target.rules {
        match left.iter().position(|own| own == rule) {
            Some(at) => drop(left.remove(at)),
            None => coming.push(Step::AddRule { rule: rule.clone(), why: Reason::Declared }),
        }
    }
    // Backwards: the rule to the table of an uplink goes before the one to the main table.
    let gone = left.into_iter().rev().map(|rule| Step::DelRule { rule, why: Reason::NotDeclared });
    let mut going: Vec<Step> = gone.collect();
    let stays = |key| target.routes.iter().any(|route| route.key() == key);
    let gone = current.routes.iter().filter(|route| !stays(route.key())).cloned();
    going.extend(gone.map(|route| Step::DelRoute { route, why: Reason::NotDeclared }));
    let is_first = |step: &Step| coming.iter().any(|other| is_in_the_way(step, other));
    let (mut first, last): (Vec<Step>, Vec<Step>) = going.into_iter().partition(is_first);
    first.extend(coming);
    UplinkSteps { first, last }
}

/// Whether what goes can keep from coming what comes. To the kernel a rule with more conditions than another, or with `not`,
/// is the same (`rule_exists`), and so is a route of another kind to the same destinations.
fn is_in_the_way(going: &Step, coming: &Step) -> bool {
    match (going, coming) {
        (Step::DelRule { rule, .. }, Step::AddRule { rule: wanted, .. }) => {
            !rule.raw.is_empty() && (rule.priority, rule.table) == (wanted.priority, wanted.table)
        }
        (Step::DelRoute { route, .. }, Step::SetRoute { from: None, to, .. }) => {
            !route.raw.is_empty() && (route.family, route.table) == (to.family, to.table)
        }
        _ => false,
    }
}
