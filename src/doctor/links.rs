//! Links that lead to peers, and that no endpoint uses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{AddressState, Connection, Flags, HostAddress, Interface, code, counted};

use super::endpoints::{flags_key, opening, readd};
use super::evidence::Evidence;
use super::finding::Finding;
use super::internal::is_internal;

/// The addresses, each with its link, that endpoints could be made of: of the families of live connections with one
/// subflow, as far as no endpoint of the family opens subflows.
pub fn candidates(evidence: &Evidence) -> Vec<(&Interface, IpAddr)> {
    let mut families: BTreeSet<bool> = alone(evidence)
        .flat_map(|connection| &connection.subflows)
        .map(|path| path.remote.is_ipv4())
        .collect();
    for row in evidence.opening() {
        families.remove(&row.identity.address.is_ipv4());
    }
    let is_own = |own: &&HostAddress| {
        let is_wanted = families.contains(&own.address.is_ipv4()) && is_global(own.address);
        is_wanted && own.state == AddressState::Settled
    };
    let link = |own: &HostAddress| {
        let link = evidence.interface_of(own.address).filter(|link| link.up && link.carrier)?;
        (!is_internal(link)).then_some((link, own.address))
    };
    evidence.addresses.iter().filter(is_own).filter_map(link).collect()
}

/// Live connections that this host opened and that have one subflow.
fn alone(evidence: &Evidence) -> impl Iterator<Item = &Connection> {
    evidence.begun().filter(|connection| connection.has_one_path())
}

/// No endpoint opens subflows of a family, though several links lead to the peers of live connections with one subflow.
pub fn none(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let is_empty = evidence.endpoints().next().is_none();
    let on_purpose = is_empty && evidence.declared().is_some_and(|declared| declared.manages_endpoints);
    // A server announces its addresses, and opens nothing.
    let announces_only = !is_empty && evidence.opening().next().is_none() && evidence.is_server();
    // A client can as well leave it to the server, which announces its addresses.
    let is_explained = evidence.is_announced_to() || evidence.is_userspace();
    if on_purpose || announces_only || is_explained {
        return Vec::new();
    }
    let links = candidates(evidence).into_iter().filter(|(_, address)| evidence.ways_out.contains(address));
    let links: BTreeSet<(&str, IpAddr)> =
        links.map(|(link, address)| (link.name.as_str(), address)).collect();
    let names: BTreeSet<&str> = links.iter().map(|(name, _)| *name).collect();
    if names.len() < 2 {
        return Vec::new();
    }
    let (wanted, limit) = (links.len() as u32 - 1, state.limits.subflows);
    let raise = |text: String| if limit < wanted { text } else { String::new() };
    let present = |address| evidence.endpoints().find(|row| row.identity.address == address);
    let add = |(name, address): &(&str, IpAddr)| match present(*address) {
        Some(row) => format!("\n{}", readd(row, opening(row), Some(name))),
        None => format!("\nip mptcp endpoint add {address} dev {name} subflow"),
    };
    let commands = raise(format!("\nip mptcp limits set subflows {wanted}"))
        + &links.iter().map(add).collect::<String>();
    let yaml = raise(format!("limits: {{subflows: {wanted}}}\n"));
    let is_ipv4 = |(_, address): &(&str, IpAddr)| address.is_ipv4();
    let of_one_family = match links.iter().filter(|link| is_ipv4(link)).count() {
        0 => Some((" of IPv6", ", family: ipv6")),
        count if count == links.len() => Some((" of IPv4", ", family: ipv4")),
        _ => None,
    };
    let of_family = of_one_family.filter(|_| !is_empty).map_or("", |(words, _)| words);
    let family = of_one_family.map_or("", |(_, yaml)| yaml);
    let table = match evidence.endpoints().count() {
        0 => "the table is empty".to_owned(),
        count => format!("{} in the table", counted(count, "endpoint")),
    };
    let title = format!("no endpoint opens subflows{of_family}, so connections have one path");
    let finding = Finding::hint(code::NO_ENDPOINT, title)
        .evidence(format!(
            "{table}; {} with one subflow; links that lead to their peers: {}",
            counted(alone(evidence).count(), "live connection"),
            names.iter().copied().collect::<Vec<_>>().join(", ")
        ))
        .meaning("The kernel opens further subflows only from endpoints with the flag `subflow`.")
        .remedy(evidence.fix(
            &format!("{yaml}endpoints: {{{}}}", declarations(evidence, &links, family)),
            commands.trim_start(),
        ));
    vec![finding]
}

/// What to declare so that endpoints open subflows there: other flags of those that are declared, and one selector for the
/// other links.
fn declarations(evidence: &Evidence, links: &BTreeSet<(&str, IpAddr)>, family: &str) -> String {
    let (mut declared, mut others) = (BTreeMap::new(), BTreeSet::new());
    for (link, address) in links {
        let row = evidence.endpoints().find(|row| row.identity.address == *address);
        match row.and_then(|row| Some((evidence.names.get(&row.identity)?, opening(row)))) {
            Some((name, flags)) => _ = declared.insert(name, flags),
            None => _ = others.insert(*link),
        }
    }
    let flags = |(name, flags): (&String, Flags)| format!("{name}: {{{}}}", flags_key(flags));
    let mut words: Vec<String> = declared.into_iter().map(flags).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        words.push(format!("links: {{dev: [{others}]{family}, flags: [subflow]}}"));
    }
    words.join(", ")
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}
