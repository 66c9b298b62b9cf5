//! The grammar: the keys and values of one file. `schema` generates the published JSON Schema from these types, and a
//! test there fails when the file in `schema/` is stale.

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::model::diagnostic::Location;
use crate::model::{AddressId, Family, Flags, Sysctl, SysctlValue, code};

use super::body::{Body, DeclarationKind, Overlay, body};
use super::check::CheckMethod;
use super::decode::Decoder;
use super::gateway::Gateway;
use super::habits;
use super::node::Node;
use super::pattern::{AddressPattern, DevicePattern};
use super::written::{Content, Entry, Valued, Written};

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
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
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
    /// `uplinks`
    pub uplinks: Option<Entries<UplinkDocument>>,
    /// `endpoints`
    pub endpoints: Option<Entries<EndpointDocument>>,
}

/// The declarations of one kind in one file, in its order. A name without a body withdraws an earlier declaration.
pub type Entries<B> = Vec<(Located<Name>, Option<B>)>;

impl Document {
    /// Its keys.
    pub const KEYS: [&'static str; 6] = ["version", "prune", "limits", "sysctls", "uplinks", "endpoints"];
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

impl LimitValue {
    /// The word for the kernel's maximum.
    pub const MAX: &'static str = "max";
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
        foreign_keys: habits::ENDPOINT,
    };
    "address" => address: AddressPattern = Decoder::address;
    "port" => port: NonZeroU16 = Decoder::port;
    "dev" => dev: DevicePattern = Decoder::dev;
    "family" => family: Family = Decoder::family;
    "id" => id: AddressId = Decoder::id;
    "flags" => flags: Flags = Decoder::flags;
    "required" => required: bool = Decoder::required;
}

body! {
    /// The keys of one uplink.
    UplinkDocument = DeclarationKind {
        word: "uplink",
        section: "uplinks",
        subject: "dev",
        empty_help: "write `uplinks: {}` for no uplinks, or remove the key to leave rules and routes alone",
        too_many: (code::TOO_MANY_UPLINKS, "a glob in `dev` stands for many interfaces"),
        foreign_keys: habits::UPLINK,
    };
    "dev" => dev: DevicePattern = Decoder::dev;
    "gateway" => gateway: Gateway = Decoder::gateway;
    "check" => check: CheckDocument = Decoder::check;
}

/// The `check` of one uplink in one file; another file may have the rest.
#[derive(Clone, Debug, Default)]
pub struct CheckDocument {
    /// `connect`, `run`, or `gateway` alone
    pub method: Option<Located<CheckMethod>>,
    /// `every`
    pub every: Option<Located<Duration>>,
    /// `timeout`
    pub timeout: Option<Located<Duration>>,
    /// `fall`
    pub fall: Option<Located<u32>>,
    /// `rise`
    pub rise: Option<Located<u32>>,
}

impl CheckDocument {
    /// Its keys.
    pub const KEYS: [&'static str; 6] =
        [CheckMethod::CONNECT, CheckMethod::RUN, "every", "timeout", "fall", "rise"];
}

impl Overlay for AddressPattern {}
impl Overlay for NonZeroU16 {}
impl Overlay for DevicePattern {}
impl Overlay for Family {}
impl Overlay for AddressId {}
impl Overlay for Flags {}
impl Overlay for bool {}
impl Overlay for Gateway {}

impl Valued for NonZeroU16 {
    fn content(&self) -> Content {
        Content::number(self.get())
    }
}

impl Valued for AddressId {
    fn content(&self) -> Content {
        Content::number(self.get())
    }
}

impl Valued for Family {
    fn content(&self) -> Content {
        let name = Family::NAMES.into_iter().find(|(_, family)| family == self);
        Content::word(name.map_or("", |(name, _)| name))
    }
}

impl Valued for Flags {
    fn content(&self) -> Content {
        Content::Value(Written::List(self.words()))
    }
}

impl Valued for AddressPattern {
    fn content(&self) -> Content {
        match self {
            AddressPattern::Exact(address) => Content::word(address),
            AddressPattern::Prefixes(prefixes) => Content::words(prefixes),
        }
    }
}

impl Valued for DevicePattern {
    fn content(&self) -> Content {
        Content::words(&self.globs)
    }
}

impl Valued for Gateway {
    fn content(&self) -> Content {
        match self {
            Gateway::OnLink => Content::word(Gateway::NONE),
            Gateway::Routers(routers) => Content::words(routers),
        }
    }
}
