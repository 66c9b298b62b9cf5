//! The row without which a live connection has no path: putting back may not take it away, nor may a link that is down, which
//! TCP outlasts. The kernel closes subflows by their address, so also the first one, which the connection had before there was
//! an endpoint.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::desired::Desired;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Endpoint, Reason, State, code, counted};
use crate::system::{Observed, SubflowSummary, System};

use super::settle::subflows;

/// The rows that the way from one state to another removes for good, but for those with a port, which no connection begins at.
pub fn going<'s>(from: &'s State, to: &State) -> Vec<&'s Endpoint> {
    let goes = |row: &&Endpoint| row.identity.port.is_none() && to.endpoint(row.identity).is_none();
    from.endpoints.iter().filter(goes).collect()
}

/// Those of the rows that are [`going`] that have to stay, with how many connections need each. A connection keeps the path that
/// moved most of its data.
pub fn needed<'s>(going: &[&'s Endpoint], live: &[SubflowSummary]) -> Vec<(&'s Endpoint, usize)> {
    let leaves = |address: IpAddr| going.iter().any(|row| row.identity.address == address);
    let mut connections: BTreeMap<u32, Vec<&SubflowSummary>> = BTreeMap::new();
    for subflow in live.iter().filter(|subflow| subflow.established) {
        connections.entry(subflow.connection).or_default().push(subflow);
    }
    connections.retain(|_, subflows| subflows.iter().all(|subflow| leaves(subflow.local)));
    let mut kept: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for subflows in connections.values() {
        let already = subflows.iter().map(|subflow| subflow.local).find(|local| kept.contains_key(local));
        let moved = |subflow: &&&SubflowSummary| subflow.acknowledged.saturating_add(subflow.received);
        let most = || subflows.iter().max_by_key(moved).map(|subflow| subflow.local);
        if let Some(local) = already.or_else(most) {
            *kept.entry(local).or_default() += 1;
        }
    }
    going.iter().filter_map(|row| Some((*row, *kept.get(&row.identity.address)?))).collect()
}

/// Keeps rows that would leave since their interface is down, where a live connection has no other path.
pub fn keep(now: &Observed, desired: &mut Desired, system: &mut dyn System) {
    let (table, reasons) = (&now.state.endpoints, &desired.reasons.endpoints);
    let is_down = |row: &&Endpoint| reasons.get(&row.identity) == Some(&Reason::InterfaceDown);
    let down: Vec<&Endpoint> = table.iter().filter(is_down).collect();
    if down.is_empty() {
        return;
    }
    for (row, connections) in needed(&down, &subflows(system)) {
        let rows = &mut desired.state.endpoints;
        if rows.len() < now.capabilities.endpoints_max && rows.iter().all(|other| other.id != row.id) {
            rows.push(row.clone());
            let connections = counted(connections, "live connection");
            let message = format!(
                "kept: {}; its interface is down, and {connections} would have no path",
                row.identity
            );
            let help = "it stays until its interface is up, or there is another path";
            desired.warnings.push(Diagnostic::warning(code::KEPT, message).help(help));
        }
    }
}

/// Says that a row stays after something was put back.
pub fn stays((row, connections): (&Endpoint, usize)) -> Diagnostic {
    let connections = counted(connections, "live connection");
    let message = format!("{} stays: removing it would close the last path of {connections}", row.identity);
    let id = row.id.map_or(String::new(), |id| format!(" id {id}"));
    Diagnostic::error(code::ROLLBACK_INCOMPLETE, message).help(format!(
        "`ip mptcp endpoint delete{id}` removes it; without MPTCP connections that costs nothing"
    ))
}
