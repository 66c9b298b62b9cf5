//! The configuration as evidence: its files, compared with this host.

use std::collections::BTreeMap;

use crate::config::{DevicePattern, LoadedConfig, Selector};
use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{Endpoint, Step, code};
use crate::reconcile::{Failure, FailureKind, Report};

use super::uplinks;

/// The configuration files, compared with this host.
#[derive(Debug)]
pub enum Configuration {
    /// There are no files.
    Absent,
    /// They have errors: how many, and the first of them.
    Invalid(usize, String, Option<Location>),
    /// They are valid.
    Valid(Box<Declared>),
}

/// A valid configuration, compared with this host.
#[derive(Debug, Default)]
pub struct Declared {
    /// The command that applies it.
    pub command: String,
    /// The steps that applying would take.
    pub steps: Vec<Step>,
    /// The declarations that wait, and what for.
    pub waiting: Vec<Diagnostic>,
    /// The declarations that have no room in the table.
    pub left_out: Vec<Diagnostic>,
    /// The interfaces of uplinks.
    pub uplinks: Vec<DevicePattern>,
    /// The interfaces of each selector, by its name; empty where it takes all.
    pub selectors: BTreeMap<String, Vec<String>>,
    /// What uplinks wait for, and what removes their rules.
    pub of_uplinks: Vec<Diagnostic>,
    /// Why this kernel cannot apply it.
    pub unsupported: Vec<Diagnostic>,
    /// Whether the endpoints of the table are declared, be it that there are none.
    pub manages_endpoints: bool,
    /// Where each endpoint is declared, by name.
    pub locations: BTreeMap<String, Location>,
}

impl Configuration {
    /// The configuration, if it is valid; otherwise what stands for it.
    ///
    /// # Errors
    /// When there are no files, or they have errors.
    pub fn valid(loaded: Option<&LoadedConfig>) -> Result<&LoadedConfig, Configuration> {
        let loaded = loaded.ok_or(Configuration::Absent)?;
        let Some(first) = loaded.first_error() else { return Ok(loaded) };
        let location = first.labels.first().map(|label| label.location);
        Err(Configuration::Invalid(loaded.diagnostics.errors(), first.message.clone(), location))
    }
}

impl Declared {
    /// A configuration that `command` applies, compared with this host by the pass of a dry run.
    pub fn new(loaded: &LoadedConfig, command: String, pass: Result<Report, Failure>) -> Declared {
        let locations = loaded.config.endpoints.iter().flatten();
        let locations = locations.map(|endpoint| (endpoint.name.value.to_string(), endpoint.name.location));
        let mut declared = Declared { command, locations: locations.collect(), ..Declared::default() };
        declared.manages_endpoints = loaded.config.endpoints.is_some();
        let words =
            |selector: &Selector| selector.dev.as_ref().map_or_else(Vec::new, |dev| dev.value.globs.clone());
        let selectors = loaded.config.selectors().map(|(name, selector)| (name.to_string(), words(selector)));
        declared.selectors = selectors.collect();
        let uplinks = || loaded.config.uplinks.iter().flatten();
        declared.uplinks = uplinks().map(|uplink| uplink.dev.value.clone()).collect();
        let is_of_uplink = |found: &Diagnostic| {
            let at = found.labels.first().map(|label| label.location);
            uplinks::CODES.contains(&found.code) || uplinks().any(|uplink| at == Some(uplink.dev.location))
        };
        let is_found = |found: &Diagnostic| {
            [code::DEV_MISSING, code::NO_MATCH, code::REQUIRED].contains(&found.code) || is_of_uplink(found)
        };
        let waiting = |found: Vec<Diagnostic>| found.into_iter().filter(is_found).partition(is_of_uplink);
        if let Ok(report) = &pass {
            let is_it = |found: &&Diagnostic| found.code == code::TABLE_FULL;
            declared.left_out = report.diagnostics.iter().filter(is_it).cloned().collect();
        }
        match pass {
            // A port that is in use is a finding of its own.
            Ok(Report { failure: Some(failure), .. })
                if !matches!(failure.kind, FailureKind::Refused | FailureKind::PortClosing) =>
            {
                declared.unsupported = failure.diagnostics;
            }
            Ok(report) => {
                declared.steps = report.steps().cloned().collect();
                (declared.of_uplinks, declared.waiting) = waiting(report.diagnostics);
            }
            Err(failure) if failure.kind == FailureKind::Waiting => {
                (declared.of_uplinks, declared.waiting) = waiting(failure.diagnostics);
            }
            Err(failure) => {
                let reason = failure.diagnostics.first().map_or("", |first| first.message.as_str());
                log::warn!("the configuration is not compared with this host: {reason}");
            }
        }
        declared
    }
}

impl Declared {
    /// Whether applying would remove that endpoint.
    pub fn removes(&self, row: &Endpoint) -> bool {
        let is_it =
            |step: &Step| matches!(step, Step::DelAddr { endpoint, .. } if endpoint.identity == row.identity);
        self.steps.iter().any(is_it)
    }
}
