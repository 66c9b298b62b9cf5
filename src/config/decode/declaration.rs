//! Decodes the declarations of one file, of whichever kind: a mapping of names to bodies.

use crate::config::body::{Body, DeclarationKind};
use crate::config::document::{Entries, Located, NAME_MAX, Name};
use crate::config::node::{Key, Node, Value, quoted};
use crate::config::pattern::{DevicePattern, list_hint};
use crate::model::code;
use crate::model::diagnostic::Diagnostic;

use super::Decoder;
use super::value::{is_null, located};

impl Decoder<'_> {
    pub(super) fn declarations<B: Body>(&mut self, node: &Node) -> Option<Entries<B>> {
        let DeclarationKind { word, section, subject, empty_help, .. } = B::KIND;
        if is_null(node) {
            self.report_value(node, code::TYPE, format!("`{section}` is empty"), Some(empty_help.to_owned()));
            return None;
        }
        if matches!(node.value, Value::Sequence(_)) {
            let help =
                format!("give each {word} a name: `NAME: {{{subject}: ...}}` instead of `- {subject}: ...`");
            let message = format!("`{section}` must be a mapping, not a list");
            self.report_value(node, code::TYPE, message, Some(help));
            return None;
        }
        let entries = self.mapping(node, format_args!("`{section}`"));
        Some(entries.filter_map(|(key, value)| self.declaration(key, value)).collect())
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
        let entries = self.mapping(node, format_args!("{} {}", B::KIND.word, quoted(name)));
        if self.refused > refused || !matches!(node.value, Value::Mapping(_)) {
            body.invalid().extend(B::KEYS);
        }
        for (key, value) in entries {
            let Some(known) = B::KEYS.iter().find(|known| **known == key.text) else {
                self.unknown_key(key, B::KEYS, B::KIND.foreign_keys);
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
                self.report_value(node, code::DEV, "`dev` is an empty list".to_owned(), None);
                return None;
            }
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut globs = Vec::with_capacity(items.len());
        for item in items {
            let word = self.text(item, format_args!("an interface in `dev`"))?;
            if let Some(error) = DevicePattern::name_error(word) {
                self.report_value(
                    item,
                    code::DEV,
                    format!("invalid interface name {}: {error}", quoted(word)),
                    list_hint(word),
                );
                return None;
            }
            globs.push(word.to_owned());
        }
        located(node, DevicePattern { globs })
    }
}
