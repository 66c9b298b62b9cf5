//! What a state after some steps is a sign of.

use std::collections::BTreeSet;

use crate::model::{Flags, Identity, State, Step};
use crate::system::{Errno, Refusal};

/// Whether a refusal comes from a change that another program made, or the kernel itself by an implicit endpoint. The
/// error number does not tell, least of all up to Linux 6.1, which says EINVAL to everything; the table does.
pub fn interfered(refusal: &Refusal, expected: &State, now: &State) -> bool {
    let implicit = |state: &State| -> BTreeSet<Identity> {
        state.endpoints.iter().filter(|row| row.is_implicit()).map(|row| row.identity).collect()
    };
    refusal.errno == Errno::ESTALE || !now.agrees_with(expected) || implicit(now) != implicit(expected)
}

/// Whether a row that was gone again when the table was read can be the cause of a refusal, or a rule or route of another
/// program, which is not read. Up to Linux 6.6 several of these have no number of their own, so the kernel's words decide.
pub fn may_pass(step: &Step, refusal: &Refusal) -> bool {
    if let Step::AddRule { .. } | Step::SetRoute { .. } = step {
        return refusal.errno == Errno::EEXIST;
    }
    let words = refusal.text.as_deref().unwrap_or_default();
    step.endpoint().is_some()
        && match refusal.errno {
            Errno::EBUSY | Errno::EEXIST | Errno::ENOENT => true,
            Errno::EINVAL => words.contains("duplicate one") || words.contains("not found"),
            _ => false,
        }
}

/// The first step of which the kernel kept everything but some flags. Kernels since 6.19 (and stable ones that took
/// the change) drop flags that they do not know without a word.
pub fn dropped_flags(steps: &[Step], now: &State) -> Option<(usize, Flags)> {
    steps.iter().enumerate().find_map(|(index, step)| {
        let (endpoint, sent) = match step {
            Step::SetFlags { endpoint, to, .. } => (endpoint, *to),
            Step::AddAddr { endpoint, .. } => (endpoint, endpoint.flags),
            _ => return None,
        };
        let row = now.endpoint(endpoint.identity)?;
        let dropped = sent.without(row.flags).intersection(Flags::YOUNG);
        (dropped != Flags::default() && !row.is_implicit()).then_some((index, dropped))
    })
}
