//! `--wait`: what a configuration needs and this host does not have yet.

use std::time::Duration;

use crate::config::{Config, EndpointTarget, Located, Name};
use crate::linux::{Changes, LinuxPathManager};
use crate::model::Identity;
use crate::model::code;
use crate::model::diagnostic::Diagnostic;
use crate::reconcile::{self, Goal};
use crate::system::{Error, HostFacts};

use super::countdown::Countdown;

/// Patience, and ears for what it is needed for.
pub struct Waiting {
    changes: Changes,
    patience: Duration,
    /// What was said last to be waited for.
    told: Vec<Diagnostic>,
    countdown: Countdown,
}

impl Waiting {
    /// Hears of links and addresses from now on.
    ///
    /// # Errors
    /// When the kernel does not tell of them.
    pub fn start(patience: Duration) -> Result<Waiting, Error> {
        let (changes, countdown) = (Changes::subscribe()?, Countdown::new());
        Ok(Waiting { changes, patience, told: Vec::new(), countdown })
    }

    /// How long may still be waited.
    pub fn left(&self) -> Duration {
        self.patience.saturating_sub(self.changes.elapsed())
    }

    /// Waits until it is worth looking again.
    ///
    /// # Errors
    /// When that cannot be heard.
    pub fn wait(&mut self, missing: &[Diagnostic]) -> Result<(), Error> {
        if self.told != missing {
            self.countdown.clear();
            for what in missing {
                log::warn!("waiting for {} s at most: {}", self.left().as_secs() + 1, what.message);
            }
            self.told = missing.to_vec();
        }
        // Nobody tells when a port is free.
        let port = missing.iter().any(|what| what.code == code::PORT_TAKEN);
        let left = self.left();
        let at_most = self.countdown.tell(left).min(left);
        self.changes.wait(if port { at_most.min(reconcile::RETRY) } else { at_most })
    }
}

/// What the goal lacks, as warnings: what waits already without this option, addresses that nothing could be bound
/// to, and ports that something else holds.
///
/// # Errors
/// When the host cannot be asked.
pub fn missing(config: &Config, goal: &Goal, host: &mut LinuxPathManager) -> Result<Vec<Diagnostic>, Error> {
    let mut missing = goal.warnings.clone();
    for declaration in config.endpoints.iter().flatten() {
        let EndpointTarget::Address { identity, dev, .. } = &declaration.target else { continue };
        let on = match dev {
            Some(dev) => host.interface(&dev.value)?,
            None => None,
        };
        let waits_for_its_interface = dev.is_some() && on.is_none();
        if !waits_for_its_interface && !host.has_address(identity.address, on)? {
            missing.push(address_missing(&declaration.name, *identity, dev.as_ref()));
        }
    }
    for (index, refusal) in reconcile::taken(host, &goal.steps) {
        if let Some(endpoint) = goal.steps[index].endpoint().filter(|_| reconcile::is_closed(&refusal)) {
            let name = endpoint.name.clone().unwrap_or_default();
            let message = format!("endpoint `{name}` needs its port ({refusal})");
            missing.push(Diagnostic::warning(code::PORT_TAKEN, message).endpoint(name));
        }
    }
    Ok(missing)
}

fn address_missing(name: &Located<Name>, identity: Identity, dev: Option<&Located<String>>) -> Diagnostic {
    let where_to = dev.map_or("on no interface".to_owned(), |dev| format!("not on interface {}", dev.value));
    let message = format!(
        "endpoint `{}` needs {}, which is {where_to} or not usable yet",
        name.value, identity.address
    );
    Diagnostic::warning(code::ADDRESS_MISSING, message).at(name.location, "").endpoint(name.value.as_str()).help(
        "`ip address` shows addresses; usable are those of interfaces that are up, but not `tentative` or `dadfailed` ones",
    )
}
