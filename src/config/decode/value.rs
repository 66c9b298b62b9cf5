//! Decodes single values: one function per type, which reports values of another type. The name of the value in the
//! message is formatted only for an error.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use crate::config::check::meant_duration;
use crate::config::document::Located;
use crate::config::habits::{self, Habit, elsewhere, remedy, value_remedy};
use crate::config::node::{Key, Node, Value, quoted};
use crate::config::opposite::opposite;
use crate::model::code::{self, Code};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Sysctl, SysctlKind};

use super::Decoder;

impl Decoder<'_> {
    /// The entries of a mapping; for anything else an error with a sample, and none.
    pub(super) fn mapping<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        what: fmt::Arguments<'_>,
        sample: &str,
    ) -> impl Iterator<Item = &'n (Key<'t>, Node<'t>)> + use<'n, 't> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            other => {
                self.report_value(
                    node,
                    code::TYPE,
                    format!("{what} must be a mapping, not {}", other.kind()),
                    Some(mapping_help(other, sample)),
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
            let help = value_remedy(&node.value, habits::TRUTH).or_else(|| single(&node.value));
            self.report_value(node, code::TYPE, message, help);
        }
        boolean.and_then(|value| located(node, value))
    }

    /// `boolean` is the remedy for a word that YAML reads as a boolean.
    pub(super) fn text<'n>(
        &mut self,
        node: &'n Node,
        what: fmt::Arguments<'_>,
        boolean: fn(&str) -> String,
    ) -> Option<&'n str> {
        let (message, help) = match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() && scalar.boolean().is_none() => {
                return Some(&scalar.text);
            }
            Value::Scalar(scalar) if !scalar.is_null() => {
                (format!("{what} must be text, not `{}`", scalar.text), Some(boolean(&scalar.text)))
            }
            other => (format!("{what} must be text, not {}", other.kind()), single(other)),
        };
        self.report_value(node, code::TYPE, message, help);
        None
    }

    pub(super) fn word<'w>(
        &mut self,
        node: &Node,
        what: fmt::Arguments<'_>,
        words: &'w [&'w str],
        habits: &[Habit],
    ) -> Option<&'w &'w str> {
        let text = match &node.value {
            Value::Scalar(scalar) => Some(scalar.text.as_ref()).filter(|_| !scalar.is_null()),
            _ => None,
        };
        let found = text.and_then(|text| words.iter().find(|word| **word == text));
        if found.is_none() {
            let near = || suggestion(text?, words);
            let help = value_remedy(&node.value, habits).or_else(near).or_else(|| single(&node.value));
            let message = format!("{what} must be {}, not {}", words.join(" or "), shown(node));
            self.report_value(node, if text.is_some() { code::VALUE } else { code::TYPE }, message, help);
        }
        found
    }

    pub(super) fn integer(
        &mut self,
        node: &Node,
        wanted: fmt::Arguments<'_>,
        range: RangeInclusive<i128>,
        words: &[&str],
        habits: &[Habit],
    ) -> Option<i128> {
        let number = match &node.value {
            Value::Scalar(scalar) => scalar.integer(),
            _ => None,
        };
        if number.is_some_and(|number| range.contains(&number)) {
            return number;
        }
        let habit = value_remedy(&node.value, habits);
        let (code, help) = match &node.value {
            Value::Scalar(_) if number.is_some() => (code::RANGE, None),
            Value::Scalar(scalar) if !scalar.plain && scalar.text.parse::<i128>().is_ok() => {
                (code::TYPE, Some("write the number without quotes".to_owned()))
            }
            Value::Scalar(scalar) if scalar.text.parse::<i128>().is_ok() => {
                let help = "write the number without leading zeros, which some programs read as octal";
                (code::TYPE, Some(help.to_owned()))
            }
            Value::Scalar(scalar) => {
                (code::TYPE, suggestion(&scalar.text, words).or_else(|| number_help(&scalar.text, &range)))
            }
            _ => (code::TYPE, None),
        };
        let help = habit.or(help).or_else(|| single(&node.value));
        self.report_value(node, code, format!("{wanted}, not {}", shown(node)), help);
        None
    }

    /// `foreign` has remedies for keys that people bring from elsewhere. A key of another section comes before one that
    /// only looks alike.
    pub(super) fn unknown_key(&mut self, key: &Key, value: &Node, known: &[&str], foreign: &[Habit]) {
        self.diagnostics.push_with(Severity::Error, || {
            let message = format!("unknown key {}", quoted(&key.text));
            let near = respelt(&key.text, known)
                .or_else(|| remedy(&key.text, foreign))
                .or_else(|| opposite_key(&key.text, value, known))
                .or_else(|| elsewhere(&key.text, value, known))
                .or_else(|| similar_key(&key.text, known));
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
        diagnostic.help = help.map(Into::into);
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

/// The remedy for a boolean where any word is allowed.
pub(super) fn quote_it(word: &str) -> String {
    format!("quote it if it is meant as text: \"{word}\"")
}

/// The remedy for what is not one value.
pub(super) fn single(value: &Value) -> Option<String> {
    let (help, inner) = match value {
        Value::Sequence(items) => ("write one value, not a list", items.first().filter(|_| items.len() == 1)),
        Value::Mapping(entries) => {
            let first = entries.first().filter(|_| entries.len() == 1);
            ("write one value, without keys", first.map(|(_, node)| node))
        }
        Value::Scalar(scalar) if scalar.is_null() => ("write a value, or leave the key out", None),
        _ => return None,
    };
    let inner = match inner.map(|node| &node.value) {
        Some(Value::Scalar(scalar)) if !scalar.is_null() => format!(": {}", quoted(&scalar.text)),
        _ => String::new(),
    };
    Some(help.to_owned() + &inner)
}

/// The remedy for what is not a mapping.
fn mapping_help(value: &Value, sample: &str) -> String {
    let is_mapping = |item: &Node| matches!(item.value, Value::Mapping(_));
    match value {
        Value::Sequence(items) if !items.is_empty() && items.iter().all(is_mapping) => {
            format!("leave the dashes out, and write {sample}")
        }
        Value::Scalar(scalar) if scalar.is_null() => format!("write {sample}, or leave the key out"),
        _ => format!("write {sample}"),
    }
}

/// The remedy for a number with something else in it; none if what is meant is out of range.
fn number_help(text: &str, range: &RangeInclusive<i128>) -> Option<String> {
    const WHOLE: &str = "write a whole number";
    let write = |start: &str, number: i128| range.contains(&number).then(|| format!("{start} `{number}`"));
    let is_filler = |c: char| matches!(c, '_' | ',' | '\'' | ' ');
    let digits = text.replace(is_filler, "");
    let digits = digits.trim_start_matches('0');
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits != text {
        return write("write it as", digits.parse().ok()?);
    }
    if let Some(time) = meant_duration(text) {
        return match time.subsec_nanos() {
            0 => write("write the number alone:", time.as_secs().into()),
            _ => Some(WHOLE.to_owned()),
        };
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
    let (number, rest) = text.split_at(end);
    // `1e1` and `1.5` are numbers of YAML, and `0b101` is one of other languages.
    let exponent = rest.strip_prefix(['e', 'E']).map(str::parse::<u32>);
    if let Some(Ok(exponent)) = exponent {
        let value = number.parse().ok().zip(10_i128.checked_pow(exponent));
        let value = value.and_then(|(number, factor): (i128, i128)| number.checked_mul(factor));
        return value.map_or_else(|| Some(WHOLE.to_owned()), |value| write("write it as", value));
    }
    // What follows may multiply the number, or go on with it: `2k`, `1h30m`.
    let goes_on = rest.contains(|c: char| c.is_ascii_digit());
    let is_plain = number != "0" && !rest.starts_with('.') && !goes_on && !is_multiple(rest);
    let number = number.parse().ok().filter(|_| is_plain && text.parse::<f64>().is_err());
    number.map_or_else(|| Some(WHOLE.to_owned()), |number| write("write the number alone:", number))
}

/// Whether letters behind a number mean another power of ten or two.
fn is_multiple(letters: &str) -> bool {
    matches!(letters, "ns" | "us" | "µs" | "k" | "K" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti")
}

/// The remedy for a key that says the opposite of a switch: the switch, with the other value.
pub(super) fn opposite_key(key: &str, value: &Node, known: &[&str]) -> Option<String> {
    let switches: Vec<&str> = known.iter().copied().filter(|known| is_switch(known)).collect();
    let switch = opposite(key, &switches)?;
    Some(match habits::truth(value) {
        Some(value) => format!("write `{switch}: {}`", !value),
        None => format!("write `{switch}: true` or `{switch}: false`"),
    })
}

/// "did you mean" for a key, unless that would be the opposite.
pub(super) fn similar_key(key: &str, known: &[&str]) -> Option<String> {
    suggestion(key, known).filter(|_| opposite(key, known).is_none())
}

/// Whether a key of any mapping takes true and false.
fn is_switch(key: &str) -> bool {
    let kind = Sysctl::named(key).map(Sysctl::kind);
    kind.map_or(matches!(key, "prune" | "required"), |kind| kind == SysctlKind::Switch)
}

/// "did you mean" for a word in another case, or with `_` for `-`.
fn respelt(word: &str, known: &[&str]) -> Option<String> {
    let same = |text: &str| text.to_lowercase().replace('_', "-");
    let known = known.iter().find(|known| same(known) == same(word))?;
    Some(format!("did you mean `{known}`?"))
}

/// "did you mean": the nearest known word, if it is near enough.
pub fn suggestion(word: &str, known: &[impl AsRef<str>]) -> Option<String> {
    nearest(word, known).map(|known| format!("did you mean `{known}`?"))
}

/// The nearest known word, if it is near enough.
pub fn nearest<'k>(word: &str, known: &'k [impl AsRef<str>]) -> Option<&'k str> {
    const WORD_MAX: usize = 64;
    const STEM_MIN: usize = 4;
    if word.len() > WORD_MAX {
        return None;
    }
    let word = comparable(word);
    let known = known.iter().map(AsRef::as_ref);
    let longer = known.clone().find(|known| word.len() >= STEM_MIN && known.starts_with(word.as_ref()));
    let is_near = |distance, known: &str| distance <= known.len().div_ceil(3);
    // Most words are far from all that are known, which their letters show at a tenth of the cost.
    let own = letters(&word);
    let least_distance = |known: &str| match (own, letters(known)) {
        (Some(own), Some(letters)) => {
            let lacking = (letters & !own).count_ones() as usize;
            lacking + word.len().saturating_sub(known.len())
        }
        _ => 0,
    };
    let near = if known.clone().any(|known| is_near(least_distance(known), known)) {
        let distance = |known: &&str| strsim::damerau_levenshtein(&word, &known.replace('-', "_"));
        known.min_by_key(distance).filter(|nearest| is_near(distance(nearest), nearest))
    } else {
        None
    };
    near.or(longer)
}

/// In lower case, with `_` for `-`, which most words are as they stand.
fn comparable(word: &str) -> Cow<'_, str> {
    let is_comparable = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'-';
    match word.bytes().all(is_comparable) {
        true => word.into(),
        false => word.to_lowercase().replace('-', "_").into(),
    }
}

/// The letters of a word of ASCII, a bit each; some share one. Each that a word lacks has to be put in, and what it is longer
/// by has to be taken out.
fn letters(word: &str) -> Option<u32> {
    let same = |byte: u8| if byte == b'-' { b'_' } else { byte };
    let add = |letters, byte: u8| byte.is_ascii().then(|| letters | 1 << (same(byte) % 32));
    word.bytes().try_fold(0, add)
}
