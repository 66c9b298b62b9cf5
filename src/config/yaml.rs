//! YAML text to a tree in which every node knows its place.
//!
//! Only the YAML that a configuration needs: one document of mappings, sequences and scalars. Anchors, aliases, merge
//! keys and tags are refused here, as are duplicate keys and deep nesting, so that nothing behind this module has to
//! think of them.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range, StrInput};

use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceId, Span};

/// The deepest nesting of mappings and sequences.
pub const DEPTH_MAX: usize = 16;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Of a mapping or sequence: its first line.
    pub place: Place,
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
    pub place: Place,
    /// The key itself.
    pub text: String,
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
        }
    }
}

/// Reads one document. None when the text holds nothing at all, or when it is broken (which is reported).
pub fn parse(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { events: Parser::new_from_str(text), source, diagnostics };
    match reader.document() {
        Ok(node) => node,
        Err(Stop::Syntax(error)) => {
            let diagnostic = syntax_error(&error, text, source);
            reader.diagnostics.push(diagnostic);
            None
        }
        Err(Stop::Reported) => None,
    }
}

/// Why reading ended early.
enum Stop {
    /// The text is no YAML.
    Syntax(ScanError),
    /// It is, but not of the kind that can be read on.
    Reported,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Stop {
        Stop::Syntax(error)
    }
}

struct Reader<'text, 'd> {
    events: Parser<'text, StrInput<'text>>,
    source: SourceId,
    diagnostics: &'d mut Diagnostics,
}

impl<'text> Reader<'text, '_> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, range) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_some() => {
                    let what = "only one YAML document is allowed in a file";
                    return Err(self.refuse(
                        "yaml-document",
                        what,
                        range,
                        "put the second one into a file of its own",
                    ));
                }
                Event::DocumentStart(_) => {}
                event => {
                    let node = self.node(event, range, 0)?;
                    let empty = matches!(&node.value, Value::Scalar(scalar) if scalar.is_null());
                    root = (!empty).then_some(node);
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Range), Stop> {
        match self.events.next_event() {
            Some(event) => Ok(event?),
            None => Ok((Event::StreamEnd, Range::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, range: Range, depth: usize) -> Result<Node, Stop> {
        let mut place = self.place(range);
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(anchor, tag.as_deref(), range)?;
                Value::Scalar(Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_properties(anchor, tag.as_deref(), range)?;
                self.check_depth(depth, range)?;
                let (items, end) = self.sequence(depth + 1)?;
                place = self.place(Range::new(range.start, end.end));
                Value::Sequence(items)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_properties(anchor, tag.as_deref(), range)?;
                self.check_depth(depth, range)?;
                Value::Mapping(self.mapping(depth + 1)?)
            }
            _ => {
                let help = "write the value out; quote a word that begins with `*`";
                return Err(self.refuse("yaml-alias", "YAML aliases are not allowed", range, help));
            }
        };
        Ok(Node { place, value })
    }

    fn sequence(&mut self, depth: usize) -> Result<(Vec<Node>, Range), Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, range) => return Ok((items, range)),
                (event, range) => items.push(self.node(event, range, depth)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        loop {
            let (event, range) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.key(event, range)?;
            let (event, range) = self.next()?;
            let node = self.node(event, range, depth)?;
            if let Some(first) = seen.get(&key.text) {
                let message = format!("duplicate key {}", quoted(&key.text));
                self.diagnostics.push(
                    Diagnostic::error("duplicate-key", message)
                        .at(key.place, "again here")
                        .at(*first, "first here")
                        .help("keep one of the two"),
                );
            } else {
                seen.insert(key.text.clone(), key.place);
                entries.push((key, node));
            }
        }
    }

    fn key(&mut self, event: Event<'text>, range: Range) -> Result<Key, Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(anchor, tag.as_deref(), range)?;
                if text == "<<" && style == ScalarStyle::Plain {
                    let help = "write the keys out";
                    return Err(self.refuse(
                        "yaml-merge-key",
                        "YAML merge keys are not allowed",
                        range,
                        help,
                    ));
                }
                Ok(Key { place: self.place(range), text: text.into_owned() })
            }
            Event::Alias(_) => {
                Err(self.refuse("yaml-alias", "YAML aliases are not allowed", range, "write the key out"))
            }
            _ => Err(self.refuse(
                "yaml-key",
                "a key must be a single word",
                range,
                "quote it if it is meant as text",
            )),
        }
    }

    fn check_properties(
        &mut self,
        anchor: usize,
        tag: Option<&saphyr_parser::Tag>,
        range: Range,
    ) -> Result<(), Stop> {
        if anchor != 0 {
            let help = "write the value out wherever it is needed; quote a word that begins with `&`";
            return Err(self.refuse("yaml-anchor", "YAML anchors are not allowed", range, help));
        }
        if let Some(tag) = tag {
            let message = format!("YAML tags are not allowed: `{}{}`", tag.handle, tag.suffix);
            let help = format!("quote a word that begins with `!`: \"!{}\"", tag.suffix);
            return Err(self.refuse("yaml-tag", &message, range, &help));
        }
        Ok(())
    }

    fn check_depth(&mut self, depth: usize, range: Range) -> Result<(), Stop> {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        let message = format!("nested deeper than {DEPTH_MAX} levels");
        Err(self.refuse("yaml-depth", &message, range, "a configuration needs four levels"))
    }

    fn refuse(&mut self, code: &'static str, message: &str, range: Range, help: &str) -> Stop {
        let place = self.place(range);
        self.diagnostics.push(Diagnostic::error(code, message).at(place, "").help(help));
        Stop::Reported
    }

    fn place(&self, range: Range) -> Place {
        let (start, end) = (range.start, range.end);
        let span = Span {
            line: start.line().max(1),
            column: start.col() + 1,
            length: end.index().saturating_sub(start.index()),
        };
        Place { source: self.source, span }
    }
}

fn syntax_error(error: &ScanError, text: &str, source: SourceId) -> Diagnostic {
    let marker = error.marker();
    let span = Span { line: marker.line().max(1), column: marker.col() + 1, length: 1 };
    let line = text.lines().nth(span.line - 1).unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    let help = if indent.contains('\t') || error.info().contains("tab") {
        "indent with spaces; YAML allows no tabs there"
    } else if error.info().contains("anchor") {
        "quote a word that begins with `*` or `&`"
    } else if line.contains("::") {
        "quote an IPv6 address that begins or ends with `::`"
    } else {
        "check indentation, colons and quotes here and in the line above"
    };
    Diagnostic::error("yaml-syntax", format!("invalid YAML: {}", error.info()))
        .at(Place { source, span }, "")
        .help(help)
}

/// A word of the user's for a message: between backquotes, shortened, control characters escaped.
pub fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let shortened: Cow<'_, str> = match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    };
    format!("`{}`", shortened.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"))
}
