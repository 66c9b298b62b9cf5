//! When the kernel's pause of MPTCP may be ended. Pure.
//!
//! When a connection's SYNs with MPTCP are lost and one without it is answered, the kernel counts a `Blackhole` and uses
//! plain TCP for all new connections of the namespace, for `blackhole_timeout`, an hour, and longer each time (since Linux
//! 6.12). An uplink that is silent for 2 to 3 s looks to it just like a middlebox that drops MPTCP. So the pause is ended
//! only if an outage was seen about when it began, and the end of that outage too. As long as SYNs are lost, the end of a
//! pause would cost the next connections 3 s each, and begin another one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long after the end of an outage the kernel may find out: it sends SYNs after 1, 2 and 3 s, and the last one without
/// MPTCP; after 1, 3 and 7 s if `net.ipv4.tcp_syn_linear_timeouts` is 0.
const SYNS: Duration = Duration::from_secs(8);

/// What is known of the pause in one network namespace.
#[derive(Debug, Default)]
pub struct BlackholePause {
    /// The counter at the last look, and when that was.
    last: Option<(u64, Duration)>,
    /// The looks between which the counter grew.
    began: Option<[Duration; 2]>,
    /// The links that worked at the last look.
    working: BTreeSet<String>,
    /// Since when the others do not.
    broken: BTreeMap<String, Duration>,
    /// From when to when the last outage was.
    outage: Option<[Duration; 2]>,
    /// When to look again, if the end of an outage has just been seen.
    next: Option<Duration>,
}

impl BlackholePause {
    /// Takes note of the links that work now.
    pub fn note_links(&mut self, now: Duration, working: BTreeSet<String>) {
        for name in self.working.difference(&working) {
            self.broken.insert(name.clone(), now);
        }
        let mended: Vec<Duration> =
            self.broken.extract_if(.., |name, _| working.contains(name)).map(|(_, since)| since).collect();
        self.working = working;
        for since in mended {
            self.note_outage(since, now);
        }
    }

    /// Takes note of an outage that is over.
    pub fn note_outage(&mut self, from: Duration, to: Duration) {
        self.outage = Some([from, to]);
        self.next = Some(to + SYNS);
    }

    /// Whether the outage is over that caused the pause; once for each. `count` is the kernel's counter now.
    pub fn is_over(&mut self, now: Duration, count: u64) -> bool {
        if let Some((before, looked)) = self.last.replace((count, now))
            && before < count
        {
            self.began = Some([looked, now]);
        }
        self.next = self.next.filter(|next| *next > now);
        let (Some([after, by]), Some([from, to])) = (self.began, self.outage) else { return false };
        let is_cause = from <= by && after <= to + SYNS;
        if is_cause {
            self.began = None;
        }
        is_cause
    }

    /// When to look again at the latest.
    pub fn next(&self) -> Option<Duration> {
        self.next
    }
}
