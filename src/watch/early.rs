//! Endpoints that the table has although their address cannot be used yet: they are added again once it can.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::desired::needs;
use crate::model::{Identity, State};
use crate::system::{Error, HostFacts, PathManager};

/// Those endpoints that the table has although their address cannot be used.
pub fn too_early(
    config: &Config,
    state: &State,
    facts: &mut dyn HostFacts,
) -> Result<BTreeSet<Identity>, Error> {
    exact(config, false, |identity| state.endpoint(identity).is_some(), facts)
}

/// Those of the early endpoints whose address can be used now.
pub fn ready(
    early: &BTreeSet<Identity>,
    config: &Config,
    facts: &mut dyn HostFacts,
) -> Result<BTreeSet<Identity>, Error> {
    exact(config, true, |identity| early.contains(&identity), facts)
}

/// Exact declarations without a port whose address can be used, or cannot, of those that are meant. One with a port needs
/// its address to be added at all.
fn exact(
    config: &Config,
    can_be_used: bool,
    is_meant: impl Fn(Identity) -> bool,
    facts: &mut dyn HostFacts,
) -> Result<BTreeSet<Identity>, Error> {
    let mut found = BTreeSet::new();
    for need in needs(config).filter(|need| need.identity.port.is_none() && is_meant(need.identity)) {
        if need.is_met(facts)? == can_be_used {
            found.insert(need.identity);
        }
    }
    Ok(found)
}

/// Those that no connection uses: an address may have gone and come back so soon that the subflows outlived it.
pub fn without_subflows(ready: &BTreeSet<Identity>, system: &mut dyn PathManager) -> BTreeSet<Identity> {
    if ready.is_empty() {
        return BTreeSet::new();
    }
    let subflows = system.subflows().unwrap_or_default();
    let used = |identity: &&Identity| {
        subflows.iter().any(|subflow| subflow.established && subflow.local == identity.address)
    };
    ready.iter().filter(|identity| !used(identity)).copied().collect()
}
