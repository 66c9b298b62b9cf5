//! `--wait`: what a target needs and this system does not have yet.

use std::time::Duration;

use crate::model::code;
use crate::model::diagnostic::Diagnostic;
use crate::system::System;

use super::failure::Failure;
use super::observe::{ObserveError, Target, observe};
use super::ownership::Record;
use super::ports;

/// What may come by itself; the other warnings stay.
const CAN_COME: [code::Code; 9] = [
    code::REQUIRED,
    code::DEV_MISSING,
    code::UPLINK_DOWN,
    code::GATEWAY_UNKNOWN,
    code::NO_MATCH,
    code::ADDRESS_MISSING,
    code::ADDRESS_ELSEWHERE,
    code::PORT_ADDRESS_MISSING,
    code::PORT_TAKEN,
];

/// How long to wait, and who is shown that.
pub struct Wait<'w> {
    /// How long to wait for everything together.
    pub at_most: Duration,
    /// Gets what is missing, and how long is left; returns when to be called again at the latest.
    pub progress: &'w mut dyn FnMut(&[Diagnostic], Duration) -> Duration,
}

impl Wait<'_> {
    /// Waits until nothing is missing any more. How long may still be waited then.
    ///
    /// # Errors
    /// When the system cannot be read, or a signal comes.
    pub fn until_ready(
        &mut self,
        target: &dyn Target,
        system: &mut dyn System,
        record: &dyn Record,
    ) -> Result<Duration, Failure> {
        system.hold_signals();
        // No change after this is missed.
        system.await_change(Duration::ZERO)?;
        let start = system.elapsed();
        loop {
            let missing = match observe(target, system, record) {
                Ok((observation, _)) => {
                    let mut missing = target.missing(&observation.plan, system)?;
                    missing.retain(|what| CAN_COME.contains(&what.code));
                    missing
                }
                Err(ObserveError::Unreadable(error)) => return Err(error.into()),
                // The pass that follows says why.
                Err(ObserveError::NoWay(..)) => Vec::new(),
            };
            let left = self.at_most.saturating_sub(system.elapsed().saturating_sub(start));
            if missing.is_empty() || left.is_zero() {
                return Ok(left);
            }
            let pause = (self.progress)(&missing, left).min(left);
            let polls = missing.iter().any(|what| what.code == code::PORT_TAKEN);
            system.await_change(if polls { pause.min(ports::RETRY) } else { pause })?;
            if system.is_interrupted() {
                return Err(Failure::not_begun(&missing));
            }
        }
    }
}
