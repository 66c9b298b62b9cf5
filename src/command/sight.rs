//! What there is on this host, what the configuration makes of it, and the way there.

use std::time::Duration;

use crate::apply::Goal;
use crate::config::Config;
use crate::desired::{self, Unreachable};
use crate::diagnostic::Diagnostic;
use crate::kernel::{Error, Host, Kernel};
use crate::model::{State, Sysctl};
use crate::plan;
use crate::runtime::Runtime;

use super::ownership::Ownership;
use super::places;
use super::waiting::{self, Waiting};

/// What a run is about.
pub struct Wanted<'a> {
    /// What the files say.
    pub config: &'a Config,
    /// The sysctls among it.
    pub sysctls: &'a [Sysctl],
}

/// What is seen.
pub struct Sight<'r> {
    /// The state now.
    pub before: State,
    /// The endpoints that this program made.
    pub ownership: Ownership<'r>,
    /// Where to go.
    pub goal: Goal,
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

/// Waits until nothing is missing that the configuration needs, so many seconds at most. How long may still be waited.
///
/// # Errors
/// When the kernel cannot be read.
pub fn await_missing(
    wanted: &Wanted<'_>,
    runtime: &Runtime,
    host: &mut Host,
    seconds: u32,
) -> Result<Duration, Error> {
    let mut waiting = Waiting::start(Duration::from_secs(seconds.into()))?;
    loop {
        let missing = match see(wanted, runtime, host) {
            Ok(sight) => waiting::missing(wanted.config, &sight.goal, host)?,
            Err(Blind::Kernel(error)) => return Err(error),
            // Why there is no goal is told by whoever looks for one next.
            Err(Blind::Unreachable(..)) => Vec::new(),
        };
        if missing.is_empty() || waiting.left().is_zero() {
            return Ok(waiting.left());
        }
        waiting.wait(&missing)?;
    }
}

/// Looks, and says what there is to warn of; with `patience`, of all that has been waited for and is still missing.
///
/// # Errors
/// When there is no goal.
pub fn look<'r>(
    wanted: &Wanted<'_>,
    runtime: &'r Runtime,
    host: &mut Host,
    patience: Option<Duration>,
) -> Result<(Sight<'r>, Vec<Diagnostic>), Blind> {
    let mut sight = see(wanted, runtime, host)?;
    let mut warnings: Vec<Diagnostic> = sight.ownership.trouble().into_iter().collect();
    warnings.extend(match patience {
        Some(_) => waiting::missing(wanted.config, &sight.goal, host)?,
        None => sight.goal.warnings.clone(),
    });
    // Looking into a namespace's sysctls takes half as long as reading its table, and far longer with many namespaces.
    let asked: &[Sysctl] = match sight.goal.steps[..] {
        [] => &[Sysctl::ENABLED],
        [..] => &[Sysctl::ENABLED, Sysctl::PATH_MANAGER],
    };
    warnings.extend(desired::inert(wanted.config, host, asked)?);
    places::name_rows(&mut sight.before, &sight.goal.state);
    Ok((sight, warnings))
}

fn see<'r>(wanted: &Wanted<'_>, runtime: &'r Runtime, host: &mut Host) -> Result<Sight<'r>, Blind> {
    let Wanted { config, sysctls } = *wanted;
    let before = host.read(sysctls)?;
    let ownership = Ownership::new(runtime, config, &before);
    match goal(config, &ownership, host, &before) {
        Ok(goal) => Ok(Sight { before, ownership, goal }),
        Err(unreachable) => Err(Blind::Unreachable(unreachable, before)),
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
        log::info!("there is something left to do; planning again");
    }
    Ok(goal)
}
