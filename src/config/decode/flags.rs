//! Decodes the flags of an endpoint, and explains what is written in place of a list of them.

use crate::config::document::Located;
use crate::config::habits;
use crate::config::node::{Node, Scalar, Value, quoted};
use crate::config::opposite::opposite;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Flags, code};

use super::Decoder;
use super::value::{located, suggestion};

impl Decoder<'_> {
    pub(in crate::config) fn flags(&mut self, node: &Node) -> Option<Located<Flags>> {
        let Value::Sequence(items) = &node.value else {
            let message = format!("`flags` must be a list, not {}", node.value.kind());
            self.report_value(node, code::TYPE, message, Some(list_help(&node.value)));
            return None;
        };
        let mut flags = Flags::default();
        let mut valid = true;
        for item in items {
            if let Value::Mapping(_) = &item.value {
                let help = Some(list_help(&item.value));
                self.report_value(item, code::TYPE, "a flag must be text, not a mapping".to_owned(), help);
                valid = false;
                continue;
            }
            let Some(word) = self.text(item, format_args!("a flag"), word_help) else {
                valid = false;
                continue;
            };
            match self.flag(item, word) {
                Some(flag) if flags.intersects(flag) => {
                    let message = format!("flag {} is listed twice", quoted(word));
                    self.report_value(item, code::DUPLICATE_FLAG, message, None);
                    valid = false;
                }
                Some(flag) => flags = flags.union(flag),
                None => valid = false,
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
                (format!("unknown flag {}", quoted(word)), word_help(word))
            };
            Diagnostic::error(code::UNKNOWN_FLAG, message).at(node.location, "").help(help)
        });
        None
    }
}

/// The remedy for what is no list: the same flags as one.
fn list_help(value: &Value) -> String {
    let flags = match value {
        Value::Scalar(scalar) => words(scalar),
        Value::Mapping(entries) => {
            let on = entries.iter().filter(|(_, node)| habits::truth(node) != Some(false));
            on.map(|(key, _)| key.text.to_string()).collect()
        }
        _ => Vec::new(),
    };
    let known = !flags.is_empty() && flags.iter().all(|flag| Flags::named(flag).is_some());
    format!("write `flags: [{}]`", if known { flags.join(", ") } else { "subflow".to_owned() })
}

/// The flags in one text: words, or the number of the kernel.
fn words(scalar: &Scalar) -> Vec<String> {
    if let Some(bits) = scalar.integer().and_then(|bits| u32::try_from(bits).ok()) {
        return Flags::from_bits(bits).words();
    }
    let words = scalar.text.split([' ', ',', '|', '+', ';']).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The remedy for an unknown word in the list.
fn word_help(word: &str) -> String {
    let names: Vec<&str> = Flags::declarable().map(|(name, _)| name).collect();
    let parts = words(&Scalar { text: word.into(), plain: true });
    if parts.len() > 1 && parts.iter().all(|part| names.contains(&part.as_str())) {
        return format!("separate them by commas: `{}`", parts.join(", "));
    }
    let off = || opposite(word, &names).map(|_| habits::FLAG_OFF.to_owned());
    let near = habits::remedy(word, habits::FLAGS).or_else(off).or_else(|| suggestion(word, &names));
    near.unwrap_or_else(|| format!("known flags are {}", names.join(", ")))
}
