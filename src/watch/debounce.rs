//! Bursts: one run for all that changes shortly after one another. Pure.

use std::time::Duration;

/// How long it has to be quiet before a run.
const QUIET: Duration = Duration::from_millis(200);

/// How long a run is put off at most.
const AT_MOST: Duration = Duration::from_secs(2);

/// What was heard since the last run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    /// When the first and the last of it was heard.
    burst: Option<(Duration, Duration)>,
}

impl Debounce {
    /// Takes note that something was heard.
    pub fn note(&mut self, now: Duration) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
    }

    /// When to run, if anything was heard.
    pub fn due(&self) -> Option<Duration> {
        self.burst.map(|(first, last)| (first + AT_MOST).min(last + QUIET))
    }

    /// Forgets what was heard.
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
        let mut settling = Debounce::default();
        assert_eq!(settling.due(), None);
        settling.note(ms(1000));
        assert_eq!(settling.due(), Some(ms(1200)));
        settling.note(ms(1150));
        assert_eq!(settling.due(), Some(ms(1350)));
        settling.clear();
        assert_eq!(settling.due(), None);
    }

    #[test]
    fn a_burst_without_end_is_not_waited_for() {
        let mut settling = Debounce::default();
        (0..100).for_each(|step| settling.note(ms(1000 + 100 * step)));
        assert_eq!(settling.due(), Some(ms(3000)));
    }
}
