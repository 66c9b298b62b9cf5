//! Data that stands still: connections that have their paths, and deliver nothing.
//!
//! Up to Linux 6.18 an MPTCP socket whose receive buffer is full of data after a gap takes nothing more from its subflows,
//! the bytes for the gap included. The peer sends these again a few times a second, for good. So subflows move bytes,
//! and the connection does not. A connection whose application does not read looks alike, but for its subflows: they move
//! nothing. One that has stood still for minutes looks so too, once the buffers of its subflows are full.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::system::{DataProgress, PathManager, SubflowSummary};

use super::settle::{known, subflows};

/// The most that waits on the subflows of a sender that sends one thing again and again: a piece of data and the next,
/// of at most 32 KiB each.
const QUEUED_MAX: u64 = 64 << 10;

/// The time between two looks.
const APART: Duration = Duration::from_millis(400);

/// How long a run waits for data to move again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What live connections show at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveData {
    /// The connections.
    pub connections: Vec<DataProgress>,
    /// Their subflows.
    pub subflows: Vec<SubflowSummary>,
}

impl LiveData {
    /// Whether a second look may show that a connection stands still.
    pub fn may_stand_still(&self) -> bool {
        self.connections.iter().any(|data| is_full(data) || data.write_seq != data.snd_una)
    }

    /// The connections that have data to send, and no subflow.
    fn without_path(&self) -> BTreeSet<u32> {
        let waits = self.connections.iter().filter(|data| data.write_seq != data.snd_una);
        waits.map(|data| data.connection).filter(|it| self.of(*it).next().is_none()).collect()
    }

    fn of(&self, connection: u32) -> impl Iterator<Item = &SubflowSummary> {
        self.subflows.iter().filter(move |subflow| subflow.connection == connection)
    }

    fn sum(&self, connection: u32, what: fn(&SubflowSummary) -> u64) -> u64 {
        self.of(connection).map(what).sum()
    }
}

/// Waits until the data of these connections moves, and gives those whose data does not.
pub fn await_data<K: PathManager + ?Sized>(kernel: &mut K, connections: &BTreeSet<u32>) -> BTreeSet<u32> {
    if connections.is_empty() {
        return BTreeSet::new();
    }
    let start = kernel.elapsed();
    let mut before = look(kernel);
    while before.may_stand_still() {
        kernel.pause(APART);
        let after = look(kernel);
        let stalled = &stalled(&before, &after) & connections;
        // Those are not waited for: nothing opens a path for a connection that has none.
        if stalled.is_empty() || kernel.is_interrupted() || kernel.elapsed() - start >= PATIENCE {
            return &stalled | &(&after.without_path() & connections);
        }
        before = after;
    }
    BTreeSet::new()
}

fn look<K: PathManager + ?Sized>(kernel: &mut K) -> LiveData {
    LiveData { connections: known(kernel.progress()), subflows: subflows(kernel) }
}

/// The connections whose data stands still in either direction, from two looks, 0.3 to 0.5 s apart: in that time the peer
/// sends again what is missing.
pub fn stalled(before: &LiveData, after: &LiveData) -> BTreeSet<u32> {
    let stands_still = |now: &&DataProgress| {
        let then = before.connections.iter().find(|then| then.connection == now.connection);
        then.is_some_and(|then| {
            let grew = |what| after.sum(now.connection, what) > before.sum(now.connection, what);
            let receives_nothing = then.rcv_nxt == now.rcv_nxt
                && is_full(then)
                && is_full(now)
                && after.sum(now.connection, |subflow| subflow.unread.into()) > 0
                && grew(|subflow| subflow.received);
            let sends_in_vain = then.snd_una == now.snd_una
                && now.write_seq != now.snd_una
                && after.sum(now.connection, |subflow| subflow.queued.into()) <= QUEUED_MAX
                && grew(|subflow| subflow.acknowledged);
            receives_nothing || sends_in_vain
        })
    };
    after.connections.iter().filter(stands_still).map(|data| data.connection).collect()
}

/// Whether the kernel takes nothing more from the subflows.
pub fn is_full(data: &DataProgress) -> bool {
    data.rmem_alloc > data.rcvbuf
}

#[cfg(test)]
mod tests;
