//! Checks that no two endpoints share an id or an identity.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::model::{AddressId, Identity, code};

use super::document::{EndpointDocument, Located, Name};
use super::pattern::AddressPattern;

/// The id and identity of an endpoint. Separate from the declarations, so that endpoints with other errors count too.
pub struct Claim {
    name: Name,
    identity: Option<Located<Identity>>,
    id: Option<Located<AddressId>>,
}

impl Claim {
    /// The claim of this endpoint.
    pub fn new(name: &Located<Name>, body: &EndpointDocument) -> Claim {
        let identity = match body.address {
            // A wrong port is left out, which would change the identity.
            Some(Located { value: AddressPattern::Exact(address), location })
                if !body.has_invalid("address") && !body.has_invalid("port") =>
            {
                let port = body.port.map(|port| port.value);
                Some(Located { value: Identity { address, port }, location })
            }
            _ => None,
        };
        Claim { name: name.value.clone(), identity, id: body.id }
    }
}

/// Reports every id and identity that is declared twice.
pub fn check_unique(claims: &[Claim], diagnostics: &mut Diagnostics) {
    let mut identities: BTreeMap<Identity, (Location, &Name)> = BTreeMap::new();
    let mut ids: BTreeMap<AddressId, (Location, &Name)> = BTreeMap::new();
    for Claim { name, identity, id } in claims {
        if let Some(Located { value, location }) = *identity
            && let Some(first) = taken(&mut identities, value, (location, name))
        {
            let message = format!("{value} is declared twice");
            let help = "the kernel holds one endpoint per address and port; keep one of the two";
            diagnostics.push(duplicate(message, (location, name), first, help));
        }
        if let Some(Located { value, location }) = *id
            && let Some(first) = taken(&mut ids, value, (location, name))
        {
            let message = format!("id {value} is declared twice");
            let help = "give each endpoint an id of its own, or leave the id out";
            diagnostics.push(duplicate(message, (location, name), first, help));
        }
    }
}

/// The endpoint that has this value already; otherwise this one has it from now on.
fn taken<'n, T: Ord>(
    values: &mut BTreeMap<T, (Location, &'n Name)>,
    value: T,
    by: (Location, &'n Name),
) -> Option<(Location, &'n Name)> {
    match values.entry(value) {
        Entry::Occupied(first) => Some(*first.get()),
        Entry::Vacant(free) => {
            free.insert(by);
            None
        }
    }
}

fn duplicate(message: String, second: (Location, &Name), first: (Location, &Name), help: &str) -> Diagnostic {
    Diagnostic::error(code::DUPLICATE_ENDPOINT, message)
        .at(second.0, format!("by `{}`", second.1))
        .at(first.0, format!("first by `{}`", first.1))
        .help(help)
        .endpoint(second.1.as_str())
}
