//! The whole table: declared rows in their order, then the rows that stay.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::model::diagnostic::Diagnostic;
use crate::model::{AddressId, Capabilities, Endpoint, EndpointNames, Flags, Identity, State, code};
use crate::system::{AssignedAddress, Error, HostFacts};

use super::declared::{DeclaredRow, DeclaredRows, RowOrigin};
use super::{ResolveError, wait};

/// What the table depends on, beside the declarations.
pub struct DesiredTable<'t> {
    /// False: endpoints stay that this program did not add.
    pub prune: bool,
    /// The table now.
    pub current: &'t State,
    /// How many rows it can have.
    pub capabilities: Capabilities,
    /// The endpoints that this program added.
    pub owned: &'t BTreeSet<Identity>,
    /// The names of declared endpoints.
    pub names: &'t EndpointNames,
}

/// What an endpoint is for, with the words for it.
const KINDS: [(Flags, &str); 2] = [(Flags::OPENING, "opens subflows"), (Flags::SIGNAL, "announces")];

impl DesiredTable<'_> {
    /// Puts the table together.
    ///
    /// # Errors
    /// When an endpoint that stays has an id that is declared, and when the host cannot be read.
    pub fn resolve(
        &self,
        declared: DeclaredRows<'_>,
        facts: &mut dyn HostFacts,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Vec<Endpoint>, ResolveError> {
        let DeclaredRows { mut rows, waiting, waits, .. } = declared;
        let mut staying = self.staying(&rows, &waiting)?;
        let mut has_kept = false;
        if let [first, ..] = waits[..] {
            let usable = usable(facts)?;
            for (kind, words) in KINDS {
                let mut kept = self.kept(kind, &rows, &staying, &usable);
                kept.truncate(self.room_beside(&rows, &staying, &kept));
                if kept.is_empty() {
                    continue;
                }
                let message = format!(
                    "kept: {}; otherwise no endpoint {words} while {}",
                    kept.iter().map(|row| row.identity.to_string()).collect::<Vec<_>>().join(", "),
                    wait(waits.iter().map(|name| name.value.as_str()))
                );
                let help = format!(
                    "correct what waits; a declared one that {words} takes their place, and `endpoints: {{}}` removes all"
                );
                warnings.push(Diagnostic::warning(code::KEPT, message).at(first.location, "").help(help));
                make_way(&mut rows, &kept);
                staying.retain(|row| !kept.iter().any(|kept| kept.identity == row.identity));
                staying.extend(kept);
                has_kept = true;
            }
        }
        if has_kept {
            self.leave_out_unusable(&mut rows, &staying);
        }
        self.make_room(&mut rows, &mut staying, warnings);
        let fixed = fixed_ids(&rows);
        let keep_id = |mut row: Endpoint| {
            if row.id.is_none() {
                let own = self.current.endpoint(row.identity).and_then(|current| current.id);
                row.id = own.filter(|id| !fixed.contains(id));
            }
            row
        };
        let without_taken_id =
            |row: Endpoint| Endpoint { id: row.id.filter(|id| !fixed.contains(id)), ..row };
        let rows = rows.into_iter().map(|row| keep_id(row.endpoint));
        Ok(rows.chain(staying.into_iter().map(without_taken_id)).collect())
    }

    /// The rows that no declaration asks for and that stay all the same.
    fn staying(
        &self,
        rows: &[DeclaredRow],
        waiting: &BTreeSet<Identity>,
    ) -> Result<Vec<Endpoint>, ResolveError> {
        let fixed = fixed_ids(rows);
        let identities: BTreeSet<Identity> = rows.iter().map(|row| row.endpoint.identity).collect();
        let mut conflicts = Vec::new();
        let mut staying = Vec::new();
        for row in self.current.endpoints.iter().filter(|row| !identities.contains(&row.identity)) {
            let id_needed = row.id.is_some_and(|id| fixed.contains(&id));
            let foreign = !self.prune && !self.owned.contains(&row.identity) && !row.is_implicit();
            if id_needed && foreign {
                conflicts.push(id_conflict(row, rows, self.names));
            }
            let waits = waiting.contains(&row.identity);
            if (foreign || row.is_implicit() || waits) && !id_needed {
                staying.push(row.clone());
            }
        }
        if conflicts.is_empty() { Ok(staying) } else { Err(ResolveError::Conflict(conflicts)) }
    }

    /// The working rows of a kind that the table would lose, if it would lose all of them.
    fn kept(
        &self,
        kind: Flags,
        rows: &[DeclaredRow],
        staying: &[Endpoint],
        usable: &BTreeSet<IpAddr>,
    ) -> Vec<Endpoint> {
        let is_of_kind = |row: &&Endpoint| row.flags.intersects(kind) && !row.is_implicit();
        let declared = rows.iter().filter(|row| row.origin != RowOrigin::Unusable);
        let is_working = |row: &&Endpoint| {
            let dev_is_gone = row.dev.as_ref().is_some_and(|dev| dev.name.is_none());
            is_of_kind(row) && !dev_is_gone && usable.contains(&row.identity.address)
        };
        if declared.map(|row| &row.endpoint).any(|row| is_of_kind(&row))
            || staying.iter().any(|row| is_working(&row))
        {
            return Vec::new();
        }
        self.current.endpoints.iter().filter(is_working).cloned().collect()
    }

    /// How many rows can be kept beside the declared ones that can be used, and those that stay anyway. One of them goes
    /// before the rows of selectors, which may be many.
    fn room_beside(&self, rows: &[DeclaredRow], staying: &[Endpoint], kept: &[Endpoint]) -> usize {
        let is_kept = |identity| kept.iter().any(|row| row.identity == identity);
        let staying = staying.iter().filter(|row| !row.is_implicit() && !is_kept(row.identity)).count();
        let room_beside = |origins: &[RowOrigin]| {
            let counts =
                |row: &&DeclaredRow| origins.contains(&row.origin) && !is_kept(row.endpoint.identity);
            self.capabilities.endpoints_max.saturating_sub(rows.iter().filter(counts).count() + staying)
        };
        let beside_exact = room_beside(&[RowOrigin::Exact]);
        room_beside(&[RowOrigin::Exact, RowOrigin::Selector]).max(beside_exact.min(1))
    }

    /// Leaves out declared rows that cannot be used yet, the last ones first, as long as kept ones need their places.
    fn leave_out_unusable(&self, rows: &mut Vec<DeclaredRow>, staying: &[Endpoint]) {
        let firm = staying.iter().filter(|row| !row.is_implicit()).count();
        while rows.len() + firm > self.capabilities.endpoints_max
            && let Some(last) = rows.iter().rposition(|row| row.origin == RowOrigin::Unusable)
        {
            rows.remove(last);
        }
    }

    /// Leaves out what does not fit into the table: what selectors declare last, and before that implicit endpoints,
    /// oldest first. The kernel never removes an implicit endpoint, so the oldest have most likely outlived their
    /// connection.
    fn make_room(
        &self,
        rows: &mut Vec<DeclaredRow>,
        staying: &mut Vec<Endpoint>,
        warnings: &mut Vec<Diagnostic>,
    ) {
        let max = self.capabilities.endpoints_max;
        let mut excess = (rows.len() + staying.len()).saturating_sub(max);
        staying.retain(|row| {
            let goes = excess > 0 && row.is_implicit();
            excess -= usize::from(goes);
            !goes
        });
        let mut left_out = Vec::new();
        while excess > 0
            && let Some(last) = rows.iter().rposition(|row| row.origin == RowOrigin::Selector)
        {
            left_out.insert(0, rows.remove(last).endpoint.identity);
            excess -= 1;
        }
        if let Some(first) = left_out.first() {
            let name = self.names.get(first).map_or("", String::as_str);
            let listed: Vec<String> = left_out.iter().map(Identity::to_string).collect();
            let message =
                format!("this kernel holds {max} endpoints at most; left out: {}", listed.join(", "));
            warnings.push(
                Diagnostic::warning(code::TABLE_FULL, message)
                    .endpoint(name)
                    .help("narrow the selectors, so that they match the addresses that you want; Linux 7.2 and later hold 255"),
            );
        }
    }
}

/// Removes the declared rows that cannot be beside kept ones: of the same identity, or unusable ones with their id.
fn make_way(rows: &mut Vec<DeclaredRow>, kept: &[Endpoint]) {
    let is_beside = |row: &DeclaredRow, kept: &Endpoint| {
        let same_id = row.endpoint.id.is_some() && row.endpoint.id == kept.id;
        row.endpoint.identity != kept.identity && !(same_id && row.origin == RowOrigin::Unusable)
    };
    rows.retain(|row| kept.iter().all(|kept| is_beside(row, kept)));
}

/// The addresses that subflows can use now: global ones on interfaces that are up.
fn usable(facts: &mut dyn HostFacts) -> Result<BTreeSet<IpAddr>, Error> {
    let up = facts.interfaces()?.iter().filter(|interface| interface.up);
    let up: BTreeSet<NonZeroU32> = up.map(|interface| interface.index).collect();
    let is_usable = |there: &&AssignedAddress| there.can_be_taken(true) && up.contains(&there.index);
    Ok(facts.addresses()?.iter().filter(is_usable).map(|there| there.address).collect())
}

fn fixed_ids(rows: &[DeclaredRow]) -> BTreeSet<AddressId> {
    rows.iter().filter_map(|row| row.endpoint.id).collect()
}

fn id_conflict(row: &Endpoint, declared: &[DeclaredRow], names: &EndpointNames) -> Diagnostic {
    let holder = declared.iter().find(|declared| declared.endpoint.id == row.id);
    let message = format!("the id is held by {row}, which `prune: false` leaves alone");
    let id = row.id.map_or(0, AddressId::get);
    let diagnostic = Diagnostic::error(code::ID_HELD, message).help(format!(
        "declare another id, declare that endpoint too, or remove it with `ip mptcp endpoint delete id {id}`"
    ));
    match holder {
        Some(DeclaredRow { endpoint, id: Some(location), .. }) => {
            diagnostic.at(*location, "").endpoint(names.get(&endpoint.identity).cloned().unwrap_or_default())
        }
        _ => diagnostic,
    }
}
