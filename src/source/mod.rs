//! The edge to the file system: which files count, and what is in them.

mod find;
mod read;

pub use find::{InputPath, Origin, find, origins};
pub use read::{FILE_MAX, SourceFile, decode, read};

use std::io;
use std::path::PathBuf;

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The standard folders hold no configuration.
    #[error("no configuration found: there is no *.yaml file in {}", list(.0))]
    NoneFound(Vec<PathBuf>),
    /// A path that was named does not exist.
    #[error("{}: no such file or folder", .0.display())]
    Missing(PathBuf),
    /// A folder that was named holds no configuration.
    #[error("{}: there is no *.yaml file in this folder", .0.display())]
    EmptyFolder(PathBuf),
    /// Standard input can be read once.
    #[error("`-` is given more than once, but standard input can be read only once")]
    StandardInputTwice,
    /// The file system said no.
    #[error("{}: {}", .path.display(), .error)]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not be.
        error: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
