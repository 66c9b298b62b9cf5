//! The names that the installed configuration gives to endpoints.

use crate::cli::Common;
use crate::config::{LoadedConfig, Trust};
use crate::desired;
use crate::model::diagnostic::Strictness;
use crate::model::{DeclaredNames, EndpointNames, Exit};
use crate::system::{Error, HostFacts};

use super::Output;

/// The configuration of the standard folders, if it is valid.
pub struct InstalledNames(Option<LoadedConfig>);

impl InstalledNames {
    /// Reads the standard folders. Without a configuration, endpoints have no names; an invalid one is a warning.
    pub fn load(common: &Common, output: &Output) -> InstalledNames {
        match LoadedConfig::load(&[], common.root_dir(), Strictness::Lenient, || Trust::Advised) {
            Ok(loaded) if loaded.rejection.is_none() => InstalledNames(Some(loaded)),
            Ok(_) => {
                log::warn!(
                    "the installed configuration is invalid, so endpoints have no names; \
                     `mptcp-apply check` shows the errors"
                );
                InstalledNames(None)
            }
            Err(none) => {
                if none.exit != Exit::NoInput {
                    output.diagnose_one(*none.diagnostic);
                }
                InstalledNames(None)
            }
        }
    }

    /// Whether an endpoint of that name is declared.
    pub fn declares(&self, name: &str) -> bool {
        let endpoints = self.0.iter().flat_map(|loaded| loaded.config.endpoints.iter().flatten());
        endpoints.map(|declaration| declaration.name.value.as_str()).any(|own| own == name)
    }

    /// The names of the declared endpoints on this host, whether they are in the table or not.
    ///
    /// # Errors
    /// When interfaces or addresses cannot be read.
    pub fn endpoint_names(&self, facts: &mut dyn HostFacts) -> Result<EndpointNames, Error> {
        let Some(loaded) = &self.0 else { return Ok(EndpointNames::new()) };
        desired::endpoint_names(&loaded.config, facts)
    }

    /// The names of declarations on this host, whether they are carried out or not.
    ///
    /// # Errors
    /// When interfaces or addresses cannot be read.
    pub fn names(&self, facts: &mut dyn HostFacts) -> Result<DeclaredNames, Error> {
        let Some(loaded) = &self.0 else { return Ok(DeclaredNames::default()) };
        desired::names(&loaded.config, facts)
    }
}
