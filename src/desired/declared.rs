//! Resolves declarations to rows: interface names to indexes, selectors to the addresses that match now.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use crate::config::{AddressFamily, Declaration, EndpointTarget, Located, Name, Selector};
use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{Device, Endpoint, EndpointNames, Flags, Identity, code};
use crate::system::{Error, HostFacts, UsableAddress};

/// The rows of the declarations, and the declarations that wait.
#[derive(Default)]
pub struct DeclaredRows {
    /// In the declared order, each with the location of its fixed id.
    pub rows: Vec<(Endpoint, Option<Location>)>,
    /// Endpoints whose interface does not exist.
    pub waiting: BTreeSet<Identity>,
    /// The names of both.
    pub names: EndpointNames,
}

impl DeclaredRows {
    /// Resolves all declarations. An address that a declaration names exactly belongs to it, even if selectors match; an
    /// address that several selectors match belongs to the first.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn resolve(
        declarations: &[Declaration],
        facts: &mut dyn HostFacts,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<DeclaredRows, Error> {
        let exact = declarations.iter().filter_map(|declaration| match &declaration.target {
            EndpointTarget::Address { identity, .. } => Some(*identity),
            EndpointTarget::Selector(_) => None,
        });
        let mut taken: BTreeSet<Identity> = exact.collect();
        let mut declared = DeclaredRows::default();
        for Declaration { name, target, flags } in declarations {
            match target {
                EndpointTarget::Selector(selector) => {
                    let rows = select(selector, *flags, facts)?;
                    if rows.is_empty() {
                        warnings.push(nothing_matches(name));
                    }
                    for row in rows.into_iter().filter(|row| taken.insert(row.identity)) {
                        declared.names.insert(row.identity, name.value.to_string());
                        declared.rows.push((row, None));
                    }
                }
                EndpointTarget::Address { identity, dev, id } => {
                    declared.names.insert(*identity, name.value.to_string());
                    let dev = match dev {
                        None => None,
                        Some(dev) => match facts.interface(&dev.value)? {
                            Some(index) => Some(device(index, &dev.value)),
                            None => {
                                warnings.push(dev_missing(name, dev));
                                declared.waiting.insert(*identity);
                                continue;
                            }
                        },
                    };
                    let endpoint =
                        Endpoint { identity: *identity, id: id.map(|id| id.value), dev, flags: *flags };
                    declared.rows.push((endpoint, id.map(|id| id.location)));
                }
            }
        }
        Ok(declared)
    }
}

/// The rows of a selector. They are bound to their interface only if the selector has a `dev`.
fn select(selector: &Selector, flags: Flags, facts: &mut dyn HostFacts) -> Result<Vec<Endpoint>, Error> {
    let Selector { prefix, dev, family } = selector;
    let on_interface = dev.as_ref().map(|dev| dev.value.matcher());
    let matches = |usable: &UsableAddress| {
        prefix.as_ref().is_none_or(|prefix| prefix.value.contains(usable.address))
            && family.is_none_or(|family| AddressFamily::of(usable.address) == family.value)
            && on_interface.as_ref().is_none_or(|matches| matches(&usable.interface))
    };
    let row = |usable: &UsableAddress| Endpoint {
        identity: Identity { address: usable.address, port: None },
        id: None,
        dev: dev.is_some().then(|| device(usable.index, &usable.interface)),
        flags,
    };
    Ok(facts.addresses()?.iter().filter(|usable| matches(usable)).map(row).collect())
}

fn device(index: NonZeroU32, name: &str) -> Device {
    Device { index, name: Some(name.to_owned()) }
}

fn dev_missing(name: &Located<Name>, dev: &Located<String>) -> Diagnostic {
    let message = format!("endpoint `{}` waits: there is no interface {}", name.value, dev.value);
    Diagnostic::warning(code::DEV_MISSING, message).at(dev.location, "").endpoint(name.value.as_str())
}

fn nothing_matches(name: &Located<Name>) -> Diagnostic {
    let message = format!("endpoint `{}` waits: no usable address matches", name.value);
    Diagnostic::warning(code::NO_MATCH, message)
        .at(name.location, "")
        .endpoint(name.value.as_str())
        .help("`ip address` lists addresses; usable ones are global, on an interface that is up")
}
