//! From the paths of the command line to a configuration and what there is to say about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{self, Source};

use super::{Exit, Output};

/// What was read.
pub struct Input {
    /// The files.
    pub sources: Vec<Source>,
    /// What they declare.
    pub config: Config,
    /// What is wrong with that.
    pub diagnostics: Diagnostics,
    /// What speaks against carrying it out as root.
    pub trust: Vec<Diagnostic>,
}

/// Reads and judges the files. When there is nothing to read, says so and gives the exit.
pub fn read(paths: &[PathBuf], root: &Path, output: &Output) -> Result<Input, Exit> {
    let mut diagnostics = Diagnostics::default();
    let mut trust = Vec::new();
    let sources =
        source::find(paths, root).and_then(|inputs| source::read(&inputs, &mut diagnostics, &mut trust));
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => {
            let (exit, help) = remedy(&error);
            output.error(&error.to_string(), help);
            return Err(exit);
        }
    };
    let config = config::parse(sources.iter().map(|source| source.text.as_str()), &mut diagnostics);
    Ok(Input { sources, config, diagnostics, trust })
}

fn remedy(error: &source::Error) -> (Exit, Option<&'static str>) {
    match error {
        source::Error::NoneFound(_) => (Exit::NoInput, Some("write one, or name a file on the command line")),
        source::Error::Missing(path) if path.components().count() == 1 && path.extension().is_none() => {
            (Exit::NoInput, Some("`mptcp-apply --help` lists the commands; anything else is a file"))
        }
        source::Error::Missing(_) | source::Error::EmptyFolder(_) => (Exit::NoInput, None),
        source::Error::StandardInputTwice => (Exit::Usage, None),
        source::Error::Io { error, .. } => match error.kind() {
            io::ErrorKind::PermissionDenied => {
                (Exit::NotPermitted, Some("run it as a user who may read the file"))
            }
            _ => (Exit::NoInput, None),
        },
    }
}
