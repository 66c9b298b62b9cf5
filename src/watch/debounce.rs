//! Debouncing: one pass for all events that come shortly after one another. Pure.

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

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_burst_is_over_when_it_is_quiet() {
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(), None);
        debounce.note(ms(1000));
        assert_eq!(debounce.due(), Some(ms(1200)));
        debounce.note(ms(1150));
        assert_eq!(debounce.due(), Some(ms(1350)));
        debounce.clear();
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn a_burst_without_end_is_not_waited_for() {
        let mut debounce = Debounce::default();
        (0..100).for_each(|step| debounce.note(ms(1000 + 100 * step)));
        assert_eq!(debounce.due(), Some(ms(3000)));
    }
}
