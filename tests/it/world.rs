//! A host that is not there: what a configuration means on it, without a kernel.

use std::collections::{BTreeMap, BTreeSet};

use mptcp_apply::config::{self, Config};
use mptcp_apply::desired::{self, Desired, ResolveError};
use mptcp_apply::model::diagnostic::Diagnostics;
use mptcp_apply::model::{Capabilities, Identity, Limits, State, Sysctl, SysctlValue};

use crate::host::Host;

/// What a new namespace has.
pub fn initial() -> State {
    let sysctls = BTreeMap::from([
        (Sysctl::ENABLED, SysctlValue::Number(1)),
        (Sysctl::SCHEDULER, SysctlValue::Word("default".into())),
    ]);
    State {
        limits: Limits { subflows: 2, add_addr_accepted: 0 },
        sysctls,
        endpoints: Vec::new(),
        uplinks: None,
    }
}

/// A configuration without errors.
#[track_caller]
pub fn parse(text: &str) -> Config {
    let mut diagnostics = Diagnostics::default();
    let config = config::parse([text], &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{:?}\n{text}", diagnostics.iter().next());
    config
}

/// What it means on this host.
pub fn resolve(
    config: &Config,
    current: &State,
    capabilities: Capabilities,
    owned: &BTreeSet<Identity>,
) -> Result<State, ResolveError> {
    desired(config, current, capabilities, owned).map(|desired| desired.state)
}

/// The same, with the names of endpoints and what waits.
pub fn desired(
    config: &Config,
    current: &State,
    capabilities: Capabilities,
    owned: &BTreeSet<Identity>,
) -> Result<Desired, ResolveError> {
    desired::resolve(config, current, capabilities, owned, &mut Host::new())
}
