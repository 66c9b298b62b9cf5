//! From results of checks to whether an uplink is up or down. Pure.
//!
//! So many failures in a row, and no fewer, make it down, and so many successes in a row make it up again: an uplink that
//! works now and then changes nothing as long as its runs are shorter.

use std::time::Duration;

use crate::model::{CheckOutcome, UplinkHealth};

/// What the results so far say of one uplink.
#[derive(Clone, Debug)]
pub struct Streaks {
    decided: UplinkHealth,
    /// Since when, by the clock of the watch.
    since: Duration,
    last: Option<CheckOutcome>,
    /// How many results in a row said the same as the last one.
    length: u32,
    /// When the first of those came.
    began: Duration,
    error: Option<String>,
}

/// A time in which an uplink did not work, by the clock of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the first check failed.
    pub from: Duration,
    /// When the first check passed again.
    pub to: Duration,
}

/// What a result changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthChange {
    /// Nothing.
    None,
    /// It was undecided, and is up or cannot be checked; or the reason why it cannot changed.
    Settled,
    /// It is down now. Its first failure came then.
    Fell,
    /// It is up again after this outage.
    Rose(Outage),
}

impl HealthChange {
    /// What the check did, in words.
    pub fn words(&self) -> &'static str {
        match self {
            HealthChange::Fell => "failed",
            HealthChange::Rose(_) => "passes again",
            HealthChange::None | HealthChange::Settled => "has a result",
        }
    }
}

impl Streaks {
    /// Without any result.
    pub fn new(now: Duration) -> Streaks {
        let (decided, last) = (UplinkHealth::Undecided, None);
        Streaks { decided, since: now, last, length: 0, began: now, error: None }
    }

    /// What is known.
    pub fn health(&self) -> UplinkHealth {
        match (&self.decided, &self.last) {
            (UplinkHealth::Down, _) => UplinkHealth::Down,
            (_, Some(CheckOutcome::NotRun(why))) => UplinkHealth::NotRun(why.clone()),
            (decided, _) => decided.clone(),
        }
    }

    /// Since when it is up or down, or undecided.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Why the last check that did not pass did not.
    pub fn last_error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Takes one more result. `fall` failures in a row make it down, `rise` other results make it up.
    pub fn take(&mut self, outcome: CheckOutcome, (fall, rise): (u32, u32), now: Duration) -> HealthChange {
        let before = self.health();
        let has_failed = |outcome: &CheckOutcome| matches!(outcome, CheckOutcome::Failed(_));
        let is_same = self.last.as_ref().is_some_and(|last| has_failed(last) == has_failed(&outcome));
        if !is_same {
            (self.length, self.began) = (0, now);
        }
        self.length = self.length.saturating_add(1);
        let (next, needed) = match has_failed(&outcome) {
            true => (UplinkHealth::Down, fall),
            false => (UplinkHealth::Up, rise),
        };
        if let CheckOutcome::Failed(why) | CheckOutcome::NotRun(why) = &outcome {
            self.error = Some(why.clone());
        }
        self.last = Some(outcome);
        let was_down_since = self.since;
        if self.length >= needed && self.decided != next {
            (self.decided, self.since) = (next, self.began);
        }
        match (before, self.health()) {
            (before, now) if before == now => HealthChange::None,
            (_, UplinkHealth::Down) => HealthChange::Fell,
            (UplinkHealth::Down, _) => HealthChange::Rose(Outage { from: was_down_since, to: self.began }),
            _ => HealthChange::Settled,
        }
    }
}
