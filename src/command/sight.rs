//! What there is on this host, what the configuration makes of it, and the way there.

use std::time::Duration;

use crate::apply::{self, Goal};
use crate::config::Config;
use crate::desired::{self, Unreachable};
use crate::diagnostic::{Diagnostic, Severity};
use crate::kernel::{Error, Host, Kernel};
use crate::model::{State, Sysctl};
use crate::plan;
use crate::runtime::Runtime;

use super::ownership::Ownership;
use super::waiting::{self, Waiting};
use super::{failure, places};

/// What a run is about.
pub struct Wanted<'a> {
    /// What the files say.
    pub config: &'a Config,
    /// The sysctls among it.
    pub sysctls: &'a [Sysctl],
    /// For how many seconds to wait for what is not there yet.
    pub wait: Option<u32>,
}

/// What is seen.
pub struct Sight<'r> {
    /// The state now.
    pub before: State,
    /// The endpoints that this program made.
    pub ownership: Ownership<'r>,
    /// Where to go.
    pub goal: Goal,
    /// How long may still be waited.
    pub patience: Duration,
}

/// Why nothing is seen.
pub enum Blind {
    /// The kernel cannot be read.
    Kernel(Error),
    /// There is no goal in this state.
    Unreachable(Unreachable, State),
}

impl From<Error> for Blind {
    fn from(error: Error) -> Blind {
        Blind::Kernel(error)
    }
}

/// Looks, and says what there is to warn of; with `wait`, looks until nothing is missing any more or so many seconds
/// are over.
///
/// # Errors
/// When there is no goal.
pub fn look<'r>(
    wanted: &Wanted<'_>,
    runtime: &'r Runtime,
    host: &mut Host,
) -> Result<(Sight<'r>, Vec<Diagnostic>), Blind> {
    let Wanted { config, sysctls, wait } = *wanted;
    let patience = wait.map(|seconds| Duration::from_secs(seconds.into()));
    let mut waiting = patience.map(Waiting::start).transpose()?;
    loop {
        let mut before = host.read(sysctls)?;
        let ownership = Ownership::new(runtime, config, &before);
        let goal = match goal(config, &ownership, host, &before) {
            Ok(goal) => goal,
            Err(unreachable) => return Err(Blind::Unreachable(unreachable, before)),
        };
        let (mut warnings, mut patience) = (goal.warnings.clone(), Duration::ZERO);
        if let Some(waiting) = &mut waiting {
            warnings = waiting::missing(config, &goal, host)?;
            patience = waiting.left();
            if !warnings.is_empty() && !patience.is_zero() {
                waiting.wait(&warnings)?;
                continue;
            }
        }
        warnings.splice(0..0, ownership.trouble());
        for closing in apply::closing(host, &goal.steps)? {
            warnings.push(failure::closing(&closing, &goal.steps, Severity::Warning));
        }
        warnings.extend(desired::inert(config, host)?);
        places::name_rows(&mut before, &goal.state);
        return Ok((Sight { before, ownership, goal, patience }, warnings));
    }
}

/// What the configuration means in this state, and the way there.
fn goal(config: &Config, ownership: &Ownership, host: &mut Host, now: &State) -> Result<Goal, Unreachable> {
    let capabilities = Host::capabilities().corrected_by(now);
    let desired = desired::resolve(config, now, capabilities, &ownership.identities(), host)?;
    let steps = plan::plan(now, &desired.state, capabilities).map_err(|impossible| {
        let help = "declare fewer endpoints; Linux 7.2 and later hold 255";
        let diagnostic = Diagnostic::error("table", impossible.to_string()).help(help);
        Unreachable::Unsupported(vec![diagnostic])
    })?;
    Ok(Goal { state: desired.state, steps, warnings: desired.warnings })
}

/// The same after the state has changed.
pub fn goal_anew(
    config: &Config,
    ownership: &Ownership,
    host: &mut Host,
    now: &State,
) -> Result<Goal, Unreachable> {
    let goal = goal(config, ownership, host, now)?;
    if !goal.steps.is_empty() {
        log::info!("the table was changed by somebody else; planning again");
    }
    Ok(goal)
}
