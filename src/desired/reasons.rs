//! Why rows leave the table that a selector covers. Rows that no declaration covers are not declared any more.

use std::collections::BTreeMap;

use crate::config::{Declaration, EndpointTarget, Selector};
use crate::model::{Endpoint, Family, Identity, Interface, Reason, State};
use crate::system::{AssignedAddress, Error, HostFacts};

/// The reasons of the rows that are in the table and not in its target.
///
/// # Errors
/// When the host cannot be read.
pub fn reasons(
    declarations: &[Declaration],
    current: &State,
    target: &[Endpoint],
    facts: &mut dyn HostFacts,
) -> Result<BTreeMap<Identity, Reason>, Error> {
    if current.endpoints == target {
        return Ok(BTreeMap::new());
    }
    let stays = |row: &Endpoint| target.iter().any(|wanted| wanted.identity == row.identity);
    let leaving = current.endpoints.iter().filter(|row| !row.is_implicit() && !stays(row));
    let mut reasons = BTreeMap::new();
    for row in leaving.filter(|row| row.identity.port.is_none()) {
        let interfaces = facts.interfaces()?.to_vec();
        let host = Host { interfaces: &interfaces, addresses: facts.addresses()? };
        let mut selectors = declarations.iter().filter_map(|declaration| match &declaration.target {
            EndpointTarget::Selector(selector) => Some(selector),
            EndpointTarget::Address { .. } => None,
        });
        if selectors.any(|selector| host.covers(selector, row)) {
            reasons.insert(row.identity, host.reason(row));
        }
    }
    Ok(reasons)
}

struct Host<'h> {
    interfaces: &'h [Interface],
    addresses: &'h [AssignedAddress],
}

impl Host<'_> {
    /// Whether the row is one that the selector makes when its address can be used.
    fn covers(&self, selector: &Selector, row: &Endpoint) -> bool {
        let address = row.identity.address;
        let is_in_prefix =
            selector.prefix.as_ref().is_none_or(|prefix| prefix.value.matches(address).is_some());
        let is_of_family = selector.family.is_none_or(|family| Family::of(address) == family.value);
        let on = &selector.dev;
        let is_on_interface = on.as_ref().is_none_or(|dev| {
            self.interface(row).is_some_and(|interface| dev.value.matches(interface))
                || row.dev.as_ref().is_some_and(|dev| dev.name.is_none())
        });
        is_in_prefix && is_of_family && is_on_interface
    }

    fn reason(&self, row: &Endpoint) -> Reason {
        let is_assigned = |there: &&AssignedAddress| {
            there.address == row.identity.address
                && row.dev.as_ref().is_none_or(|dev| dev.index == there.index)
        };
        match self.interface(row) {
            None if row.dev.is_some() => Reason::DevGone,
            Some(interface) if !interface.up => Reason::InterfaceDown,
            _ => match self.addresses.iter().find(is_assigned) {
                None => Reason::AddressGone,
                Some(_) => Reason::NoLongerFits,
            },
        }
    }

    /// The interface of a row: the one that it is bound to, or else the one that has its address.
    fn interface(&self, row: &Endpoint) -> Option<&Interface> {
        let index = match &row.dev {
            Some(dev) => Some(dev.index),
            None => {
                let mut addresses = self.addresses.iter();
                addresses.find(|there| there.address == row.identity.address).map(|there| there.index)
            }
        }?;
        self.interfaces.iter().find(|interface| interface.index == index)
    }
}
