//! Decodes the `endpoints` of one file.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::config::document::{EndpointDocument, Located, NAME_MAX, Name};
use crate::config::node::{Key, Node, Value, quoted};
use crate::config::pattern::{
    AddressError, AddressFamily, AddressPattern, AddressPrefix, DevicePattern, list_hint,
};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{AddressId, Flags, code};

use super::Decoder;
use super::value::{is_null, located, suggestion};

impl Decoder<'_> {
    pub(super) fn endpoints(
        &mut self,
        node: &Node,
    ) -> Option<Vec<(Located<Name>, Option<EndpointDocument>)>> {
        if is_null(node) {
            let help =
                "write `endpoints: {}` for no endpoints, or remove the key to leave the kernel's table alone";
            self.report_value(node, code::TYPE, "`endpoints` is empty".to_owned(), Some(help.to_owned()));
            return None;
        }
        if matches!(node.value, Value::Sequence(_)) {
            let help = "give each endpoint a name: `NAME: {address: ...}` instead of `- address: ...`";
            let message = "`endpoints` must be a mapping, not a list".to_owned();
            self.report_value(node, code::TYPE, message, Some(help.to_owned()));
            return None;
        }
        let entries = self.mapping(node, format_args!("`endpoints`"));
        Some(entries.filter_map(|(key, value)| self.declaration(key, value)).collect())
    }

    fn declaration(&mut self, key: &Key, node: &Node) -> Option<(Located<Name>, Option<EndpointDocument>)> {
        let Some(name) = Name::new(&key.text) else {
            let message = format!("invalid endpoint name {}", quoted(&key.text));
            let help = format!(
                "use 1 to {NAME_MAX} of A-Z, a-z, 0-9, `.`, `_` and `-`; the first must be a letter or digit"
            );
            self.report(Diagnostic::error(code::NAME, message).at(key.location, "").help(help));
            // The body may be wrong too.
            if !is_null(node) {
                self.endpoint(node, &key.text);
            }
            return None;
        };
        let name = Located { value: name, location: key.location };
        let body = if is_null(node) { None } else { Some(self.endpoint(node, &key.text)) };
        Some((name, body))
    }

    fn endpoint(&mut self, node: &Node, name: &str) -> EndpointDocument {
        let mut endpoint = EndpointDocument::default();
        let refused = self.refused;
        let entries = self.mapping(node, format_args!("endpoint {}", quoted(name)));
        if self.refused > refused || !matches!(node.value, Value::Mapping(_)) {
            endpoint.invalid.extend(EndpointDocument::KEYS);
        }
        for (key, value) in entries {
            let Some(known) = EndpointDocument::KEYS.into_iter().find(|known| *known == key.text) else {
                self.unknown_key(key, &EndpointDocument::KEYS);
                // It may be a misspelt key of any kind.
                endpoint.invalid.extend(EndpointDocument::KEYS);
                continue;
            };
            let before = (self.diagnostics.errors(), self.refused);
            match known {
                "address" => endpoint.address = self.address(value),
                "port" => endpoint.port = self.port(value),
                "dev" => endpoint.dev = self.dev(value),
                "family" => endpoint.family = self.family(value),
                "id" => endpoint.id = self.id(value),
                "required" => endpoint.required = self.boolean(value, "required"),
                _ => endpoint.flags = self.flags(value),
            }
            if (self.diagnostics.errors(), self.refused) != before {
                endpoint.invalid.push(known);
            }
        }
        endpoint
    }

    fn family(&mut self, node: &Node) -> Option<Located<AddressFamily>> {
        let names = AddressFamily::NAMES.map(|(name, _)| name);
        let chosen = self.word(node, format_args!("`family`"), &names)?;
        let (_, family) = AddressFamily::NAMES.into_iter().find(|(name, _)| name == chosen)?;
        located(node, family)
    }

    fn address(&mut self, node: &Node) -> Option<Located<AddressPattern>> {
        let Value::Sequence(items) = &node.value else {
            return located(node, self.parsed_address(node, AddressPattern::parse)?);
        };
        if items.is_empty() {
            self.report_value(node, code::ADDRESS, "`address` is an empty list".to_owned(), None);
            return None;
        }
        let prefixes: Option<Vec<AddressPrefix>> =
            items.iter().map(|item| self.parsed_address(item, AddressPrefix::parse)).collect();
        located(node, AddressPattern::Prefixes(prefixes?))
    }

    fn parsed_address<T>(&mut self, node: &Node, parse: fn(&str) -> Result<T, AddressError>) -> Option<T> {
        let text = self.text(node, format_args!("`address`"))?;
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let message = format!("invalid address {}: {}", quoted(text), error.reason);
                self.report_value(node, code::ADDRESS, message, error.help);
                None
            }
        }
    }

    fn port(&mut self, node: &Node) -> Option<Located<NonZeroU16>> {
        let wanted = format_args!("`port` must be a number from 1 to {}", u16::MAX);
        let number = self.integer(node, wanted, 1..=u16::MAX.into(), &[])?;
        located(node, NonZeroU16::new(number.try_into().ok()?)?)
    }

    fn id(&mut self, node: &Node) -> Option<Located<AddressId>> {
        let wanted = format_args!("`id` must be a number from 1 to {}", AddressId::MAX);
        let number = self.integer(node, wanted, 1..=AddressId::MAX.into(), &[])?;
        located(node, AddressId::new(number.try_into().ok()?)?)
    }

    fn dev(&mut self, node: &Node) -> Option<Located<DevicePattern>> {
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

    fn flags(&mut self, node: &Node) -> Option<Located<Flags>> {
        let Value::Sequence(items) = &node.value else {
            let message = format!("`flags` must be a list, not {}", node.value.kind());
            let words: Vec<&str> = match &node.value {
                Value::Scalar(scalar) => {
                    scalar.text.split([' ', ',']).filter(|word| !word.is_empty()).collect()
                }
                _ => Vec::new(),
            };
            let known = !words.is_empty() && words.iter().all(|word| Flags::named(word).is_some());
            let help =
                format!("write `flags: [{}]`", if known { words.join(", ") } else { "subflow".into() });
            self.report_value(node, code::TYPE, message, Some(help));
            return None;
        };
        let mut flags = Flags::default();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut valid = true;
        for item in items {
            let Some(word) = self.text(item, format_args!("a flag")) else {
                valid = false;
                continue;
            };
            match self.flag(item, word) {
                Some(flag) => flags = flags.union(flag),
                None => valid = false,
            }
            if !seen.insert(word) && valid {
                self.report_value(
                    item,
                    code::DUPLICATE_FLAG,
                    format!("flag {} is listed twice", quoted(word)),
                    None,
                );
                valid = false;
            }
        }
        valid.then(|| located(node, flags))?
    }

    fn flag(&mut self, node: &Node, word: &str) -> Option<Flags> {
        let flag = Flags::named(word);
        if flag.is_some() && flag != Some(Flags::IMPLICIT) {
            return flag;
        }
        self.diagnostics.push_with(Severity::Error, || {
            let (message, help) = if flag.is_some() {
                let help = "leave it out; the kernel sets it on the endpoints that it creates itself";
                ("flag `implicit` cannot be declared".to_owned(), help.to_owned())
            } else {
                let names: Vec<&str> = Flags::declarable().map(|(name, _)| name).collect();
                let near = suggestion(word, &names);
                let help = near.unwrap_or_else(|| format!("known flags are {}", names.join(", ")));
                (format!("unknown flag {}", quoted(word)), help)
            };
            Diagnostic::error(code::UNKNOWN_FLAG, message).at(node.location, "").help(help)
        });
        None
    }
}
