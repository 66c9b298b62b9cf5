//! The JSON Schema of an uplink.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::super::super::document::UplinkDocument;
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
            "properties": { "dev": dev, "gateway": gateway },
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
