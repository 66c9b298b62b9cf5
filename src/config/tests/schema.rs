//! The JSON Schema of the grammar, from the types of `document` and the tables of `model`. Only the tests generate it:
//! the program prints the file in `schema/`, and a test below fails when that is stale.
//!
//! A schema applies to one file, which another file may complete, so no key of an endpoint is required.

mod uplink;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use crate::model::{AddressId, Family, Flags, Sysctl, SysctlKind};

use super::super::DECLARATIONS_MAX;
use super::super::body::Body;
use super::super::document::{
    CheckDocument, Document, EndpointDocument, LimitValue, LimitsDocument, NAME_MAX, Name, UplinkDocument,
};
use super::super::pattern::{ALTNAME_MAX, AddressPattern, DevicePattern};
use super::super::validate::PURPOSES;

const ID: &str = "https://github.com/mptcp-apply/mptcp-apply/raw/main/schema/mptcp-apply.schema.json";

impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "mptcp-apply configuration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "$id": ID,
            "description": "The desired state of the MPTCP path manager of a Linux host. Of several files, later ones win: mappings are merged key by key, everything else is replaced.",
            "type": ["object", "null"],
            "required": ["version"],
            "additionalProperties": false,
            "properties": {
                "version": {
                    "description": "The version of this grammar: 1. Required.",
                    "const": Document::VERSION as u64,
                    "examples": [Document::VERSION as u64],
                },
                "prune": {
                    "description": "Whether to remove endpoints that no file declares. False: remove only those that mptcp-apply added earlier. Default: true.",
                    "type": "boolean",
                    "default": true,
                    "examples": [false],
                },
                "limits": generator.subschema_for::<LimitsDocument>(),
                "sysctls": sysctls(),
                "uplinks": {
                    "description": "The interfaces that lead out by a router of their own, by name: packets leave where their source address is. Absent: rules and routes are left alone. `{}`: those that mptcp-apply made are removed.",
                    "type": "object",
                    "maxProperties": DECLARATIONS_MAX,
                    "propertyNames": generator.subschema_for::<Name>(),
                    "additionalProperties": generator.subschema_for::<UplinkDocument>(),
                    "examples": [
                        { "fiber": { "dev": "eth0" }, "lte": { "dev": "wwan0", "gateway": "10.64.64.1" } },
                        {},
                    ],
                },
                "endpoints": {
                    "description": "The endpoints by name, in order of preference: the kernel uses earlier ones first when limits are tight. Absent: the table is left alone. `{}`: no endpoints.",
                    "type": "object",
                    "maxProperties": DECLARATIONS_MAX,
                    "propertyNames": generator.subschema_for::<Name>(),
                    "additionalProperties": generator.subschema_for::<EndpointDocument>(),
                    "examples": [{ "fiber": { "address": "192.0.2.10", "flags": ["subflow"] } }, {}],
                },
            },
            "examples": [
                {
                    "version": 1,
                    "limits": { "subflows": 4, "add-addr-accepted": "max" },
                    "uplinks": { "fiber": { "dev": "eth0" }, "lte": { "dev": ["wwan*", "!wwan9"] } },
                    "endpoints": {
                        "fiber": { "address": "192.0.2.10", "dev": "eth0", "id": 1, "flags": ["subflow", "fullmesh"] },
                        "lte": { "dev": ["wwan*", "!wwan9"], "family": "ipv4", "flags": ["subflow", "backup"] },
                    },
                },
                {
                    "version": 1,
                    "endpoints": { "public": { "address": "203.0.113.7", "port": 8443, "flags": ["signal"] } },
                },
            ],
        })
    }
}

impl JsonSchema for LimitsDocument {
    fn schema_name() -> Cow<'static, str> {
        "limits".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let limit = |generator: &mut SchemaGenerator, description, example: u32| {
            described(generator.subschema_for::<LimitValue>(), description, &[json!(example), json!("max")])
        };
        let subflows = "Additional subflows of one connection, from 0, or `max` for the kernel's maximum. Absent: not managed; the kernel starts with 2.";
        let accepted = "Announced addresses (ADD_ADDR) that one connection accepts from its peer, from 0, or `max`. Absent: not managed; the kernel starts with 0.";
        json_schema!({
            "description": "The limits of every connection. Absent: not managed.",
            "examples": [{ "subflows": 4, "add-addr-accepted": "max" }],
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "subflows": limit(generator, subflows, 4),
                "add-addr-accepted": limit(generator, accepted, 8),
            },
        })
    }
}

impl JsonSchema for LimitValue {
    fn schema_name() -> Cow<'static, str> {
        "limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
        json_schema!({
            "anyOf": [number, { "const": "max" }],
            "errorMessage": "a number from 0 to the kernel's maximum, or max",
        })
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "pattern": format!("^[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}$", NAME_MAX - 1),
            "errorMessage": format!("a name of at most {NAME_MAX} letters, digits, dots, hyphens and underscores, which begins with a letter or digit"),
        })
    }
}

impl JsonSchema for EndpointDocument {
    fn schema_name() -> Cow<'static, str> {
        "endpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let address = described(
            generator.subschema_for::<AddressPattern>(),
            "An exact address, or a prefix such as 10.0.0.0/8, which selects every usable address in it, or a list of prefixes; `!` excludes what it precedes. Unique local addresses (fc00::/7) are selected only by a prefix of them. Absent: every usable address of `dev`.",
            &[
                json!("192.0.2.10"),
                json!("2001:db8::1"),
                json!("10.0.0.0/8"),
                json!(["10.0.0.0/8", "!10.0.0.100"]),
            ],
        );
        let dev = described(
            generator.subschema_for::<DevicePattern>(),
            "With an exact address: the interface to which its subflows are bound. Otherwise: the interfaces whose addresses are selected, as a name, a glob, or a list of them; `!` excludes what it precedes. Absent: any interface.",
            &[json!("eth0"), json!(["wwan*", "!wwan9"])],
        );
        let family = described(
            generator.subschema_for::<Family>(),
            "Selects only addresses of this family. Not with an exact address. Absent: both.",
            &[json!("ipv4")],
        );
        let flags = described(
            generator.subschema_for::<Flags>(),
            &flag_meanings(),
            &[json!(["subflow", "backup"]), json!(["signal"])],
        );
        // Only keys of the same mapping are compared: another file may have the rest.
        let exact =
            json!({ "properties": { "address": { "type": "string", "not": { "pattern": "^!|/" } } } });
        json_schema!({
            "description": "An endpoint with an exact address, or a selector of every usable address that matches. `null` withdraws what an earlier file declares.",
            "type": ["object", "null"],
            "additionalProperties": false,
            "properties": {
                "address": address,
                "port": {
                    "description": "The TCP port on which the kernel listens for subflows to this address. From 1 to 65535. Needs the flag `signal`, excludes `subflow`. Absent: no port.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": u16::MAX,
                    "errorMessage": format!("a port from 1 to {}", u16::MAX),
                    "examples": [8443],
                },
                "dev": dev,
                "family": family,
                "id": {
                    "description": "The address id that the endpoint must have, from 1 to 255. Only with an exact address. Absent: the endpoint keeps its id, or the kernel chooses one.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": AddressId::MAX,
                    "errorMessage": format!("an id from 1 to {}; the kernel keeps 0 for the first subflow", AddressId::MAX),
                    "examples": [1],
                },
                "flags": flags,
                "required": {
                    "description": "Whether the endpoint has to be possible now. True: a run in which it waits fails before anything is changed. Default: false.",
                    "type": "boolean",
                    "default": false,
                    "examples": [true],
                },
            },
            "dependentSchemas": {
                "id": exact,
                "family": { "properties": { "address": { "anyOf": [{ "type": "array" }, { "pattern": "^!|/" }] } } },
                "port": {
                    "allOf": [exact],
                    "properties": { "flags": { "contains": { "const": "signal" }, "not": { "contains": { "const": "subflow" } } } },
                },
            },
            "if": { "required": ["address"], "properties": { "address": { "type": "string", "not": { "pattern": "^!|/" } } } },
            "then": { "properties": { "dev": { "type": "string", "not": { "pattern": "^!|[*?\\[]" } } } },
        })
    }
}

impl JsonSchema for AddressPattern {
    fn schema_name() -> Cow<'static, str> {
        "address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let word = addresses(AddressForm::Prefix, &[UNSPECIFIED, MULTICAST, BROADCAST]);
        json_schema!({ "anyOf": [word, { "type": "array", "minItems": 1, "items": word }] })
    }
}

/// Patterns of addresses that are no endpoint or no router.
const UNSPECIFIED: &str = "0\\.0\\.0\\.0|[0:]+";
const MULTICAST: &str = "(?:22[4-9]|23[0-9])\\..*|[Ff][Ff][0-9A-Fa-f]{2}:.*";
const BROADCAST: &str = "255\\.255\\.255\\.255";

/// What a text may be beside an address.
enum AddressForm {
    /// Nothing else.
    Exact,
    /// A prefix, or an exclusion.
    Prefix,
}

/// Texts that are an address in this form, and none of the forbidden ones.
fn addresses(form: AddressForm, forbidden: &[&str]) -> Value {
    let (mark, length4, length6, error) = match form {
        AddressForm::Exact => ("", "", "", "the address of a router, such as 192.0.2.1 or fe80::1, or none"),
        AddressForm::Prefix => (
            "!?",
            "(?:/(?:3[0-2]|[12]?[0-9]))?",
            "(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?",
            "an address of this host, such as 192.0.2.10 or 2001:db8::1, or a prefix, such as 10.0.0.0/8; ! in front of it excludes",
        ),
    };
    let octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    let ipv4 = format!("{octet}(?:\\.{octet}){{3}}{length4}");
    let ipv6 = format!("[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*{length6}");
    json!({
        "type": "string",
        "pattern": format!("^{mark}(?:{ipv4}|{ipv6})$"),
        "not": { "pattern": format!("^{mark}(?:{})$", forbidden.join("|")) },
        "errorMessage": error,
    })
}

impl JsonSchema for DevicePattern {
    fn schema_name() -> Cow<'static, str> {
        "dev".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = format!("[^/:\\s*?\\[]{{1,{ALTNAME_MAX}}}");
        let glob = "(?=.*[*?\\[])(?:[^/:\\s\\[]|\\[[^/:\\s]*\\])+";
        let word = json!({
            "type": "string",
            "pattern": format!("^!?(?:{name}|{glob})$"),
            "errorMessage": "the name of an interface, such as eth0, or a glob, such as wwan*; ! in front of it excludes; several are a list",
        });
        json_schema!({ "anyOf": [word, { "type": "array", "minItems": 1, "items": word }] })
    }
}

impl JsonSchema for Family {
    fn schema_name() -> Cow<'static, str> {
        "family".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "enum": Family::NAMES.map(|(name, _)| name),
            "enumDescriptions": Family::NAMES.map(|(_, family)| format!("{} addresses only", family.title())),
            "errorMessage": one_of(Family::NAMES.map(|(name, _)| name)),
        })
    }
}

impl JsonSchema for Flags {
    fn schema_name() -> Cow<'static, str> {
        "flags".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (names, meanings): (Vec<&str>, Vec<&str>) = Flags::declarable().unzip();
        let flag =
            json!({ "enum": names, "enumDescriptions": meanings, "errorMessage": one_of(names.clone()) });
        json_schema!({
            "type": "array",
            "items": flag,
            "uniqueItems": true,
            "contains": { "enum": PURPOSES.words() },
            "not": { "allOf": [{ "contains": { "const": "signal" } }, { "contains": { "const": "fullmesh" } }] },
        })
    }
}

/// What an editor says of a word that is none of these.
fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    format!("one of {}", words.into_iter().collect::<Vec<_>>().join(", "))
}

fn flag_meanings() -> String {
    let meanings: Vec<String> =
        Flags::declarable().map(|(name, meaning)| format!("`{name}`: {meaning}")).collect();
    let purposes = PURPOSES.words().join(", ");
    format!(
        "What the path manager does with the endpoint: at least one of {purposes}; signal excludes fullmesh. Required. {}.",
        meanings.join("; ")
    )
}

fn sysctls() -> Value {
    let property = |sysctl: Sysctl| {
        let value = match sysctl.kind() {
            SysctlKind::Switch => json!({
                "enum": [true, false, 1, 0],
                "enumDescriptions": ["on", "off", "on", "off"],
                "errorMessage": "true or false, or 1 or 0",
            }),
            SysctlKind::Number(max) => json!({
                "type": "integer",
                "minimum": 0,
                "maximum": max,
                "errorMessage": format!("an integer from 0 to {max}"),
            }),
            SysctlKind::Choice(words) => {
                json!({ "enum": words, "errorMessage": one_of(words.iter().copied()) })
            }
            SysctlKind::Word => json!({
                "type": "string",
                "pattern": "^[!-~]+$",
                "errorMessage": "one word that the kernel knows",
            }),
        };
        let mut value = Schema::try_from(value).expect("an object");
        let range = match sysctl.kind() {
            SysctlKind::Number(max) => format!(", from 0 to {max}"),
            _ => String::new(),
        };
        let (name, meaning, initial) = (sysctl.name(), sysctl.meaning(), sysctl.initial());
        let description = format!(
            "net.mptcp.{name}{range}: {meaning}. Absent: not managed; the kernel starts with {initial}."
        );
        value.insert("title".to_owned(), format!("net.mptcp.{name}").into());
        value.insert("description".to_owned(), description.into());
        let example = match sysctl.kind() {
            SysctlKind::Switch => json!(initial == "1"),
            SysctlKind::Number(_) => initial.parse::<u64>().map_or(Value::Null, Value::from),
            SysctlKind::Choice(_) | SysctlKind::Word => json!(initial),
        };
        value.insert("examples".to_owned(), json!([example]));
        (sysctl.name().to_owned(), value.to_value())
    };
    json!({
        "description": "Settings of net.mptcp by the kernel's own names; path_manager and pm_type are one setting, of which only one may be declared. Absent: not managed.",
        "examples": [{ "enabled": true, "scheduler": "default" }],
        "type": "object",
        "additionalProperties": false,
        "properties": Sysctl::all().map(property).collect::<Map<String, Value>>(),
        "not": { "required": [Sysctl::PATH_MANAGER.name(), Sysctl::PM_TYPE.name()] },
    })
}

fn described(mut schema: Schema, description: &str, examples: &[Value]) -> Schema {
    schema.insert("description".to_owned(), description.into());
    if !examples.is_empty() {
        schema.insert("examples".to_owned(), examples.into());
    }
    schema
}

/// What editors write above the description of a key, or of what stands below one.
const TITLES: [(&str, &str); 25] = [
    ("version", "Version of the grammar"),
    ("prune", "Removal of undeclared endpoints"),
    ("limits", "Limits of a connection"),
    ("subflows", "Additional subflows"),
    ("add-addr-accepted", "Accepted announcements"),
    ("sysctls", "Settings of net.mptcp"),
    ("uplinks", "Uplinks by name"),
    ("uplink", "Uplink"),
    ("endpoints", "Endpoints by name"),
    ("endpoint", "Endpoint or selector"),
    ("address", "Address or prefixes"),
    ("port", "TCP port"),
    ("dev", "Interfaces"),
    ("family", "Address family"),
    ("id", "Address id"),
    ("flags", "Flags"),
    ("required", "Required now"),
    ("gateway", "Router"),
    ("check", "Check under --watch"),
    ("connect", "Connection to open"),
    ("run", "Command to run"),
    ("every", "Time between checks"),
    ("timeout", "Time limit of a check"),
    ("fall", "Failures until it is down"),
    ("rise", "Passes until it is up"),
];

/// What only editors read: gives a title to each mapping that lists its keys, and to each of these keys, and makes
/// sentences of messages. `name` is the key of `schema`.
fn for_editors(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(message)) = members.get_mut("errorMessage") {
                message.insert_str(0, "Expected ");
            }
            // The other mappings of properties are parts of conditions.
            let is_closed = members.get("additionalProperties") == Some(&Value::Bool(false));
            if is_closed {
                members.entry("title").or_insert_with(|| title_of(name));
            }
            for (keyword, member) in members {
                let Some(named) =
                    member.as_object_mut().filter(|_| ["properties", "$defs"].contains(&&**keyword))
                else {
                    for_editors(member, name);
                    continue;
                };
                for (key, property) in named {
                    if let Some(property) = property.as_object_mut().filter(|_| is_closed) {
                        property.entry("title").or_insert_with(|| title_of(key));
                    }
                    for_editors(property, key);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| for_editors(item, name)),
        _ => {}
    }
}

fn title_of(key: &str) -> Value {
    let row = TITLES.iter().find(|(known, _)| *known == key);
    row.unwrap_or_else(|| panic!("`{key}` has no title")).1.into()
}

#[test]
fn the_published_schema_is_fresh() {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>();
    let mut schema = schema.to_value();
    for_editors(&mut schema, "");
    // It writes members in an order for readers.
    let schema = Schema::try_from(schema).expect("an object");
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    // For a stale file the message has the command: SNAPSHOTS=overwrite cargo test
    let published = snapbox::file!["../../../schema/mptcp-apply.schema.json": Text].raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(text, published);
}

#[test]
fn the_schema_knows_every_key() {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let keys = |schema: Schema| -> Vec<String> {
        let properties = schema.get("properties").and_then(Value::as_object).expect("properties");
        let mut keys: Vec<String> = properties.keys().cloned().collect();
        keys.sort();
        keys
    };
    let sorted = |known: &[&str]| {
        let mut known: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
        known.sort();
        known
    };
    assert_eq!(keys(Document::json_schema(&mut generator)), sorted(&Document::KEYS));
    assert_eq!(keys(LimitsDocument::json_schema(&mut generator)), sorted(&LimitsDocument::KEYS));
    assert_eq!(keys(EndpointDocument::json_schema(&mut generator)), sorted(EndpointDocument::KEYS));
    let check = CheckDocument::json_schema(&mut generator).to_value();
    let check: Schema = check["anyOf"][1].clone().try_into().expect("an object");
    assert_eq!(keys(check), sorted(&CheckDocument::KEYS));
    assert_eq!(keys(UplinkDocument::json_schema(&mut generator)), sorted(UplinkDocument::KEYS));
}
