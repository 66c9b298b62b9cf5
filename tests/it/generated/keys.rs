//! The keys of the configuration, as the published JSON Schema describes them.

use mptcp_apply::model::{Flags, Sysctl};
use serde_json::Value;

use crate::schema::published;

use super::roff::{bold, item, prose};

/// The keys of the whole file, or of one of its mappings.
pub fn of(mapping: &str) -> String {
    let schema = published();
    let properties = match mapping {
        "" => &schema["properties"],
        "endpoints" => &schema["$defs"]["endpoint"]["properties"],
        "uplinks" => &schema["$defs"]["uplink"]["properties"],
        name => &schema["properties"][name]["properties"],
    };
    let properties = properties.as_object().unwrap_or_else(|| panic!("no keys of `{mapping}`"));
    let mut properties: Vec<(&String, &Value)> = properties.iter().collect();
    properties.sort_by_key(|(key, _)| rank(key));
    properties.into_iter().map(|(key, property)| entry(key, property)).collect()
}

/// The order in which people write them; JSON has none. What is not here comes last, by name.
fn rank(key: &str) -> usize {
    const ORDER: [&str; 14] = [
        "version",
        "prune",
        "limits",
        "sysctls",
        "uplinks",
        "endpoints",
        "subflows",
        "address",
        "dev",
        "gateway",
        "id",
        "port",
        "flags",
        "family",
    ];
    let sysctl = || Sysctl::all().position(|sysctl| sysctl.name() == key);
    ORDER.iter().position(|known| *known == key).or_else(sysctl).unwrap_or(usize::MAX)
}

fn entry(key: &str, property: &Value) -> String {
    let description = property["description"].as_str().expect("described");
    // The section says it for all sysctls.
    let description = description.strip_prefix(&format!("net.mptcp.{key}")).unwrap_or(description);
    let description = capital(description.trim_start_matches([',', ':', ' ']));
    let head = format!(".TP\n{}: {}\n", bold(key), prose(&kind(property)).trim_end());
    if key != "flags" {
        return head + &prose(&description);
    }
    // What each flag means is easier to find in a list.
    let first = description.split_inclusive(". ").next().unwrap_or_default();
    let flags: String = Flags::declarable().map(|(name, meaning)| item(name, meaning)).collect();
    format!("{head}{}.RS\n{flags}.RE\n", prose(first))
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().collect::<String>() + rest.as_str()).unwrap_or_default()
}

/// What a key takes, in words; the description has the range.
fn kind(property: &Value) -> String {
    let members = property.as_object().expect("an object");
    if let Some(alternatives) = members.get("anyOf").and_then(Value::as_array) {
        return alternatives.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(value) = members.get("const") {
        return word(value);
    }
    if let Some(values) = members.get("enum").and_then(Value::as_array) {
        return values.iter().map(word).collect::<Vec<_>>().join(" | ");
    }
    match members.get("type").and_then(Value::as_str) {
        Some("integer") => "integer".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("object") => "mapping".to_owned(),
        Some("array") => "list".to_owned(),
        Some("string") => "text".to_owned(),
        _ if members.contains_key("$ref") => "mapping".to_owned(),
        _ => panic!("no words for {property}"),
    }
}

fn word(value: &Value) -> String {
    format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
