//! The grammar: the keys and values of one file. `schema` generates the published JSON Schema from these types, and a
//! test there fails when the file in `schema/` is stale.

use std::fmt;

use crate::model::diagnostic::Location;
use crate::model::{AddressId, Flags, Sysctl, SysctlValue};

use super::pattern::{AddressFamily, AddressPattern, DevicePattern};

/// A value and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where the value is; in a mapping, not its key.
    pub location: Location,
}

/// The most characters of a [`Name`].
pub const NAME_MAX: usize = 64;

/// The name of a declaration: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name, if the text is valid as one.
    pub fn new(text: &str) -> Option<Name> {
        let valid = text.len() <= NAME_MAX
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        valid.then(|| Name(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file, version 1 of the grammar. `None` stands for an absent key.
#[derive(Debug, Default)]
pub struct Document {
    /// `prune`
    pub prune: Option<Located<bool>>,
    /// `limits`
    pub limits: LimitsDocument,
    /// `sysctls`, each with the location of its key
    pub sysctls: Vec<(Sysctl, Location, Located<SysctlValue>)>,
    /// `endpoints`; an entry without a body withdraws an earlier declaration
    pub endpoints: Option<Vec<(Located<Name>, Option<EndpointDocument>)>>,
}

impl Document {
    /// Its keys.
    pub const KEYS: [&'static str; 5] = ["version", "prune", "limits", "sysctls", "endpoints"];
    /// The one value of `version`.
    pub const VERSION: i128 = 1;
}

/// A declared limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitValue {
    /// A number.
    Number(u32),
    /// The kernel's maximum.
    Max,
}

/// The `limits` of one file.
#[derive(Debug, Default)]
pub struct LimitsDocument {
    /// `subflows`
    pub subflows: Option<Located<LimitValue>>,
    /// `add-addr-accepted`
    pub add_addr_accepted: Option<Located<LimitValue>>,
}

impl LimitsDocument {
    /// Its keys.
    pub const KEYS: [&'static str; 2] = ["subflows", "add-addr-accepted"];
}

/// The keys of one endpoint in one file; another file may have the rest.
#[derive(Clone, Debug, Default)]
pub struct EndpointDocument {
    /// `address`
    pub address: Option<Located<AddressPattern>>,
    /// `port`, 1 to 65535
    pub port: Option<Located<std::num::NonZeroU16>>,
    /// `dev`
    pub dev: Option<Located<DevicePattern>>,
    /// `family`
    pub family: Option<Located<AddressFamily>>,
    /// `id`, 1 to 255
    pub id: Option<Located<AddressId>>,
    /// `flags`
    pub flags: Option<Located<Flags>>,
    /// `required`
    pub required: Option<Located<bool>>,
    /// Keys that are absent here only because their values were wrong.
    pub invalid: Vec<&'static str>,
}

impl EndpointDocument {
    /// Its keys.
    pub const KEYS: [&'static str; 7] = ["address", "port", "dev", "family", "id", "flags", "required"];

    /// Whether the value of this key was wrong, so that its absence has no meaning.
    pub fn has_invalid(&self, key: &str) -> bool {
        self.invalid.contains(&key)
    }
}
