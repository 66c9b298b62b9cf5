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
use super::node::Node;
use super::pattern::{AddressPattern, DevicePattern};

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
        foreign_keys: &[
            ("gateway", ROUTER_OF_ENDPOINT),
            ("interface", "write it as `dev`"),
            ("table", ROUTER_OF_ENDPOINT),
            ("via", ROUTER_OF_ENDPOINT),
        ],
    };
    "address" => address: AddressPattern = Decoder::address;
    "port" => port: NonZeroU16 = Decoder::port;
    "dev" => dev: DevicePattern = Decoder::dev;
    "family" => family: Family = Decoder::family;
    "id" => id: AddressId = Decoder::id;
    "flags" => flags: Flags = Decoder::flags;
    "required" => required: bool = Decoder::required;
}

const ROUTER_OF_ENDPOINT: &str =
    "routes belong to an uplink, under the top-level key `uplinks`: `NAME: {dev: ..., gateway: ...}`";

body! {
    /// The keys of one uplink.
    UplinkDocument = DeclarationKind {
        word: "uplink",
        section: "uplinks",
        subject: "dev",
        empty_help: "write `uplinks: {}` for no uplinks, or remove the key to leave rules and routes alone",
        too_many: (code::TOO_MANY_UPLINKS, "a glob in `dev` stands for many interfaces"),
        foreign_keys: &[
            ("address", ADDRESSES_OF_UPLINK),
            ("addresses", ADDRESSES_OF_UPLINK),
            ("device", DEV_OF_UPLINK),
            ("family", ADDRESSES_OF_UPLINK),
            ("flags", "leave it out; what the path manager does with an address is declared under `endpoints`"),
            ("gateway4", GATEWAY_OF_UPLINK),
            ("gateway6", GATEWAY_OF_UPLINK),
            ("iface", DEV_OF_UPLINK),
            ("interface", DEV_OF_UPLINK),
            ("interfaces", DEV_OF_UPLINK),
            ("metric", RULES_OF_UPLINK),
            ("priority", RULES_OF_UPLINK),
            ("router", GATEWAY_OF_UPLINK),
            ("routes", RULES_OF_UPLINK),
            ("routing-policy", RULES_OF_UPLINK),
            ("table", RULES_OF_UPLINK),
            ("via", GATEWAY_OF_UPLINK),
        ],
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
    /// Keys that people bring from other programs.
    pub const FOREIGN_KEYS: &'static [(&'static str, &'static str)] = &[
        (CheckMethod::GATEWAY, "write `check: gateway`, without a mapping"),
        ("interval", "write it as `every`"),
        ("period", "write it as `every`"),
        ("command", "write it as `run`"),
        ("ping", "write `run: \"ping -c1 -W2 -I INTERFACE ADDRESS\"`"),
        ("host", "write `connect: \"ADDRESS:PORT\"`"),
        ("port", "write `connect: \"ADDRESS:PORT\"`"),
    ];
}

impl Overlay for AddressPattern {}
impl Overlay for NonZeroU16 {}
impl Overlay for DevicePattern {}
impl Overlay for Family {}
impl Overlay for AddressId {}
impl Overlay for Flags {}
impl Overlay for bool {}
impl Overlay for Gateway {}

const ADDRESSES_OF_UPLINK: &str = "leave it out; an uplink has every global address of its interfaces";
const DEV_OF_UPLINK: &str = "write it as `dev`";
const GATEWAY_OF_UPLINK: &str = "write it as `gateway`: an address, or a list with one address per family";
const RULES_OF_UPLINK: &str =
    "leave it out; rules and routes follow from `dev` and `gateway`, with numbers of their own";
