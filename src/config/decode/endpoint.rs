//! Decodes the values of an endpoint.

use std::num::NonZeroU16;

use crate::config::document::Located;
use crate::config::habits;
use crate::config::node::{Node, Value, quoted};
use crate::config::pattern::{AddressError, AddressPattern, AddressPrefix};
use crate::model::{AddressId, Family, code};

use super::Decoder;
use super::value::located;

impl Decoder<'_> {
    pub(in crate::config) fn family(&mut self, node: &Node) -> Option<Located<Family>> {
        let names = Family::NAMES.map(|(name, _)| name);
        let chosen = self.word(node, format_args!("`family`"), &names, habits::FAMILIES)?;
        let (_, family) = Family::NAMES.into_iter().find(|(name, _)| name == chosen)?;
        located(node, family)
    }

    pub(in crate::config) fn address(&mut self, node: &Node) -> Option<Located<AddressPattern>> {
        let pattern = self.address_pattern(node)?;
        if pattern.is_contradiction() {
            self.excludes_all(node, "address", "addresses");
            return None;
        }
        located(node, pattern)
    }

    fn address_pattern(&mut self, node: &Node) -> Option<AddressPattern> {
        let Value::Sequence(items) = &node.value else {
            return self.parsed_address(node, AddressPattern::parse);
        };
        if items.is_empty() {
            let help = "write an address, or leave `address` out for every address of `dev`";
            self.report_value(
                node,
                code::ADDRESS,
                "`address` is an empty list".to_owned(),
                Some(help.to_owned()),
            );
            return None;
        }
        let prefixes: Option<Vec<AddressPrefix>> =
            items.iter().map(|item| self.parsed_address(item, AddressPrefix::parse)).collect();
        Some(AddressPattern::Prefixes(prefixes?))
    }

    fn parsed_address<T>(&mut self, node: &Node, parse: fn(&str) -> Result<T, AddressError>) -> Option<T> {
        let text = self.text(node, format_args!("`address`"), |word| {
            let habit = habits::remedy(word, habits::ADDRESSES);
            habit.unwrap_or_else(|| "write an address or a prefix".to_owned())
        })?;
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
        let number = self.integer(node, wanted, 1..=u16::MAX.into(), &[], habits::PORT_WORDS)?;
        located(node, NonZeroU16::new(number.try_into().ok()?)?)
    }

    pub(in crate::config) fn id(&mut self, node: &Node) -> Option<Located<AddressId>> {
        let wanted = format_args!("`id` must be a number from 1 to {}", AddressId::MAX);
        let number = self.integer(node, wanted, 1..=AddressId::MAX.into(), &[], habits::ID_WORDS)?;
        located(node, AddressId::new(number.try_into().ok()?)?)
    }

    pub(in crate::config) fn required(&mut self, node: &Node) -> Option<Located<bool>> {
        self.boolean(node, "required")
    }
}
