//! Checks that no two endpoints share an id or an identity.

use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{Identity, code};

use super::document::{EndpointDocument, Located, Name};
use super::pattern::AddressPattern;

/// Where a value is, and the name of its declaration.
type Place<'n> = (Location, &'n Name);

/// An error for every id and identity that is declared twice. Endpoints with other errors count too.
pub fn duplicates(declared: &[(Located<Name>, EndpointDocument)]) -> Vec<Diagnostic> {
    let identities = declared.iter().filter_map(|(name, body)| {
        let Located { value, location } = identity(body)?;
        Some((value, (location, &name.value)))
    });
    let ids = declared.iter().filter_map(|(name, body)| {
        let Located { value, location } = body.id?;
        Some((value, (location, &name.value)))
    });
    let of_identity = |(value, second, first)| {
        let help = "the kernel holds one endpoint per address and port; keep one of the two";
        duplicate(format!("{value} is declared twice"), second, first, help)
    };
    let of_id = |(value, second, first)| {
        let help = "give each endpoint an id of its own, or leave the id out";
        duplicate(format!("id {value} is declared twice"), second, first, help)
    };
    let identities = again(identities.collect()).into_iter().map(of_identity);
    identities.chain(again(ids.collect()).into_iter().map(of_id)).collect()
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

/// The values that are there again, each with its place and the first one.
fn again<T: Ord + Copy>(mut values: Vec<(T, Place)>) -> Vec<(T, Place, Place)> {
    values.sort_by_key(|(value, _)| *value);
    let same = values.chunk_by(|(one, _), (other, _)| one == other);
    let later = same.flat_map(|same| same.iter().skip(1).map(|(value, place)| (*value, *place, same[0].1)));
    later.collect()
}

fn duplicate(message: String, second: Place, first: Place, help: &'static str) -> Diagnostic {
    Diagnostic::error(code::DUPLICATE_ENDPOINT, message)
        .at(second.0, format!("by `{}`", second.1))
        .at(first.0, format!("first by `{}`", first.1))
        .help(help)
        .endpoint(second.1.as_str())
}
