//! Between declarations and the host: which stands behind a row, where it is written, what interfaces it names.

use crate::config::{Config, EndpointTarget};
use crate::linux::sandbox::DeclaredInterfaces;
use crate::model::diagnostic::Location;
use crate::model::{State, Step};

/// Gives rows the names that those of the goal have.
pub fn name_rows(state: &mut State, goal: &State) {
    for row in &mut state.endpoints {
        row.name = goal.endpoint(row.identity).and_then(|row| row.name.clone());
    }
}

/// The interfaces that declarations name, with their addresses.
pub fn declared_interfaces(config: &Config) -> DeclaredInterfaces {
    let mut interfaces = DeclaredInterfaces::new();
    for declaration in config.endpoints.iter().flatten() {
        if let EndpointTarget::Address { identity, dev: Some(dev), .. } = &declaration.target {
            interfaces.entry(dev.value.clone()).or_default().push(identity.address);
        }
    }
    interfaces
}

/// The place in the files that a step comes from.
pub fn of_step(step: &Step, config: &Config) -> Option<Location> {
    match step {
        Step::SetSysctl { sysctl, .. } => config.sysctls.get(sysctl).map(|value| value.location),
        Step::SetLimits { .. } => {
            let limits = &config.limits;
            limits.subflows.or(limits.add_addr_accepted).map(|limit| limit.location)
        }
        Step::SetFlags { endpoint, .. } | Step::DelAddr { endpoint, .. } | Step::AddAddr { endpoint, .. } => {
            let name = endpoint.name.as_deref()?;
            let mut declarations = config.endpoints.iter().flatten();
            declarations
                .find(|declaration| declaration.name.value.as_str() == name)
                .map(|found| found.name.location)
        }
    }
}
