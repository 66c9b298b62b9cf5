//! A YAML text as a tree in which every node knows its place, and what YAML's core schema makes of its words.

use std::borrow::Cow;
use std::fmt;

use crate::model::diagnostic::Location;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Of a mapping or sequence: its first line.
    pub location: Location,
    /// What it is.
    pub value: Value,
}

/// The kinds of nodes.
#[derive(Clone, Debug)]
pub enum Value {
    /// Any single word or text.
    Scalar(Scalar),
    /// `[a, b]` or lines that begin with a dash.
    Sequence(Vec<Node>),
    /// `{a: b}` or lines of `key: value`, in the order of the file.
    Mapping(Vec<(Key, Node)>),
    /// YAML that no configuration needs. That is reported, so there is nothing more to say about it.
    Refused,
}

impl Node {
    /// Whether its error is reported already.
    pub fn is_refused(&self) -> bool {
        match &self.value {
            Value::Refused => true,
            // `{{ name }}`, which is a template that nobody has filled in: a mapping as the key of a mapping.
            Value::Mapping(entries) => matches!(entries.as_slice(), [(key, _)] if key.refused),
            _ => false,
        }
    }
}

/// A scalar before anything decided what it means.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// Without quotes, escapes resolved.
    pub text: String,
    /// Written without quotes, so that it may be null, a boolean or a number.
    pub plain: bool,
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// Where it stands.
    pub location: Location,
    /// The key itself.
    pub text: String,
    /// Whether it is YAML that no configuration needs, which is reported; it has no text then.
    pub refused: bool,
}

impl Scalar {
    /// Whether YAML's core schema reads it as null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean that YAML's core schema reads, if any; `yes` and `on` are text since YAML 1.2.
    pub fn boolean(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }

    /// The whole number that YAML's core schema reads, if any. A leading zero is refused: YAML 1.1 took it for octal.
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

/// Keeps a second sign out, which Rust's number parsers would take.
fn starts_with_digit(digits: &str, radix: u32) -> bool {
    digits.starts_with(|first: char| first.is_digit(radix))
}

impl Value {
    /// What it is, for messages.
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

/// A word of the user's for a message: between backquotes, shortened, control characters escaped.
pub fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// See [`quoted`]. It does its work when it is written, that is when there is something wrong.
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
