//! One file's YAML tree to a [`Document`]: known keys, right types, values in range. Every error is reported, and what
//! is wrong is left out.

use std::collections::HashSet;
use std::num::NonZeroU16;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::model::{AddressId, Flags, Kind, Sysctl, SysctlValue};

use super::document::{Document, EndpointDocument, LimitsDocument, Located, NAME_MAX, Name};
use super::merge::LimitValue;
use super::pattern::{AddressPattern, DevicePattern, Family};
use super::yaml::{Key, Node, Value, quoted};

/// Reads the tree of a whole file.
pub fn document(node: &Node, diagnostics: &mut Diagnostics) -> Document {
    Decoder { diagnostics }.document(node)
}

struct Decoder<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Decoder<'_> {
    fn document(&mut self, node: &Node) -> Document {
        let mut document = Document::default();
        let mut version = None;
        for (key, value) in self.mapping(node, "the configuration") {
            match key.text.as_str() {
                "version" => version = Some(value),
                "prune" => document.prune = self.boolean(value, "prune"),
                "limits" => document.limits = self.limits(value),
                "sysctls" => document.sysctls = self.sysctls(value),
                "endpoints" => document.endpoints = self.endpoints(value),
                _ => self.unknown_key(key, &Document::KEYS),
            }
        }
        self.version(version, node.place);
        document
    }

    fn version(&mut self, version: Option<&Node>, start: Place) {
        let help = format!("write `version: {}`", Document::VERSION);
        let Some(node) = version else {
            let message = "the configuration has no `version`";
            return self.report(Diagnostic::error("version", message).at(start, "").help(help));
        };
        let known =
            matches!(&node.value, Value::Scalar(scalar) if scalar.integer() == Some(Document::VERSION));
        if !known {
            let message = format!("unknown version {}", shown(node));
            self.report(Diagnostic::error("version", message).at(node.place, "").help(help));
        }
    }

    fn limits(&mut self, node: &Node) -> LimitsDocument {
        let mut limits = LimitsDocument::default();
        for (key, value) in self.mapping(node, "`limits`") {
            match key.text.as_str() {
                "subflows" => limits.subflows = self.limit(value, "subflows"),
                "add-addr-accepted" => limits.add_addr_accepted = self.limit(value, "add-addr-accepted"),
                _ => self.unknown_key(key, &LimitsDocument::KEYS),
            }
        }
        limits
    }

    fn limit(&mut self, node: &Node, what: &str) -> Option<Located<LimitValue>> {
        if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "max") {
            return located(node, LimitValue::Max);
        }
        let message = format!("`{what}` must be a number or `max`");
        let number = self.integer(node, &message, 0, i128::from(u32::MAX))?;
        located(node, LimitValue::Number(number.try_into().ok()?))
    }

    fn sysctls(&mut self, node: &Node) -> Vec<(Sysctl, Place, Located<SysctlValue>)> {
        let names: Vec<&str> = Sysctl::all().map(Sysctl::name).collect();
        let mut sysctls = Vec::new();
        for (key, value) in self.mapping(node, "`sysctls`") {
            match Sysctl::named(&key.text) {
                Some(sysctl) => {
                    let value = self.sysctl(sysctl, value);
                    sysctls.extend(value.map(|value| (sysctl, key.place, value)));
                }
                None => self.unknown_sysctl(key, &names),
            }
        }
        sysctls
    }

    fn unknown_sysctl(&mut self, key: &Key, names: &[&str]) {
        let bare = key.text.strip_prefix("net.mptcp.").unwrap_or(&key.text);
        let help = if names.contains(&bare) {
            Some(format!("write it as `{bare}`"))
        } else if bare.starts_with("available_") {
            Some("it can only be read".to_owned())
        } else {
            suggestion(bare, names)
        };
        let message = format!("unknown sysctl {}", quoted(&key.text));
        let help = help.unwrap_or_else(|| format!("known are {}", names.join(", ")));
        self.report(Diagnostic::error("unknown-sysctl", message).at(key.place, "").help(help));
    }

    fn sysctl(&mut self, sysctl: Sysctl, node: &Node) -> Option<Located<SysctlValue>> {
        let name = sysctl.name();
        let boolean = match &node.value {
            Value::Scalar(scalar) => scalar.boolean(),
            _ => None,
        };
        match (sysctl.kind(), boolean) {
            (Kind::Switch, Some(on)) => located(node, SysctlValue::Number(u64::from(on))),
            (Kind::Switch, None) => {
                let message = format!("`{name}` must be true or false, or 1 or 0");
                let number = self.integer(node, &message, 0, 1)?;
                located(node, SysctlValue::Number(number.try_into().ok()?))
            }
            (Kind::Number(max), _) => {
                let number = self.integer(node, &format!("`{name}` must be a number"), 0, i128::from(max))?;
                located(node, SysctlValue::Number(number.try_into().ok()?))
            }
            (Kind::Choice(words), _) => {
                let word = self.word(node, &format!("`{name}`"), words)?;
                located(node, SysctlValue::Word((*word).to_owned()))
            }
            (Kind::Word, _) => {
                let word = self.text(node, &format!("`{name}`"))?;
                let fit = !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic());
                if !fit {
                    self.report_value(node, "value", format!("`{name}` must be one word"), None);
                }
                fit.then(|| located(node, SysctlValue::Word(word.to_owned())))?
            }
        }
    }

    fn endpoints(&mut self, node: &Node) -> Option<Vec<(Located<Name>, Option<EndpointDocument>)>> {
        if matches!(&node.value, Value::Scalar(scalar) if scalar.is_null()) {
            let help =
                "write `endpoints: {}` for no endpoints, or leave the key out to leave the table alone";
            self.report_value(node, "type", "`endpoints` is empty".to_owned(), Some(help.to_owned()));
            return None;
        }
        let entries = self.mapping(node, "`endpoints`");
        Some(entries.iter().filter_map(|(key, value)| self.declaration(key, value)).collect())
    }

    fn declaration(&mut self, key: &Key, node: &Node) -> Option<(Located<Name>, Option<EndpointDocument>)> {
        let Some(name) = Name::new(&key.text) else {
            let message = format!("invalid endpoint name {}", quoted(&key.text));
            let help = format!(
                "use 1 to {NAME_MAX} of A-Z, a-z, 0-9, `.`, `_` and `-`, the first one a letter or digit"
            );
            self.report(Diagnostic::error("name", message).at(key.place, "").help(help));
            return None;
        };
        let name = Located { value: name, place: key.place };
        let withdrawn = matches!(&node.value, Value::Scalar(scalar) if scalar.is_null());
        let body = if withdrawn { None } else { Some(self.endpoint(node, &name.value)) };
        Some((name, body))
    }

    fn endpoint(&mut self, node: &Node, name: &Name) -> EndpointDocument {
        let mut endpoint = EndpointDocument::default();
        let errors = self.diagnostics.errors();
        for (key, value) in self.mapping(node, &format!("endpoint `{name}`")) {
            match key.text.as_str() {
                "address" => endpoint.address = self.address(value),
                "port" => endpoint.port = self.port(value),
                "dev" => endpoint.dev = self.dev(value),
                "family" => {
                    let names = Family::NAMES.map(|(name, _)| name);
                    let chosen = self.word(value, "`family`", &names);
                    endpoint.family = chosen.and_then(|chosen| {
                        let family = Family::NAMES.iter().find(|(name, _)| name == chosen)?;
                        located(value, family.1)
                    });
                }
                "id" => endpoint.id = self.id(value),
                "flags" => endpoint.flags = self.flags(value),
                _ => self.unknown_key(key, &EndpointDocument::KEYS),
            }
        }
        endpoint.flawed = self.diagnostics.errors() > errors;
        endpoint
    }

    fn address(&mut self, node: &Node) -> Option<Located<AddressPattern>> {
        let text = self.text(node, "`address`")?;
        match AddressPattern::parse(text) {
            Ok(pattern) => located(node, pattern),
            Err(error) => {
                let message = format!("invalid address {}: {}", quoted(text), error.reason);
                self.report_value(node, "address", message, error.help);
                None
            }
        }
    }

    fn port(&mut self, node: &Node) -> Option<Located<NonZeroU16>> {
        let number = self.integer(node, "`port` must be a number", 1, i128::from(u16::MAX))?;
        located(node, NonZeroU16::new(number.try_into().ok()?)?)
    }

    fn id(&mut self, node: &Node) -> Option<Located<AddressId>> {
        let number = self.integer(node, "`id` must be a number", 1, i128::from(AddressId::MAX))?;
        located(node, AddressId::new(number.try_into().ok()?)?)
    }

    fn dev(&mut self, node: &Node) -> Option<Located<DevicePattern>> {
        let items = match &node.value {
            Value::Sequence(items) if items.is_empty() => {
                self.report_value(node, "dev", "`dev` is an empty list".to_owned(), None);
                return None;
            }
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut globs = Vec::with_capacity(items.len());
        for item in items {
            let word = self.text(item, "an interface in `dev`")?;
            if let Some(flaw) = DevicePattern::flaw(word) {
                self.report_value(
                    item,
                    "dev",
                    format!("invalid interface name {}: {flaw}", quoted(word)),
                    None,
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
            let help = match &node.value {
                Value::Scalar(scalar) if !scalar.text.is_empty() => {
                    format!(
                        "write `flags: [{}]`",
                        scalar.text.split([' ', ',']).collect::<Vec<_>>().join(", ")
                    )
                }
                _ => "write `flags: [subflow]`".to_owned(),
            };
            self.report_value(node, "type", message, Some(help));
            return None;
        };
        let mut flags = Flags::default();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut sound = true;
        for item in items {
            let Some(word) = self.text(item, "a flag") else {
                sound = false;
                continue;
            };
            match self.flag(item, word) {
                Some(flag) => flags = flags.union(flag),
                None => sound = false,
            }
            if !seen.insert(word) && sound {
                self.report_value(
                    item,
                    "duplicate-flag",
                    format!("flag {} is listed twice", quoted(word)),
                    None,
                );
                sound = false;
            }
        }
        sound.then(|| located(node, flags))?
    }

    fn flag(&mut self, node: &Node, word: &str) -> Option<Flags> {
        let names: Vec<&str> = Flags::declarable().map(|(name, _)| name).collect();
        if names.contains(&word) {
            return Flags::named(word);
        }
        let (message, help) = if Flags::named(word) == Some(Flags::IMPLICIT) {
            let help = "leave it out; the kernel sets it on endpoints that it makes itself";
            ("flag `implicit` cannot be declared".to_owned(), help.to_owned())
        } else {
            let known = || format!("known flags are {}", names.join(", "));
            (format!("unknown flag {}", quoted(word)), suggestion(word, &names).unwrap_or_else(known))
        };
        self.report_value(node, "unknown-flag", message, Some(help));
        None
    }

    /// The entries of a mapping; anything else is an error and has none.
    fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Mapping(entries) => entries,
            other => {
                self.report_value(
                    node,
                    "type",
                    format!("{what} must be a mapping, not {}", other.kind()),
                    None,
                );
                &[]
            }
        }
    }

    fn boolean(&mut self, node: &Node, what: &str) -> Option<Located<bool>> {
        let boolean = match &node.value {
            Value::Scalar(scalar) => scalar.boolean(),
            _ => None,
        };
        if boolean.is_none() {
            let message = format!("`{what}` must be true or false, not {}", shown(node));
            self.report_value(node, "type", message, None);
        }
        boolean.and_then(|value| located(node, value))
    }

    fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() && scalar.boolean().is_none() => Some(&scalar.text),
            other => {
                self.report_value(node, "type", format!("{what} must be text, not {}", other.kind()), None);
                None
            }
        }
    }

    fn word<'w>(&mut self, node: &Node, what: &str, words: &'w [&'w str]) -> Option<&'w &'w str> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|word| **word == text);
        if found.is_none() {
            let help = suggestion(text, words);
            let message = format!("{what} must be {}, not {}", words.join(" or "), quoted(text));
            self.report_value(node, "value", message, help);
        }
        found
    }

    fn integer(&mut self, node: &Node, message: &str, min: i128, max: i128) -> Option<i128> {
        let number = match &node.value {
            Value::Scalar(scalar) => scalar.integer(),
            _ => None,
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Some(number),
            Some(_) => {
                let message = format!("{message} from {min} to {max}, not {}", shown(node));
                self.report_value(node, "range", message, None);
                None
            }
            None => {
                let quoted_number = matches!(&node.value, Value::Scalar(scalar)
                    if !scalar.plain && scalar.text.parse::<i128>().is_ok());
                let help = quoted_number.then(|| "write the number without quotes".to_owned());
                self.report_value(node, "type", format!("{message}, not {}", shown(node)), help);
                None
            }
        }
    }

    fn unknown_key(&mut self, key: &Key, known: &[&str]) {
        let message = format!("unknown key {}", quoted(&key.text));
        let help =
            suggestion(&key.text, known).unwrap_or_else(|| format!("known keys are {}", known.join(", ")));
        self.report(Diagnostic::error("unknown-key", message).at(key.place, "").help(help));
    }

    fn report_value(&mut self, node: &Node, code: &'static str, message: String, help: Option<String>) {
        let mut diagnostic = Diagnostic::error(code, message).at(node.place, "");
        diagnostic.help = help;
        self.report(diagnostic);
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

fn located<T>(node: &Node, value: T) -> Option<Located<T>> {
    Some(Located { value, place: node.place })
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) if !scalar.plain => quoted(&format!("\"{}\"", scalar.text)),
        Value::Scalar(scalar) if !scalar.is_null() => quoted(&scalar.text),
        other => other.kind().to_owned(),
    }
}

/// "did you mean": the nearest known word, if it is near enough to be meant.
fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    const WORD_MAX: usize = 64;
    const STEM_MIN: usize = 4;
    if word.len() > WORD_MAX {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let longer = known.iter().find(|known| word.len() >= STEM_MIN && known.starts_with(&word));
    let (distance, nearest) = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word, &known.replace('-', "_")), known))
        .min_by_key(|(distance, _)| *distance)?;
    let near = (distance <= nearest.len().div_ceil(3)).then_some(nearest);
    near.or(longer).map(|known| format!("did you mean `{known}`?"))
}
