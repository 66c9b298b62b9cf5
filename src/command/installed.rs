//! The installed configuration, for the names that it gives to what is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::Common;
use crate::desired;
use crate::linux::LinuxPathManager;
use crate::model::{Capabilities, Exit, Identity, State};
use crate::system::Error;

use super::input::{self, Input};
use super::{Output, places};

/// What the standard folders say, if it can be understood.
pub struct Installed(Option<Input>);

impl Installed {
    /// Reads it. Whoever has none needs no names; one that is not valid is told.
    pub fn read(common: &Common, output: &Output) -> Installed {
        match input::read(&[], common.root_dir()) {
            Ok(input) if !input.diagnostics.has_errors() => Installed(Some(input)),
            Ok(_) => {
                log::warn!(
                    "the installed configuration is not valid, so that endpoints have no names; \
                            `mptcp-apply check` says why"
                );
                Installed(None)
            }
            Err(nothing) if nothing.exit == Exit::NoInput => Installed(None),
            Err(nothing) => {
                nothing.tell(output);
                Installed(None)
            }
        }
    }

    /// The names of the endpoints that are declared, whether they are there or not.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn names(&self, host: &mut LinuxPathManager) -> Result<BTreeMap<Identity, String>, Error> {
        let Some(input) = &self.0 else { return Ok(BTreeMap::new()) };
        desired::names(&input.config, host)
    }

    /// Gives the rows of a state their names.
    pub fn name(&self, state: &mut State, capabilities: Capabilities, host: &mut LinuxPathManager) {
        let Some(input) = &self.0 else { return };
        // What this kernel cannot carry out has no rows to be named.
        if let Ok(desired) = desired::resolve(&input.config, state, capabilities, &BTreeSet::new(), host) {
            places::name_rows(state, &desired.state);
        }
    }
}
