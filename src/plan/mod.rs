//! The difference between two states as steps that can be carried out one after the other. Pure.

mod diff;
mod order;
mod step;

pub use order::Impossible;
pub use step::{Disruption, Reason, Step};

use crate::model::{Capabilities, State};

/// The smallest sequence of steps from `current` to `target`, in an order that the kernel accepts at every step.
///
/// Sysctls come first, then limits, since an added endpoint opens subflows at once and only within the limits of that
/// moment; then flags that change in place; then additions and removals (see `order`).
///
/// # Errors
/// When no order leads there.
pub fn plan(current: &State, target: &State, capabilities: Capabilities) -> Result<Vec<Step>, Impossible> {
    let mut steps = diff::settings(current, target);
    let rows = diff::rows(&current.endpoints, &target.endpoints);
    steps.extend(rows.in_place);
    steps.extend(order::order(&current.endpoints, rows.removals, rows.additions, capabilities)?);
    Ok(steps)
}
