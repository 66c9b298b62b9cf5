//! Draining: what live data uses becomes `backup`, and is removed once nothing is on its way there.
//!
//! Up to Linux 6.18 a connection that loses subflows with data on their way can stand still for good: what is missing
//! cannot come, and what came later fills its receive buffer. No change of endpoints revives it, so that has to be
//! avoided. Idle connections, and hosts without any, pay nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Disruption, Endpoint, Flags, Identity, Reason, State, Step};
use crate::system::{PathManager, SubflowSummary};

use super::settle::subflows;
use super::subflows::stranded;
use super::transaction::Transaction;

/// A subflow with nothing on its way moved data within this time, or is idle.
const BUSY: Duration = Duration::from_millis(200);

/// How often to look.
const POLL: Duration = Duration::from_millis(50);

/// How long nothing has to arrive before nothing is taken to be on its way.
const QUIET: Duration = Duration::from_millis(150);

/// How long to wait for that: a peer may not heed MP_PRIO.
const PATIENCE: Duration = Duration::from_secs(3);

/// From how many doublings of the retransmission timeout on a path counts as dead. What is on its way there is sent again
/// by others.
const DEAD: u8 = 2;

/// The rows of a plan that live data uses.
#[derive(Debug, Default)]
pub struct Drain {
    /// Drained before the first row is added or removed.
    together: Vec<Identity>,
    /// Drained each by itself, before its own step: connections have no other path until then.
    alone: Vec<Identity>,
    /// The connections that use them.
    pub connections: BTreeSet<u32>,
}

impl Drain {
    /// Sorts out which rows of a plan live data uses.
    pub fn new(steps: &[Step], subflows: &[SubflowSummary], now: &State) -> Drain {
        let mut going: Vec<&Endpoint> =
            steps.iter().filter(|step| is_disruptive(step)).filter_map(Step::endpoint).collect();
        let mut paths: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
        for subflow in subflows.iter().filter(|subflow| subflow.established) {
            paths.entry(subflow.connection).or_default().insert(subflow.local);
        }
        let busy: BTreeSet<u32> = subflows.iter().filter(|it| is_busy(it)).map(|it| it.connection).collect();
        paths.retain(|connection, _| busy.contains(connection));
        going.retain(|row| paths.values().any(|paths| paths.contains(&row.identity.address)));
        let is_going = |path: &IpAddr| going.iter().any(|row| row.identity.address == *path);
        paths.retain(|_, paths| paths.iter().any(is_going));
        let mut spared = BTreeSet::new();
        for paths in paths.values() {
            let first_choice: BTreeSet<&IpAddr> = paths.iter().filter(|path| !is_backup(now, path)).collect();
            let paths = if first_choice.is_empty() { paths.iter().collect() } else { first_choice };
            if paths.iter().all(|path| is_going(path)) {
                let last = going.iter().rev().find(|row| paths.contains(&row.identity.address));
                spared.extend(last.map(|row| row.identity.address));
            }
        }
        let going = going.into_iter().map(|row| row.identity);
        let (alone, together) = going.partition(|row| spared.contains(&row.address));
        Drain { together, alone, connections: paths.into_keys().collect() }
    }

    /// The steps in the order in which connections stop least: of the rows that are drained together and replaced, all are
    /// removed before the first is added again.
    pub fn arrange(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let added: BTreeSet<Identity> = steps
            .iter()
            .filter(|step| matches!(step, Step::AddAddr { .. }))
            .filter_map(|step| step.endpoint().map(|row| row.identity))
            .collect();
        let is_replaced = |step: &Step| {
            matches!(step, Step::DelAddr { endpoint, .. }
                if added.contains(&endpoint.identity) && self.together.contains(&endpoint.identity))
        };
        if let Some(first) = steps.iter().position(is_replaced) {
            // Stable: the others keep their order.
            steps[first..].sort_by_key(|step| !is_replaced(step));
        }
        steps
    }

    /// What is to be drained before this step.
    fn due(&mut self, step: &Step) -> Vec<Identity> {
        if !is_disruptive(step) && !matches!(step, Step::AddAddr { .. }) {
            return Vec::new();
        }
        let mut due = std::mem::take(&mut self.together);
        let is_own = |row: &Identity| {
            is_disruptive(step) && step.endpoint().is_some_and(|endpoint| endpoint.identity == *row)
        };
        due.extend(self.alone.extract_if(.., |row| is_own(row)));
        due
    }
}

impl<K: PathManager + ?Sized> Transaction<'_, K> {
    /// Before a step: lowers the rows that are due, and waits until nothing is on its way there. `now` is what the table is
    /// then.
    pub fn drain_before(&mut self, step: &Step, now: &mut State) {
        let mut due = self.drain.due(step);
        if due.is_empty() {
            return;
        }
        let live = drainable(subflows(self.kernel), &addresses(&due));
        due.retain(|row| live.iter().any(|subflow| subflow.local == row.address));
        for row in due.iter().filter_map(|identity| now.endpoint(*identity).cloned()).collect::<Vec<_>>() {
            let to = row.flags.union(Flags::BACKUP);
            // The kernel alone makes implicit rows, and none of their flags can be put back.
            if row.flags == to || row.is_implicit() {
                continue;
            }
            let lower = Step::SetFlags { endpoint: row, to, why: Reason::Drained };
            log::info!("{lower}");
            if self.execute(&lower).is_ok() {
                lower.replay(now);
            }
        }
        self.await_drained(&addresses(&due));
    }

    /// Waits until nothing is on its way by these addresses.
    fn await_drained(&mut self, addresses: &BTreeSet<IpAddr>) {
        let start = self.kernel.elapsed();
        let (mut seen, mut quiet_since) = (BTreeMap::new(), start);
        loop {
            let live = drainable(subflows(self.kernel), addresses);
            let mut received: BTreeMap<(u32, IpAddr), u64> = BTreeMap::new();
            let mut queued = 0;
            for subflow in live.iter().filter(|subflow| subflow.backoff < DEAD) {
                *received.entry((subflow.connection, subflow.local)).or_default() += subflow.received;
                queued += u64::from(subflow.queued);
            }
            let now = self.kernel.elapsed();
            if queued > 0 || received != seen {
                (seen, quiet_since) = (received, now);
            }
            let is_over = seen.is_empty() || now - quiet_since >= QUIET || now - start >= PATIENCE;
            if is_over || self.kernel.is_interrupted() {
                return;
            }
            self.kernel.pause(POLL);
        }
    }
}

/// The established subflows on these addresses whose connections have another path. Data stays on the only path of a
/// connection.
fn drainable(mut live: Vec<SubflowSummary>, addresses: &BTreeSet<IpAddr>) -> Vec<SubflowSummary> {
    let without_other: BTreeSet<u32> =
        addresses.iter().flat_map(|address| stranded(&live, *address)).collect();
    live.retain(|subflow| {
        subflow.established
            && addresses.contains(&subflow.local)
            && !without_other.contains(&subflow.connection)
    });
    live
}

fn addresses(rows: &[Identity]) -> BTreeSet<IpAddr> {
    rows.iter().map(|row| row.address).collect()
}

/// Whether a step closes subflows.
pub fn is_disruptive(step: &Step) -> bool {
    step.disruption() != Disruption::None
}

fn is_busy(subflow: &SubflowSummary) -> bool {
    subflow.established && (subflow.queued > 0 || subflow.idle < BUSY)
}

fn is_backup(now: &State, path: &IpAddr) -> bool {
    let mut rows = now.endpoints.iter().filter(|row| row.identity.address == *path);
    rows.any(|row| row.flags.contains(Flags::BACKUP))
}
