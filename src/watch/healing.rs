//! Subflows that were lost are asked for again. Pure.
//!
//! The kernel opens a subflow when an endpoint is added, once. One that was reset, refused or timed out never comes back by
//! itself, and no peer mends that. To remove an endpoint and to add it again opens its subflows on all live connections,
//! and closes those that it has. So it is done only where it has none: on no connection, though at least one could have
//! one. Where some have it and others lack it, nothing is closed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Connection, Endpoint, Flags, Identity, State};

/// How long a connection may take to get its subflows by itself.
const GRACE: Duration = Duration::from_secs(2);

/// The longest pause between two attempts in vain. The first is [`GRACE`], and each is twice as long as the one before.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What is known of lost subflows in one network namespace.
#[derive(Debug, Default)]
pub struct Healing {
    /// When each live connection was first seen.
    seen: BTreeMap<u32, Duration>,
    /// The endpoints from which no peer could be reached the last time.
    unreachable: BTreeSet<Identity>,
    /// The endpoints that were asked again, in vain so far.
    attempts: BTreeMap<Identity, Attempts>,
    /// When to look again, if anything is open.
    next: Option<Duration>,
}

/// What connections lack from an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many of them could have a subflow from it.
    pub connections: usize,
    /// Whether it is asked for the first time.
    pub is_first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    count: u32,
    next: Duration,
}

impl Healing {
    /// The endpoints that are to be added again. `reaches` tells whether packets from an endpoint find a way to a peer.
    pub fn due(
        &mut self,
        table: &State,
        connections: &[Connection],
        now: Duration,
        mut reaches: impl FnMut(&Endpoint, IpAddr) -> bool,
    ) -> BTreeMap<Identity, Lost> {
        let live: BTreeSet<u32> = connections.iter().map(|connection| connection.token).collect();
        self.seen.retain(|token, _| live.contains(token));
        for token in live {
            self.seen.entry(token).or_insert(now);
        }
        self.next = None;
        let rows: Vec<&Endpoint> = table.endpoints.iter().filter(|row| can_be_renewed(row)).collect();
        self.attempts.retain(|identity, _| rows.iter().any(|row| row.identity == *identity));
        let mut due = BTreeMap::new();
        for row in rows {
            let lacking = self.lacking(row, table, connections, now);
            if let Some(lost) = self.is_due(row, &lacking, connections, now, &mut reaches) {
                due.insert(row.identity, lost);
            }
        }
        due
    }

    /// Attempts in vain so far count no more, since what made them vain is over.
    pub fn retry_at_once(&mut self) {
        self.attempts.clear();
    }

    /// Endpoints that were just added before there was a way from them to any peer: they are due once there is one.
    pub fn note_unreachable(&mut self, added: Vec<Identity>) {
        self.unreachable.extend(added);
    }

    /// When to look again at the latest.
    pub fn next(&self) -> Option<Duration> {
        self.next
    }

    /// The peers of connections that could have a subflow from this endpoint and lack it; none where any has one.
    fn lacking(
        &mut self,
        row: &Endpoint,
        table: &State,
        connections: &[Connection],
        now: Duration,
    ) -> Vec<IpAddr> {
        let address = row.identity.address;
        let mut own = connections.iter().flat_map(|connection| &connection.subflows);
        if own.any(|path| path.local.ip() == address && path.is_established()) {
            self.attempts.remove(&row.identity);
            self.unreachable.remove(&row.identity);
            return Vec::new();
        }
        let could = |connection: &Connection| connection.could_join(address, table.limits);
        let lacking = connections.iter().filter(|connection| could(connection).is_some());
        let is_mature = |connection: &&Connection| {
            self.seen.get(&connection.token).is_some_and(|since| *since + GRACE <= now)
        };
        let (mature, young): (Vec<&Connection>, Vec<&Connection>) = lacking.partition(is_mature);
        if !young.is_empty() {
            self.look_at(now + GRACE);
        }
        mature.into_iter().filter_map(could).collect()
    }

    /// The connections that get a subflow if the endpoint is added again now; none if that is not due.
    fn is_due(
        &mut self,
        row: &Endpoint,
        lacking: &[IpAddr],
        connections: &[Connection],
        now: Duration,
        reaches: &mut impl FnMut(&Endpoint, IpAddr) -> bool,
    ) -> Option<Lost> {
        let identity = row.identity;
        let peers: BTreeSet<IpAddr> = lacking.iter().copied().collect();
        let reached: BTreeSet<IpAddr> = peers.into_iter().filter(|peer| reaches(row, *peer)).collect();
        if reached.is_empty() {
            if !lacking.is_empty() {
                self.unreachable.insert(identity);
            }
            return None;
        }
        let recovered = self.unreachable.remove(&identity);
        if recovered {
            self.attempts.remove(&identity);
        }
        let mut paths = connections.iter().flat_map(|connection| &connection.subflows);
        let is_asking = paths.any(|path| path.local.ip() == identity.address && path.is_asking());
        let attempts = self.attempts.get(&identity).copied();
        let not_before = match attempts {
            Some(attempts) => attempts.next,
            // What was sent before there was a way may still be on the wrong one.
            None if is_asking && !recovered => now + GRACE,
            None => now,
        };
        if not_before > now {
            self.look_at(not_before);
            return None;
        }
        let count = attempts.map_or(0, |attempts| attempts.count);
        let next = now + GRACE.saturating_mul(1 << count.min(16)).min(PAUSE_MAX);
        self.attempts.insert(identity, Attempts { count: count + 1, next });
        self.look_at(next);
        let connections = lacking.iter().filter(|peer| reached.contains(peer)).count();
        Some(Lost { connections, is_first: count == 0 })
    }

    fn look_at(&mut self, at: Duration) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// Whether any endpoint of the table could be renewed, so that connections are worth reading.
pub fn can_heal(table: &State) -> bool {
    table.endpoints.iter().any(can_be_renewed)
}

/// One with a port would close it for a minute; one that announces leaves opening to the peer.
fn can_be_renewed(row: &Endpoint) -> bool {
    let opens = row.flags.contains(Flags::SUBFLOW) && !row.flags.contains(Flags::SIGNAL);
    opens && row.identity.port.is_none() && !row.is_implicit()
}
