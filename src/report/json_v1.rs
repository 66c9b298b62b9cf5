//! Reports as JSON, version 1: fields are added, never renamed.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::source::Source;

/// The version that every document carries.
pub const VERSION: u32 = 1;

/// What `check` found.
#[derive(Debug, Serialize)]
pub struct Check<'a> {
    version: u32,
    valid: bool,
    errors: Vec<Finding<'a>>,
    warnings: Vec<Finding<'a>>,
}

/// One finding with its place.
#[derive(Debug, Serialize)]
pub struct Finding<'a> {
    code: &'a str,
    endpoint: Option<&'a str>,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    help: Option<&'a str>,
}

impl<'a> Finding<'a> {
    /// The finding, its first place by file name, line and column (from 1).
    pub fn new(diagnostic: &'a Diagnostic, sources: &'a [Source]) -> Finding<'a> {
        let place = diagnostic.labels.first().map(|label| label.place);
        Finding {
            code: diagnostic.code,
            endpoint: diagnostic.endpoint.as_deref(),
            message: &diagnostic.message,
            file: place.map(|place| sources[place.source.0].name.as_str()),
            line: place.map(|place| place.span.line),
            column: place.map(|place| place.span.column),
            help: diagnostic.help.as_deref(),
        }
    }
}

impl<'a> Check<'a> {
    /// The verdict on some sources.
    pub fn new(diagnostics: &'a Diagnostics, sources: &'a [Source]) -> Check<'a> {
        let of = |severity| {
            let matching = diagnostics.iter().filter(move |diagnostic| diagnostic.severity == severity);
            matching.map(|diagnostic| Finding::new(diagnostic, sources)).collect()
        };
        Check {
            version: VERSION,
            valid: !diagnostics.has_errors(),
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
        }
    }
}
