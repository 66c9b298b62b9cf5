//! `mptcp-apply check`: checks the files, and reads nothing of the host.

use std::io;
use std::path::PathBuf;

use crate::cli::Common;
use crate::config::{LoadedConfig, Trust};
use crate::model::{Exit, counted};
use crate::report::json_v1;

use super::output::OutputFormat;
use super::{Output, load};

/// Reads the files and prints their errors and warnings.
///
/// # Errors
/// When the result cannot be written.
pub fn run(paths: &[PathBuf], strict: bool, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let strictness = load::strictness(strict);
    let loaded = match LoadedConfig::load(paths, common.root_dir(), strictness, || Trust::Advised) {
        Ok(loaded) => loaded,
        Err(none) => return output.refuse_without_config(none),
    };
    let LoadedConfig { sources, config, diagnostics, .. } = &loaded;
    if output.format == OutputFormat::Json {
        output.print_json(&json_v1::Check::new(diagnostics, sources, config))?;
    } else {
        output.diagnose(diagnostics, sources);
    }
    if diagnostics.has_errors() {
        return Ok(Exit::Invalid);
    }
    if output.format == OutputFormat::Text && !output.quiet {
        let files = counted(sources.len(), "file");
        let endpoints = match &config.endpoints {
            Some(declarations) => counted(declarations.len(), "endpoint"),
            None => "endpoints not managed".to_owned(),
        };
        let uplinks = config
            .uplinks
            .as_ref()
            .map_or(String::new(), |uplinks| format!(", {}", counted(uplinks.len(), "uplink")));
        let selectors: String =
            config.selectors().map(|(name, selector)| format!("  {name}: {selector}\n")).collect();
        output.print(&format!("valid: {files}, {endpoints}{uplinks}\n{selectors}"))?;
    }
    Ok(Exit::Success)
}
