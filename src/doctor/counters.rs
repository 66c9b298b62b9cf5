//! What the kernel's counters prove. They count since boot, and of all endpoints and peers.

use crate::model::EventKind;

use super::evidence::Evidence;

impl Evidence {
    /// A counter, or 0 where the kernel does not have it.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.as_ref().map_or(0, |counters| counters.get(name))
    }

    /// Whether this host sent no request for a subflow since it was booted.
    pub fn never_asked(&self) -> bool {
        let names = ["MPJoinSynTx", "MPJoinSynTxBindErr", "MPJoinSynTxConnectErr"];
        self.counters.as_ref().is_some_and(|counters| counters.known(names[0]).is_some())
            && names.iter().all(|name| self.counter(name) == 0)
    }

    /// Whether a peer announced an address since this host was booted. That none did is certain; more the counter does not
    /// tell.
    pub fn heard_announcements(&self) -> bool {
        self.counters.is_none() || self.counter("AddAddr") > 0
    }

    /// Whether the counters are about live connections only: this host opened no other one with MPTCP since it was booted,
    /// and accepted none.
    pub fn counts_live_ones_only(&self) -> bool {
        let live = self.begun().filter(|connection| !connection.is_plain()).count();
        live > 0 && self.counter("MPCapableSYNACKRX") == live as u64 && self.counter("MPCapableACKRX") == 0
    }

    /// Whether it is certain that the peer of a live connection announced an address.
    pub fn is_announced_to(&self) -> bool {
        let is_of_probe = self
            .watched()
            .is_some_and(|watched| watched.events.iter().any(|event| event.kind == EventKind::Announced));
        is_of_probe || (self.counter("AddAddr") > 0 && self.counts_live_ones_only())
    }
}
