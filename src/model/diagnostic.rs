//! Diagnostics: errors and warnings about a configuration or a host, with locations and a remedy. Their layout as text
//! and JSON is in `report::snippet` and `report::json_v1`.

use std::borrow::Cow;

use crate::model::code::Code;

/// The most errors that are kept: a file may have half a million wrong words.
pub const ERRORS_MAX: usize = 1000;
/// The most warnings that are kept: some for each declaration, of which there are 4,096 at most.
pub const WARNINGS_MAX: usize = 16_384;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is applied.
    Error,
    /// The rest is applied; with `--strict`, it is an error.
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

/// A file, as an index into the list of the files that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(u32);

impl SourceId {
    /// The file of that index.
    pub fn new(index: usize) -> SourceId {
        SourceId(short(index))
    }

    /// The index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of a file, in characters as an editor counts them. Every value of a configuration has one, and no file more than
/// a megabyte, so the numbers are kept short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    line: u32,
    column: u32,
    length: u32,
}

impl Span {
    /// A range that begins at that line and column, both from 1, and has as many characters.
    pub fn new(line: usize, column: usize, length: usize) -> Span {
        Span { line: short(line), column: short(column), length: short(length) }
    }

    /// From 1.
    pub fn line(self) -> usize {
        self.line as usize
    }

    /// From 1.
    pub fn column(self) -> usize {
        self.column as usize
    }

    /// The number of characters, including line ends; at least 1 is shown.
    pub fn length(self) -> usize {
        self.length as usize
    }
}

fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The lines of a text as [`Span`] and YAML count them: a carriage return alone ends one too. A byte order mark is
/// skipped.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text.strip_prefix('\u{feff}').unwrap_or(text));
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.bytes().position(|byte| matches!(byte, b'\n' | b'\r'));
        rest = end.map(|end| text[end..].strip_prefix("\r\n").unwrap_or(&text[end + 1..]));
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// Where something is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub source: SourceId,
    /// The range in it.
    pub span: Span,
}

/// A location with a text for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The location.
    pub location: Location,
    /// A few words; may be empty.
    pub text: String,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable word for programs.
    pub code: Code,
    /// What is wrong and why, in one line.
    pub message: String,
    /// Its own location first, then related ones.
    pub labels: Vec<Label>,
    /// What to do. Most is the same for all of a kind, of which there may be thousands.
    pub help: Option<Cow<'static, str>>,
    /// The endpoint concerned.
    pub endpoint: Option<String>,
}

impl Diagnostic {
    /// An error: nothing is applied.
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

    /// A warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// What follows from the error before it.
    pub fn note(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Note, ..Diagnostic::error(code, message) }
    }

    /// Adds a location; the first one is the diagnostic's own.
    pub fn at(mut self, location: Location, text: impl Into<String>) -> Diagnostic {
        let label = Label { location, text: text.into() };
        // Most have one; room for four, which a list makes otherwise, would be most of the memory for thousands.
        match self.labels.is_empty() {
            true => self.labels = vec![label],
            false => self.labels.push(label),
        }
        self
    }

    /// Sets the remedy.
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Names the endpoint.
    pub fn endpoint(mut self, name: impl Into<String>) -> Diagnostic {
        self.endpoint = Some(name.into());
        self
    }
}

/// The diagnostics of a run, in the order in which they were found.
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

    /// Adds one; beyond [`ERRORS_MAX`] or [`WARNINGS_MAX`], they are only counted. Each severity has its own limit, so
    /// that many warnings hide no error.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.push_with(diagnostic.severity, || diagnostic);
    }

    /// Adds one that is only built if it is kept: for half a million errors, that would take longer than the rest.
    pub fn push_with(&mut self, severity: Severity, diagnostic: impl FnOnce() -> Diagnostic) {
        let severity = match (self.strictness, severity) {
            (Strictness::Strict, Severity::Warning) => Severity::Error,
            (_, severity) => severity,
        };
        let (count, max) = match severity {
            Severity::Error => (&mut self.errors, ERRORS_MAX),
            Severity::Warning | Severity::Note => (&mut self.warnings, WARNINGS_MAX),
        };
        *count += 1;
        if *count <= max {
            self.list.push(Diagnostic { severity, ..diagnostic() });
        } else {
            self.dropped += 1;
        }
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The number of errors, including those that were not kept.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether one of them is about this file.
    pub fn concern(&self, source: SourceId) -> bool {
        self.list
            .iter()
            .any(|diagnostic| diagnostic.labels.first().is_some_and(|label| label.location.source == source))
    }

    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// The number of those that were not kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sorts them by location; those without one come last.
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
