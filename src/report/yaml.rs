//! Renders a state as canonical YAML: a configuration that, applied, leads to it. Endpoints are sorted by address, so that
//! two states can be compared.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::Serialize;
use serde_yaml::{Mapping, Value};
use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;

use crate::config::{self, DevicePattern, Gateway, NAME_MAX, Name};
use crate::model::diagnostic::Diagnostics;
use crate::model::{
    self, DeclaredNames, Device, Endpoint, EndpointNames, Family, State, Sysctl, UplinkNames, UplinkRoute,
    UplinkRule, UplinkState, uplink_table,
};

use super::show::ShownSysctls;

#[derive(Serialize)]
struct ConfigYaml {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<bool>,
    limits: LimitsYaml,
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    sysctls: Mapping,
    #[serde(skip_serializing_if = "Option::is_none")]
    uplinks: Option<Mapping>,
    endpoints: Mapping,
}

#[derive(Serialize)]
struct UplinkYaml {
    dev: String,
    gateway: GatewayYaml,
}

#[derive(Serialize)]
#[serde(untagged)]
enum GatewayYaml {
    One(String),
    Several(Vec<String>),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LimitsYaml {
    subflows: u32,
    add_addr_accepted: u32,
}

impl From<model::Limits> for LimitsYaml {
    fn from(limits: model::Limits) -> LimitsYaml {
        LimitsYaml { subflows: limits.subflows, add_addr_accepted: limits.add_addr_accepted }
    }
}

#[derive(Serialize)]
struct EndpointYaml {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u8>,
    flags: Vec<String>,
}

/// The state as a configuration that, applied, changes nothing. What cannot be declared becomes a comment; if that includes
/// endpoints, `prune: false` leaves them alone. An endpoint whose interface is gone is declared for `if7`, waits for it,
/// and is left alone too. `sources` are the addresses that packets of uplinks leave with, and their interfaces.
///
/// # Errors
/// As [`state`].
pub fn configuration(
    state: &State,
    names: &DeclaredNames,
    shown: ShownSysctls,
    sources: &[(IpAddr, NonZeroU32)],
) -> Result<String, serde_yaml::Error> {
    let broken = broken(state.uplinks(), sources);
    declaration_of(state, names, shown, broken, |uplinks| !uplinks.is_empty())
}

/// A past state as a configuration that, applied, brings it back: uplinks that were managed and absent are absent again.
///
/// # Errors
/// As [`state`].
pub fn past(state: &State, names: &DeclaredNames) -> Result<String, serde_yaml::Error> {
    declaration_of(state, names, ShownSysctls::All, Vec::new(), |_| state.uplinks.is_some())
}

/// `manages_uplinks` decides, of uplinks that can all be declared, whether they are. `broken` are rules and routes that no
/// uplink is to stand for.
fn declaration_of(
    state: &State,
    names: &DeclaredNames,
    shown: ShownSysctls,
    broken: Vec<String>,
    manages_uplinks: impl Fn(&Mapping) -> bool,
) -> Result<String, serde_yaml::Error> {
    let mut comments = Vec::new();
    let mut sysctls = Mapping::new();
    // The newer of the two words for one setting.
    let both = state.sysctls.contains_key(&Sysctl::PATH_MANAGER);
    let is_shown =
        |sysctl: Sysctl, value| shown.include(sysctl, value) && !(both && sysctl == Sysctl::PM_TYPE);
    for (sysctl, value) in state.sysctls.iter().filter(|(sysctl, value)| is_shown(**sysctl, value)) {
        let entry = mapping(sysctl.name(), serde_yaml::to_value(value)?);
        if is_valid(&mapping("sysctls", Value::Mapping(entry.clone())))? {
            sysctls.extend(entry);
        } else {
            comments.push(format!("sysctl {} {value}", sysctl.name()));
        }
    }
    let (mut endpoints, mut prune) = (Mapping::new(), None);
    for (name, row) in entries(state.endpoints.iter(), &names.endpoints).into_iter().zip(&state.endpoints) {
        let entry = mapping(&name, serde_yaml::to_value(declaration(row))?);
        if !row.is_implicit() && is_valid(&mapping("endpoints", Value::Mapping(entry.clone())))? {
            endpoints.extend(entry);
        } else {
            comments.push(row.to_string());
            prune = prune.or((!row.is_implicit()).then_some(false));
        }
    }
    let limits = state.limits.into();
    let mut undeclarable = undeclarable(state.uplinks());
    undeclarable.extend(broken);
    let uplinks = uplinks(state.uplinks(), &names.uplinks)?;
    let uplinks = Some(uplinks).filter(|uplinks| undeclarable.is_empty() && manages_uplinks(uplinks));
    comments.extend(undeclarable);
    let text = serde_yaml::to_string(&ConfigYaml { version: 1, prune, limits, sysctls, uplinks, endpoints })?;
    Ok(comments.into_iter().fold(text, |text, comment| text + &format!("# cannot be declared: {comment}\n")))
}

/// The names, and for each row without one that of its interface, which `home` finds where the row has none.
pub fn named_by_interface(
    state: &State,
    names: &DeclaredNames,
    home: impl Fn(&Endpoint) -> Option<Device>,
) -> DeclaredNames {
    let mut all = names.clone();
    for row in &state.endpoints {
        if let Some(dev) = row.dev.clone().or_else(|| home(row)) {
            all.endpoints.entry(row.identity).or_insert_with(|| interface_name(&dev));
        }
    }
    all
}

/// The uplinks by name, or by the name of their interface; each interface is one.
fn uplinks(state: &UplinkState, names: &UplinkNames) -> Result<Mapping, serde_yaml::Error> {
    let mut tables: BTreeMap<u32, UplinkTable> = BTreeMap::new();
    for route in state.routes.iter().filter(|route| route.raw.is_empty() && !route.is_stand_in()) {
        let Some(dev) = &route.dev else { continue };
        let name = || names.of_route(route).map_or_else(|| interface_name(dev), str::to_owned);
        let table = || UplinkTable { name: name(), dev, routers: Vec::new() };
        let table = tables.entry(route.table).or_insert_with(table);
        table.routers.extend(route.gateway.map(|gateway| gateway.to_string()));
    }
    let mut tables: Vec<UplinkTable> = tables.into_values().collect();
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    let names = unique(tables.iter().map(|table| table.name.clone()).collect());
    let entry = |(name, table): (String, UplinkTable)| {
        let gateway = match table.routers.as_slice() {
            [] => GatewayYaml::One(Gateway::NONE.to_owned()),
            [router] => GatewayYaml::One(router.clone()),
            _ => GatewayYaml::Several(table.routers),
        };
        let uplink = UplinkYaml { dev: table.dev.to_string(), gateway };
        Ok((Value::String(name), serde_yaml::to_value(uplink)?))
    };
    names.into_iter().zip(tables).map(entry).collect()
}

/// What leads to the routers of one interface.
struct UplinkTable<'s> {
    name: String,
    dev: &'s Device,
    routers: Vec<String>,
}

/// The rules and routes that no uplink stands for. What the configuration leaves out it would remove, so that one of these
/// keeps all from being managed.
fn undeclarable(state: &UplinkState) -> Vec<String> {
    let rules = state.rules.iter().filter(|rule| !rule.raw.is_empty()).map(ToString::to_string);
    let is_literal = |dev: &Device| DevicePattern { globs: vec![dev.to_string()] }.literal().is_some();
    let is_declarable = |route: &UplinkRoute| {
        route.raw.is_empty() && !route.is_stand_in() && route.dev.as_ref().is_some_and(is_literal)
    };
    let routes = state.routes.iter().filter(|route| !is_declarable(route)).map(ToString::to_string);
    rules.chain(routes).collect()
}

/// What of uplinks lacks something: a rule, the route, or the address. An uplink would add it, or remove the others.
fn broken(state: &UplinkState, sources: &[(IpAddr, NonZeroU32)]) -> Vec<String> {
    let has_route = |family: Family, table: u32| {
        state.routes.iter().any(|route| (route.family, route.table) == (family, table))
    };
    let is_whole = |(own, index): &&(IpAddr, NonZeroU32)| {
        let table = uplink_table(*index);
        let pair = UplinkRule::pair(*own, table);
        has_route(Family::of(*own), table) && pair.iter().all(|rule| state.rules.contains(rule))
    };
    let whole: Vec<&(IpAddr, NonZeroU32)> = sources.iter().filter(is_whole).collect();
    let stands_for = |rule: &UplinkRule| {
        whole.iter().any(|(own, index)| UplinkRule::pair(*own, uplink_table(*index)).contains(rule))
    };
    let is_used = |route: &UplinkRoute| {
        whole
            .iter()
            .any(|(own, index)| (Family::of(*own), uplink_table(*index)) == (route.family, route.table))
    };
    let rules = state.rules.iter().filter(|rule| rule.raw.is_empty() && !stands_for(rule));
    let rules = rules.map(|rule| format!("{rule} (its address, its route or the other rule is missing)"));
    let routes = state.routes.iter().filter(|route| route.raw.is_empty() && !route.is_stand_in());
    let routes = routes.filter(|route| !is_used(route)).map(|route| format!("{route} (no rule leads to it)"));
    // One on two interfaces leaves by one of them.
    let is_without = |(own, index): &&(IpAddr, NonZeroU32)| {
        has_route(Family::of(*own), uplink_table(*index))
            && !state.rules.iter().any(|rule| rule.from == Some(*own))
    };
    let addresses = sources.iter().filter(is_without);
    let addresses = addresses.map(|(own, _)| format!("address {own} (the rules of its uplink are missing)"));
    rules.chain(routes).chain(addresses).collect()
}

/// A name for what is declared of an interface; not every name of an interface can be one.
pub fn interface_name(dev: &Device) -> String {
    let name = dev.to_string();
    if Name::new(&name).is_some() { name } else { format!("if-{}", dev.index) }
}

fn mapping(key: &str, value: Value) -> Mapping {
    Mapping::from_iter([(Value::String(key.to_owned()), value)])
}

/// Whether these keys are a valid configuration.
fn is_valid(keys: &Mapping) -> Result<bool, serde_yaml::Error> {
    let mut document = mapping("version", 1.into());
    document.extend(keys.clone());
    let (text, mut diagnostics) = (serde_yaml::to_string(&document)?, Diagnostics::default());
    config::parse([text.as_str()], &mut diagnostics);
    Ok(!diagnostics.has_errors())
}

/// The state as YAML. Implicit endpoints, which cannot be declared, become comments.
///
/// # Errors
/// Those of the serialiser, which no state causes.
pub fn state(state: &State, names: &DeclaredNames) -> Result<String, serde_yaml::Error> {
    let mut rows: Vec<&Endpoint> = state.endpoints.iter().collect();
    rows.sort_by_key(|row| row.identity);
    let declarable = || rows.iter().copied().filter(|row| !row.is_implicit());
    let mut endpoints = Mapping::new();
    for (name, row) in entries(declarable(), &names.endpoints).into_iter().zip(declarable()) {
        endpoints.insert(Value::String(name), serde_yaml::to_value(declaration(row))?);
    }
    let mut sysctls = Mapping::new();
    for (sysctl, value) in &state.sysctls {
        sysctls.insert(Value::String(sysctl.name().to_owned()), serde_yaml::to_value(value)?);
    }
    let limits = state.limits.into();
    let uplinks = Some(uplinks(state.uplinks(), &names.uplinks)?).filter(|uplinks| !uplinks.is_empty());
    let prune = None;
    let config = ConfigYaml { version: 1, prune, limits, sysctls, uplinks, endpoints };
    let mut text = serde_yaml::to_string(&config)?;
    for row in rows.iter().filter(|row| row.is_implicit()) {
        text.push_str(&format!("# made by the kernel: {row}\n"));
    }
    // These follow from the uplinks and their addresses.
    let mut rules: Vec<String> = state.uplinks().rules.iter().map(|rule| format!("# {rule}\n")).collect();
    let stand_ins = state.uplinks().routes.iter().filter(|route| route.is_stand_in());
    rules.extend(stand_ins.map(|route| format!("# {route}\n")));
    rules.sort();
    text.extend(rules);
    Ok(text)
}

/// The unified diff from one state to the other, under these titles; empty when they are equal.
///
/// # Errors
/// As [`state`].
pub fn diff(
    from: &State,
    to: &State,
    names: &DeclaredNames,
    titles: [&str; 2],
) -> Result<String, serde_yaml::Error> {
    Ok(unified(&state(from, names)?, &state(to, names)?, titles))
}

/// Uses one algorithm only: `TextDiff` includes five, which make the program a tenth larger. Every line has an end.
fn unified(from: &str, to: &str, [from_name, to_name]: [&str; 2]) -> String {
    const CONTEXT: usize = 3;
    let (old, new): (Vec<&str>, Vec<&str>) =
        (from.split_inclusive('\n').collect(), to.split_inclusive('\n').collect());
    let mut changes = Compact::new(Replace::new(Capture::new()), &old[..], &new[..]);
    let Ok(()) = myers::diff(&mut changes, &old[..], 0..old.len(), &new[..], 0..new.len());
    let hunks = changes.into_inner().into_inner().into_grouped_ops(CONTEXT);
    let mut text = String::new();
    if !hunks.is_empty() {
        text += &format!("--- {from_name}\n+++ {to_name}\n");
    }
    for hunk in hunks {
        text += &format!("{}\n", UnifiedHunkHeader::new(&hunk));
        for change in hunk.iter().flat_map(|part| part.iter_changes(&old, &new)) {
            text += &format!("{}{}", change.tag(), change.value());
        }
    }
    text
}

/// A unique key for each endpoint.
fn entries<'r>(rows: impl Iterator<Item = &'r Endpoint>, names: &EndpointNames) -> Vec<String> {
    unique(rows.map(|row| name(row, names)).collect())
}

/// A unique key for each of these names. Endpoints of one selector share its name, as interfaces of one uplink do, and a
/// name may look like one that is made here; later ones get a number at the end.
pub fn unique(own: Vec<String>) -> Vec<String> {
    let mut taken: BTreeSet<String> = own.iter().cloned().collect();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let unique = |name: String| {
        let uses = uses.entry(name.clone()).or_insert(0);
        *uses += 1;
        if *uses == 1 {
            return name;
        }
        loop {
            let candidate = numbered(&name, *uses);
            if taken.insert(candidate.clone()) {
                return candidate;
            }
            *uses += 1;
        }
    };
    own.into_iter().map(unique).collect()
}

/// The name with the number at the end, shortened to the maximum length.
fn numbered(name: &str, number: usize) -> String {
    let suffix = format!("-{number}");
    let stem: String = name.chars().take(NAME_MAX.saturating_sub(suffix.len())).collect();
    stem + &suffix
}

/// The declared name, or one that is made from the id.
fn name(row: &Endpoint, names: &EndpointNames) -> String {
    match (names.get(&row.identity), row.id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => format!("id-{id}"),
        (None, None) => "new".to_owned(),
    }
}

fn declaration(row: &Endpoint) -> EndpointYaml {
    EndpointYaml {
        address: row.identity.address.to_string(),
        port: row.identity.port.map(Into::into),
        dev: row.dev.as_ref().map(ToString::to_string),
        id: row.id.map(|id| id.get()),
        flags: row.flags.words(),
    }
}
