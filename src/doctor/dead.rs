//! Findings about subflows that are established, and carry nothing.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Subflow, code, counted};

use super::evidence::Evidence;
use super::finding::Finding;
use super::{endpoints, routes};

/// From how many retransmission timeouts in a row on a path counts as dead: 1.4 seconds at least.
const TIMEOUTS_MIN: u8 = 3;

/// The paths between two addresses on which data gets no answer now, and that nothing else explains.
pub fn paths(evidence: &Evidence) -> Vec<Finding> {
    let mut paths: BTreeMap<(IpAddr, IpAddr), Vec<&Subflow>> = BTreeMap::new();
    for subflow in evidence.subflows().filter(|subflow| subflow.is_established()) {
        paths.entry((subflow.local.ip(), subflow.remote.ip())).or_default().push(subflow);
    }
    let is_down = |local: IpAddr| {
        evidence
            .interface_of(local)
            .is_some_and(|home| evidence.failing().any(|status| status.dev == home.name))
    };
    let is_explained = |local: IpAddr| {
        let mut rows = evidence.endpoints().filter(|row| row.identity.address == local);
        rows.any(|row| endpoints::problem(evidence, row).or_else(|| routes::problem(evidence, row)).is_some())
    };
    let finding = |((local, remote), subflows): ((IpAddr, IpAddr), Vec<&Subflow>)| {
        if let Some(gone) = address_gone(evidence, local, &subflows) {
            return Some(gone);
        }
        let dead = subflows.iter().filter(|subflow| subflow.traffic.timeouts >= TIMEOUTS_MIN);
        let timeouts = dead.clone().map(|subflow| subflow.traffic.timeouts).max()?;
        let moves =
            subflows.iter().any(|subflow| subflow.traffic.timeouts == 0 && subflow.traffic.acknowledged > 1);
        if moves || is_down(local) || is_explained(local) {
            return None;
        }
        let home = evidence.interface_of(local);
        if let Some(without) = home.and_then(|home| endpoints::interface(evidence, local, home)) {
            return Some(without);
        }
        let home = home.map_or("DEV", |home| home.name.as_str());
        let finding = Finding::fault(code::PATH_DEAD, format!("data from {local} to {remote} gets no answer"))
            .evidence(format!(
                "`ss -tni`: {} established between the two, and the oldest data was sent again {timeouts} times in a row",
                counted(dead.count(), "subflow")
            ))
            .meaning("The path broke after the subflow was opened, or it drops packets of full size: a tunnel or PPPoE with a smaller MTU, and a firewall that drops the ICMP messages about it. The kernel moves the data to other subflows, if there are any.")
            .remedy(format!(
                "ping -c 3 -I {local} {remote}\nping -c 3 -I {local} -M do -s 1400 {remote}\n# if only the second gets no answer, packets are too large: lower the MTU of {home}"
            ));
        Some(evidence.label_of(local).into_iter().fold(finding, Finding::endpoint))
    };
    let mut findings: Vec<Finding> = paths.into_iter().filter_map(finding).collect();
    findings.dedup();
    findings
}

/// The address of these subflows left this host under them. That of an endpoint has a finding of its own.
fn address_gone(evidence: &Evidence, local: IpAddr, subflows: &[&Subflow]) -> Option<Finding> {
    let is_here =
        evidence.addresses.iter().any(|own| own.address == local) || evidence.label_of(local).is_some();
    // Without any interface nothing is known; and an address that is routed here as a whole network is on none.
    let waits = subflows.iter().any(|subflow| subflow.traffic.timeouts > 0);
    if is_here || !waits || evidence.addresses.is_empty() {
        return None;
    }
    let finding = Finding::fault(code::ADDRESS_MISSING, format!("{local} is not on this host any more"))
        .evidence(format!("no interface has the address; {} from it", counted(subflows.len(), "live subflow")))
        .meaning("The subflows stand still. The connections go on where they have others.")
        .remedy("# a new address needs new connections, or endpoints: with a selector by `dev` they follow the addresses");
    Some(finding)
}
