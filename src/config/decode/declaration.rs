//! Decodes the declarations of one file, of whichever kind: a mapping of names to bodies.

use crate::config::body::{Body, DeclarationKind};
use crate::config::document::{Entries, Located, NAME_MAX, Name};
use crate::config::foreign::{self, Row};
use crate::config::habits;
use crate::config::node::{Key, Node, Value, quoted};
use crate::config::pattern::{DevicePattern, list_hint, template_help};
use crate::config::written::yaml_word;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Flags, code};

use super::Decoder;
use super::value::{is_null, located, quote_it};

impl Decoder<'_> {
    pub(super) fn declarations<B: Body>(&mut self, node: &Node) -> Option<Entries<B>> {
        let DeclarationKind { word, section, subject, empty_help, .. } = B::KIND;
        if is_null(node) {
            self.report_value(node, code::TYPE, format!("`{section}` is empty"), Some(empty_help.to_owned()));
            return None;
        }
        if let Value::Sequence(items) = &node.value {
            let help = if items.is_empty() { Some(empty_help.to_owned()) } else { written_out::<B>(items) };
            let help = help.unwrap_or_else(|| {
                format!("give each {word} a name: `NAME: {{{subject}: ...}}` instead of `- {subject}: ...`")
            });
            let message = format!("`{section}` must be a mapping, not a list");
            self.report_value(node, code::TYPE, message, Some(help));
            return None;
        }
        if let Value::Scalar(scalar) = &node.value {
            let is_empty = matches!(scalar.text.as_ref(), "" | "none" | "no" | "off" | "false");
            let written = written_out::<B>(std::slice::from_ref(node)).filter(|_| !is_empty);
            let message = format!("`{section}` must be a mapping, not {}", node.value.kind());
            let help = written.unwrap_or_else(|| empty_help.to_owned());
            self.report_value(node, code::TYPE, message, Some(help));
            return None;
        }
        let sample = format!("`{section}: {{NAME: {{{subject}: ...}}}}`");
        let entries = self.mapping(node, format_args!("`{section}`"), &sample);
        // Room for all at once: a list of thousands that grows is copied, a megabyte in all.
        let mut declarations = Vec::with_capacity(entries.size_hint().1.unwrap_or_default());
        declarations.extend(entries.filter_map(|(key, value)| self.declaration(key, value)));
        Some(declarations)
    }

    fn declaration<B: Body>(&mut self, key: &Key, node: &Node) -> Option<(Located<Name>, Option<B>)> {
        let Some(name) = Name::new(&key.text) else {
            let message = format!("invalid {} name {}", B::KIND.word, quoted(&key.text));
            let help = format!(
                "use 1 to {NAME_MAX} of A-Z, a-z, 0-9, `.`, `_` and `-`; the first must be a letter or digit"
            );
            self.report(Diagnostic::error(code::NAME, message).at(key.location, "").help(help));
            // The body may be wrong too.
            if !is_null(node) {
                self.body::<B>(node, &key.text);
            }
            return None;
        };
        let name = Located { value: name, location: key.location };
        let body = if is_null(node) { None } else { Some(self.body(node, &key.text)) };
        Some((name, body))
    }

    fn body<B: Body>(&mut self, node: &Node, name: &str) -> B {
        let mut body = B::default();
        let refused = self.refused;
        let is_mapping = matches!(node.value, Value::Mapping(_));
        let sample = if is_mapping { String::new() } else { sample::<B>(node, name) };
        let entries = self.mapping(node, format_args!("{} {}", B::KIND.word, quoted(name)), &sample);
        if self.refused > refused || !is_mapping {
            body.invalid().extend(B::KEYS);
        }
        for (key, value) in entries {
            let Some(known) = B::KEYS.iter().find(|known| **known == key.text) else {
                self.unknown_key(key, value, B::KEYS, B::KIND.foreign_keys);
                // It may be a misspelt key of any kind.
                body.invalid().extend(B::KEYS);
                continue;
            };
            let before = (self.diagnostics.errors(), self.refused);
            body.decode(known, value, self);
            if (self.diagnostics.errors(), self.refused) != before {
                body.invalid().push(known);
            }
        }
        body
    }

    pub(in crate::config) fn dev(&mut self, node: &Node) -> Option<Located<DevicePattern>> {
        let items = match &node.value {
            Value::Sequence(items) if items.is_empty() => {
                let help = "write the name of an interface; `\"*\"` matches all";
                self.report_value(
                    node,
                    code::DEV,
                    "`dev` is an empty list".to_owned(),
                    Some(help.to_owned()),
                );
                return None;
            }
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut globs = Vec::with_capacity(items.len());
        for item in items {
            let word = self.text(item, format_args!("an interface in `dev`"), quote_it)?;
            if let Some(error) = DevicePattern::name_error(word) {
                self.report_value(
                    item,
                    code::DEV,
                    format!("invalid interface name {}: {error}", quoted(word)),
                    template_help(word).or_else(|| habits::interface(word)).or_else(|| list_hint(word)),
                );
                return None;
            }
            globs.push(word.to_owned());
        }
        let dev = DevicePattern { globs };
        if dev.is_contradiction() {
            self.excludes_all(node, "dev", "interfaces");
            return None;
        }
        located(node, dev)
    }

    /// Reports a list of which nothing is left.
    pub(super) fn excludes_all(&mut self, node: &Node, key: &str, what: &str) {
        let message = format!("the exclusions in `{key}` take away all {what} that it names");
        let help = format!("leave the exclusion out, or name the {what} that are meant");
        self.report_value(node, code::CONFLICT, message, Some(help));
    }
}

/// A declaration in place of what is none, for a remedy: of the address, interface or row that stands there.
fn sample<B: Body>(node: &Node, name: &str) -> String {
    let DeclarationKind { word, subject, .. } = B::KIND;
    if B::KEYS.contains(&name) {
        return format!("it below the name of an {word}, indented: `NAME: {{{name}: ...}}`");
    }
    let keys = match &node.value {
        Value::Scalar(scalar) => declaration_of::<B>(&scalar.text),
        Value::Sequence(items) => match items.as_slice() {
            [Node { value: Value::Scalar(scalar), .. }] => declaration_of::<B>(&scalar.text),
            _ => None,
        },
        _ => None,
    };
    let keys = keys.map_or_else(|| format!("{subject}: ..."), |(_, keys)| keys.join(", "));
    format!("`{}: {{{keys}}}`", yaml_word(name))
}

/// The declarations of a list of addresses, interfaces or rows of `ip mptcp`, with names.
fn written_out<B: Body>(items: &[Node]) -> Option<String> {
    let declaration = |item: &Node| match &item.value {
        Value::Scalar(scalar) => declaration_of::<B>(&scalar.text),
        _ => None,
    };
    let declarations: Vec<(String, Vec<String>)> = items.iter().map(declaration).collect::<Option<_>>()?;
    let section = foreign::section(B::KIND.section, declarations.into_iter());
    Some(format!("give each {} a name:\n{}", B::KIND.word, section.trim_end()))
}

/// The declaration that a text stands for: what it may be named after, and its keys.
fn declaration_of<B: Body>(text: &str) -> Option<(String, Vec<String>)> {
    let is_endpoint = B::KEYS.contains(&"flags");
    if let Some(row) = Row::parse(text) {
        return is_endpoint.then(|| (row.name(), row.endpoint()));
    }
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic()) && Flags::named(text).is_none();
    let is_interface = is_word && DevicePattern::name_error(text).is_none() && Name::new(text).is_some();
    let flags = is_endpoint.then(|| "flags: [subflow]".to_owned());
    is_interface.then(|| {
        let dev = format!("dev: {}", yaml_word(text));
        (text.to_owned(), [dev].into_iter().chain(flags).collect())
    })
}
