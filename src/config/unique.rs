//! Checks that no two endpoints share an id or an identity.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{Identity, code};

use super::document::{EndpointDocument, Located, Name};
use super::pattern::AddressPattern;

/// An error for every id and identity that is declared twice. Endpoints with other errors count too.
pub fn duplicates(declared: &[(Located<Name>, EndpointDocument)]) -> Vec<Diagnostic> {
    let (mut identities, mut ids, mut errors) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (Located { value: name, .. }, body) in declared {
        if let Some(Located { value, location }) = identity(body)
            && let Some(first) = taken(&mut identities, value, (location, name))
        {
            let message = format!("{value} is declared twice");
            let help = "the kernel holds one endpoint per address and port; keep one of the two";
            errors.push(duplicate(message, (location, name), first, help));
        }
        if let Some(Located { value, location }) = body.id
            && let Some(first) = taken(&mut ids, value, (location, name))
        {
            let message = format!("id {value} is declared twice");
            let help = "give each endpoint an id of its own, or leave the id out";
            errors.push(duplicate(message, (location, name), first, help));
        }
    }
    errors
}

/// The identity of an endpoint that names its address. A wrong port is left out, which would change the identity.
fn identity(body: &EndpointDocument) -> Option<Located<Identity>> {
    match body.address {
        Some(Located { value: AddressPattern::Exact(address), location })
            if !body.has_invalid("address") && !body.has_invalid("port") =>
        {
            let port = body.port.map(|port| port.value);
            Some(Located { value: Identity { address, port }, location })
        }
        _ => None,
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

fn duplicate(
    message: String,
    second: (Location, &Name),
    first: (Location, &Name),
    help: &'static str,
) -> Diagnostic {
    Diagnostic::error(code::DUPLICATE_ENDPOINT, message)
        .at(second.0, format!("by `{}`", second.1))
        .at(first.0, format!("first by `{}`", first.1))
        .help(help)
        .endpoint(second.1.as_str())
}
