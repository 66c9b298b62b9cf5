//! A state as canonical YAML: a configuration that, applied, leads to it. Endpoints are in the order of their
//! addresses, so that two states can be laid beside each other.

use serde::Serialize;
use serde_yaml::{Mapping, Value};
use similar::TextDiff;

use crate::model::{Endpoint, State};

#[derive(Serialize)]
struct Document {
    version: u32,
    limits: Limits,
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    sysctls: Mapping,
    endpoints: Mapping,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Limits {
    subflows: u32,
    add_addr_accepted: u32,
}

#[derive(Serialize)]
struct Row {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u8>,
    flags: Vec<String>,
}

/// The state as YAML. Implicit endpoints, which cannot be declared, become comments.
///
/// # Errors
/// Never for a state; the serialiser's own.
pub fn state(state: &State) -> Result<String, serde_yaml::Error> {
    let mut rows: Vec<&Endpoint> = state.endpoints.iter().collect();
    rows.sort_by_key(|row| row.identity);
    let mut endpoints = Mapping::new();
    for row in rows.iter().filter(|row| !row.is_implicit()) {
        endpoints.insert(Value::String(name(row)), serde_yaml::to_value(declaration(row))?);
    }
    let mut sysctls = Mapping::new();
    for (sysctl, value) in &state.sysctls {
        sysctls.insert(Value::String(sysctl.name().to_owned()), serde_yaml::to_value(value)?);
    }
    let limits =
        Limits { subflows: state.limits.subflows, add_addr_accepted: state.limits.add_addr_accepted };
    let mut text = serde_yaml::to_string(&Document { version: 1, limits, sysctls, endpoints })?;
    for row in rows.iter().filter(|row| row.is_implicit()) {
        text.push_str(&format!("# made by the kernel: {row}\n"));
    }
    Ok(text)
}

/// The unified diff from one state to the other, under these names; empty when they are equal.
///
/// # Errors
/// As [`state`].
pub fn diff(from: &State, to: &State, names: [&str; 2]) -> Result<String, serde_yaml::Error> {
    let (from, to) = (state(from)?, state(to)?);
    Ok(TextDiff::from_lines(&from, &to).unified_diff().header(names[0], names[1]).to_string())
}

/// The declared name, or one that comes from the id.
fn name(row: &Endpoint) -> String {
    match (&row.name, row.id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => format!("id-{id}"),
        (None, None) => "new".to_owned(),
    }
}

fn declaration(row: &Endpoint) -> Row {
    Row {
        address: row.identity.address.to_string(),
        port: row.identity.port.map(Into::into),
        dev: row.dev.as_ref().map(ToString::to_string),
        id: row.id.map(|id| id.get()),
        flags: row.flags.words(),
    }
}
