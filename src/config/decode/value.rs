//! Decodes single values: one function per type, which reports values of another type. The name of the value in the
//! message is formatted only for an error.

use std::fmt;
use std::ops::RangeInclusive;

use crate::config::document::Located;
use crate::config::node::{Key, Node, Value, quoted};
use crate::model::code::{self, Code};
use crate::model::diagnostic::{Diagnostic, Severity};

use super::Decoder;

impl Decoder<'_> {
    /// The entries of a mapping; for anything else an error, and none.
    pub(super) fn mapping<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        what: fmt::Arguments<'_>,
    ) -> impl Iterator<Item = &'n (Key<'t>, Node<'t>)> + use<'n, 't> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            other => {
                self.report_value(
                    node,
                    code::TYPE,
                    format!("{what} must be a mapping, not {}", other.kind()),
                    None,
                );
                &[]
            }
        };
        self.refused += entries.iter().filter(|(key, _)| key.refused).count();
        entries.iter().filter(|(key, _)| !key.refused)
    }

    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<Located<bool>> {
        let boolean = match &node.value {
            Value::Scalar(scalar) => scalar.boolean(),
            _ => None,
        };
        if boolean.is_none() {
            let message = format!("`{what}` must be true or false, not {}", shown(node));
            let help = match &node.value {
                Value::Scalar(scalar) => truth(&scalar.text),
                _ => None,
            };
            self.report_value(node, code::TYPE, message, help);
        }
        boolean.and_then(|value| located(node, value))
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, what: fmt::Arguments<'_>) -> Option<&'n str> {
        let (message, help) = match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() && scalar.boolean().is_none() => {
                return Some(&scalar.text);
            }
            Value::Scalar(scalar) if !scalar.text.is_empty() => {
                let help = format!("quote it if it is meant as text: \"{}\"", scalar.text);
                (format!("{what} must be text, not `{}`", scalar.text), Some(help))
            }
            other => (format!("{what} must be text, not {}", other.kind()), None),
        };
        self.report_value(node, code::TYPE, message, help);
        None
    }

    pub(super) fn word<'w>(
        &mut self,
        node: &Node,
        what: fmt::Arguments<'_>,
        words: &'w [&'w str],
    ) -> Option<&'w &'w str> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|word| **word == text);
        if found.is_none() {
            let help = suggestion(text, words);
            let message = format!("{what} must be {}, not {}", words.join(" or "), quoted(text));
            self.report_value(node, code::VALUE, message, help);
        }
        found
    }

    pub(super) fn integer(
        &mut self,
        node: &Node,
        wanted: fmt::Arguments<'_>,
        range: RangeInclusive<i128>,
        words: &[&str],
    ) -> Option<i128> {
        let number = match &node.value {
            Value::Scalar(scalar) => scalar.integer(),
            _ => None,
        };
        if number.is_some_and(|number| range.contains(&number)) {
            return number;
        }
        let (code, help) = match &node.value {
            Value::Scalar(_) if number.is_some() => (code::RANGE, None),
            Value::Scalar(scalar) if !scalar.plain && scalar.text.parse::<i128>().is_ok() => {
                (code::TYPE, Some("write the number without quotes".to_owned()))
            }
            Value::Scalar(scalar) if scalar.text.parse::<i128>().is_ok() => {
                let help = "write the number without leading zeros, which some programs read as octal";
                (code::TYPE, Some(help.to_owned()))
            }
            Value::Scalar(scalar) if range == (0..=1) => (code::TYPE, truth(&scalar.text)),
            Value::Scalar(scalar) => (code::TYPE, suggestion(&scalar.text, words)),
            _ => (code::TYPE, None),
        };
        self.report_value(node, code, format!("{wanted}, not {}", shown(node)), help);
        None
    }

    /// `foreign` has remedies for keys that people bring from elsewhere.
    pub(super) fn unknown_key(&mut self, key: &Key, known: &[&str], foreign: &[(&str, &str)]) {
        self.diagnostics.push_with(Severity::Error, || {
            let message = format!("unknown key {}", quoted(&key.text));
            let remedy = foreign.iter().find(|(word, _)| *word == key.text);
            let remedy = remedy.map(|(_, remedy)| (*remedy).to_owned());
            let near = remedy.or_else(|| suggestion(&key.text, known));
            let help = near.unwrap_or_else(|| format!("known keys are {}", known.join(", ")));
            Diagnostic::error(code::UNKNOWN_KEY, message).at(key.location, "").help(help)
        });
    }

    pub(super) fn report_value(&mut self, node: &Node, code: Code, message: String, help: Option<String>) {
        if node.is_refused() {
            self.refused += 1;
            return;
        }
        let mut diagnostic = Diagnostic::error(code, message).at(node.location, "");
        diagnostic.help = help;
        self.report(diagnostic);
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

pub(super) fn is_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.is_null())
}

pub(super) fn located<T>(node: &Node, value: T) -> Option<Located<T>> {
    Some(Located { value, location: node.location })
}

pub(super) fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) if !scalar.plain => quoted(&format!("\"{}\"", scalar.text)).to_string(),
        Value::Scalar(scalar) if !scalar.is_null() => quoted(&scalar.text).to_string(),
        other => other.kind().to_owned(),
    }
}

/// The remedy for the words that YAML 1.1 takes for booleans, and YAML 1.2 does not.
fn truth(text: &str) -> Option<String> {
    let value = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" => "true",
        "no" | "off" | "n" => "false",
        _ => return None,
    };
    Some(format!("write `{value}`"))
}

/// "did you mean": the nearest known word, if it is near enough.
pub fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    const WORD_MAX: usize = 64;
    const STEM_MIN: usize = 4;
    if word.len() > WORD_MAX {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let longer = known.iter().find(|known| word.len() >= STEM_MIN && known.starts_with(&word));
    let is_near = |distance, known: &str| distance <= known.len().div_ceil(3);
    // Most words are far from all that are known, which their letters show at a tenth of the cost.
    let near = if known.iter().any(|known| is_near(least_distance(&word, known), known)) {
        let distance = |known: &&&str| strsim::damerau_levenshtein(&word, &known.replace('-', "_"));
        known.iter().min_by_key(distance).filter(|nearest| is_near(distance(nearest), nearest))
    } else {
        None
    };
    near.or(longer).map(|known| format!("did you mean `{known}`?"))
}

/// A distance that the words have at least, from how often each letter is in them. Letters share a count with some others,
/// which only makes it less.
fn least_distance(word: &str, known: &str) -> usize {
    const COUNTS: u8 = 32;
    if !(word.is_ascii() && known.is_ascii()) {
        return 0;
    }
    let mut more = [0_i16; COUNTS as usize];
    let slot = |byte: u8| usize::from(byte % COUNTS);
    word.bytes().for_each(|byte| more[slot(byte)] += 1);
    known.bytes().for_each(|byte| more[slot(if byte == b'-' { b'_' } else { byte })] -= 1);
    let missing: u16 = more.iter().filter(|more| **more < 0).map(|fewer| fewer.unsigned_abs()).sum();
    usize::from(missing) + word.len().saturating_sub(known.len())
}
