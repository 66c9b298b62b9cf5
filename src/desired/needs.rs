//! What exact declarations need of the host: their interface, if they name one, and their address on it.

use std::num::NonZeroU32;

use crate::config::{Config, EndpointTarget, Located, Name};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Identity, code};
use crate::system::{Error, HostFacts};

/// What one exact declaration needs.
#[derive(Clone, Copy, Debug)]
pub struct Need<'c> {
    /// The name of the declaration.
    pub name: &'c Located<Name>,
    /// Address and port.
    pub identity: Identity,
    /// The interface.
    pub dev: Option<&'c Located<String>>,
}

/// The needs of all exact declarations, in the declared order.
pub fn needs(config: &Config) -> impl Iterator<Item = Need<'_>> {
    config.endpoints.iter().flatten().filter_map(|declaration| match &declaration.target {
        EndpointTarget::Address { identity, dev, .. } => {
            Some(Need { name: &declaration.name, identity: *identity, dev: dev.as_ref() })
        }
        EndpointTarget::Selector { .. } => None,
    })
}

impl Need<'_> {
    /// The interface: none if none is declared, `Some(None)` if it does not exist.
    fn interface(&self, facts: &mut dyn HostFacts) -> Result<Option<Option<NonZeroU32>>, Error> {
        self.dev.map(|dev| facts.interface(&dev.value)).transpose()
    }

    /// Whether the address can be used, on the declared interface if there is one.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn is_met(&self, facts: &mut dyn HostFacts) -> Result<bool, Error> {
        match self.interface(facts)? {
            Some(None) => Ok(false),
            on => facts.has_address(self.identity.address, on.flatten()),
        }
    }
}

/// Warns of addresses that nothing can be bound to. An interface that does not exist is another warning.
///
/// # Errors
/// When the host cannot be asked.
pub fn unusable(config: &Config, facts: &mut dyn HostFacts) -> Result<Vec<Diagnostic>, Error> {
    let mut unusable = Vec::new();
    for need in needs(config) {
        let waits_for_interface = matches!(need.interface(facts)?, Some(None));
        if !waits_for_interface && !need.is_met(facts)? {
            unusable.push(address_missing(&need));
        }
    }
    Ok(unusable)
}

fn address_missing(Need { name, identity, dev }: &Need<'_>) -> Diagnostic {
    let where_to = dev.map_or("on no interface".to_owned(), |dev| format!("not on interface {}", dev.value));
    let message = format!(
        "endpoint `{}` needs {}, which is {where_to} or not usable yet",
        name.value, identity.address
    );
    Diagnostic::warning(code::ADDRESS_MISSING, message).at(name.location, "").endpoint(name.value.as_str()).help(
        "`ip address` shows addresses; usable are those of interfaces that are up, but not `tentative` or `dadfailed` ones",
    )
}
