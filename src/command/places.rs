//! Between declarations and the host: which stands behind a row, where it is written, what interfaces it names.

use crate::config::{Config, Declaration, Target};
use crate::diagnostic::Place;
use crate::kernel::rehearsal::DeclaredInterfaces;
use crate::model::{Endpoint, State};
use crate::plan::Step;

/// Gives rows that are declared the name of their declaration.
pub fn name_rows(state: &mut State, config: &Config) {
    for row in &mut state.endpoints {
        row.name = declaration_of(row, config).map(|declaration| declaration.name.value.to_string());
    }
}

fn declaration_of<'c>(row: &Endpoint, config: &'c Config) -> Option<&'c Declaration> {
    config.endpoints.iter().flatten().find(
        |declaration| matches!(&declaration.target, Target::Address { identity, .. } if *identity == row.identity),
    )
}

/// The interfaces that declarations name, with their addresses.
pub fn declared_interfaces(config: &Config) -> DeclaredInterfaces {
    let mut interfaces = DeclaredInterfaces::new();
    for declaration in config.endpoints.iter().flatten() {
        if let Target::Address { identity, dev: Some(dev), .. } = &declaration.target {
            interfaces.entry(dev.value.clone()).or_default().push(identity.address);
        }
    }
    interfaces
}

/// The place in the files that a step comes from.
pub fn of_step(step: &Step, config: &Config) -> Option<Place> {
    match step {
        Step::SetSysctl { sysctl, .. } => config.sysctls.get(sysctl).map(|value| value.place),
        Step::SetLimits { .. } => {
            let limits = &config.limits;
            limits.subflows.or(limits.add_addr_accepted).map(|limit| limit.place)
        }
        Step::SetFlags { endpoint, .. } | Step::DelAddr { endpoint, .. } | Step::AddAddr { endpoint, .. } => {
            declaration_of(endpoint, config).map(|declaration| declaration.name.place)
        }
    }
}
