//! The grammar: the keys and values of one file. `schema` generates the published JSON Schema from these types, and a
//! test there fails when the file in `schema/` is stale.

use std::fmt;
use std::num::NonZeroU16;

use crate::model::diagnostic::Location;
use crate::model::{AddressId, Flags, Sysctl, SysctlValue, code};

use super::body::{Body, DeclarationKind, body};
use super::decode::Decoder;
use super::node::Node;
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
    /// `endpoints`
    pub endpoints: Option<Entries<EndpointDocument>>,
}

/// The declarations of one kind in one file, in its order. A name without a body withdraws an earlier declaration.
pub type Entries<B> = Vec<(Located<Name>, Option<B>)>;

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

body! {
    /// The keys of one endpoint.
    EndpointDocument = DeclarationKind {
        word: "endpoint",
        section: "endpoints",
        subject: "address",
        empty_help: "write `endpoints: {}` for no endpoints, or remove the key to leave the kernel's table alone",
        too_many: (code::TOO_MANY_ENDPOINTS, "a selector (`dev` or a prefix) stands for many addresses"),
        foreign_keys: &[],
    };
    "address" => address: AddressPattern = Decoder::address;
    "port" => port: NonZeroU16 = Decoder::port;
    "dev" => dev: DevicePattern = Decoder::dev;
    "family" => family: AddressFamily = Decoder::family;
    "id" => id: AddressId = Decoder::id;
    "flags" => flags: Flags = Decoder::flags;
    "required" => required: bool = Decoder::required;
}
