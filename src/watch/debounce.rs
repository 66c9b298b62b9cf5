//! Debouncing: one pass for all events that come shortly after one another. Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// How long no event may come before a pass.
const QUIET: Duration = Duration::from_millis(200);

/// How long a pass is put off at most.
const AT_MOST: Duration = Duration::from_secs(2);

/// The events since the last pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    /// When the first and the last of them came.
    burst: Option<(Duration, Duration)>,
}

impl Debounce {
    /// Notes that an event came.
    pub fn note(&mut self, now: Duration) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
    }

    /// When the next pass is due, if any event came.
    pub fn due(&self) -> Option<Duration> {
        self.burst.map(|(first, last)| (first + AT_MOST).min(last + QUIET))
    }

    /// Forgets the events.
    pub fn clear(&mut self) {
        self.burst = None;
    }
}
