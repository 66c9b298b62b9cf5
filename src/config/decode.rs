//! Decodes the YAML tree of one file to a [`Document`]: known keys, correct types, values in range. Every error is
//! reported, and wrong values are left out.

mod check;
mod declaration;
mod endpoint;
mod flags;
mod uplink;
mod value;

use value::{located, opposite_key, quote_it, shown, similar_key};
pub use value::{nearest, suggestion};

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location, Severity};
use crate::model::{Sysctl, SysctlKind, SysctlValue, code};

use super::document::{Document, LimitValue, LimitsDocument, Located, Name};
use super::node::{Key, Node, Value, quoted};
use super::{foreign, habits};

/// The least that a file can say, for remedies.
const SAMPLE: &str = "`version: 1` on a line of its own, and below `endpoints:` each endpoint by its name";

/// Decodes the tree of a whole file.
pub fn document(node: &Node, diagnostics: &mut Diagnostics) -> Document {
    Decoder { diagnostics, refused: 0 }.document(node)
}

/// Whether the other keys of a file with an unknown key are missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remainder {
    /// It is one of ours.
    Needed,
    /// It is another program's, or the key is the missing one, misspelt.
    Foreign,
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
        let entries = self.mapping(node, format_args!("the configuration"), SAMPLE);
        let mut complete = matches!(node.value, Value::Mapping(_)) && self.refused == 0;
        for (key, value) in entries {
            match key.text.as_ref() {
                "version" => version = Some(value),
                "prune" => document.prune = self.boolean(value, "prune"),
                "limits" => document.limits = self.limits(value),
                "sysctls" => document.sysctls = self.sysctls(value),
                "uplinks" => document.uplinks = self.declarations(value),
                "endpoints" => document.endpoints = self.declarations(value),
                _ => complete &= self.unknown_at_top(key, value) == Remainder::Needed,
            }
        }
        if complete || version.is_some() {
            self.version(version, node.location);
        }
        document
    }

    /// Reports a key that no file has at its top level. What else such a file lacks may not need a word.
    fn unknown_at_top(&mut self, key: &Key, value: &Node) -> Remainder {
        if key.text == "network"
            && let Some(help) = foreign::netplan(value)
        {
            let message = "this is a file of netplan, which configures addresses, not MPTCP";
            self.report(Diagnostic::error(code::UNKNOWN_KEY, message).at(key.location, "").help(help));
            return Remainder::Foreign;
        }
        if habits::is_endpoint(&value.value) && Name::new(&key.text).is_some() {
            let message = format!("unknown key {}", quoted(&key.text));
            let help = "if it names an endpoint, it belongs below `endpoints:`, indented by two spaces";
            self.report(Diagnostic::error(code::UNKNOWN_KEY, message).at(key.location, "").help(help));
            return Remainder::Needed;
        }
        self.unknown_key(key, value, &Document::KEYS, habits::DOCUMENT);
        if key.text.eq_ignore_ascii_case("version") { Remainder::Foreign } else { Remainder::Needed }
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
        for (key, value) in self.mapping(node, format_args!("`limits`"), "`limits: {subflows: 4}`") {
            match key.text.as_ref() {
                "subflows" => limits.subflows = self.limit(value, "subflows"),
                "add-addr-accepted" => limits.add_addr_accepted = self.limit(value, "add-addr-accepted"),
                _ => self.unknown_key(key, value, &LimitsDocument::KEYS, habits::LIMITS),
            }
        }
        limits
    }

    fn limit(&mut self, node: &Node, what: &str) -> Option<Located<LimitValue>> {
        if matches!(&node.value, Value::Scalar(scalar) if scalar.text == LimitValue::MAX) {
            return located(node, LimitValue::Max);
        }
        let wanted = format_args!("`{what}` must be a number from 0 to {}, or `max`", u32::MAX);
        let number =
            self.integer(node, wanted, 0..=u32::MAX.into(), &[LimitValue::MAX], habits::LIMIT_WORDS)?;
        located(node, LimitValue::Number(number.try_into().ok()?))
    }

    fn sysctls(&mut self, node: &Node) -> Vec<(Sysctl, Location, Located<SysctlValue>)> {
        let names: Vec<&str> = Sysctl::all().map(Sysctl::name).collect();
        let mut sysctls = Vec::new();
        for (key, value) in self.mapping(node, format_args!("`sysctls`"), "`sysctls: {enabled: true}`") {
            match Sysctl::named(&key.text) {
                Some(sysctl) => {
                    let value = self.sysctl(sysctl, value);
                    sysctls.extend(value.map(|value| (sysctl, key.location, value)));
                }
                None => self.unknown_sysctl(key, value, &names),
            }
        }
        sysctls
    }

    fn unknown_sysctl(&mut self, key: &Key, value: &Node, names: &[&str]) {
        let dotted = key.text.replace('/', ".");
        let bare = dotted.trim_start_matches("net.mptcp.").trim_start_matches("mptcp.");
        if bare.starts_with("available_") {
            let message = format!("sysctl {} is read-only", quoted(&key.text));
            let error = Diagnostic::error(code::UNKNOWN_SYSCTL, message).at(key.location, "");
            return self.report(error.help("leave it out"));
        }
        self.diagnostics.push_with(Severity::Error, || {
            let near = match bare {
                _ if names.contains(&bare) => Some(format!("write it as `{bare}`")),
                _ if bare.contains('.') => {
                    Some("only net.mptcp.* belongs here; write the others to /etc/sysctl.d".to_owned())
                }
                _ => habits::remedy(bare, habits::SYSCTLS),
            };
            let near = near
                .or_else(|| opposite_key(bare, value, names))
                .or_else(|| habits::elsewhere(bare, value, names))
                .or_else(|| similar_key(bare, names));
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
                let number = self.integer(node, wanted, 0..=1, &[], habits::TRUTH)?;
                located(node, SysctlValue::Number(number.try_into().ok()?))
            }
            (SysctlKind::Number(max), _) => {
                let wanted = format_args!("`{name}` must be a number from 0 to {max}");
                let habits = match sysctl {
                    Sysctl::PM_TYPE => habits::PATH_MANAGER_NUMBERS,
                    _ if sysctl.is_off_at_zero() => habits::ZERO_WORDS,
                    _ => &[],
                };
                let number = self.integer(node, wanted, 0..=max.into(), &[], habits)?;
                located(node, SysctlValue::Number(number.try_into().ok()?))
            }
            (SysctlKind::Choice(words), _) => {
                let word = self.word(node, format_args!("`{name}`"), words, habits::PATH_MANAGERS)?;
                located(node, SysctlValue::Word((*word).to_owned()))
            }
            (SysctlKind::Word, _) => {
                let word = self.text(node, format_args!("`{name}`"), quote_it)?;
                let valid = !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic());
                if !valid {
                    self.report_value(node, code::VALUE, format!("`{name}` must be a single word"), None);
                }
                valid.then(|| located(node, SysctlValue::Word(word.to_owned())))?
            }
        }
    }
}
