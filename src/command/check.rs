//! `mptcp-apply check`: judges the files alone.

use std::io;
use std::path::PathBuf;

use crate::cli::Common;
use crate::config::{LoadedConfig, Trust};
use crate::model::{Exit, counted};
use crate::report::json_v1;

use super::output::Form;
use super::{Output, load};

/// Reads the files, says what is wrong with them, touches nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(paths: &[PathBuf], strict: bool, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let strictness = load::strictness(strict);
    let loaded = match LoadedConfig::load(paths, common.root_dir(), strictness, || Trust::Advised) {
        Ok(loaded) => loaded,
        Err(none) => {
            output.tell(*none.diagnostic);
            return Ok(none.exit);
        }
    };
    let LoadedConfig { sources, config, diagnostics, .. } = &loaded;
    if output.form == Form::Json {
        output.print_json(&json_v1::Check::new(diagnostics, sources, config))?;
    } else {
        output.diagnose(diagnostics, sources);
    }
    if diagnostics.has_errors() {
        return Ok(Exit::Invalid);
    }
    if output.form == Form::Text && !output.quiet {
        let files = counted(sources.len(), "file");
        let endpoints = match &config.endpoints {
            Some(declarations) => counted(declarations.len(), "endpoint"),
            None => "endpoints not managed".to_owned(),
        };
        let selectors: String =
            config.selectors().map(|(name, selector)| format!("  {name}: {selector}\n")).collect();
        output.print(&format!("valid: {files}, {endpoints}\n{selectors}"))?;
    }
    Ok(Exit::Success)
}
