//! The state of one network namespace's path manager.

use std::collections::BTreeMap;

use super::{Endpoint, EndpointNames, Identity, Limits, Step, Sysctl, SysctlValue, UplinkNames, UplinkState};

/// Everything that this program manages in one network namespace: one type for current, desired, before and after.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Limits per connection.
    pub limits: Limits,
    /// The managed sysctls; others are not read.
    pub sysctls: BTreeMap<Sysctl, SysctlValue>,
    /// The table: by ascending id as the kernel dumps it, or, if desired, in the declared order.
    pub endpoints: Vec<Endpoint>,
    /// The rules and routes of uplinks; none where they are not managed, and so not read.
    pub uplinks: Option<UplinkState>,
}

impl State {
    /// The row of that identity.
    pub fn endpoint(&self, identity: Identity) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.identity == identity)
    }

    /// The rules and routes of uplinks; none of either where they are not managed.
    pub fn uplinks(&self) -> &UplinkState {
        const NONE: &UplinkState = &UplinkState { rules: Vec::new(), routes: Vec::new() };
        self.uplinks.as_ref().unwrap_or(NONE)
    }
}

impl State {
    /// Whether both are the same apart from order, names, absent ids, and implicit endpoints, which the kernel adds and
    /// removes itself.
    pub fn agrees_with(&self, other: &State) -> bool {
        self.limits == other.limits
            && self.sysctls == other.sysctls
            && self.rows_agree_with(other)
            && self.uplinks_agree_with(other)
    }

    fn uplinks_agree_with(&self, other: &State) -> bool {
        let (Some(own), Some(other)) = (&self.uplinks, &other.uplinks) else { return true };
        own.rules.len() == other.rules.len()
            && own.routes.len() == other.routes.len()
            && own.rules.iter().all(|rule| other.rules.contains(rule))
            && own.routes.iter().all(|route| other.routes.contains(route))
    }

    fn rows_agree_with(&self, other: &State) -> bool {
        // Mostly they are the same in order, too, which takes no search.
        if self.endpoints == other.endpoints {
            return true;
        }
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

/// The names that declarations give. They stand beside a [`State`]: the kernel knows no names, and states are compared
/// without them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeclaredNames {
    /// Of endpoints.
    #[serde(with = "pairs")]
    pub endpoints: EndpointNames,
    /// Of uplinks.
    pub uplinks: UplinkNames,
}

impl DeclaredNames {
    /// The name of the declaration that a step belongs to.
    pub fn of(&self, step: &Step) -> Option<&str> {
        match step {
            Step::AddRule { rule, .. } | Step::DelRule { rule, .. } => self.uplinks.of_rule(rule),
            Step::SetRoute { to: route, .. } | Step::DelRoute { route, .. } => self.uplinks.of_route(route),
            _ => self.endpoints.get(&step.endpoint()?.identity).map(String::as_str),
        }
    }
}

/// Names by identity as a list of pairs, since JSON has no keys that are no text.
mod pairs {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{EndpointNames, Identity};

    pub fn serialize<S: Serializer>(names: &EndpointNames, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(names)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EndpointNames, D::Error> {
        let pairs: Vec<(Identity, String)> = Deserialize::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}
