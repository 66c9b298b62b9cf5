//! The one door to a configuration: paths in, a judged configuration out. Whether warnings count as errors, and whether
//! other users' files may be carried out, is decided here and nowhere else.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity, Strictness};
use crate::model::{Exit, VERBS, code, escaped_path, habit};
use crate::source::{self, InputPath, SourceFile};

use super::{Config, parse, suggestion};

/// What it takes for a file to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Files that others can write are refused: what they say is carried out as root.
    Required,
    /// The same is a warning.
    Advised,
}

/// A configuration, and what is wrong with it.
pub struct LoadedConfig {
    /// The files.
    pub sources: Vec<SourceFile>,
    /// What they declare.
    pub config: Config,
    /// What is wrong with that, and what speaks against carrying it out.
    pub diagnostics: Diagnostics,
    /// Whether warnings count as errors, also those of the system.
    pub strictness: Strictness,
    /// Why it may not be carried out.
    pub rejection: Option<Exit>,
    distrust: Vec<Diagnostic>,
    /// How many errors reading the files alone gave: a file that is too large, for instance, has no text.
    errors: usize,
}

/// Why there is nothing to judge.
#[derive(Debug)]
pub struct NoConfig {
    /// What to say.
    pub diagnostic: Box<Diagnostic>,
    /// The exit code.
    pub exit: Exit,
}

impl LoadedConfig {
    /// Reads and judges the files that `paths` name, or those of the standard folders below `root`. `trust` is asked for
    /// only where something speaks against a file.
    ///
    /// # Errors
    /// When there is nothing to read.
    pub fn load(
        paths: &[PathBuf],
        root: &Path,
        strictness: Strictness,
        trust: impl FnOnce() -> Trust,
    ) -> Result<LoadedConfig, NoConfig> {
        LoadedConfig::judge(source::find(paths, root), strictness, trust)
    }

    /// The same for a reader that comes back: a pipe is refused, since it has its content only once.
    ///
    /// # Errors
    /// When there is nothing to read.
    pub fn load_files(
        paths: &[PathBuf],
        root: &Path,
        strictness: Strictness,
        trust: impl FnOnce() -> Trust,
    ) -> Result<LoadedConfig, NoConfig> {
        let inputs = source::find(paths, root);
        LoadedConfig::judge(inputs.map(source::followed), strictness, trust)
    }

    /// Reads and judges each file for itself. One that cannot be read, or a path without any, keeps no other from being
    /// judged.
    pub fn load_each(
        paths: &[PathBuf],
        root: &Path,
        strictness: Strictness,
        trust: impl Fn() -> Trust,
    ) -> Vec<Result<LoadedConfig, NoConfig>> {
        if let Err(error @ source::ReadError::StandardInputTwice) = source::find(paths, root) {
            return vec![Err(error.into())];
        }
        let found = match paths {
            [] => vec![source::find(paths, root)],
            _ => paths.iter().map(|path| source::find(std::slice::from_ref(path), root)).collect(),
        };
        let judge = |input| LoadedConfig::judge(Ok(vec![input]), strictness, &trust);
        let judged = found.into_iter().flat_map(|inputs| match inputs {
            Ok(inputs) => inputs.into_iter().map(judge).collect(),
            Err(error) => vec![Err(error.into())],
        });
        judged.collect()
    }

    fn judge(
        inputs: Result<Vec<InputPath>, source::ReadError>,
        strictness: Strictness,
        trust: impl FnOnce() -> Trust,
    ) -> Result<LoadedConfig, NoConfig> {
        let (mut diagnostics, mut distrust) = (Diagnostics::new(strictness), Vec::new());
        let sources = inputs.and_then(|inputs| source::read(&inputs, &mut diagnostics, &mut distrust))?;
        let config = parse(sources.iter().map(|source| source.text.as_str()), &mut diagnostics);
        let errors = diagnostics.errors();
        let is_advice = !distrust.is_empty() && trust() == Trust::Advised;
        let severity = |finding: &Diagnostic| if is_advice { Severity::Warning } else { finding.severity };
        let found =
            distrust.iter().map(|finding| Diagnostic { severity: severity(finding), ..finding.clone() });
        let found: Vec<Diagnostic> = found.collect();
        let is_refused = found.iter().any(|finding| finding.severity == Severity::Error);
        diagnostics.extend(found);
        let rejection = match diagnostics.has_errors() {
            true if errors == 0 && is_refused => Some(Exit::NotPermitted),
            true => Some(Exit::Invalid),
            false => None,
        };
        Ok(LoadedConfig { sources, config, diagnostics, strictness, rejection, distrust, errors })
    }

    /// Whether the same files were read, and the same speaks against them.
    pub fn is_same_as(&self, other: &LoadedConfig) -> bool {
        self.sources == other.sources && self.distrust == other.distrust && self.errors == other.errors
    }

    /// The first error.
    pub fn first_error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

impl From<source::ReadError> for NoConfig {
    fn from(error: source::ReadError) -> NoConfig {
        let (exit, help) = match &error {
            source::ReadError::NoneFound { skipped, .. } => (
                Exit::NoInput,
                Some(
                    rename(skipped).unwrap_or_else(|| "write one, or name a file on the command line".into()),
                ),
            ),
            source::ReadError::Missing(path) => (Exit::NoInput, verb(path)),
            source::ReadError::EmptyFolder { skipped, .. } => (Exit::NoInput, rename(skipped)),
            source::ReadError::StandardInputTwice => (Exit::Usage, None),
            source::ReadError::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                (Exit::NotPermitted, Some("run it as a user who may read the file".to_owned()))
            }
            source::ReadError::Io { .. } => (Exit::NoInput, None),
        };
        let diagnostic = Diagnostic::error(code::NO_INPUT, error.to_string());
        let diagnostic = Diagnostic { help: help.map(Into::into), ..diagnostic };
        NoConfig { diagnostic: Box::new(diagnostic), exit }
    }
}

/// What to do with files that may be meant, if there are any.
fn rename(skipped: &[PathBuf]) -> Option<String> {
    let first = escaped_path(skipped.first()?);
    Some(format!("names of configuration files end with .yaml: rename {first}"))
}

/// What to do about a file that is not there, if its name could be a verb.
fn verb(path: &Path) -> Option<String> {
    const COMMANDS: &str = "`mptcp-apply --help` lists the commands; anything else is a file";
    if path.components().count() != 1 || path.extension().is_some() {
        return None;
    }
    Some(meant_verb(path.to_str().unwrap_or_default()).unwrap_or_else(|| COMMANDS.to_owned()))
}

/// What may be meant by a word that is no verb, as a remedy.
pub fn meant_verb(word: &str) -> Option<String> {
    habit(word).map(str::to_owned).or_else(|| suggestion(word, &VERBS))
}
