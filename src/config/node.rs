//! A YAML text as a tree of nodes with locations, and the types that YAML's core schema gives to scalars. Words that are
//! written as they are meant are parts of the text, not copies.

use std::borrow::Cow;
use std::fmt;

use crate::model::diagnostic::Location;

/// A value with its location.
#[derive(Clone, Debug)]
pub struct Node<'t> {
    /// For a mapping: its start.
    pub location: Location,
    /// The value.
    pub value: Value<'t>,
}

/// The value of a node.
#[derive(Clone, Debug)]
pub enum Value<'t> {
    /// A single word or text.
    Scalar(Scalar<'t>),
    /// `[a, b]`, or lines that start with a dash.
    Sequence(Vec<Node<'t>>),
    /// `{a: b}` or lines of `key: value`, in the order of the file.
    Mapping(Vec<(Key<'t>, Node<'t>)>),
    /// YAML that is not allowed in a configuration; its error is already reported.
    Refused,
}

impl Node<'_> {
    /// Whether its error is already reported.
    pub fn is_refused(&self) -> bool {
        match &self.value {
            Value::Refused => true,
            // `{{ name }}`, a template that was not filled in: a mapping as the key of a mapping.
            Value::Mapping(entries) => matches!(entries.as_slice(), [(key, _)] if key.refused),
            _ => false,
        }
    }
}

/// A scalar without a type.
#[derive(Clone, Debug)]
pub struct Scalar<'t> {
    /// The text without quotes, with escapes resolved.
    pub text: Cow<'t, str>,
    /// Whether it is written without quotes, and so can be null, a boolean or a number.
    pub plain: bool,
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key<'t> {
    /// Where the key is.
    pub location: Location,
    /// The key itself.
    pub text: Cow<'t, str>,
    /// Whether it is YAML that is not allowed, which is already reported; the text is empty then.
    pub refused: bool,
}

impl Scalar<'_> {
    /// Whether YAML's core schema reads it as null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean that YAML's core schema reads, if any; `yes` and `on` are text since YAML 1.2.
    pub fn boolean(&self) -> Option<bool> {
        match self.text.as_ref() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }

    /// The integer that YAML's core schema reads, if any. A leading zero is refused: YAML 1.1 reads it as octal.
    pub fn integer(&self) -> Option<i128> {
        let (sign, digits) = match self.text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, self.text.strip_prefix('+').unwrap_or(&self.text)),
        };
        let ambiguous = digits.len() > 1 && digits.starts_with('0');
        let number = match (digits.strip_prefix("0x"), digits.strip_prefix("0o")) {
            (Some(hex), _) if starts_with_digit(hex, 16) => i128::from_str_radix(hex, 16).ok(),
            (_, Some(octal)) if starts_with_digit(octal, 8) => i128::from_str_radix(octal, 8).ok(),
            _ if ambiguous || !starts_with_digit(digits, 10) => None,
            _ => digits.parse().ok(),
        };
        number.filter(|_| self.plain).map(|number| sign * number)
    }
}

/// Excludes a second sign, which Rust's number parsers accept.
fn starts_with_digit(digits: &str, radix: u32) -> bool {
    digits.starts_with(|first: char| first.is_digit(radix))
}

impl Value<'_> {
    /// The type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar(scalar) if scalar.is_null() => "null",
            Value::Scalar(scalar) if scalar.boolean().is_some() => "a boolean",
            Value::Scalar(scalar) if scalar.integer().is_some() => "a number",
            Value::Scalar(_) => "text",
            Value::Refused => "this",
        }
    }
}

/// Text from a file for a message: in backquotes, shortened, control characters escaped.
pub fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// See [`quoted`]. The text is escaped when it is formatted, that is only for an error.
pub struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 60;
        let shortened: Cow<'_, str> = match self.0.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}...", &self.0[..end]).into(),
            None => self.0.into(),
        };
        let escaped = shortened.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
        write!(f, "`{escaped}`")
    }
}
