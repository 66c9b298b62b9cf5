//! Whether a host is in the midst of a change, so that a pass at its first event would act on half of it.
//!
//! A link that comes up brings a link, addresses and routes within milliseconds, in this order. An endpoint that is added
//! before there is a way to the peers asks for its subflows in vain, and the kernel does not ask again. What goes may be
//! back in a moment, when an address is replaced or a DHCP client starts again; and a removed endpoint closes subflows that
//! would have lived on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::linux::LinuxPathManager;
use crate::model::{Connection, Endpoint, Identity, Limits, Step};
use crate::reconcile::Report;

use super::early::Early;

/// Whether the steps that `report` plans are better taken a moment later. `ready` are endpoints of the table that are to be
/// added again, since their address can be used now.
pub fn is_unsettled(report: &Report, ready: &Early, system: &mut LinuxPathManager) -> bool {
    let removes =
        |step: &Step| matches!(step, Step::DelAddr { .. } | Step::DelRule { .. } | Step::DelRoute { .. });
    let again = report.before.endpoints.iter().filter(|row| ready.contains_key(&row.identity));
    let opening: Vec<&Endpoint> = added(report).chain(again).collect();
    report.steps().any(removes) || !without_way(&opening, report.after.limits, system).is_empty()
}

/// The endpoints that the steps of a report add.
pub fn added(report: &Report) -> impl Iterator<Item = &Endpoint> {
    report.steps().filter_map(|step| match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint),
        _ => None,
    })
}

/// Those endpoints from which live connections could have a subflow, and none of their peers can be reached.
pub fn without_way(rows: &[&Endpoint], limits: Limits, system: &mut LinuxPathManager) -> Vec<Identity> {
    let opening: Vec<&Endpoint> = rows.iter().copied().filter(|row| row.opens_subflows()).collect();
    // Connections are worth reading for these alone.
    let connections =
        if opening.is_empty() { Vec::new() } else { system.live_connections().unwrap_or_default() };
    let mut lacks_way = |row: &&Endpoint| {
        let could = |connection: &Connection| connection.could_join(row.identity.address, limits);
        let peers: BTreeSet<IpAddr> = connections.iter().filter_map(could).collect();
        !peers.is_empty() && !peers.into_iter().any(|peer| system.reaches(row, peer))
    };
    opening.into_iter().filter(|row| lacks_way(row)).map(|row| row.identity).collect()
}
