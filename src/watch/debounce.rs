//! Debouncing: the first event after a quiet time is handled at once, those that follow in passes some way apart. Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// The least time from the start of one pass to the start of the next: at most 12 passes in any second.
const DISTANCE: Duration = Duration::from_millis(85);

/// How long no event may have come, and no pass have been made, before an event counts as the first one.
const QUIET: Duration = Duration::from_millis(100);

/// Where in a burst of events a pass is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// At its first event: more may be to come.
    Leading,
    /// After that, or without any event.
    #[default]
    Following,
}

/// The events of one source since the last pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    /// Where the next pass will be, if any event came.
    pending: Option<Edge>,
    last_event: Option<Duration>,
    last_pass: Option<Duration>,
}

impl Debounce {
    /// Notes that an event came.
    pub fn note(&mut self, now: Duration) {
        let is_quiet = |last: Option<Duration>| last.is_none_or(|last| last + QUIET <= now);
        let is_first = is_quiet(self.last_event) && is_quiet(self.last_pass);
        let edge = if is_first { Edge::Leading } else { Edge::Following };
        self.pending.get_or_insert(edge);
        self.last_event = Some(now);
    }

    /// When the next pass is due, if any event came. That may be over.
    pub fn due(&self) -> Option<Duration> {
        self.pending.map(|_| self.last_pass.map_or(Duration::ZERO, |last| last + DISTANCE))
    }

    /// Notes that a pass begins, which handles all events so far. Where in their burst it is.
    pub fn begin(&mut self, now: Duration) -> Edge {
        self.last_pass = Some(now);
        self.pending.take().unwrap_or_default()
    }

    /// Asks for another pass, since the one that has begun left something to do.
    pub fn come_again(&mut self) {
        self.pending.get_or_insert(Edge::Following);
    }
}
