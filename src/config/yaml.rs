//! Parses YAML text to a tree of nodes with locations.
//!
//! Only the YAML that a configuration needs: one document of mappings, sequences and scalars. Anchors, aliases, merge
//! keys, tags, duplicate keys and deep nesting are refused here, so that later stages need not handle them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range, StrInput};

use crate::model::code::{self, Code};
use crate::model::diagnostic::{Diagnostic, Diagnostics, Location, Severity, SourceId, Span, lines};

use super::foreign;
use super::node::{Key, Node, Scalar, Value, quoted};
use super::plain;
use super::syntax::{self, ALIAS, ALIAS_HELP, ANCHOR, ANCHOR_HELP, DEPTH_HELP, DEPTH_MAX, depth_message};

/// Parses one document. `None` if the text is empty; an error, which is reported, if it cannot be parsed to its end.
pub fn parse<'text>(
    text: &'text str,
    source: SourceId,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Node<'text>>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match plain::parse(text, source) {
        Some(node) => Ok(Some(node)),
        None => parse_any(text, source, diagnostics),
    }
}

/// The same for YAML of any form.
pub(super) fn parse_any<'text>(
    text: &'text str,
    source: SourceId,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Node<'text>>, Unreadable> {
    let (lines, last) = lines(text).fold((0, ""), |(count, _), line| (count + 1, line));
    let end = (lines, last.chars().count() + 1);
    let mut reader = Reader { events: Parser::new_from_str(text), end, source, diagnostics };
    let result = reader.document();
    let is_text = match &result {
        Ok(root) => root.as_ref().is_some_and(|root| matches!(root.value, Value::Scalar(_))),
        Err(stop) => matches!(stop, Stop::Syntax(_)),
    };
    if is_text && let Some(foreign) = foreign::document(text, source) {
        reader.diagnostics.push(foreign);
        return Err(Unreadable);
    }
    result.map_err(|stop| {
        if let Stop::Syntax(error) = stop {
            let location = reader.location(Range::empty(*error.marker()));
            reader.diagnostics.push(syntax::error(error.info(), text, location));
        }
        Unreadable
    })
}

/// The text could not be parsed to its end.
#[derive(Clone, Copy, Debug)]
pub struct Unreadable;

/// Why parsing ended early.
enum Stop {
    /// The text is not YAML.
    Syntax(ScanError),
    /// An error that is already reported, after which parsing on is not worth its cost.
    Reported,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Stop {
        Stop::Syntax(error)
    }
}

struct Reader<'text, 'd> {
    events: Parser<'text, StrInput<'text>>,
    /// Line and column of the end of the text; the parser counts one line more if the last one has no line end.
    end: (usize, usize),
    source: SourceId,
    diagnostics: &'d mut Diagnostics,
}

impl<'text> Reader<'text, '_> {
    fn document(&mut self) -> Result<Option<Node<'text>>, Stop> {
        let mut documents = 0;
        let mut root = None;
        loop {
            let (event, range) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if documents == 1 => {
                    let message = "only one YAML document is allowed in a file";
                    self.refuse(
                        code::YAML_DOCUMENT,
                        message,
                        range,
                        "move the second one to a file of its own",
                    );
                    return Ok(root);
                }
                Event::DocumentStart(_) => documents += 1,
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

    fn node(&mut self, event: Event<'text>, range: Range, depth: usize) -> Result<Node<'text>, Stop> {
        let mut location = self.location(range);
        let (value, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_anchor(anchor, range);
                let plain = style == ScalarStyle::Plain;
                (Value::Scalar(Scalar { text, plain }), tag)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_anchor(anchor, range);
                self.check_depth(depth, range)?;
                let (items, end) = self.sequence(depth + 1)?;
                location = self.location(Range::new(range.start, end.end));
                (Value::Sequence(items), tag)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_anchor(anchor, range);
                self.check_depth(depth, range)?;
                (Value::Mapping(self.mapping(depth + 1)?), tag)
            }
            _ => {
                self.refuse(code::YAML_ALIAS, ALIAS, range, ALIAS_HELP);
                (Value::Refused, None)
            }
        };
        let value = if self.check_tag(tag.as_deref(), range).is_err() { Value::Refused } else { value };
        Ok(Node { location, value })
    }

    fn sequence(&mut self, depth: usize) -> Result<(Vec<Node<'text>>, Range), Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, range) => return Ok((items, range)),
                (event, range) => items.push(self.node(event, range, depth)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key<'text>, Node<'text>)>, Stop> {
        let mut entries: Vec<(Key<'text>, Node<'text>)> = Vec::new();
        let mut seen: BTreeMap<Cow<'text, str>, Location> = BTreeMap::new();
        loop {
            let (event, range) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.key(event, range, depth)?;
            let (event, range) = self.next()?;
            let node = if key.is_none() && matches!(event, Event::Alias(_)) {
                // One error is enough for `<<: *base`.
                Node { location: self.location(range), value: Value::Refused }
            } else {
                self.node(event, range, depth)?
            };
            // Entries with a refused key are kept, so that the mapping is known to have more keys.
            let Some(key) = key else {
                entries.push((Key { location: node.location, text: Cow::Borrowed(""), refused: true }, node));
                continue;
            };
            if let Some(first) = seen.get(&key.text) {
                self.diagnostics.push_with(Severity::Error, || {
                    Diagnostic::error(code::DUPLICATE_KEY, format!("duplicate key {}", quoted(&key.text)))
                        .at(key.location, "again here")
                        .at(*first, "first here")
                        .help("keep one of the two")
                });
            } else {
                seen.insert(key.text.clone(), key.location);
                entries.push((key, node));
            }
        }
    }

    fn key(&mut self, event: Event<'text>, range: Range, depth: usize) -> Result<Option<Key<'text>>, Stop> {
        let location = self.location(range);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_anchor(anchor, range);
                if self.check_tag(tag.as_deref(), range).is_err() {
                    return Ok(None);
                }
                if text == "<<" && style == ScalarStyle::Plain {
                    let message = "YAML merge keys are not allowed";
                    self.refuse(code::YAML_MERGE_KEY, message, range, "write the keys out");
                    return Ok(None);
                }
                Ok(Some(Key { location, text, refused: false }))
            }
            Event::Alias(_) => {
                self.refuse(code::YAML_ALIAS, ALIAS, range, ALIAS_HELP);
                Ok(None)
            }
            event => {
                let message = "a key must be a single word, not a list or a mapping";
                let help = "quote it if it is meant as text";
                self.refuse(code::YAML_KEY, message, range, help);
                self.node(event, range, depth)?;
                Ok(None)
            }
        }
    }

    fn check_anchor(&mut self, anchor: usize, range: Range) {
        if anchor != 0 {
            self.refuse(code::YAML_ANCHOR, ANCHOR, range, ANCHOR_HELP);
        }
    }

    fn check_tag(&mut self, tag: Option<&saphyr_parser::Tag>, range: Range) -> Result<(), ()> {
        let Some(tag) = tag else { return Ok(()) };
        let handle = if tag.is_yaml_core_schema() { "!!" } else { &tag.handle };
        let tag = format!("{handle}{}", tag.suffix);
        let message = format!("YAML tags are not allowed: {}", quoted(&tag));
        let help = "leave it out; quote a word that starts with `!`";
        self.refuse(code::YAML_TAG, &message, range, help);
        Err(())
    }

    fn check_depth(&mut self, depth: usize, range: Range) -> Result<(), Stop> {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        self.refuse(code::YAML_DEPTH, &depth_message(), range, DEPTH_HELP);
        Err(Stop::Reported)
    }

    fn refuse(&mut self, code: Code, message: &str, range: Range, help: &'static str) {
        let location = self.location(range);
        self.diagnostics
            .push_with(Severity::Error, || Diagnostic::error(code, message).at(location, "").help(help));
    }

    fn location(&self, range: Range) -> Location {
        let (start, end) = (range.start, range.end);
        let (line, column) = (start.line().max(1), start.col() + 1).min(self.end);
        let span = Span::new(line, column, end.index().saturating_sub(start.index()));
        Location { source: self.source, span }
    }
}
