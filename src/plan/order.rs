//! The order of removals and additions.
//!
//! Additions keep the declared order, since the kernel prefers endpoints that were added earlier. A removal that an
//! addition may replace waits until an addition needs its identity, its id or its slot in a full table, so that a
//! connection gets its new path before it loses the old one wherever the kernel allows that. An endpoint that announces
//! replaces one that announced, and one that opens subflows replaces one that opened them. Removals without a
//! replacement come first.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AddressId, Capabilities, Endpoint, Flags, Identity, Reason, Step};

use super::diff::Change;

/// Why no order of steps leads to the target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The target has more rows than the kernel can hold.
    #[error("{needed} endpoints are needed, but this kernel holds at most {max}")]
    TableTooSmall {
        /// Rows of the target.
        needed: usize,
        /// Rows that the kernel can hold.
        max: usize,
    },
    /// All 255 ids are taken.
    #[error("no address id is free for {0}")]
    NoFreeId(Identity),
}

/// Orders removals and additions so that the table is never over capacity, and no id or identity is ever used twice.
pub fn order(
    current: &[Endpoint],
    removals: Vec<Change>,
    additions: Vec<Change>,
    capabilities: Capabilities,
) -> Result<Vec<Step>, PlanError> {
    let added = additions.iter().filter(|addition| addition.why != Reason::Adopted).count();
    let needed = current.len() - removals.len() + added;
    let grows = added > removals.len();
    if grows && needed > capabilities.endpoints_max {
        return Err(PlanError::TableTooSmall { needed, max: capabilities.endpoints_max });
    }
    let mut table = Table::new(current, removals, &additions, capabilities);
    let replaceable = table.replaceable(&additions);
    table.remove_all_but(&replaceable);
    let last_fixed = additions.iter().rposition(|addition| addition.endpoint.id.is_some());
    for (index, addition) in additions.into_iter().enumerate() {
        let before_a_fixed_id = last_fixed.is_some_and(|last| index < last);
        table.add(addition, before_a_fixed_id)?;
    }
    table.remove_all_but(&[]);
    Ok(table.steps)
}

/// The table after the steps so far.
struct Table {
    ids: BTreeSet<AddressId>,
    rows: usize,
    removals: Vec<Option<Change>>,
    removal_of: BTreeMap<Identity, usize>,
    removal_of_id: BTreeMap<AddressId, usize>,
    /// Removals of rows that are not added again, which come first when only a slot is needed.
    pure_removals: std::vec::IntoIter<usize>,
    /// The implicit endpoints that will be adopted, in the order of their additions.
    to_adopt: Vec<Endpoint>,
    /// Those of them that were removed instead.
    given_way: BTreeSet<Identity>,
    /// The ids of the current table.
    taken_before: BTreeSet<AddressId>,
    /// Ids that later additions need; they are not given to others.
    fixed: BTreeSet<AddressId>,
    capacity: usize,
    steps: Vec<Step>,
}

impl Table {
    fn new(
        current: &[Endpoint],
        removals: Vec<Change>,
        additions: &[Change],
        capabilities: Capabilities,
    ) -> Table {
        let comes_back: BTreeSet<Identity> =
            additions.iter().map(|addition| addition.endpoint.identity).collect();
        let numbered = || removals.iter().enumerate();
        let pure_removals: Vec<usize> = numbered()
            .filter(|(_, removal)| !comes_back.contains(&removal.endpoint.identity))
            .map(|(index, _)| index)
            .collect();
        let ids: BTreeSet<AddressId> = current.iter().filter_map(|row| row.id).collect();
        let adopted = additions.iter().filter(|addition| addition.why == Reason::Adopted);
        let to_adopt = adopted.filter_map(|Change { endpoint, .. }| {
            current.iter().find(|row| row.identity == endpoint.identity).cloned()
        });
        Table {
            to_adopt: to_adopt.collect(),
            given_way: BTreeSet::new(),
            taken_before: ids.clone(),
            ids,
            rows: current.len(),
            removal_of: numbered().map(|(index, removal)| (removal.endpoint.identity, index)).collect(),
            removal_of_id: numbered()
                .filter_map(|(index, removal)| Some((removal.endpoint.id?, index)))
                .collect(),
            pure_removals: pure_removals.into_iter(),
            fixed: additions.iter().filter_map(|addition| addition.endpoint.id).collect(),
            capacity: capabilities.endpoints_max,
            removals: removals.into_iter().map(Some).collect(),
            steps: Vec::new(),
        }
    }

    fn add(&mut self, addition: Change, before_a_fixed_id: bool) -> Result<(), PlanError> {
        let Change { mut endpoint, mut why } = addition;
        if let Some(&index) = self.removal_of.get(&endpoint.identity) {
            self.remove(index);
        }
        if let Some(&index) = endpoint.id.and_then(|id| self.removal_of_id.get(&id)) {
            self.remove(index);
        }
        self.remove_listeners_in_the_way_of(&endpoint.identity);
        // The kernel checks the table's size before it looks for an implicit endpoint to replace.
        while self.rows >= self.capacity {
            let adopted = why == Reason::Adopted && !self.given_way.contains(&endpoint.identity);
            match self.pure_removals.next() {
                Some(index) => self.remove(index),
                None if adopted && let Some(removal) = self.room_for_adoptions() => {
                    self.push_removal(removal)
                }
                None => break,
            }
        }
        if self.given_way.contains(&endpoint.identity) {
            why = Reason::PlaceNeeded;
        }
        self.to_adopt.retain(|implicit| implicit.identity != endpoint.identity);
        if endpoint.id.is_none() && before_a_fixed_id {
            // The kernel could choose the id that a later endpoint needs.
            endpoint.id = Some(self.free_id().ok_or(PlanError::NoFreeId(endpoint.identity))?);
        }
        if why != Reason::Adopted {
            self.rows += 1;
            self.ids.extend(endpoint.id);
        }
        self.steps.push(Step::AddAddr { endpoint, why });
        Ok(())
    }

    /// Removes a row so that implicit endpoints can be adopted in a full table: a row that is replaced anyway, or else
    /// the last of them, so that the others are adopted into its slot.
    fn room_for_adoptions(&mut self) -> Option<Change> {
        self.removals.iter_mut().find_map(Option::take).or_else(|| {
            let endpoint = self.to_adopt.pop()?;
            self.given_way.insert(endpoint.identity);
            Some(Change { endpoint, why: Reason::PlaceNeeded })
        })
    }

    fn remove_listeners_in_the_way_of(&mut self, wanted: &Identity) {
        let in_the_way = |removal: &Option<Change>| {
            removal.as_ref().is_some_and(|removal| removal.endpoint.identity.is_in_the_way_of(wanted))
        };
        let found = self.removals.iter().enumerate().filter(|(_, removal)| in_the_way(removal));
        let found: Vec<usize> = found.map(|(index, _)| index).collect();
        found.into_iter().for_each(|index| self.remove(index));
    }

    fn remove(&mut self, index: usize) {
        if let Some(removal) = self.removals[index].take() {
            self.push_removal(removal);
        }
    }

    fn push_removal(&mut self, removal: Change) {
        let Change { endpoint, why } = removal;
        self.rows -= 1;
        if let Some(id) = endpoint.id {
            self.ids.remove(&id);
        }
        self.steps.push(Step::DelAddr { endpoint, why });
    }

    /// The removals whose rows an addition may replace.
    fn replaceable(&self, additions: &[Change]) -> Vec<usize> {
        let may_replace = |gone: &Endpoint, come: &Endpoint| {
            gone.identity == come.identity || gone.is_implicit() || purpose(gone).intersects(purpose(come))
        };
        let waits = |gone: &Endpoint| additions.iter().any(|addition| may_replace(gone, &addition.endpoint));
        let numbered = self.removals.iter().enumerate();
        numbered
            .filter(|(_, removal)| removal.as_ref().is_some_and(|removal| waits(&removal.endpoint)))
            .map(|(index, _)| index)
            .collect()
    }

    fn remove_all_but(&mut self, kept: &[usize]) {
        (0..self.removals.len()).filter(|index| !kept.contains(index)).for_each(|index| self.remove(index));
    }

    /// The lowest id that is not needed. Ids that were taken when the plan began come last: the peer may not know yet
    /// that the old endpoint is gone, and would take the new subflow for the old one.
    fn free_id(&self) -> Option<AddressId> {
        let ids = || (1..=AddressId::MAX).filter_map(AddressId::new);
        let free = |id: &AddressId| !self.ids.contains(id) && !self.fixed.contains(id);
        ids().find(|id| free(id) && !self.taken_before.contains(id)).or_else(|| ids().find(free))
    }
}

/// What it gives to connections: `signal`, addresses for the peer to connect to; `subflow`, paths of this host.
fn purpose(endpoint: &Endpoint) -> Flags {
    let opens = endpoint.flags.intersects(Flags::OPENING);
    let announces = endpoint.flags.contains(Flags::SIGNAL);
    let none = Flags::default();
    let opens = if opens { Flags::SUBFLOW } else { none };
    opens.union(if announces { Flags::SIGNAL } else { none })
}
