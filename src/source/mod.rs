//! The edge to the file system: finds and reads the configuration files.

mod find;
mod read;

pub use find::{InputPath, Origin, find, followed, is_configuration, search_paths};
pub use read::{FILE_MAX, SourceFile, decode, read};

use std::io;
use std::path::PathBuf;

use crate::model::escaped_path;

/// Why the files could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The standard folders have no configuration file.
    #[error("no configuration found: there is no *.yaml file in {}", list(.folders))]
    NoneFound {
        /// The folders.
        folders: Vec<PathBuf>,
        /// The files there that may be meant.
        skipped: Vec<PathBuf>,
    },
    /// A named path does not exist.
    #[error("{}: no such file or folder", escaped_path(.0))]
    Missing(PathBuf),
    /// A named folder has no configuration file.
    #[error("{}: there is no *.yaml file in this folder", escaped_path(.folder))]
    EmptyFolder {
        /// The folder.
        folder: PathBuf,
        /// The files there that may be meant.
        skipped: Vec<PathBuf>,
    },
    /// Standard input is named twice.
    #[error("`-` is given more than once, but standard input can be read only once")]
    StandardInputTwice,
    /// The file system returned an error.
    #[error("{}: {}", escaped_path(.path), .error)]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its error.
        error: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| escaped_path(path)).collect::<Vec<_>>().join(", ")
}
