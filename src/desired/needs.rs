//! What exact declarations need of the host: their interface, if they name one, and their address on it.

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::{Config, Declaration, EndpointTarget, Located, Name};
use crate::model::code::Code;
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
    config.endpoints.iter().flatten().filter_map(Need::of)
}

impl<'c> Need<'c> {
    /// What a declaration needs, if it is an exact one.
    pub fn of(declaration: &'c Declaration) -> Option<Need<'c>> {
        match &declaration.target {
            EndpointTarget::Address { identity, dev, .. } => {
                Some(Need { name: &declaration.name, identity: *identity, dev: dev.as_ref() })
            }
            EndpointTarget::Selector { .. } => None,
        }
    }

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

    /// Whether the declared interface lacks the address, and another one has it.
    fn is_on_another(&self, facts: &mut dyn HostFacts) -> Result<bool, Error> {
        let Some(Some(dev)) = self.interface(facts)? else { return Ok(false) };
        let addresses = facts.addresses()?;
        let mut on = addresses.iter().filter(|there| there.address == self.identity.address).peekable();
        Ok(on.peek().is_some() && on.all(|there| there.index != dev))
    }

    /// What is wrong with the address, if it cannot be used on the declared interface.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn unmet(&self, facts: &mut dyn HostFacts) -> Result<Option<Unmet>, Error> {
        if self.is_met(facts)? {
            return Ok(None);
        }
        let Identity { address, port } = self.identity;
        let is_elsewhere = self.is_on_another(facts)?;
        let place =
            self.dev.map_or("on no interface".to_owned(), |dev| format!("not on interface {}", dev.value));
        let kind = match port {
            _ if is_elsewhere => UnmetKind::Elsewhere,
            Some(_) => UnmetKind::PortMissing,
            None => UnmetKind::Missing,
        };
        let why = match kind {
            UnmetKind::Elsewhere => {
                let on = home(address, facts)?.map_or(String::new(), |(name, _)| name);
                format!("needs {address}, which is {place}, but on {on}")
            }
            UnmetKind::Missing => match home(address, facts)? {
                Some((name, false)) => format!("needs {address}, whose interface {name} is down"),
                _ => format!("needs {address}, which is {place} or not usable yet"),
            },
            UnmetKind::PortMissing => {
                format!("needs {address} to listen on, which is {place} or not usable yet")
            }
        };
        Ok(Some(Unmet { kind, why }))
    }
}

/// The interface that has the address, for a message, and whether it is up.
fn home(address: IpAddr, facts: &mut dyn HostFacts) -> Result<Option<(String, bool)>, Error> {
    let index = facts.addresses()?.iter().find(|on| on.address == address).map(|on| on.index);
    let home = facts.interfaces()?.iter().find(|interface| Some(interface.index) == index);
    Ok(home.map(|interface| (interface.name.escape_debug().to_string(), interface.up)))
}

/// Why an address cannot be used as it is declared.
#[derive(Debug)]
pub struct Unmet {
    kind: UnmetKind,
    /// In a few words.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnmetKind {
    Elsewhere,
    Missing,
    PortMissing,
}

impl Unmet {
    /// Whether another interface has the address.
    pub fn is_elsewhere(&self) -> bool {
        self.kind == UnmetKind::Elsewhere
    }

    /// The code of the warning.
    pub fn code(&self) -> Code {
        match self.kind {
            UnmetKind::Elsewhere => code::ADDRESS_ELSEWHERE,
            UnmetKind::Missing => code::ADDRESS_MISSING,
            UnmetKind::PortMissing => code::PORT_ADDRESS_MISSING,
        }
    }

    /// What to do.
    pub fn help(&self) -> &'static str {
        match self.kind {
            UnmetKind::Elsewhere => "correct `dev`, or leave it out",
            _ => {
                "`ip address` shows addresses; usable are those of interfaces that are up, but not `tentative` or `dadfailed` ones"
            }
        }
    }

    /// The warning.
    pub fn warning(&self, declaration: &Declaration) -> Diagnostic {
        let name = &declaration.name;
        let message = format!("endpoint `{}` {}", name.value, self.why);
        let warning = Diagnostic::warning(self.code(), message).at(name.location, "");
        warning.help(self.help()).endpoint(name.value.as_str())
    }
}
