//! What another program did to a table, in words. Pure.

#[cfg(test)]
mod tests;

use crate::model::{State, Step};

/// What differs between the state that was reached and the one that was found, as far as the steps mend it.
pub fn between<'s>(reached: &State, found: &State, steps: impl Iterator<Item = &'s Step>) -> Vec<String> {
    let steps: Vec<&Step> = steps.collect();
    let mends = |at: &usize| !takes_back(&steps[..*at], steps[*at]);
    (0..steps.len()).filter(mends).filter_map(|at| told(reached, found, steps[at])).collect()
}

/// Whether a step takes back what an earlier one of the same pass did: one that planned again, since addresses changed
/// meanwhile.
fn takes_back(earlier: &[&Step], step: &Step) -> bool {
    earlier.iter().any(|earlier| match (earlier, step) {
        (Step::DelRule { rule: gone, .. }, Step::AddRule { rule, .. })
        | (Step::AddRule { rule, .. }, Step::DelRule { rule: gone, .. }) => gone == rule,
        (Step::DelRoute { route: gone, .. }, Step::SetRoute { to: route, .. })
        | (Step::SetRoute { to: route, .. }, Step::DelRoute { route: gone, .. })
        | (Step::SetRoute { from: Some(gone), .. }, Step::SetRoute { to: route, .. }) => gone == route,
        _ => false,
    })
}

fn told(reached: &State, found: &State, step: &Step) -> Option<String> {
    match step {
        Step::SetSysctl { sysctl, from, to } => (reached.sysctls.get(sysctl) == Some(to))
            .then(|| format!("drift: another program set {} from {to} to {from}", sysctl.name())),
        Step::SetLimits { from, to } => (reached.limits == *to)
            .then(|| format!("drift: another program set the limits from {to} to {from}")),
        Step::SetFlags { endpoint, .. } | Step::DelAddr { endpoint, .. } | Step::AddAddr { endpoint, .. } => {
            let (was, is) = (reached.endpoint(endpoint.identity), found.endpoint(endpoint.identity));
            match (was, is) {
                (Some(was), Some(is)) if was == is => None,
                // The kernel makes these.
                (None, Some(is)) if is.is_implicit() => None,
                (None, Some(is)) => Some(format!("drift: another program added {is}")),
                (Some(was), None) => Some(format!("drift: another program removed {was}")),
                // A removal and an addition are one message.
                (Some(was), Some(is)) if !matches!(step, Step::AddAddr { .. }) => {
                    Some(format!("drift: another program changed {was} to {is}"))
                }
                _ => None,
            }
        }
        Step::AddRule { rule, .. } => reached
            .uplinks()
            .rules
            .contains(rule)
            .then(|| format!("drift: another program removed the {rule}")),
        Step::SetRoute { from, to, .. } if reached.uplinks().routes.contains(to) => Some(match from {
            // The kernel does it too, silently, when the interface loses its last address.
            None => format!("drift: the {to} was removed"),
            Some(from) => format!("drift: another program changed the {to} to {from}"),
        }),
        Step::DelRule { rule, .. } => (!reached.uplinks().rules.contains(rule))
            .then(|| format!("drift: another program added the {rule}, with the protocol of mptcp-apply")),
        Step::DelRoute { route, .. } => (!reached.uplinks().routes.contains(route))
            .then(|| format!("drift: another program added the {route}, with the protocol of mptcp-apply")),
        Step::SetRoute { .. } => None,
    }
}
