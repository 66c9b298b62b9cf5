//! Endpoints that the table has although their address cannot be used yet: they are added again once it can.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::desired::{Need, needs};
use crate::model::{Identity, State};
use crate::system::{Error, HostFacts, PathManager};

/// The needs of exact declarations without a port. One with a port needs its address to be added at all.
fn portless(config: &Config) -> impl Iterator<Item = Need<'_>> {
    needs(config).filter(|need| need.identity.port.is_none())
}

/// Those endpoints that the table has although their address cannot be used.
pub fn too_early(
    config: &Config,
    state: &State,
    facts: &mut dyn HostFacts,
) -> Result<BTreeSet<Identity>, Error> {
    let mut early = BTreeSet::new();
    for need in portless(config).filter(|need| state.endpoint(need.identity).is_some()) {
        if !need.is_met(facts)? {
            early.insert(need.identity);
        }
    }
    Ok(early)
}

/// Those of the early endpoints whose address can be used now.
pub fn ready(
    early: &BTreeSet<Identity>,
    config: &Config,
    facts: &mut dyn HostFacts,
) -> Result<BTreeSet<Identity>, Error> {
    let mut ready = BTreeSet::new();
    for need in portless(config).filter(|need| early.contains(&need.identity)) {
        if need.is_met(facts)? {
            ready.insert(need.identity);
        }
    }
    Ok(ready)
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
