//! Interfaces that lead to containers and virtual machines, and to no peer: there is no router on them.

use std::net::IpAddr;

use crate::model::Interface;

use super::evidence::Evidence;

/// How their names begin.
const NAMES: [&str; 11] =
    ["docker", "br-", "veth", "virbr", "lxc", "lxdbr", "incusbr", "podman", "cni", "flannel", "cali"];

/// Whether the interface is one of them.
pub fn is_internal(interface: &Interface) -> bool {
    NAMES.iter().any(|start| interface.name.starts_with(start))
}

/// How to leave out the endpoint of that address if its interface is one of them, and neither a default route nor an uplink
/// says otherwise.
pub fn left_out(evidence: &Evidence, address: IpAddr, home: &Interface) -> Option<String> {
    let mut defaults = evidence.routing.defaults.iter();
    if !is_internal(home)
        || evidence.is_uplink(home)
        || defaults.any(|route| route.interface == Some(home.index))
    {
        return None;
    }
    let row = evidence.endpoints().find(|row| row.identity.address == address)?;
    let (Some(declared), Some(name)) = (evidence.declared(), evidence.names.get(&row.identity)) else {
        return Some(format!("ip mptcp endpoint delete id {}", row.id?));
    };
    let words = declared.selectors.get(name);
    let others = words.map(|words| words.iter().filter(|word| **word != home.name).cloned());
    let others: Vec<String> = others.into_iter().flatten().collect();
    // Without any word left a selector would match what it did not match before.
    if words.is_none_or(|words| others.len() < words.len() && others.is_empty()) {
        return Some(format!("# leave {name} out of the configuration, then:\n{}", declared.command));
    }
    let words = others.into_iter().chain([format!("!{}", home.name)]);
    let words: Vec<String> = words.map(|word| format!("{word:?}")).collect();
    Some(evidence.fix_endpoint(row, &format!("dev: [{}]", words.join(", ")), ""))
}
