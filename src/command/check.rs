//! `mptcp-apply check`: judges the files alone.

use std::io;
use std::path::PathBuf;

use crate::cli::Common;
use crate::model::Exit;
use crate::report::json_v1;

use super::output::Form;
use super::{Output, input};

/// Reads the files, says what is wrong with them, touches nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(paths: &[PathBuf], strict: bool, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let input = match input::read(paths, common.root_dir()) {
        Ok(input) => input,
        Err(none) => return Ok(none.tell(&output)),
    };
    let mut diagnostics = input.diagnostics;
    diagnostics.extend(input.trust.into_iter().map(|mut finding| {
        finding.severity = crate::model::diagnostic::Severity::Warning;
        finding
    }));
    if strict {
        diagnostics.make_strict();
    }
    if output.form == Form::Json {
        output.print_json(&json_v1::Check::new(&diagnostics, &input.sources, &input.config))?;
    } else {
        output.diagnose(&diagnostics, &input.sources);
    }
    if diagnostics.has_errors() {
        return Ok(Exit::Invalid);
    }
    if output.form == Form::Text && !output.quiet {
        let files = input.sources.len();
        let endpoints = match &input.config.endpoints {
            Some(declarations) => format!("{} endpoint{}", declarations.len(), plural(declarations.len())),
            None => "endpoints not managed".to_owned(),
        };
        let selectors: String =
            input.config.selectors().map(|(name, selector)| format!("  {name}: {selector}\n")).collect();
        output.print(&format!("valid: {files} file{}, {endpoints}\n{selectors}", plural(files)))?;
    }
    Ok(Exit::Success)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
