//! What the checks of uplinks change in a watched namespace.

use std::time::Duration;

use rustix::event::PollFd;

use crate::config::Config;
use crate::desired::{CheckTarget, check_targets};
use crate::linux::{LinuxPathManager, clock, netns};
use crate::model::{UplinkHealth, UplinkStatus, counted};
use crate::reconcile::Failure;

use super::checks::{HealthChange, Outage, Streaks, Turn};
use super::namespace::WatchedNamespace;

/// What came of a look at the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckNews {
    /// Nothing that calls for a pass.
    None,
    /// The health of an uplink changed.
    Health,
}

impl WatchedNamespace {
    /// When to look at the checks next, without any descriptor.
    pub fn check_at(&self) -> Option<Duration> {
        self.checks.due().filter(|_| self.changes().is_some())
    }

    /// What checks wait for.
    pub fn check_descriptors(&self) -> Vec<PollFd<'_>> {
        self.checks.descriptors()
    }

    /// Begins the checks that are due, and takes the results of those that run, which may open further sockets. This thread
    /// is in the namespace afterwards.
    pub fn run_checks(&mut self, now: Duration) -> CheckNews {
        if let Some(name) = &self.name
            && let Err(error) = netns::enter(name)
        {
            // The next pass finds out what became of it.
            log::debug!("{error}");
            return CheckNews::None;
        }
        let turns = self.checks.advance(now);
        for turn in &turns {
            self.tell(turn);
            self.check_events.push(format!("check of {} {}", turn.target.uplink, turn.change.words()));
            if let HealthChange::Rose(outage) = turn.change {
                self.uplink_recovered(outage);
            }
        }
        if turns.is_empty() {
            return CheckNews::None;
        }
        self.publish_checks(now);
        CheckNews::Health
    }

    /// An uplink works again, after this outage: what was lost with it is asked for at once, and the pause of MPTCP ends that
    /// began in it.
    fn uplink_recovered(&mut self, Outage { from, to }: Outage) {
        self.healing.retry_at_once();
        self.blackhole.note_outage(from, to);
    }

    fn tell(&self, turn: &Turn) {
        let (prefix, words) = (self.prefix(), turn.target.words());
        match (&turn.change, &turn.health) {
            (_, UplinkHealth::NotRun(why)) => {
                log::warn!("{prefix}{words} counts as up, since it cannot be checked: {why}");
            }
            (HealthChange::Fell, _) => log::warn!("{prefix}{words} is down: {}", turn.why),
            (HealthChange::Rose(Outage { from, to }), _) => {
                let seconds = to.saturating_sub(*from).as_secs();
                log::warn!("{prefix}{words} is up again, after {}", counted(seconds as usize, "second"));
            }
            (_, health) => log::info!("{prefix}{words} is {}", health.word()),
        }
    }

    /// Checks what the configuration declares from now on.
    pub(super) fn aim_checks(
        &mut self,
        config: &Config,
        system: &mut LinuxPathManager,
        now: Duration,
    ) -> Result<(), Failure> {
        let uplinks = config.uplinks.as_deref().unwrap_or_default();
        let targets = check_targets(uplinks, system)?;
        if targets.is_empty() && self.checks.known().next().is_none() {
            return Ok(());
        }
        self.checks.aim(targets, now);
        self.publish_checks(now);
        Ok(())
    }

    /// Each uplink that is checked, with what is known of it.
    pub fn uplink_statuses(&self, now: Duration) -> Vec<UplinkStatus> {
        let uptime = clock::uptime();
        let status = |(target, streaks): (&CheckTarget, &Streaks)| {
            let ago = now.saturating_sub(streaks.since());
            let health = streaks.health();
            UplinkStatus {
                uplink: target.uplink.clone(),
                dev: target.dev.to_string(),
                state: health.word().to_owned(),
                since: uptime.saturating_sub(ago.as_secs()),
                error: streaks.last_error().filter(|_| health != UplinkHealth::Undecided).map(str::to_owned),
            }
        };
        self.checks.known().map(status).collect()
    }

    fn publish_checks(&mut self, now: Duration) {
        let statuses = self.uplink_statuses(now);
        if let Some(rundir) = self.rundir()
            && let Err(error) = rundir.publish_uplinks(&statuses)
        {
            log::debug!("the state of uplinks is not written: {error}");
        }
    }
}
