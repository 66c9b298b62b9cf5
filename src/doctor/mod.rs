//! Explains why subflows are missing: evidence in, findings out. Pure; `linux::evidence` reads the evidence.
//!
//! Counters count since boot, and of all endpoints and peers, so a counter alone proves only that something never happened.
//! What did is a finding together with what is wrong now, such as a live connection that lacks a subflow.

mod applications;
mod counters;
mod dead;
mod declared;
mod endpoints;
mod evidence;
mod finding;
mod host;
mod internal;
mod limits;
mod links;
mod peers;
mod probe;
mod remedy;
mod routes;
mod server;
mod stage;
mod subflows;
mod target;
mod uplinks;

pub use declared::{Configuration, Declared};
pub use evidence::{Evidence, RouteCheck, Table};
pub use finding::{Finding, FindingSeverity};
pub use links::candidates;
pub use remedy::apply_command;
pub use stage::{NotTried, RefusedBy, SubflowResult, SubflowStage, subflow_results};
pub use target::{BadTarget, ProbeTarget};

/// All findings. What makes the others pointless comes first, then the likely ones.
const TABLE: &[fn(&Evidence) -> Vec<Finding>] = &[
    host::no_mptcp,
    host::unreadable,
    host::invalid_configuration,
    host::mptcp_disabled,
    host::userspace_path_manager,
    probe::connection,
    routes::no_route,
    probe::unreachable,
    endpoints::unusable,
    endpoints::ambiguous,
    links::none,
    endpoints::fullmesh_alone,
    host::not_applied,
    uplinks::differ,
    uplinks::waiting,
    uplinks::failing,
    limits::too_few,
    limits::never_used,
    subflows::missing,
    subflows::data_stalled,
    subflows::unconfirmed,
    dead::paths,
    peers::without_mptcp,
    limits::add_addr_accepted,
    limits::announced_in_vain,
    subflows::joins_unanswered,
    routes::rp_filter,
    limits::joins_rejected,
    limits::fullmesh,
    host::table_full,
    host::port_held,
    peers::blackhole,
    peers::fallback,
    server::joins_denied,
    server::announcements_lost,
    server::not_served,
    server::answers_astray,
    server::joins_incomplete,
    peers::subflow_on_server,
    peers::private_signal,
    endpoints::deprecated,
    applications::none,
    host::other_manager,
];

/// All findings in this evidence, faults before hints.
pub fn examine(evidence: &Evidence) -> Vec<Finding> {
    let mut findings: Vec<Finding> = TABLE.iter().flat_map(|find| find(evidence)).collect();
    findings.extend(probe::unexplained(evidence, &findings));
    remedy::join_uplinks(&mut findings);
    for finding in &mut findings {
        let location = || evidence.location(finding.endpoint.as_deref()?);
        finding.location = finding.location.or_else(location);
        if let Some(netns) = &evidence.netns {
            finding.remedy = remedy::in_namespace(&finding.remedy, netns);
        }
    }
    // The sort is stable, so the order of the table remains.
    findings.sort_by_key(|finding| finding.severity == FindingSeverity::Hint);
    findings
}

#[cfg(test)]
mod tests;
