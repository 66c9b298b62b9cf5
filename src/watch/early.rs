//! Endpoints that the table has although their address cannot be used: they are added again once it can.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::desired::{Need, needs};
use crate::model::{Identity, Reason, State};
use crate::system::{Error, HostFacts, PathManager};

/// Endpoints to be added again, and why.
pub type Early = BTreeMap<Identity, Reason>;

/// Those endpoints that the table has although their address cannot be used: it was not there when they were `added`, or
/// has gone since. Where only the declared name of its interface has gone, it can be used as before.
pub fn too_early(
    config: &Config,
    state: &State,
    added: &BTreeSet<Identity>,
    facts: &mut dyn HostFacts,
) -> Result<Early, Error> {
    let mut found = Early::new();
    for Need { identity, .. } in exact(config, false, |identity| state.endpoint(identity).is_some(), facts)? {
        let dev = state.endpoint(identity).and_then(|row| row.dev.as_ref());
        let is_there = match dev {
            Some(dev) => facts.has_address(identity.address, Some(dev.index))?,
            None => false,
        };
        if !is_there {
            let is_new = added.contains(&identity);
            found.insert(identity, if is_new { Reason::AddedTooEarly } else { Reason::Renewed });
        }
    }
    Ok(found)
}

/// Those of the early endpoints whose address can be used now.
pub fn ready(early: &Early, config: &Config, facts: &mut dyn HostFacts) -> Result<Early, Error> {
    let found = exact(config, true, |identity| early.contains_key(&identity), facts)?;
    let why = |need: &Need<'_>| Some((need.identity, *early.get(&need.identity)?));
    Ok(found.iter().filter_map(why).collect())
}

/// The needs of exact declarations without a port whose address can be used, or cannot, of those that are meant. One with a
/// port needs its address to be added at all.
fn exact<'c>(
    config: &'c Config,
    can_be_used: bool,
    is_meant: impl Fn(Identity) -> bool,
    facts: &mut dyn HostFacts,
) -> Result<Vec<Need<'c>>, Error> {
    let mut found = Vec::new();
    for need in needs(config).filter(|need| need.identity.port.is_none() && is_meant(need.identity)) {
        if need.is_met(facts)? == can_be_used {
            found.push(need);
        }
    }
    Ok(found)
}

/// Those that no connection uses: an address may have gone and come back so soon that the subflows outlived it.
pub fn without_subflows(ready: &Early, system: &mut dyn PathManager) -> Early {
    if ready.is_empty() {
        return Early::new();
    }
    let subflows = system.subflows().unwrap_or_default();
    let is_used = |identity: &Identity| {
        subflows.iter().any(|subflow| subflow.established && subflow.local == identity.address)
    };
    ready.iter().filter(|(identity, _)| !is_used(identity)).map(|(identity, why)| (*identity, *why)).collect()
}
