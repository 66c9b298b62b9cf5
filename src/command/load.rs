//! Loading a configuration that is to be applied.

use std::io;
use std::path::PathBuf;

use crate::cli::Common;
use crate::config::{LoadedConfig, NoConfig, Trust};
use crate::model::Exit;
use crate::model::diagnostic::Strictness;

use super::Output;

/// Whether warnings count as errors.
pub fn strictness(strict: bool) -> Strictness {
    if strict { Strictness::Strict } else { Strictness::Lenient }
}

/// Whether files that other users can write are refused: applying them uses the rights of this user.
pub fn trust(applies: bool) -> Trust {
    if applies && rustix::process::geteuid().is_root() { Trust::Required } else { Trust::Advised }
}

/// Loads the configuration, and writes its diagnostics. The exit code if it must not be applied.
///
/// # Errors
/// When the report cannot be written.
pub fn load(
    paths: &[PathBuf],
    strict: bool,
    applies: bool,
    common: &Common,
    output: &Output,
) -> io::Result<Result<LoadedConfig, Exit>> {
    let loaded = LoadedConfig::load(paths, common.root_dir(), strictness(strict), || trust(applies));
    accept(loaded, output)
}

/// Reports what is wrong with a configuration. The exit code if it may not be carried out.
///
/// # Errors
/// When the report cannot be written.
pub fn accept(
    loaded: Result<LoadedConfig, NoConfig>,
    output: &Output,
) -> io::Result<Result<LoadedConfig, Exit>> {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(none) => return output.no_config(none).map(Err),
    };
    output.diagnose(&loaded.diagnostics, &loaded.sources);
    match loaded.rejection {
        Some(exit) => output.rejected(&loaded, exit, None).map(Err),
        None => Ok(Ok(loaded)),
    }
}
