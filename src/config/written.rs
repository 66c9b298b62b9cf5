//! The merged configuration as it was written: every value with the place that set it, for `check --merged`.

use std::fmt;

use serde::Serialize;

use crate::model::diagnostic::Location;
use crate::model::{Sysctl, SysctlValue};

use super::body::Body;
use super::document::{LimitValue, Located, Name};
use super::merge::{Declarations, Merged};
use super::node::Scalar;

/// A key, and what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value, or further keys.
    pub content: Content,
    /// Where the value is written, or the name of a declaration; none where several files may have added to it.
    pub location: Option<Location>,
}

/// What a key has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A value.
    Value(Written),
    /// Keys below it.
    Entries(Vec<Entry>),
}

/// A value as YAML and JSON have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Written {
    /// `true`
    Switch(bool),
    /// `4`
    Number(u64),
    /// `max`
    Word(String),
    /// `[subflow, backup]`
    List(Vec<String>),
    /// `{}`
    Empty {},
}

impl Entry {
    fn new(key: &str, location: Location, content: Content) -> Entry {
        Entry { key: key.to_owned(), content, location: Some(location) }
    }

    /// A value with its place.
    pub fn of<T: Valued>(key: &str, located: &Located<T>) -> Entry {
        let location = located.value.origin(located.location);
        Entry { key: key.to_owned(), content: located.value.content(), location }
    }

    /// A section of entries, which may have come from several files.
    fn section(key: &str, entries: Vec<Entry>) -> Entry {
        Entry { key: key.to_owned(), content: Content::Entries(entries), location: None }
    }
}

/// A value of the grammar that can be written again.
pub trait Valued {
    /// The value, or its keys.
    fn content(&self) -> Content;

    /// Where it was set, if not where the last file has it; none where several files added to it.
    fn origin(&self, last: Location) -> Option<Location> {
        Some(last)
    }
}

impl Content {
    /// A word.
    pub fn word(word: impl fmt::Display) -> Content {
        Content::Value(Written::Word(word.to_string()))
    }

    /// A number.
    pub fn number(number: impl Into<u64>) -> Content {
        Content::Value(Written::Number(number.into()))
    }

    /// One word, or several as a list.
    pub fn words(words: impl IntoIterator<Item = impl fmt::Display>) -> Content {
        let mut words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
        match words.len() {
            1 => Content::Value(Written::Word(words.remove(0))),
            _ => Content::Value(Written::List(words)),
        }
    }
}

impl Valued for bool {
    fn content(&self) -> Content {
        Content::Value(Written::Switch(*self))
    }
}

impl Valued for LimitValue {
    fn content(&self) -> Content {
        match self {
            LimitValue::Number(number) => Content::number(*number),
            LimitValue::Max => Content::word(LimitValue::MAX),
        }
    }
}

impl Valued for SysctlValue {
    fn content(&self) -> Content {
        match self {
            SysctlValue::Number(number) => Content::number(*number),
            SysctlValue::Word(word) => Content::word(word),
        }
    }
}

/// The keys of the merged files, in the order of the grammar.
pub fn entries(merged: &Merged) -> Vec<Entry> {
    let version = Entry { key: "version".to_owned(), content: Content::number(1u8), location: None };
    let mut entries = vec![version];
    entries.extend(merged.prune.as_ref().map(|prune| Entry::of("prune", prune)));
    let limits = &merged.limits;
    let subflows = limits.subflows.as_ref().map(|limit| Entry::of("subflows", limit));
    let accepted = limits.add_addr_accepted.as_ref().map(|limit| Entry::of("add-addr-accepted", limit));
    let limits: Vec<Entry> = subflows.into_iter().chain(accepted).collect();
    let sysctl =
        |(sysctl, (_, value)): (&Sysctl, &(Location, Located<SysctlValue>))| Entry::of(sysctl.name(), value);
    let sysctls: Vec<Entry> = merged.sysctls.iter().map(sysctl).collect();
    let settings = [("limits", limits), ("sysctls", sysctls)].into_iter();
    entries.extend(settings.filter(|(_, all)| !all.is_empty()).map(|(key, all)| Entry::section(key, all)));
    entries.extend(merged.uplinks.as_ref().map(declarations));
    entries.extend(merged.endpoints.as_ref().map(declarations));
    entries
}

/// A section of declarations. One without any is managed all the same.
fn declarations<B: Body>(declarations: &Declarations<B>) -> Entry {
    let declaration = |(name, body): (&Located<Name>, &B)| {
        Entry::new(name.value.as_str(), name.location, Content::Entries(body.entries()))
    };
    Entry::section(B::KIND.section, declarations.iter().map(declaration).collect())
}

/// A word as YAML, quoted where it has to be.
pub fn yaml_word(word: &str) -> String {
    let scalar = Scalar { text: word.into(), plain: true };
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_text = !scalar.is_null() && scalar.boolean().is_none() && scalar.integer().is_none();
    if is_text && word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(is_safe) {
        return word.to_owned();
    }
    // JSON's strings are YAML's, but for control characters that JSON lets stand.
    let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    serde_json::Value::from(word).to_string().chars().map(escape).collect()
}

/// As YAML in one line.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Written::Switch(on) => on.fmt(f),
            Written::Number(number) => number.fmt(f),
            Written::Word(word) => f.write_str(&yaml_word(word)),
            Written::List(words) => {
                let words: Vec<String> = words.iter().map(|word| yaml_word(word)).collect();
                write!(f, "[{}]", words.join(", "))
            }
            Written::Empty {} => f.write_str("{}"),
        }
    }
}
