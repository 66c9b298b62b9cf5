//! From the paths of the command line to a configuration and what there is to say about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Apply;
use crate::config::{self, Config};
use crate::model::Exit;
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::source::{self, SourceFile};

use super::Output;

/// What was read.
pub struct Input {
    /// The files.
    pub sources: Vec<SourceFile>,
    /// What they declare.
    pub config: Config,
    /// What is wrong with that.
    pub diagnostics: Diagnostics,
    /// What speaks against carrying it out as root.
    pub trust: Vec<Diagnostic>,
    /// How many errors were found when it was read: one that is too large, for instance, has no text.
    errors: usize,
}

/// Why there is nothing to judge.
pub struct Nothing {
    /// What to say.
    pub diagnostic: Box<Diagnostic>,
    /// The exit.
    pub exit: Exit,
}

impl Nothing {
    /// Says it.
    pub fn tell(self, output: &Output) -> Exit {
        output.tell(*self.diagnostic);
        self.exit
    }
}

impl Input {
    /// That of a job that is not about files.
    pub fn none() -> Input {
        let (sources, diagnostics, trust) = (Vec::new(), Diagnostics::default(), Vec::new());
        let config = config::parse([], &mut Diagnostics::default());
        Input { sources, config, diagnostics, trust, errors: 0 }
    }

    /// Whether the same was read, and speaks against it.
    pub fn reads_like(&self, other: &Input) -> bool {
        self.sources == other.sources && self.trust == other.trust && self.errors == other.errors
    }

    /// Whether the files may be carried out at all.
    ///
    /// # Errors
    /// When they may not; the diagnostics say why.
    pub fn judge(&mut self, options: &Apply) -> Result<(), Exit> {
        if options.strict {
            self.diagnostics.make_strict();
        }
        if self.diagnostics.has_errors() {
            return Err(Exit::Invalid);
        }
        for mut finding in self.trust.clone() {
            let carried_out_as_root = options.applies() && rustix::process::geteuid().is_root();
            if !carried_out_as_root {
                finding.severity = Severity::Warning;
            }
            self.diagnostics.push(finding);
        }
        if self.diagnostics.has_errors() {
            return Err(Exit::NotPermitted);
        }
        if options.strict && !self.diagnostics.is_empty() {
            self.diagnostics.make_strict();
            return Err(Exit::Invalid);
        }
        Ok(())
    }
}

/// Reads the files.
///
/// # Errors
/// When there is nothing to read.
pub fn read(paths: &[PathBuf], root: &Path) -> Result<Input, Nothing> {
    let mut diagnostics = Diagnostics::default();
    let mut trust = Vec::new();
    let sources =
        source::find(paths, root).and_then(|inputs| source::read(&inputs, &mut diagnostics, &mut trust));
    let sources = sources.map_err(|error| {
        let (exit, help) = remedy(&error);
        let mut diagnostic = Diagnostic::error(code::NO_INPUT, error.to_string());
        diagnostic.help = help.map(str::to_owned);
        Nothing { diagnostic: Box::new(diagnostic), exit }
    })?;
    let config = config::parse(sources.iter().map(|source| source.text.as_str()), &mut diagnostics);
    let errors = diagnostics.errors();
    Ok(Input { sources, config, diagnostics, trust, errors })
}

fn remedy(error: &source::ReadError) -> (Exit, Option<&'static str>) {
    match error {
        source::ReadError::NoneFound(_) => {
            (Exit::NoInput, Some("write one, or name a file on the command line"))
        }
        source::ReadError::Missing(path) if path.components().count() == 1 && path.extension().is_none() => {
            (Exit::NoInput, Some("`mptcp-apply --help` lists the commands; anything else is a file"))
        }
        source::ReadError::Missing(_) | source::ReadError::EmptyFolder(_) => (Exit::NoInput, None),
        source::ReadError::StandardInputTwice => (Exit::Usage, None),
        source::ReadError::Io { error, .. } => match error.kind() {
            io::ErrorKind::PermissionDenied => {
                (Exit::NotPermitted, Some("run it as a user who may read the file"))
            }
            _ => (Exit::NoInput, None),
        },
    }
}
