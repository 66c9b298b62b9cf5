//! What a pass sees before it acts: the state of the system, and the plan that leads from there to its target.

use std::collections::BTreeSet;

use crate::config::LoadedConfig;
use crate::desired;
use crate::model::diagnostic::{Diagnostic, Location, Strictness};
use crate::model::{DeclaredNames, Identity, State, Step, Sysctl};
use crate::plan::{self, Plan};
use crate::system::{Error, Observed, Scope, System};

use super::failure::Failure;
use super::last_path;
use super::ownership::{Ownership, Record};
use super::ports;

/// What a pass leads to: a configuration, or the state before a trial.
pub trait Target {
    /// What is managed.
    fn scope(&self) -> Scope;

    /// Resolves the target on this system, and plans the way there from the state `now`. `owned` are the endpoints that
    /// this program made, `removed` those that this pass removed.
    ///
    /// # Errors
    /// When there is no way.
    fn plan(
        &self,
        now: &Observed,
        owned: &BTreeSet<Identity>,
        removed: &BTreeSet<Identity>,
        system: &mut dyn System,
    ) -> Result<Plan, Failure>;

    /// Whether endpoints that this program did not make are left alone (`prune: false`).
    fn spares_others(&self) -> bool {
        false
    }

    /// Whether warnings count as errors.
    fn strictness(&self) -> Strictness {
        Strictness::Lenient
    }

    /// What the plan lacks on this system, as warnings: what waits, addresses that cannot be bound to, ports that are
    /// taken.
    ///
    /// # Errors
    /// When the system cannot be read.
    fn missing(&self, plan: &Plan, _: &mut dyn System) -> Result<Vec<Diagnostic>, Error> {
        Ok(plan.warnings.clone())
    }

    /// Settings under which the kernel takes endpoints and ignores them.
    ///
    /// # Errors
    /// When the system cannot be read.
    fn inert(&self, _: &Plan, _: &mut dyn System) -> Result<Vec<Diagnostic>, Error> {
        Ok(Vec::new())
    }

    /// Where in the files a step comes from.
    fn locate(&self, _: &Step, _: &DeclaredNames) -> Option<Location> {
        None
    }
}

/// What a pass sees.
pub struct Observation {
    /// The state now.
    pub before: State,
    /// The way to the target.
    pub plan: Plan,
}

/// Why there is no plan.
pub enum ObserveError {
    /// The system cannot be read.
    Unreadable(Error),
    /// No way leads to the target from this state.
    NoWay(Box<(Failure, State)>),
}

impl From<Error> for ObserveError {
    fn from(error: Error) -> ObserveError {
        ObserveError::Unreadable(error)
    }
}

/// Reads the system, resolves the target and plans.
///
/// # Errors
/// When there is no plan.
pub fn observe<'r>(
    target: &dyn Target,
    system: &mut dyn System,
    record: &'r dyn Record,
) -> Result<(Observation, Ownership<'r>), ObserveError> {
    let now = system.observe(&target.scope())?;
    let ownership = Ownership::new(record, target.spares_others(), &now.state);
    match target.plan(&now, &ownership.identities(), &BTreeSet::new(), system) {
        Ok(plan) => Ok((Observation { before: now.state, plan }, ownership)),
        Err(failure) => Err(ObserveError::NoWay(Box::new((failure, now.state)))),
    }
}

impl Target for LoadedConfig {
    fn scope(&self) -> Scope {
        Scope {
            sysctls: self.config.sysctls.keys().copied().collect(),
            uplinks: self.config.uplinks.is_some(),
        }
    }

    fn plan(
        &self,
        now: &Observed,
        owned: &BTreeSet<Identity>,
        _: &BTreeSet<Identity>,
        system: &mut dyn System,
    ) -> Result<Plan, Failure> {
        let mut desired = desired::resolve(&self.config, &now.state, now.capabilities, owned, system)?;
        last_path::keep(now, &mut desired, system);
        let mut steps = plan::plan(&now.state, &desired.state, now.capabilities)?;
        plan::give_reasons(&mut steps, &desired.reasons);
        Ok(Plan { target: desired.state, names: desired.names, steps, warnings: desired.warnings })
    }

    fn spares_others(&self) -> bool {
        !self.config.prune
    }

    fn strictness(&self) -> Strictness {
        self.strictness
    }

    fn missing(&self, plan: &Plan, system: &mut dyn System) -> Result<Vec<Diagnostic>, Error> {
        let mut missing = plan.warnings.clone();
        missing.extend(ports::missing(system, plan));
        Ok(missing)
    }

    fn inert(&self, plan: &Plan, system: &mut dyn System) -> Result<Vec<Diagnostic>, Error> {
        // Looking into a namespace's sysctls takes half as long as reading its table, and far longer with many
        // namespaces.
        let asked: &[Sysctl] = match plan.steps[..] {
            [] => &[Sysctl::ENABLED],
            [..] => &[Sysctl::ENABLED, Sysctl::PATH_MANAGER],
        };
        desired::inert(&self.config, system, asked)
    }

    fn locate(&self, step: &Step, names: &DeclaredNames) -> Option<Location> {
        let config = &self.config;
        match step {
            Step::SetSysctl { sysctl, .. } => config.sysctls.get(sysctl).map(|value| value.location),
            Step::SetLimits { .. } => {
                config.limits.subflows.or(config.limits.add_addr_accepted).map(|limit| limit.location)
            }
            Step::SetFlags { .. } | Step::DelAddr { .. } | Step::AddAddr { .. } => {
                let name = names.of(step)?;
                let mut declarations = config.endpoints.iter().flatten();
                let found = declarations.find(|declaration| declaration.name.value.as_str() == name);
                found.map(|found| found.name.location)
            }
            Step::AddRule { .. } | Step::DelRule { .. } | Step::SetRoute { .. } | Step::DelRoute { .. } => {
                let name = names.of(step)?;
                let mut uplinks = config.uplinks.iter().flatten();
                let found = uplinks.find(|uplink| uplink.name.value.as_str() == name)?;
                let gateway = found.gateway.as_ref().map(|gateway| gateway.location);
                Some(gateway.unwrap_or(found.name.location))
            }
        }
    }
}
