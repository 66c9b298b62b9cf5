//! What checks of uplinks are about on this host: one for each interface of an uplink that is up.

use std::net::IpAddr;

use crate::config::{Uplink, UplinkCheck};
use crate::model::{Device, Family};
use crate::system::HostFacts;

use super::ResolveError;
use super::uplinks::{gateway, owners};

/// One interface of an uplink that is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckTarget {
    /// The name of the uplink.
    pub uplink: String,
    /// The interface.
    pub dev: Device,
    /// What is declared.
    pub check: UplinkCheck,
    /// The addresses that packets leave with, in the kernel's order.
    pub sources: Vec<IpAddr>,
    /// The routers, at most one a family.
    pub routers: Vec<IpAddr>,
}

impl CheckTarget {
    /// Whether both are the same check, so that what is known from one holds for the other.
    pub fn is_same_as(&self, other: &CheckTarget) -> bool {
        let identity = |target: &CheckTarget| (target.uplink.clone(), target.dev.index);
        identity(self) == identity(other) && self.check.method == other.check.method
    }

    /// The uplink and the interface, for messages.
    pub fn words(&self) -> String {
        format!("uplink `{}` ({})", self.uplink, self.dev)
    }
}

/// All of them, in the declared order.
///
/// # Errors
/// When the uplinks contradict each other on this host, and when it cannot be read.
pub fn check_targets(
    uplinks: &[Uplink],
    facts: &mut dyn HostFacts,
) -> Result<Vec<CheckTarget>, ResolveError> {
    if uplinks.iter().all(|uplink| uplink.check.is_none()) {
        return Ok(Vec::new());
    }
    let interfaces = facts.interfaces()?.to_vec();
    let owners = owners(uplinks, &interfaces)?;
    let mut targets = Vec::new();
    for uplink in uplinks {
        let Some(check) = &uplink.check else { continue };
        let own = owners.iter().filter(|(owner, on)| std::ptr::eq(*owner, uplink) && on.up);
        for (_, interface) in own {
            let of_interface =
                facts.source_addresses()?.iter().filter(|(_, index)| *index == interface.index);
            let sources = of_interface.map(|(address, _)| *address).collect();
            let mut routers = Vec::new();
            for family in Family::ALL {
                routers.extend(gateway(uplink, interface, family, facts)?.flatten());
            }
            targets.push(CheckTarget {
                uplink: uplink.name.value.to_string(),
                dev: Device::from(*interface),
                check: check.value.clone(),
                sources,
                routers,
            });
        }
    }
    Ok(targets)
}
