//! The checks of one network namespace's uplinks: which there are, when each is due, and what they have found out.
//!
//! Everything happens in the loop of the watch, which waits for [`Checks::descriptors`] and until [`Checks::due`].

mod streaks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use rustix::event::PollFd;

use crate::config::CheckMethod;
use crate::desired::CheckTarget;
use crate::linux::RunningCheck;
use crate::model::{CheckOutcome, UplinkHealth};

pub use streaks::{HealthChange, Outage, Streaks};

/// How many commands run at once. Others begin when one of these has ended.
const COMMANDS_MAX: usize = 16;
/// How long a command waits for its turn before it looks again.
const TURN: Duration = Duration::from_millis(50);

/// The checks of one network namespace.
#[derive(Default)]
pub struct Checks {
    all: Vec<Checker>,
}

/// One check, again and again.
struct Checker {
    target: CheckTarget,
    streaks: Streaks,
    /// When the next one begins.
    next: Duration,
    phase: Phase,
}

enum Phase {
    /// It waits for its time.
    Idle,
    /// It runs since then.
    Running(Duration, RunningCheck),
    /// Its time was over, and it is being killed.
    Dying(RunningCheck),
}

/// What an uplink's health became.
pub struct Turn {
    /// The uplink's interface.
    pub target: CheckTarget,
    /// What changed.
    pub change: HealthChange,
    /// What is known now.
    pub health: UplinkHealth,
    /// Why the last check that did not pass did not.
    pub why: String,
}

impl Checks {
    /// Checks these from now on, and no others. What is known of one that stays is kept.
    pub fn aim(&mut self, targets: Vec<CheckTarget>, now: Duration) {
        let mut old = std::mem::take(&mut self.all);
        for target in targets {
            let known = old.iter().position(|checker| checker.target.is_same_as(&target));
            self.all.push(match known {
                Some(at) => Checker { target, ..old.swap_remove(at) },
                None => Checker { target, streaks: Streaks::new(now), next: now, phase: Phase::Idle },
            });
        }
    }

    /// What is known of each interface that is checked.
    pub fn health(&self) -> BTreeMap<NonZeroU32, UplinkHealth> {
        self.all.iter().map(|checker| (checker.target.dev.index, checker.streaks.health())).collect()
    }

    /// Each target with what is known of it.
    pub fn known(&self) -> impl Iterator<Item = (&CheckTarget, &Streaks)> {
        self.all.iter().map(|checker| (&checker.target, &checker.streaks))
    }

    /// When to look next without any descriptor.
    pub fn due(&self) -> Option<Duration> {
        self.all.iter().filter_map(Checker::due).min()
    }

    /// What to wait for.
    pub fn descriptors(&self) -> Vec<PollFd<'_>> {
        let running = self.all.iter().filter_map(|checker| match &checker.phase {
            Phase::Idle => None,
            Phase::Running(_, check) | Phase::Dying(check) => Some(check),
        });
        running.flat_map(RunningCheck::descriptors).collect()
    }

    /// Begins what is due, and looks at what runs.
    pub fn advance(&mut self, now: Duration) -> Vec<Turn> {
        let is_running =
            |checker: &&Checker| checker.target.is_command() && !matches!(checker.phase, Phase::Idle);
        let mut commands = self.all.iter().filter(is_running).count();
        let mut turns = Vec::new();
        for checker in &mut self.all {
            let begins = matches!(checker.phase, Phase::Idle) && checker.next <= now;
            if begins && checker.target.is_command() {
                if commands >= COMMANDS_MAX {
                    checker.next = now + TURN;
                    continue;
                }
                commands += 1;
            }
            if let Some(outcome) = checker.advance(now) {
                turns.extend(checker.take(outcome, now));
            }
        }
        turns
    }
}

impl Checker {
    fn due(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Idle => Some(self.next),
            Phase::Running(since, check) => {
                let end = *since + self.target.check.timeout;
                Some(check.next_look().map_or(end, |next| end.min(*since + next)))
            }
            Phase::Dying(_) => None,
        }
    }

    fn advance(&mut self, now: Duration) -> Option<CheckOutcome> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle if self.next > now => None,
            Phase::Idle => {
                self.next = now + self.target.check.every;
                match RunningCheck::start(&self.target) {
                    Ok(check) => {
                        self.phase = Phase::Running(now, check);
                        None
                    }
                    Err(outcome) => Some(outcome),
                }
            }
            Phase::Running(since, mut check) => {
                // What came in time counts, also if it is looked at later.
                let outcome = check.look(now.saturating_sub(since));
                if outcome.is_some() {
                    return outcome;
                }
                let timeout = self.target.check.timeout;
                if now < since + timeout {
                    self.phase = Phase::Running(since, check);
                    return None;
                }
                let why = check.lacks(timeout);
                self.phase = check.stop().map_or(Phase::Idle, Phase::Dying);
                Some(CheckOutcome::Failed(why))
            }
            Phase::Dying(mut check) => {
                if check.look(Duration::ZERO).is_none() {
                    self.phase = Phase::Dying(check);
                }
                None
            }
        }
    }

    fn take(&mut self, outcome: CheckOutcome, now: Duration) -> Option<Turn> {
        log::trace!("{}: {outcome:?}", self.target.words());
        let check = &self.target.check;
        let change = self.streaks.take(outcome, (check.fall, check.rise), now);
        let (target, health) = (self.target.clone(), self.streaks.health());
        let why = self.streaks.last_error().unwrap_or_default().to_owned();
        (change != HealthChange::None).then_some(Turn { target, change, health, why })
    }
}

impl CheckTarget {
    fn is_command(&self) -> bool {
        matches!(self.check.method, CheckMethod::Run(_))
    }
}
