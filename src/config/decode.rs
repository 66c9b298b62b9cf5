//! Decodes the YAML tree of one file to a [`Document`]: known keys, correct types, values in range. Every error is
//! reported, and wrong values are left out.

mod check;
mod declaration;
mod endpoint;
mod uplink;
mod value;

pub use value::suggestion;
use value::{located, shown};

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location, Severity};
use crate::model::{Sysctl, SysctlKind, SysctlValue, code};

use super::document::{Document, LimitValue, LimitsDocument, Located};
use super::node::{Key, Node, Value, quoted};

/// Decodes the tree of a whole file.
pub fn document(node: &Node, diagnostics: &mut Diagnostics) -> Document {
    Decoder { diagnostics, refused: 0 }.document(node)
}

/// Decodes one file.
pub struct Decoder<'d> {
    diagnostics: &'d mut Diagnostics,
    /// The number of values whose error the YAML parser has already reported.
    refused: usize,
}

impl Decoder<'_> {
    fn document(&mut self, node: &Node) -> Document {
        let mut document = Document::default();
        let mut version = None;
        let entries = self.mapping(node, format_args!("the configuration"));
        let complete = matches!(node.value, Value::Mapping(_)) && self.refused == 0;
        for (key, value) in entries {
            match key.text.as_ref() {
                "version" => version = Some(value),
                "prune" => document.prune = self.boolean(value, "prune"),
                "limits" => document.limits = self.limits(value),
                "sysctls" => document.sysctls = self.sysctls(value),
                "uplinks" => document.uplinks = self.declarations(value),
                "endpoints" => document.endpoints = self.declarations(value),
                _ => self.unknown_key(key, &Document::KEYS, &[]),
            }
        }
        if complete || version.is_some() {
            self.version(version, node.location);
        }
        document
    }

    fn version(&mut self, version: Option<&Node>, start: Location) {
        let help = format!("write `version: {}`", Document::VERSION);
        let Some(node) = version else {
            let message = "the configuration has no `version`";
            return self.report(Diagnostic::error(code::VERSION, message).at(start, "").help(help));
        };
        let known =
            matches!(&node.value, Value::Scalar(scalar) if scalar.integer() == Some(Document::VERSION));
        if !known {
            let message = match &node.value {
                Value::Scalar(scalar) if !scalar.is_null() => format!("unknown version {}", shown(node)),
                other => format!("`version` must be {}, not {}", Document::VERSION, other.kind()),
            };
            self.report_value(node, code::VERSION, message, Some(help));
        }
    }

    fn limits(&mut self, node: &Node) -> LimitsDocument {
        let mut limits = LimitsDocument::default();
        for (key, value) in self.mapping(node, format_args!("`limits`")) {
            match key.text.as_ref() {
                "subflows" => limits.subflows = self.limit(value, "subflows"),
                "add-addr-accepted" => limits.add_addr_accepted = self.limit(value, "add-addr-accepted"),
                _ => self.unknown_key(key, &LimitsDocument::KEYS, &[]),
            }
        }
        limits
    }

    fn limit(&mut self, node: &Node, what: &str) -> Option<Located<LimitValue>> {
        const MAX: &str = "max";
        if matches!(&node.value, Value::Scalar(scalar) if scalar.text == MAX) {
            return located(node, LimitValue::Max);
        }
        let wanted = format_args!("`{what}` must be a number from 0 to {}, or `max`", u32::MAX);
        let number = self.integer(node, wanted, 0..=u32::MAX.into(), &[MAX])?;
        located(node, LimitValue::Number(number.try_into().ok()?))
    }

    fn sysctls(&mut self, node: &Node) -> Vec<(Sysctl, Location, Located<SysctlValue>)> {
        let names: Vec<&str> = Sysctl::all().map(Sysctl::name).collect();
        let mut sysctls = Vec::new();
        for (key, value) in self.mapping(node, format_args!("`sysctls`")) {
            match Sysctl::named(&key.text) {
                Some(sysctl) => {
                    let value = self.sysctl(sysctl, value);
                    sysctls.extend(value.map(|value| (sysctl, key.location, value)));
                }
                None => self.unknown_sysctl(key, &names),
            }
        }
        sysctls
    }

    fn unknown_sysctl(&mut self, key: &Key, names: &[&str]) {
        let bare = key.text.strip_prefix("net.mptcp.").unwrap_or(&key.text);
        if bare.starts_with("available_") {
            let message = format!("sysctl {} is read-only", quoted(&key.text));
            let error = Diagnostic::error(code::UNKNOWN_SYSCTL, message).at(key.location, "");
            return self.report(error.help("leave it out"));
        }
        self.diagnostics.push_with(Severity::Error, || {
            let near = match names.contains(&bare) {
                true => Some(format!("write it as `{bare}`")),
                false => suggestion(bare, names),
            };
            let help = near.unwrap_or_else(|| format!("known sysctls are {}", names.join(", ")));
            let message = format!("unknown sysctl {}", quoted(&key.text));
            Diagnostic::error(code::UNKNOWN_SYSCTL, message).at(key.location, "").help(help)
        });
    }

    fn sysctl(&mut self, sysctl: Sysctl, node: &Node) -> Option<Located<SysctlValue>> {
        let name = sysctl.name();
        let boolean = match &node.value {
            Value::Scalar(scalar) => scalar.boolean(),
            _ => None,
        };
        match (sysctl.kind(), boolean) {
            (SysctlKind::Switch, Some(on)) => located(node, SysctlValue::Number(u64::from(on))),
            (SysctlKind::Switch, None) => {
                let wanted = format_args!("`{name}` must be true, false, 1 or 0");
                let number = self.integer(node, wanted, 0..=1, &[])?;
                located(node, SysctlValue::Number(number.try_into().ok()?))
            }
            (SysctlKind::Number(max), _) => {
                let wanted = format_args!("`{name}` must be a number from 0 to {max}");
                let number = self.integer(node, wanted, 0..=max.into(), &[])?;
                located(node, SysctlValue::Number(number.try_into().ok()?))
            }
            (SysctlKind::Choice(words), _) => {
                let word = self.word(node, format_args!("`{name}`"), words)?;
                located(node, SysctlValue::Word((*word).to_owned()))
            }
            (SysctlKind::Word, _) => {
                let word = self.text(node, format_args!("`{name}`"))?;
                let valid = !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic());
                if !valid {
                    self.report_value(node, code::VALUE, format!("`{name}` must be a single word"), None);
                }
                valid.then(|| located(node, SysctlValue::Word(word.to_owned())))?
            }
        }
    }
}
