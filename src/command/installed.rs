//! The names that the installed configuration gives to endpoints.

use crate::cli::Common;
use crate::config::{LoadedConfig, Trust};
use crate::desired;
use crate::model::diagnostic::Strictness;
use crate::model::{EndpointNames, Exit};
use crate::system::{Error, HostFacts};

use super::Output;

/// What the standard folders say, if it can be understood.
pub struct InstalledNames(Option<LoadedConfig>);

impl InstalledNames {
    /// Reads the standard folders. Without a configuration no endpoint has a name; for an invalid one there is a warning.
    pub fn load(common: &Common, output: &Output) -> InstalledNames {
        match LoadedConfig::load(&[], common.root_dir(), Strictness::Lenient, || Trust::Advised) {
            Ok(loaded) if loaded.rejection.is_none() => InstalledNames(Some(loaded)),
            Ok(_) => {
                log::warn!(
                    "the installed configuration is not valid, so that endpoints have no names; \
                     `mptcp-apply check` says why"
                );
                InstalledNames(None)
            }
            Err(none) => {
                if none.exit != Exit::NoInput {
                    output.tell(*none.diagnostic);
                }
                InstalledNames(None)
            }
        }
    }

    /// The names of the declared endpoints on this host, whether they are in the table or not.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn names(&self, facts: &mut dyn HostFacts) -> Result<EndpointNames, Error> {
        let Some(loaded) = &self.0 else { return Ok(EndpointNames::new()) };
        desired::names(&loaded.config, facts)
    }
}
