//! What there is on this host, what the configuration makes of it, and the way there.

use std::time::Duration;

use crate::config::Config;
use crate::desired::{self, ResolveError};
use crate::linux::LinuxPathManager;
use crate::model::code;
use crate::model::diagnostic::Diagnostic;
use crate::model::{State, Sysctl};
use crate::plan;
use crate::reconcile::Goal;
use crate::rundir::RunDir;
use crate::system::{Error, Observed, PathManager};

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
    ResolveError(ResolveError, State),
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
    runtime: &RunDir,
    host: &mut LinuxPathManager,
    seconds: u32,
) -> Result<Duration, Error> {
    let mut waiting = Waiting::start(Duration::from_secs(seconds.into()))?;
    loop {
        let missing = match see(wanted, runtime, host) {
            Ok(sight) => waiting::missing(wanted.config, &sight.goal, host)?,
            Err(Blind::Kernel(error)) => return Err(error),
            // Why there is no goal is told by whoever looks for one next.
            Err(Blind::ResolveError(..)) => Vec::new(),
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
    runtime: &'r RunDir,
    host: &mut LinuxPathManager,
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

fn see<'r>(
    wanted: &Wanted<'_>,
    runtime: &'r RunDir,
    host: &mut LinuxPathManager,
) -> Result<Sight<'r>, Blind> {
    let Wanted { config, sysctls } = *wanted;
    let Observed { state: before, capabilities: _ } = host.observe(sysctls)?;
    let ownership = Ownership::new(runtime, config, &before);
    match goal(config, &ownership, host, &before) {
        Ok(goal) => Ok(Sight { before, ownership, goal }),
        Err(unreachable) => Err(Blind::ResolveError(unreachable, before)),
    }
}

/// What the configuration means in this state, and the way there.
fn goal(
    config: &Config,
    ownership: &Ownership,
    host: &mut LinuxPathManager,
    now: &State,
) -> Result<Goal, ResolveError> {
    let capabilities = LinuxPathManager::capabilities().corrected_by(now);
    let desired = desired::resolve(config, now, capabilities, &ownership.identities(), host)?;
    let steps = plan::plan(now, &desired.state, capabilities).map_err(|impossible| {
        let help = "declare fewer endpoints; Linux 7.2 and later hold 255";
        let diagnostic = Diagnostic::error(code::TABLE, impossible.to_string()).help(help);
        ResolveError::Unsupported(vec![diagnostic])
    })?;
    Ok(Goal { state: desired.state, steps, warnings: desired.warnings })
}

/// The same after the state has changed.
pub fn goal_anew(
    config: &Config,
    ownership: &Ownership,
    host: &mut LinuxPathManager,
    now: &State,
) -> Result<Goal, ResolveError> {
    let goal = goal(config, ownership, host, now)?;
    if !goal.steps.is_empty() {
        log::info!("there is something left to do; planning again");
    }
    Ok(goal)
}
