//! The JSON Schema of an uplink.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::super::super::check::{CheckMethod, STREAK_MAX, UNITS, UplinkCheck};
use super::super::super::document::{CheckDocument, UplinkDocument};
use super::super::super::gateway::Gateway;
use super::super::super::pattern::DevicePattern;
use super::{AddressForm, BROADCAST, MULTICAST, UNSPECIFIED, addresses, described};

impl JsonSchema for UplinkDocument {
    fn schema_name() -> Cow<'static, str> {
        "uplink".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let dev = described(
            generator.subschema_for::<DevicePattern>(),
            "The interfaces, as a name, a glob, or a list of them; `!` excludes what it precedes. An interface is one uplink: a literal name comes before a glob, else the first. Required.",
            &[json!("eth0"), json!(["wwan*", "!wwan9"])],
        );
        let gateway = described(
            generator.subschema_for::<Gateway>(),
            "The router: an address, a list with one address per family, or `none` on a link without a router. Only with a single interface. Absent: that of the default route out of the interface; a point-to-point link without one needs none.",
            &[json!("10.64.64.1"), json!(["192.0.2.1", "fe80::1"]), json!(Gateway::NONE)],
        );
        json_schema!({
            "description": "Interfaces that lead out by a router of their own. `null` withdraws what an earlier file declares.",
            "type": ["object", "null"],
            "additionalProperties": false,
            "properties": { "dev": dev, "gateway": gateway, "check": generator.subschema_for::<CheckDocument>() },
        })
    }
}

impl JsonSchema for CheckDocument {
    fn schema_name() -> Cow<'static, str> {
        "check".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        const INTERVAL: &str =
            "a time such as 500ms, 5s, 2min or 1h, or a number of seconds, from 100ms to 1h";
        let units: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
        let units = format!("^[0-9]+ *(?:{})?$", units.join("|"));
        let duration = |what: &str, default: u64| {
            json!({
                "description": format!("{what} A number with `ms`, `s`, `min` or `h`, or a number of seconds; from 100ms to 1h. Absent: {default}s."),
                "anyOf": [
                    { "type": "integer", "minimum": 1, "maximum": 3600 },
                    { "type": "string", "pattern": units, "errorMessage": INTERVAL },
                ],
                "errorMessage": INTERVAL,
                "examples": [format!("{default}s")],
            })
        };
        let streak = |what: &str, default: u32| {
            json!({
                "description": format!("{what} From 1 to {STREAK_MAX}. Default: {default}."),
                "type": "integer",
                "minimum": 1,
                "maximum": STREAK_MAX,
                "errorMessage": format!("a number from 1 to {STREAK_MAX}"),
                "default": default,
                "examples": [default],
            })
        };
        let mapping = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                CheckMethod::CONNECT: {
                    "description": "The check passes if a TCP connection to this address and port opens out of the uplink. Absent: `run` says what is done.",
                    "type": "string",
                    "pattern": "^[0-9A-Fa-f.:\\[\\]]+:[0-9]+$",
                    "errorMessage": "an address and a port, such as 203.0.113.7:443 or [2001:db8::1]:443",
                    "examples": ["203.0.113.7:443"],
                },
                CheckMethod::RUN: {
                    "description": "The check passes if this command, run by `sh -c`, exits with 0. Excludes `connect`. Absent: nothing is run.",
                    "type": "string",
                    "minLength": 1,
                    "examples": ["ping -c1 -W2 -I wwan0 9.9.9.9"],
                },
                "every": duration("The time from the beginning of one check to that of the next.", UplinkCheck::EVERY.as_secs()),
                "timeout": duration("How long a check may take; then it has failed.", UplinkCheck::TIMEOUT.as_secs()),
                "fall": streak("How many checks in a row have to fail until the uplink is down.", UplinkCheck::FALL),
                "rise": streak("How many checks in a row have to pass until it is up again.", UplinkCheck::RISE),
            },
            "not": { "required": [CheckMethod::CONNECT, CheckMethod::RUN] },
        });
        json_schema!({
            "description": "How `--watch` tests the uplink: a mapping with `connect` or `run`, or `gateway`, which asks the router by ARP or neighbour discovery. While the uplink is down and another one is up, new connections leave by that one. Absent: not tested.",
            "anyOf": [{ "const": CheckMethod::GATEWAY }, mapping],
            "examples": [{ "connect": "203.0.113.7:443", "every": "5s" }, CheckMethod::GATEWAY],
        })
    }
}

impl JsonSchema for Gateway {
    fn schema_name() -> Cow<'static, str> {
        "gateway".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        const LOOPBACK: &str = "127\\..*|::1";
        /// An IPv4-mapped IPv6 address is the IPv4 address.
        const MAPPED: &str = "::[Ff]{4}:[0-9.]+";
        let router = addresses(AddressForm::Exact, &[UNSPECIFIED, MULTICAST, BROADCAST, LOOPBACK]);
        let one = |pattern: String| json!({ "contains": { "pattern": pattern }, "minContains": 0, "maxContains": 1 });
        let list = json!({
            "type": "array",
            "minItems": 1,
            "items": router,
            "allOf": [one(format!("^(?:[^:]*|{MAPPED})$")), one(format!("^(?!{MAPPED}$).*:"))],
        });
        json_schema!({ "anyOf": [{ "const": Gateway::NONE }, router, list] })
    }
}
