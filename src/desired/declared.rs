//! Resolves declarations to rows: interface names to indexes, selectors to the addresses that match now.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::{
    Declaration, EndpointTarget, Located, Name, Selector, is_unique_local, list_hint, suggestion,
};
use crate::model::code::Code;
use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{AddressState, Device, Endpoint, Identity, Interface, code};
use crate::system::{AssignedAddress, Error, HostFacts};

use super::needs::Need;

/// A row, and what is known of its declaration.
pub struct DeclaredRow {
    /// The row.
    pub endpoint: Endpoint,
    /// Where its fixed id is written.
    pub id: Option<Location>,
    /// Whether an exact declaration or a selector made it, and whether its address can be used.
    pub origin: RowOrigin,
}

/// Where a declared row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrigin {
    /// An exact declaration.
    Exact,
    /// An exact declaration whose address cannot be used now.
    Unusable,
    /// A selector.
    Selector,
}

/// The rows of the declarations, and the declarations that wait.
#[derive(Default)]
pub struct DeclaredRows<'c> {
    /// In the declared order.
    pub rows: Vec<DeclaredRow>,
    /// Endpoints whose interface does not exist.
    pub waiting: BTreeSet<Identity>,
    /// The names of both. They become a map at once: one that grows compares far more.
    pub names: Vec<(Identity, String)>,
    /// What the declarations lack on this host.
    pub warnings: Vec<Diagnostic>,
    /// The names of the declarations that wait.
    pub waits: Vec<&'c Located<Name>>,
    /// See [`interface_names`]; read when the first declaration lacks its interface, of which there may be thousands.
    interface_names: Option<Vec<String>>,
}

impl<'c> DeclaredRows<'c> {
    /// Resolves all declarations. A deprecated address counts only where the table has it. An address that a declaration
    /// names exactly belongs to it, even if selectors match.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn resolve(
        declarations: &'c [Declaration],
        is_in_table: &dyn Fn(Identity) -> bool,
        facts: &mut dyn HostFacts,
    ) -> Result<DeclaredRows<'c>, Error> {
        let mut declared = DeclaredRows::default();
        let mut shares = declared.share_out(declarations, is_in_table, facts)?.into_iter();
        for declaration in declarations {
            match &declaration.target {
                EndpointTarget::Selector(selector) => {
                    let share = shares.next().unwrap_or_default();
                    declared.selector(declaration, selector, share, facts)?;
                }
                EndpointTarget::Address { .. } => declared.exact(declaration, facts)?,
            }
        }
        Ok(declared)
    }

    fn exact(&mut self, declaration: &'c Declaration, facts: &mut dyn HostFacts) -> Result<(), Error> {
        let EndpointTarget::Address { identity, dev, id } = &declaration.target else { return Ok(()) };
        self.names.push((*identity, declaration.name.value.to_string()));
        let dev = match dev {
            None => None,
            Some(dev) => match facts.interface(&dev.value)? {
                Some(index) => Some(device(index, &dev.value)),
                None => {
                    self.waiting.insert(*identity);
                    let words = std::slice::from_ref(&dev.value);
                    return self.wait_for_interface(declaration, words, dev.location, facts);
                }
            },
        };
        let endpoint =
            Endpoint { identity: *identity, id: id.map(|id| id.value), dev, flags: declaration.flags };
        let need = Need::of(declaration);
        let origin = match need.map(|need| need.unmet(facts)).transpose()?.flatten() {
            None => RowOrigin::Exact,
            Some(unmet) if unmet.is_elsewhere() => {
                self.warnings.push(unmet.warning(declaration));
                RowOrigin::Exact
            }
            Some(unmet) => {
                let location = declaration.name.location;
                self.wait(declaration, unmet.code(), [&unmet.why, ""], location, Some(unmet.help().into()));
                RowOrigin::Unusable
            }
        };
        self.rows.push(DeclaredRow { endpoint, id: id.map(|id| id.location), origin });
        Ok(())
    }

    fn selector(
        &mut self,
        declaration: &'c Declaration,
        selector: &Selector,
        share: Share,
        facts: &mut dyn HostFacts,
    ) -> Result<(), Error> {
        let name = &declaration.name;
        if share.addresses.is_empty() && !share.matches {
            return self.wait_for_match(declaration, selector, share.unused, facts);
        }
        if share.addresses.is_empty() {
            let message = format!(
                "endpoint `{}` stands for nothing: other declarations have every address that it matches",
                name.value
            );
            self.warnings.push(
                Diagnostic::warning(code::SELECTOR_SHADOWED, message)
                    .at(name.location, "")
                    .endpoint(name.value.as_str())
                    .help("narrow the other ones, or remove this one"),
            );
        }
        let interfaces = facts.interfaces()?;
        for AssignedAddress { address, index, .. } in share.addresses {
            let interface = interfaces.iter().find(|interface| interface.index == index);
            let dev = interface.filter(|_| selector.dev.is_some());
            let identity = Identity { address, port: None };
            self.names.push((identity, name.value.to_string()));
            let endpoint = Endpoint {
                identity,
                id: None,
                dev: dev.map(|interface| device(index, &interface.name)),
                flags: declaration.flags,
            };
            self.rows.push(DeclaredRow { endpoint, id: None, origin: RowOrigin::Selector });
        }
        Ok(())
    }

    /// A selector matches nothing: names its interface if that is what is missing, or the address that it does not take.
    fn wait_for_match(
        &mut self,
        declaration: &'c Declaration,
        selector: &Selector,
        unused: Option<AssignedAddress>,
        facts: &mut dyn HostFacts,
    ) -> Result<(), Error> {
        let interfaces = facts.interfaces()?;
        if let Some(Located { value: dev, location }) = &selector.dev
            && !interfaces.iter().any(|interface| dev.matches(interface))
        {
            return self.wait_for_interface(declaration, &dev.globs, *location, facts);
        }
        let on = |there: &AssignedAddress| {
            let interface = interfaces.iter().find(|interface| interface.index == there.index)?;
            Some(reason(there, interface))
        };
        let help = match unused.as_ref().and_then(on) {
            Some(reason) => Cow::from(reason),
            None => Cow::from(
                "`ip address` lists addresses; usable ones have `scope global`, are not `temporary`, and are on an \
                 interface that is up",
            ),
        };
        let location = declaration.name.location;
        let why = ["waits: no usable address matches", ""];
        self.wait(declaration, code::NO_MATCH, why, location, Some(help));
        Ok(())
    }

    /// No interface has any of these names.
    fn wait_for_interface(
        &mut self,
        declaration: &'c Declaration,
        words: &[String],
        at: Location,
        facts: &mut dyn HostFacts,
    ) -> Result<(), Error> {
        if self.interface_names.is_none() {
            self.interface_names = Some(interface_names(facts)?);
        }
        let help = interface_hint(words, self.interface_names.as_deref().unwrap_or_default());
        let why = ["waits: there is no interface ", &words.join(" ")];
        self.wait(declaration, code::DEV_MISSING, why, at, help.map(Cow::from));
        Ok(())
    }

    /// Notes that a declaration waits, why, and for what. One that is required is an error.
    fn wait(
        &mut self,
        declaration: &'c Declaration,
        code: Code,
        [why, what]: [&str; 2],
        at: Location,
        help: Option<Cow<'static, str>>,
    ) {
        self.waits.push(&declaration.name);
        let name = declaration.name.value.as_str();
        // Thousands may wait. Joined, a message gets all of its memory at once, unlike a formatted one.
        let diagnostic = match declaration.required {
            true => {
                let message = ["endpoint `", name, "` is required, and ", why, what].concat();
                Diagnostic::error(code::REQUIRED, message)
            }
            false => Diagnostic::warning(code, ["endpoint `", name, "` ", why, what].concat()),
        };
        self.warnings.push(Diagnostic { help, ..diagnostic.at(at, "").endpoint(name) });
    }

    /// Gives each address to the most specific selector that matches it. One share for each selector, in order.
    fn share_out(
        &mut self,
        declarations: &[Declaration],
        is_in_table: &dyn Fn(Identity) -> bool,
        facts: &mut dyn HostFacts,
    ) -> Result<Vec<Share>, Error> {
        let selectors = declarations.iter().filter_map(|declaration| match &declaration.target {
            EndpointTarget::Selector(selector) => Some((&declaration.name, selector)),
            EndpointTarget::Address { .. } => None,
        });
        let selectors: Vec<_> = selectors.collect();
        let mut shares: Vec<Share> = selectors.iter().map(|_| Share::default()).collect();
        if selectors.is_empty() {
            return Ok(shares);
        }
        let taken = declarations.iter().filter_map(|declaration| match &declaration.target {
            EndpointTarget::Address { identity, .. } if identity.port.is_none() => Some(identity.address),
            _ => None,
        });
        let taken: BTreeSet<IpAddr> = taken.collect();
        let interfaces = facts.interfaces()?.to_vec();
        let mut given: Vec<(NonZeroU32, AssignedAddress)> = Vec::new();
        for address in facts.addresses()? {
            let Some(interface) = interfaces.iter().find(|interface| interface.index == address.index) else {
                continue;
            };
            let identity = Identity { address: address.address, port: None };
            let can_be_taken = interface.up && address.can_be_taken(is_in_table(identity));
            if !can_be_taken || is_unique_local(address.address) {
                for (share, (_, selector)) in shares.iter_mut().zip(&selectors) {
                    if share.unused.is_none() && selector.covers(address.address, interface) {
                        share.unused = Some(address.clone());
                    }
                }
            }
            if !can_be_taken {
                continue;
            }
            let ranked = selectors.iter().enumerate().filter_map(|(order, (_, selector))| {
                Some((selector.rank(address.address, interface)?, Reverse(order)))
            });
            let ranked: Vec<_> = ranked.collect();
            ranked.iter().for_each(|(_, Reverse(order))| shares[*order].matches = true);
            let Some((_, Reverse(best))) = ranked.into_iter().max() else { continue };
            if let Some((first, _)) = given.iter().find(|(_, given)| given.address == address.address) {
                let first = interfaces.iter().find(|interface| interface.index == *first);
                let first = first.map_or("", |interface| &interface.name);
                let (name, _) = selectors[best];
                self.warnings.push(address_twice(name, address, first, interface));
            } else if !taken.contains(&address.address) {
                given.push((address.index, address.clone()));
                shares[best].addresses.push(address.clone());
            }
        }
        Ok(shares)
    }
}

/// Why an address that a selector seems to match is not taken.
fn reason(AssignedAddress { address, state, .. }: &AssignedAddress, interface: &Interface) -> String {
    let on = Device::from(interface);
    match state {
        _ if !interface.up => format!("{address} is on {on}, which is down"),
        AddressState::Tentative => {
            format!("{address} on {on} is `tentative`: whether another host has it is not known yet")
        }
        AddressState::DadFailed => format!("{address} on {on} is `dadfailed`: another host has it"),
        AddressState::Deprecated => {
            format!("{address} on {on} is `deprecated`, and is not taken until it is preferred")
        }
        AddressState::Settled => format!(
            "{address} on {on} is a unique local address, which needs a prefix of such addresses: `address: \"fd00::/8\"`"
        ),
    }
}

/// What a selector gets.
#[derive(Default)]
struct Share {
    /// Whether it matches an address at all.
    matches: bool,
    /// The first address that it seems to match, and that cannot be taken or has to be asked for.
    unused: Option<AssignedAddress>,
    /// By interface index, then in the kernel's order.
    addresses: Vec<AssignedAddress>,
}

fn device(index: NonZeroU32, name: &str) -> Device {
    Device { index, name: Some(name.to_owned()) }
}

fn address_twice(
    name: &Located<Name>,
    address: &AssignedAddress,
    first: &str,
    second: &Interface,
) -> Diagnostic {
    let message =
        format!("{} is on {first} and on {}: it is one endpoint, on {first}", address.address, second.name);
    let message = message.escape_debug().to_string();
    let help = "the kernel holds one endpoint an address; `ip address delete` removes the one too many";
    Diagnostic::warning(code::ADDRESS_TWICE, message)
        .at(name.location, "")
        .endpoint(name.value.as_str())
        .help(help)
}

/// The names that may be meant where no interface has a name.
///
/// # Errors
/// When the host cannot be read.
pub fn interface_names(facts: &mut dyn HostFacts) -> Result<Vec<String>, Error> {
    let all = facts.interfaces()?.iter().filter(|known| !known.loopback).flat_map(Interface::names);
    Ok(all.filter(|name| !name.contains(char::is_control)).map(str::to_owned).collect())
}

/// The remedy for names that no interface has, among those of [`interface_names`].
pub fn interface_hint(words: &[impl AsRef<str>], names: &[String]) -> Option<String> {
    let mut words = words.iter().map(AsRef::as_ref);
    words.clone().find_map(list_hint).or_else(|| words.find_map(|word| suggestion(word, names)))
}
