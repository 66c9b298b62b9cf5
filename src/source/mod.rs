//! The edge to the file system: finds and reads the configuration files.

mod find;
mod read;

pub use find::{InputPath, Origin, find, search_paths};
pub use read::{FILE_MAX, SourceFile, decode, read};

use std::io;
use std::path::PathBuf;

/// Why the files could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The standard folders have no configuration file.
    #[error("no configuration found: there is no *.yaml file in {}", list(.0))]
    NoneFound(Vec<PathBuf>),
    /// A named path does not exist.
    #[error("{}: no such file or folder", .0.display())]
    Missing(PathBuf),
    /// A named folder has no configuration file.
    #[error("{}: there is no *.yaml file in this folder", .0.display())]
    EmptyFolder(PathBuf),
    /// Standard input is named twice.
    #[error("`-` is given more than once, but standard input can be read only once")]
    StandardInputTwice,
    /// The file system returned an error.
    #[error("{}: {}", .path.display(), .error)]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its error.
        error: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
