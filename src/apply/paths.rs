//! Live connections while endpoints are replaced: their new subflows come before the old ones go, and those that do not
//! come are asked for again.
//!
//! The kernel opens subflows when an endpoint is added, once, and asks nobody whether they came to be. What decides is
//! the other end. Up to Linux 6.12 it resets most subflows that join while data is in flight, whichever order, pause or
//! id is chosen for removal and addition: 36 of 48 in an experiment over links with some delay, and none on idle
//! connections or to Linux 7.3. A peer that is at its limit of subflows refuses, too, as long as the old one is there.
//! Nothing tries again. So what was lost is added anew until it stays, which lost 1 of 31 where a single try lost three
//! quarters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::kernel::{Kernel, Subflow};
use crate::model::{Endpoint, Identity, State};
use crate::plan::{Reason, Step};

/// How often to look while something is expected to change.
const POLL: Duration = Duration::from_millis(20);

/// How long a new subflow may take: some round trips, also over a satellite.
const OPENING: Duration = Duration::from_secs(1);

/// How long a new subflow has to last before it is believed. A reset comes after one round trip.
const STEADY: Duration = Duration::from_millis(300);

/// How often lost subflows are asked for again. With three of four tries in vain, 20 miss one connection in 300.
const RENEWALS_MAX: usize = 20;

/// What there was on connections, and what became of the endpoints beneath.
#[derive(Debug, Default)]
pub struct Paths {
    /// The subflows before the first removal.
    before: Option<Vec<Subflow>>,
    removed: BTreeSet<IpAddr>,
    added: BTreeSet<Identity>,
    /// Joins that had been answered when the last additions began.
    answered: u64,
    renewals: usize,
    lost: Vec<Endpoint>,
}

impl Paths {
    /// Looks at the connections before the first steps that may cost subflows.
    pub fn begin<K: Kernel>(&mut self, kernel: &mut K, steps: &[Step]) {
        let removes = steps.iter().any(|step| matches!(step, Step::DelAddr { .. }));
        if removes && self.before.is_none() {
            self.before = Some(subflows(kernel));
            self.answered = kernel.answered_joins();
        }
    }

    /// Takes note of a step that was carried out.
    pub fn note(&mut self, step: &Step) {
        match step {
            Step::DelAddr { endpoint, .. } => {
                self.removed.insert(endpoint.identity.address);
            }
            // To renew one with a port would close that for a minute.
            Step::AddAddr { endpoint, why }
                if *why != Reason::Adopted && endpoint.identity.port.is_none() =>
            {
                self.added.insert(endpoint.identity);
            }
            _ => {}
        }
    }

    /// Before `removals`: waits until no connection has its last subflow on one of them, if additions before them may
    /// be opening others.
    pub fn await_successors<K: Kernel>(&self, kernel: &mut K, removals: &[Step]) {
        let going: BTreeSet<IpAddr> =
            removals.iter().filter_map(Step::endpoint).map(|endpoint| endpoint.identity.address).collect();
        let before = self.before.iter().flatten();
        if self.added.is_empty() || !before.into_iter().any(|subflow| going.contains(&subflow.local)) {
            return;
        }
        let mut waited = Duration::ZERO;
        while waited < OPENING && !stranded(&subflows(kernel), &going).is_empty() {
            kernel.pause(POLL);
            waited += POLL;
        }
    }

    /// The added endpoints that most connections lack which have fewer subflows than before: found out by waiting
    /// until all have what they had, and keep it. Empty when asking again is not worth while.
    pub fn find_lost<K: Kernel>(&mut self, kernel: &mut K, now: &State) -> Vec<Endpoint> {
        let touched = self.before.iter().flatten().any(|subflow| self.removed.contains(&subflow.local));
        if !touched {
            return Vec::new();
        }
        let mut lost = self.lacking(&subflows(kernel), now);
        let (mut waited, mut steady) = (Duration::ZERO, Duration::ZERO);
        while (!lost.is_empty() && waited < OPENING && steady.is_zero())
            || (lost.is_empty() && steady < STEADY)
        {
            if lost.is_empty() {
                steady += POLL;
            }
            kernel.pause(POLL);
            waited += POLL;
            lost = self.lacking(&subflows(kernel), now);
        }
        let answered = kernel.answered_joins();
        // Whom nobody answers would not be answered again.
        if lost.is_empty() || answered == self.answered || self.renewals == RENEWALS_MAX {
            self.lost = lost;
            return Vec::new();
        }
        self.answered = answered;
        self.renewals += 1;
        lost
    }

    /// The added endpoints that were given up: most connections with fewer subflows than before lack them.
    pub fn lost(&self) -> &[Endpoint] {
        &self.lost
    }

    fn lacking(&self, subflows: &[Subflow], now: &State) -> Vec<Endpoint> {
        let short = self.short_of(subflows, now);
        let lacks_most = |row: &&Endpoint| {
            let at_row = |subflow: &&Subflow| subflow.local == row.identity.address;
            let having: BTreeSet<u32> =
                subflows.iter().filter(at_row).map(|subflow| subflow.connection).collect();
            short.difference(&having).count() > having.len()
        };
        let added = now.endpoints.iter().filter(|row| self.added.contains(&row.identity));
        added.filter(lacks_most).cloned().collect()
    }

    /// The connections of before that are still there and have fewer subflows, though the limits allow more.
    fn short_of(&self, subflows: &[Subflow], now: &State) -> BTreeSet<u32> {
        let allowed = 1 + now.limits.subflows as usize;
        let had = by_connection(self.before.iter().flatten().filter(|subflow| subflow.established));
        let have = by_connection(subflows.iter());
        let is_short =
            |(token, had): &(u32, usize)| have.get(token).is_some_and(|have| *have < (*had).min(allowed));
        had.into_iter().filter(is_short).map(|(token, _)| token).collect()
    }
}

/// Connections all of whose established subflows are on these addresses.
fn stranded(subflows: &[Subflow], going: &BTreeSet<IpAddr>) -> BTreeSet<u32> {
    let staying = subflows.iter().filter(|subflow| subflow.established && !going.contains(&subflow.local));
    let staying: BTreeSet<u32> = staying.map(|subflow| subflow.connection).collect();
    let all = subflows.iter().map(|subflow| subflow.connection);
    all.filter(|connection| !staying.contains(connection)).collect()
}

fn by_connection<'a>(subflows: impl Iterator<Item = &'a Subflow>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for subflow in subflows {
        *counts.entry(subflow.connection).or_default() += 1;
    }
    counts
}

/// What cannot be asked is not known; the endpoints matter more.
fn subflows<K: Kernel>(kernel: &mut K) -> Vec<Subflow> {
    kernel.subflows().unwrap_or_else(|error| {
        log::info!("{error}");
        Vec::new()
    })
}
