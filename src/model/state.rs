//! The state of one network namespace's path manager.

use std::collections::BTreeMap;

use super::{Endpoint, Identity, Limits, Sysctl, SysctlValue};

/// Everything that this program manages in one network namespace; current, desired, before and after alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Limits per connection.
    pub limits: Limits,
    /// The sysctls that are managed; the others are not read.
    pub sysctls: BTreeMap<Sysctl, SysctlValue>,
    /// The table: ascending by id as the kernel dumps it, or in the declared order where it is the goal.
    pub endpoints: Vec<Endpoint>,
}

impl State {
    /// The row of that identity.
    pub fn endpoint(&self, identity: Identity) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.identity == identity)
    }
}
