//! The state of one network namespace's path manager.

use std::collections::BTreeMap;

use super::{Endpoint, Identity, Limits, Sysctl, SysctlValue};

/// Everything that this program manages in one network namespace: one type for current, desired, before and after.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Limits per connection.
    pub limits: Limits,
    /// The managed sysctls; others are not read.
    pub sysctls: BTreeMap<Sysctl, SysctlValue>,
    /// The table: by ascending id as the kernel dumps it, or, if desired, in the declared order.
    pub endpoints: Vec<Endpoint>,
}

impl State {
    /// The row of that identity.
    pub fn endpoint(&self, identity: Identity) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.identity == identity)
    }
}

impl State {
    /// Whether both are the same apart from order, names, absent ids, and implicit endpoints, which the kernel adds and
    /// removes itself.
    pub fn agrees_with(&self, other: &State) -> bool {
        self.limits == other.limits && self.sysctls == other.sysctls && self.rows_agree_with(other)
    }

    fn rows_agree_with(&self, other: &State) -> bool {
        let rows = |state: &State| state.endpoints.iter().filter(|row| !row.is_implicit()).count();
        let agrees = |row: &Endpoint, theirs: &Endpoint| {
            let ids_agree = row.id.is_none() || theirs.id.is_none() || row.id == theirs.id;
            ids_agree && row.dev == theirs.dev && row.flags == theirs.flags
        };
        let mut own = self.endpoints.iter().filter(|row| !row.is_implicit());
        rows(self) == rows(other)
            && own.all(|row| other.endpoint(row.identity).is_some_and(|theirs| agrees(row, theirs)))
    }
}
