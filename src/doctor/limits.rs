//! The two limits, and what they keep from happening.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{Connection, Endpoint, Flags, code};

use super::endpoints::trouble;
use super::evidence::{Configuration, Evidence};
use super::finding::{Finding, FindingSeverity};

/// A limit of additional subflows that is too small for the endpoints.
pub fn subflows(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let (limit, count) = (state.limits.subflows, evidence.endpoints().count());
    if limit == 0 && count > 0 {
        let finding = Finding::fault(code::SUBFLOWS_LIMIT_ZERO, "no connection may have a second subflow")
            .evidence(format!("limit subflows is 0; {count} endpoint{} in the table", plural(count)))
            .meaning("The kernel neither opens additional subflows nor accepts them.")
            .remedy(raise(evidence, count));
        return vec![finding];
    }
    [true, false].into_iter().filter_map(|ipv4| too_low(evidence, limit as usize, ipv4)).collect()
}

/// The endpoints of a family that open subflows, and how many of them a connection needs beside its first one.
fn needed(evidence: &Evidence, ipv4: bool) -> (Vec<&Endpoint>, usize) {
    let of_family = |row: &&Endpoint| row.identity.address.is_ipv4() == ipv4;
    let usable = evidence.opening().filter(of_family).filter(|row| trouble(evidence, row).is_none());
    let rows: Vec<&Endpoint> = usable.collect();
    // A connection's first subflow comes from one of them, unless it is known to come from elsewhere.
    let known = evidence.first_addresses.iter().any(|first| first.is_ipv4() == ipv4);
    let elsewhere = known && !rows.iter().any(|row| evidence.first_addresses.contains(&row.identity.address));
    let needed = rows.len().saturating_sub(usize::from(!elsewhere));
    (rows, needed)
}

fn names(evidence: &Evidence, rows: &[&Endpoint]) -> String {
    rows.iter().map(|row| evidence.label(row)).collect::<Vec<_>>().join(", ")
}

fn too_low(evidence: &Evidence, limit: usize, ipv4: bool) -> Option<Finding> {
    let (rows, needed) = needed(evidence, ipv4);
    if needed <= limit {
        return None;
    }
    let all = names(evidence, &rows);
    let finding = Finding::fault(
        code::SUBFLOWS_LIMIT_LOW,
        "the limit of subflows is lower than the number of endpoints",
    )
    .evidence(format!("limit subflows is {limit}; {} endpoints open subflows: {all}", rows.len()))
    .meaning(format!(
        "A connection gets {limit} beside its first one, and the endpoints that were added last get none."
    ))
    .remedy(raise(evidence, needed));
    Some(finding)
}

/// Endpoints that no connection gets to, since others are declared before them. Without a configuration nobody knows in
/// which order they were added.
pub fn never_used(evidence: &Evidence) -> Vec<Finding> {
    let (Some(state), Configuration::Valid(declared)) = (evidence.state(), &evidence.configuration) else {
        return Vec::new();
    };
    let limit = state.limits.subflows as usize;
    let mut findings = Vec::new();
    for (mut rows, needed) in [true, false].map(|ipv4| needed(evidence, ipv4)) {
        if limit == 0 || needed <= limit {
            continue;
        }
        rows.sort_by_key(|row| {
            let location = evidence.names.get(&row.identity).and_then(|name| declared.places.get(name));
            (
                location.is_none(),
                location.map(|location| (location.source, location.span.line, location.span.column)),
            )
        });
        let (used, never) = rows.split_at(rows.len() - (needed - limit));
        let last = used.last().map_or(String::new(), |row| evidence.label(row));
        let delete = used.last().and_then(|row| row.id).map_or(String::new(), |id| format!(" id {id}"));
        findings.extend(never.iter().map(|row| {
            let name = evidence.label(row);
            Finding::hint(code::NEVER_USED, format!("{name} comes too late to be used"))
                .about(evidence.label(row))
                .evidence(format!("limit subflows is {limit}; before it come {}", names(evidence, used)))
                .meaning("The kernel takes endpoints in the order in which they were added, which is the declared one, until the limit is reached. One behind that is used only where one before it cannot be.")
                .remedy(format!(
                    "# raise the limit, or declare {name} before {last} and add that anew, which closes its subflows:\nip mptcp endpoint delete{delete}\n{}",
                    declared.command
                ))
        }));
    }
    findings
}

fn raise(evidence: &Evidence, wanted: usize) -> String {
    let number = wanted.min(evidence.capabilities.limits_max as usize);
    evidence
        .mend(&format!("limits: {{subflows: {number}}}"), &format!("ip mptcp limits set subflows {number}"))
}

/// Announcements of peers that are not followed.
pub fn add_addr_accepted(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let (heard, begun) = (evidence.counter("AddAddr"), evidence.counter("MPCapableSYNTX"));
    let satisfied =
        evidence.begun().next().is_some() && evidence.begun().all(|connection| connection.additional() > 0);
    if state.limits.add_addr_accepted > 0 || heard == 0 || begun == 0 || satisfied {
        return Vec::new();
    }
    // With endpoints of its own a host need not follow anybody's announcements.
    let own = evidence.opening().next().is_some();
    let finding = Finding::fault(code::ADD_ADDR_ACCEPTED_ZERO, "addresses that peers announce are ignored")
        .of(if own { FindingSeverity::Hint } else { FindingSeverity::Fault })
        .evidence(format!(
            "limit add-addr-accepted is 0; peers announced {heard} address{} (AddAddr)",
            if heard == 1 { "" } else { "es" }
        ))
        .meaning("The kernel opens no subflow to an announced address.")
        .remedy(evidence.mend("limits: {add-addr-accepted: 2}", "ip mptcp limits set add_addr_accepted 2"));
    vec![finding]
}

/// Subflows of peers that were refused here.
pub fn joins_rejected(evidence: &Evidence) -> Vec<Finding> {
    let (Some(state), rejected) = (evidence.state(), evidence.counter("MPJoinRejected")) else {
        return Vec::new();
    };
    let limit = state.limits.subflows;
    if rejected == 0 || limit == evidence.capabilities.limits_max {
        return Vec::new();
    }
    let full =
        |connection: &&Connection| !connection.is_begun_here() && connection.additional() >= limit as usize;
    let full = evidence.connections.iter().filter(full).count();
    let now = if full > 0 {
        format!("; {full} live connection{} as many as that", if full == 1 { " has" } else { "s have" })
    } else {
        String::new()
    };
    let finding = Finding::hint(code::JOINS_REJECTED, "this host refused subflows of its peers")
        .of(if full > 0 { FindingSeverity::Fault } else { FindingSeverity::Hint })
        .evidence(format!("MPJoinRejected is {rejected}; limit subflows is {limit}{now}"))
        .meaning("A peer asked for more subflows than the limit here allows a connection.")
        .remedy(raise(evidence, limit as usize + 2));
    vec![finding]
}

/// A mesh that the limit cuts.
pub fn fullmesh(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let limit = state.limits.subflows as usize;
    let full = |row: &&Endpoint| row.flags.contains(Flags::FULLMESH) && trouble(evidence, row).is_none();
    let rows: Vec<&Endpoint> = evidence.opening().filter(full).collect();
    let cut = |connection: &Connection| {
        let remotes: BTreeSet<IpAddr> = connection.subflows.iter().map(|path| path.remote.ip()).collect();
        let pairs = rows.iter().flat_map(|row| remotes.iter().map(|remote| (row.identity.address, *remote)));
        let has = |pair: &(IpAddr, IpAddr)| {
            connection.subflows.iter().any(|path| (path.local.ip(), path.remote.ip()) == *pair)
        };
        let lacking = pairs.filter(|pair| pair.0.is_ipv4() == pair.1.is_ipv4() && !has(pair)).count();
        let is_cut = remotes.len() > 1 && lacking > 0 && connection.additional() >= limit;
        is_cut.then_some((remotes.len(), lacking))
    };
    let Some((remotes, lacking)) = evidence.begun().find_map(cut) else { return Vec::new() };
    let finding = Finding::fault(code::FULLMESH_LIMITS, "the limit of subflows cuts the full mesh")
        .evidence(format!(
            "limit subflows is {limit}; a live connection knows {remotes} addresses of its peer, has {} fullmesh \
             endpoint{} here, and lacks {lacking} pair{}",
            rows.len(), plural(rows.len()), plural(lacking)
        ))
        .meaning("A full mesh takes a subflow for each pair of addresses.");
    let max = evidence.capabilities.limits_max;
    // What this kernel cannot do is nobody's mistake.
    vec![if state.limits.subflows < max {
        finding.remedy(raise(evidence, limit + lacking))
    } else {
        let remedy = format!(
            "# this kernel allows {max} at most: let fewer endpoints be `fullmesh`, or peers announce less"
        );
        finding.of(FindingSeverity::Hint).remedy(remedy)
    }]
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
