//! The differences between two states, matched by identity, without an order.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Flags, Identity, Reason, State, Step};

/// A row to remove or to add, with the reason.
#[derive(Clone, Debug)]
pub struct Change {
    /// The row.
    pub endpoint: Endpoint,
    /// Why.
    pub why: Reason,
}

/// The differences between two tables.
#[derive(Debug, Default)]
pub struct Rows {
    /// Flags that change on existing endpoints.
    pub in_place: Vec<Step>,
    /// In the order of the current table.
    pub removals: Vec<Change>,
    /// In the order of the target.
    pub additions: Vec<Change>,
}

/// The steps for sysctls.
pub fn sysctls(current: &State, target: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    for (&sysctl, to) in &target.sysctls {
        if let Some(from) = current.sysctls.get(&sysctl).filter(|from| *from != to) {
            steps.push(Step::SetSysctl { sysctl, from: from.clone(), to: to.clone() });
        }
    }
    steps
}

/// The step for limits. Both are one step, since the kernel sets both or none.
pub fn limits(current: &State, target: &State) -> Option<Step> {
    let (from, to) = (current.limits, target.limits);
    (from != to).then_some(Step::SetLimits { from, to })
}

/// Compares two tables.
pub fn rows(current: &[Endpoint], target: &[Endpoint]) -> Rows {
    let mut rows = Rows::default();
    // Mostly there is nothing to do.
    if current == target {
        return rows;
    }
    let mut left: BTreeMap<Identity, &Endpoint> = current.iter().map(|row| (row.identity, row)).collect();
    for wanted in target {
        match left.remove(&wanted.identity) {
            None => rows.additions.push(Change { endpoint: wanted.clone(), why: Reason::Declared }),
            Some(row) => rows.compare(row, wanted),
        }
    }
    for row in current.iter().filter(|row| left.contains_key(&row.identity)) {
        let why = if !row.is_implicit() {
            Reason::NotDeclared
        } else if target.iter().any(|wanted| wanted.id == row.id) {
            Reason::IdNeeded
        } else {
            Reason::PlaceNeeded
        };
        rows.removals.push(Change { endpoint: row.clone(), why });
    }
    rows
}

impl Rows {
    fn compare(&mut self, row: &Endpoint, wanted: &Endpoint) {
        if wanted.id != row.id {
            let why = if wanted.id.is_none() { Reason::IdNeeded } else { Reason::IdDiffers };
            self.replace(row.clone(), wanted, why);
        } else if row.is_implicit() && !wanted.is_implicit() {
            self.additions.push(Change { endpoint: wanted.clone(), why: Reason::Adopted });
        } else if wanted.dev != row.dev {
            let gone = row.dev.as_ref().is_some_and(|dev| dev.name.is_none());
            self.replace(row.clone(), wanted, if gone { Reason::DevGone } else { Reason::DevDiffers });
        } else if wanted.flags.without(Flags::CHANGEABLE) != row.flags.without(Flags::CHANGEABLE) {
            self.replace(row.clone(), wanted, Reason::FlagsDiffer);
        } else if wanted.flags != row.flags {
            let why = Reason::FlagsDiffer;
            self.in_place.push(Step::SetFlags { endpoint: row.clone(), to: wanted.flags, why });
        }
    }

    fn replace(&mut self, row: Endpoint, wanted: &Endpoint, why: Reason) {
        self.removals.push(Change { endpoint: row, why });
        self.additions.push(Change { endpoint: wanted.clone(), why });
    }
}
