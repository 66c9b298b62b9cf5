//! What there is to say about a configuration or a host: severity, message, places and a remedy. No text layout here;
//! `report::snippet` and `report::json_v1` do that.
use crate::model::code::Code;

/// The most errors that are kept, and the most warnings. A file may hold half a million wrong words; nobody reads past the first.
pub const DIAGNOSTICS_MAX: usize = 1000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is applied.
    Error,
    /// Worth a look; with `--strict` an error.
    Warning,
    /// What follows from an error: nothing is wrong with it.
    Note,
}

/// Whether warnings count as errors (`--strict`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// They do not.
    #[default]
    Lenient,
    /// They do.
    Strict,
}

/// Which of the files that were read; an index into their list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(pub usize);

/// A stretch of a file, counted in characters as an editor counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// How many characters, line ends included; at least 1 is shown.
    pub length: usize,
}

/// The lines of a text as [`Span`] counts them, and YAML: a carriage return alone ends one too. A byte order mark is
/// none of it.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Where something was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub source: SourceId,
    /// The stretch of it.
    pub span: Span,
}

/// A place with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub location: Location,
    /// What, in a few words; may be empty.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable word for programs.
    pub code: Code,
    /// What and why, in one line.
    pub message: String,
    /// The place that it is about, first; then the others that matter.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The endpoint that it is about.
    pub endpoint: Option<String>,
}

impl Diagnostic {
    /// A finding that keeps everything from being applied.
    pub fn error(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            endpoint: None,
        }
    }

    /// A finding that is worth a look.
    pub fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// What follows from the error before it.
    pub fn note(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Note, ..Diagnostic::error(code, message) }
    }

    /// Adds a place; the first one is the finding's own.
    pub fn at(mut self, location: Location, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { location, text: text.into() });
        self
    }

    /// Sets the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Names the endpoint.
    pub fn endpoint(mut self, name: impl Into<String>) -> Diagnostic {
        self.endpoint = Some(name.into());
        self
    }
}

/// The findings of a run, in the order in which they came up.
#[derive(Debug, Default)]
pub struct Diagnostics {
    strictness: Strictness,
    list: Vec<Diagnostic>,
    dropped: usize,
    errors: usize,
    warnings: usize,
}

impl Diagnostics {
    /// None yet. Where they are strict, every warning becomes an error.
    pub fn new(strictness: Strictness) -> Diagnostics {
        Diagnostics { strictness, ..Diagnostics::default() }
    }

    /// Adds one; beyond [`DIAGNOSTICS_MAX`] only their number is kept. Each severity has its own room, so that a
    /// thousand warnings hide no error.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.push_with(diagnostic.severity, || diagnostic);
    }

    /// Adds one whose words are only put together if it is kept: of half a million errors they would take longer than
    /// all the rest.
    pub fn push_with(&mut self, severity: Severity, diagnostic: impl FnOnce() -> Diagnostic) {
        let severity = match (self.strictness, severity) {
            (Strictness::Strict, Severity::Warning) => Severity::Error,
            (_, severity) => severity,
        };
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning | Severity::Note => &mut self.warnings,
        };
        *count += 1;
        if *count <= DIAGNOSTICS_MAX {
            self.list.push(Diagnostic { severity, ..diagnostic() });
        } else {
            self.dropped += 1;
        }
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many of them are errors, those included that were not kept.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether one of them is about this file.
    pub fn concern(&self, source: SourceId) -> bool {
        self.list
            .iter()
            .any(|diagnostic| diagnostic.labels.first().is_some_and(|label| label.location.source == source))
    }

    /// All that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many came after the list was full.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts them in the order of the files; those about no place go last.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| {
            let location = diagnostic.labels.first().map(|label| label.location);
            (
                location.is_none(),
                location.map(|location| (location.source, location.span.line, location.span.column)),
            )
        });
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Diagnostics {
        let mut all = Diagnostics::default();
        all.extend(diagnostics);
        all
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}
