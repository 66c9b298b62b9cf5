//! `mptcp-apply check`: checks the files, and reads nothing of the host.

use std::io;

use crate::cli::{CheckArgs, Common};
use crate::config::{self, Config, LoadedConfig, Trust};
use crate::model::{Exit, counted, escaped};
use crate::report::{json_v1, merged};

use super::output::OutputFormat;
use super::{Output, load};

/// Reads the files and prints their errors and warnings.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &CheckArgs, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let (paths, root, strictness) =
        (options.paths.as_slice(), common.root_dir(), load::strictness(options.strict));
    if options.each {
        let mut worst = Exit::Success;
        for judged in LoadedConfig::load_each(paths, root, strictness, || Trust::Advised) {
            worst = worst.worse(match judged {
                Ok(loaded) => each(&loaded, &output)?,
                Err(none) => output.refuse_without_config(none)?,
            });
        }
        return Ok(worst);
    }
    match LoadedConfig::load(paths, root, strictness, || Trust::Advised) {
        Ok(loaded) => all(options, &loaded, &output),
        Err(none) => output.refuse_without_config(none),
    }
}

/// The verdict on all files together.
fn all(options: &CheckArgs, loaded: &LoadedConfig, output: &Output) -> io::Result<Exit> {
    let LoadedConfig { sources, config, diagnostics, .. } = loaded;
    let is_valid = !diagnostics.has_errors();
    let entries = (options.merged && is_valid)
        .then(|| config::merged(sources.iter().map(|source| source.text.as_str())));
    if output.format == OutputFormat::Json {
        output.print_json(
            &json_v1::Check::new(diagnostics, sources, config).merged(entries.as_deref(), sources),
        )?;
        return Ok(exit(loaded));
    }
    output.diagnose(diagnostics, sources);
    if let Some(entries) = entries {
        output.print(&merged::yaml(&entries, sources))?;
    } else if is_valid && !output.quiet {
        let files = counted(sources.len(), "file");
        let selectors: String =
            config.selectors().map(|(name, selector)| format!("  {name}: {selector}\n")).collect();
        output.print(&format!("valid: {files}, {}\n{selectors}", summary(config)))?;
    }
    Ok(exit(loaded))
}

/// The verdict on one file of several. A folder may also have a file that is only warned about.
fn each(loaded: &LoadedConfig, output: &Output) -> io::Result<Exit> {
    let LoadedConfig { sources, config, diagnostics, .. } = loaded;
    let name = sources.first().map(|source| source.name.as_str());
    if output.format == OutputFormat::Json {
        output.print_json(&json_v1::Check::new(diagnostics, sources, config).of_file(name))?;
        return Ok(exit(loaded));
    }
    output.diagnose(diagnostics, sources);
    if let Some(name) = name.filter(|_| !output.quiet) {
        let verdict = match exit(loaded) {
            Exit::Success => format!("valid, {}", summary(config)),
            _ => format!("invalid, {}", counted(diagnostics.errors(), "error")),
        };
        output.print(&format!("{}: {verdict}\n", escaped(name)))?;
    }
    Ok(exit(loaded))
}

fn exit(loaded: &LoadedConfig) -> Exit {
    if loaded.diagnostics.has_errors() { Exit::Invalid } else { Exit::Success }
}

/// What a configuration declares, in numbers.
fn summary(config: &Config) -> String {
    let endpoints = match &config.endpoints {
        Some(declarations) => counted(declarations.len(), "endpoint"),
        None => "endpoints not managed".to_owned(),
    };
    let uplinks = config.uplinks.as_ref();
    let uplinks = uplinks.map_or(String::new(), |uplinks| format!(", {}", counted(uplinks.len(), "uplink")));
    endpoints + &uplinks
}
