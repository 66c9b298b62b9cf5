//! Decodes the values of an endpoint.

use std::num::NonZeroU16;

use crate::config::document::Located;
use crate::config::node::{Node, Value, quoted};
use crate::config::pattern::{AddressError, AddressPattern, AddressPrefix};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{AddressId, Family, Flags, code};

use super::Decoder;
use super::value::{located, suggestion};

impl Decoder<'_> {
    pub(in crate::config) fn family(&mut self, node: &Node) -> Option<Located<Family>> {
        let names = Family::NAMES.map(|(name, _)| name);
        let chosen = self.word(node, format_args!("`family`"), &names)?;
        let (_, family) = Family::NAMES.into_iter().find(|(name, _)| name == chosen)?;
        located(node, family)
    }

    pub(in crate::config) fn address(&mut self, node: &Node) -> Option<Located<AddressPattern>> {
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

    pub(in crate::config) fn port(&mut self, node: &Node) -> Option<Located<NonZeroU16>> {
        let wanted = format_args!("`port` must be a number from 1 to {}", u16::MAX);
        let number = self.integer(node, wanted, 1..=u16::MAX.into(), &[])?;
        located(node, NonZeroU16::new(number.try_into().ok()?)?)
    }

    pub(in crate::config) fn id(&mut self, node: &Node) -> Option<Located<AddressId>> {
        let wanted = format_args!("`id` must be a number from 1 to {}", AddressId::MAX);
        let number = self.integer(node, wanted, 1..=AddressId::MAX.into(), &[])?;
        located(node, AddressId::new(number.try_into().ok()?)?)
    }

    pub(in crate::config) fn flags(&mut self, node: &Node) -> Option<Located<Flags>> {
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
        let mut valid = true;
        for item in items {
            let Some(word) = self.text(item, format_args!("a flag")) else {
                valid = false;
                continue;
            };
            let flag = self.flag(item, word);
            if valid && flag.is_some_and(|flag| flags.contains(flag)) {
                let message = format!("flag {} is listed twice", quoted(word));
                self.report_value(item, code::DUPLICATE_FLAG, message, None);
                valid = false;
            }
            match flag {
                Some(flag) => flags = flags.union(flag),
                None => valid = false,
            }
        }
        valid.then(|| located(node, flags))?
    }

    pub(in crate::config) fn required(&mut self, node: &Node) -> Option<Located<bool>> {
        self.boolean(node, "required")
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
                let is_off = word.strip_prefix("no").is_some_and(|flag| names.contains(&flag));
                let near = match is_off {
                    true => Some("leave it out: a flag that is not declared is off".to_owned()),
                    false => suggestion(word, &names),
                };
                let help = near.unwrap_or_else(|| format!("known flags are {}", names.join(", ")));
                (format!("unknown flag {}", quoted(word)), help)
            };
            Diagnostic::error(code::UNKNOWN_FLAG, message).at(node.location, "").help(help)
        });
        None
    }
}
