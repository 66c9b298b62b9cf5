//! The state that undoes a trial's changes, and nothing else. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::{AddressId, Endpoint, Flags, Identity, Limits, State, UplinkState};

/// How far the trial got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialStage {
    /// Its plan may have been carried out in part.
    Begun,
    /// All of it was.
    Reached {
        /// The rows that putting it back has removed so far.
        removed: BTreeSet<Identity>,
    },
}

impl TrialStage {
    /// Whether a row that is absent may be on its way from one form to the other.
    fn may_be_between(&self, identity: Identity) -> bool {
        match self {
            TrialStage::Begun => true,
            TrialStage::Reached { removed } => removed.contains(&identity),
        }
    }
}

/// What there has to be once the trial is taken back: the state `now`, with everything as `before` that the trial made
/// as `tried`. What another program changed meanwhile stays.
pub fn taken_back(before: &State, tried: &State, now: &State, stage: &TrialStage) -> State {
    let mut state = now.clone();
    state.limits = Limits {
        subflows: own(before.limits.subflows, tried.limits.subflows, now.limits.subflows),
        add_addr_accepted: own(
            before.limits.add_addr_accepted,
            tried.limits.add_addr_accepted,
            now.limits.add_addr_accepted,
        ),
    };
    for (sysctl, value) in &mut state.sysctls {
        if let (Some(before), Some(tried)) = (before.sysctls.get(sysctl), tried.sysctls.get(sysctl)) {
            *value = own(before.clone(), tried.clone(), value.clone());
        }
    }
    let all = before.endpoints.iter().chain(&tried.endpoints).map(|row| row.identity);
    for identity in all.collect::<BTreeSet<_>>() {
        if is_own(identity, before, tried, now, stage) {
            state.endpoints.retain(|row| row.identity != identity);
            state.endpoints.extend(before.endpoint(identity).cloned());
        }
    }
    for row in state.endpoints.iter_mut().filter(|row| !row.is_implicit()) {
        // One that was adopted stays, but its subflows can become what they were.
        if let Some(implicit) = before.endpoint(row.identity).filter(|row| row.is_implicit())
            && same(tried.endpoint(row.identity), Some(row))
        {
            let backup = implicit.flags.intersection(Flags::BACKUP);
            row.flags = row.flags.without(Flags::BACKUP).union(backup);
        }
    }
    without_taken_ids(&mut state.endpoints, before);
    if let (Some(before), Some(tried), Some(now)) = (&before.uplinks, &tried.uplinks, &mut state.uplinks) {
        take_uplinks_back(before, tried, now);
    }
    state
}

/// The trial's own rules and routes go, and those that it removed come back.
fn take_uplinks_back(before: &UplinkState, tried: &UplinkState, now: &mut UplinkState) {
    now.rules.retain(|rule| before.rules.contains(rule) || !tried.rules.contains(rule));
    let removed = before.rules.iter().filter(|rule| !tried.rules.contains(rule));
    let missing: Vec<_> = removed.filter(|rule| !now.rules.contains(rule)).cloned().collect();
    now.rules.extend(missing);
    now.routes.retain(|route| before.routes.contains(route) || !tried.routes.contains(route));
    let removed = before.routes.iter().filter(|route| !tried.routes.contains(route));
    let missing: Vec<_> =
        removed.filter(|route| now.routes.iter().all(|own| own.key() != route.key())).cloned().collect();
    now.routes.extend(missing);
}

/// The value before the trial, if the current one is still the trial's.
fn own<T: PartialEq>(before: T, tried: T, now: T) -> T {
    if now == tried { before } else { now }
}

/// Whether the row, or its absence, is the trial's doing. No program can put an implicit endpoint back, and one that was
/// adopted has its subflow now.
fn is_own(identity: Identity, before: &State, tried: &State, now: &State, stage: &TrialStage) -> bool {
    let (before, tried, now) = (before.endpoint(identity), tried.endpoint(identity), now.endpoint(identity));
    if before.is_some_and(Endpoint::is_implicit) {
        return false;
    }
    // In the midst of a plan, rows may be `backup` for a moment, those too that are only in the way of others.
    if *stage == TrialStage::Begun
        && let Some(now) = now.filter(|row| row.flags.contains(Flags::BACKUP))
    {
        let quiet = |row: &Endpoint| Endpoint { flags: row.flags.union(Flags::BACKUP), ..row.clone() };
        return [before, tried].into_iter().flatten().any(|row| quiet(row).becomes(now));
    }
    if same(before, tried) {
        return false;
    }
    let is_between = now.is_none() && stage.may_be_between(identity);
    is_between || same(tried, now)
}

fn same(one: Option<&Endpoint>, other: Option<&Endpoint>) -> bool {
    match (one, other) {
        (None, None) => true,
        // The target of a plan does not have all ids.
        (Some(one), Some(other)) => one.becomes(other),
        _ => false,
    }
}

/// Gives a restored row another id if its own is taken now.
fn without_taken_ids(rows: &mut [Endpoint], before: &State) {
    let comes_back = |row: &Endpoint| before.endpoint(row.identity).is_some_and(|old| old == row);
    let mut taken: BTreeSet<AddressId> =
        rows.iter().filter(|row| !comes_back(row)).filter_map(|row| row.id).collect();
    for row in rows.iter_mut().filter(|row| comes_back(row)) {
        row.id = row.id.filter(|id| taken.insert(*id));
    }
}
