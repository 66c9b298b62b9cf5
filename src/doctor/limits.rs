//! Findings about the two limits.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{Connection, Endpoint, Flags, State, Subflow, code, counted};

use super::endpoints::problem;
use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};
use super::{routes, subflows};

/// The most subflows that a client usually opens: the limit of Linux up to 7.1.
const USUAL_MAX: usize = 8;

/// The state whose limits the kernel obeys: none under the userspace path manager.
fn obeyed(evidence: &Evidence) -> Option<&State> {
    evidence.state().filter(|_| !evidence.is_userspace())
}

/// The limit of additional subflows is lower than the endpoints need.
pub fn too_few(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = obeyed(evidence) else { return Vec::new() };
    let (limit, count) = (state.limits.subflows, evidence.endpoints().count());
    if limit == 0 && count > 0 {
        let finding = Finding::fault(code::SUBFLOWS_LIMIT_ZERO, "no connection can have a second subflow")
            .evidence(format!("limit subflows is 0; {} in the table", counted(count, "endpoint")))
            .meaning("The kernel neither opens additional subflows nor accepts them.")
            .remedy(raise(evidence, count) + &renewal(evidence));
        return vec![finding];
    }
    [true, false].into_iter().filter_map(|ipv4| too_low(evidence, limit as usize, ipv4)).collect()
}

/// The endpoints of a family that open subflows, and how many of them a connection needs beside its first one.
fn needed(evidence: &Evidence, ipv4: bool) -> (Vec<&Endpoint>, usize) {
    let of_family = |row: &&Endpoint| row.identity.address.is_ipv4() == ipv4;
    let usable = evidence.opening().filter(of_family).filter(|row| problem(evidence, row).is_none());
    let rows: Vec<&Endpoint> = usable.collect();
    // A connection's first subflow comes from one of them, unless its source address is known to be another one.
    let known = evidence.first_addresses.iter().any(|first| first.is_ipv4() == ipv4);
    let elsewhere = known && !rows.iter().any(|row| evidence.first_addresses.contains(&row.identity.address));
    let needed = rows.len().saturating_sub(usize::from(!elsewhere));
    (rows, needed)
}

/// How many subflows the endpoints would need beside the first one on a live connection that has reached the limit: it may have
/// begun at another address, or have subflows to announced addresses too.
fn needed_live(evidence: &Evidence, rows: &[&Endpoint], ipv4: bool) -> Option<usize> {
    let limit = evidence.state().map_or(0, |state| state.limits.subflows as usize);
    let lacks = |connection: &Connection, row: &&&Endpoint| {
        let is_from = |path: &Subflow| path.local.ip() == row.identity.address;
        // A full mesh has needs of its own.
        let is_simple = !row.flags.contains(Flags::FULLMESH) && routes::is_usable(evidence, row);
        is_simple && !connection.subflows.iter().any(is_from)
    };
    let needed = |connection: &Connection| {
        let is_of_family = connection.subflows.iter().any(|path| path.remote.is_ipv4() == ipv4);
        let is_full = connection.additional() >= limit && !evidence.is_of_userspace(connection);
        let is_cut = is_of_family && is_full && connection.is_fully_established();
        let lacking = rows.iter().filter(|row| lacks(connection, row)).count();
        (is_cut && lacking > 0).then(|| connection.additional() + lacking)
    };
    // A test connection shows which ones it lacks.
    evidence.begun().filter(|_| evidence.probe.is_none()).filter_map(needed).max()
}

/// Whether connections begin at the endpoint's address. It is used then, and takes nothing of the limit.
fn is_first(evidence: &Evidence, row: &Endpoint) -> bool {
    let address = row.identity.address;
    let mut live = evidence.begun().flat_map(|connection| &connection.subflows);
    evidence.first_addresses.contains(&address)
        || live.any(|subflow| !subflow.flags.is_join() && subflow.local.ip() == address)
}

fn names(evidence: &Evidence, rows: &[&Endpoint]) -> String {
    rows.iter().map(|row| evidence.label(row)).collect::<Vec<_>>().join(", ")
}

fn too_low(evidence: &Evidence, limit: usize, ipv4: bool) -> Option<Finding> {
    let (rows, needed) = needed(evidence, ipv4);
    let live = needed_live(evidence, &rows, ipv4).filter(|live| *live > needed);
    let needed = live.unwrap_or(needed);
    if needed <= limit {
        return None;
    }
    let live =
        live.map_or(String::new(), |live| format!("; a live connection that has reached it needs {live}"));
    let all = names(evidence, &rows);
    let finding = Finding::fault(
        code::SUBFLOWS_LIMIT_LOW,
        "the limit of subflows is lower than connections need",
    )
    .evidence(format!("limit subflows is {limit}; {} endpoints open subflows: {all}{live}", rows.len()))
    .meaning(format!(
        "A connection gets {limit} beside its first subflow, whatever they lead to; the others get none."
    ))
    .remedy(raise(evidence, needed) + &renewal(evidence));
    Some(finding)
}

/// Endpoints that no connection uses, since those before them use up the limit, and no connection begins there. Without a
/// configuration their order is unknown.
pub fn never_used(evidence: &Evidence) -> Vec<Finding> {
    let (Some(state), Some(declared)) = (obeyed(evidence), evidence.declared()) else {
        return Vec::new();
    };
    let limit = state.limits.subflows as usize;
    let mut findings = Vec::new();
    for (mut rows, needed) in [true, false].map(|ipv4| needed(evidence, ipv4)) {
        if limit == 0 || needed <= limit {
            continue;
        }
        rows.sort_by_key(|row| {
            let location = evidence.names.get(&row.identity).and_then(|name| declared.locations.get(name));
            (
                location.is_none(),
                location.map(|location| (location.source, location.span.line(), location.span.column())),
            )
        });
        let (firsts, others): (Vec<&Endpoint>, Vec<&Endpoint>) =
            rows.into_iter().partition(|row| is_first(evidence, row));
        // Where no first address is known, one of the others is.
        let of_limit = if firsts.is_empty() { others.len() - (needed - limit) } else { limit };
        let (used, never) = others.split_at(of_limit.min(others.len()));
        let last = used.last().map_or(String::new(), |row| evidence.label(row));
        let delete = used.last().and_then(|row| row.id).map_or(String::new(), |id| format!(" id {id}"));
        findings.extend(never.iter().filter(|row| !evidence.is_in_use(row)).map(|row| {
            let name = evidence.label(row);
            Finding::hint(code::NEVER_USED, format!("{name} is never used: the endpoints before it use up the limit"))
                .endpoint(evidence.label(row))
                .evidence(format!("limit subflows is {limit}; declared before it: {}", names(evidence, used)))
                .meaning("The kernel uses endpoints in the order in which they were added, which is the declared order, until the limit is reached. It uses a later one only where an earlier one cannot be used.")
                .remedy(format!(
                    "# raise the limit, or declare {name} before {last} and add {last} again, which closes its subflows:\nip mptcp endpoint delete{delete}\n{}",
                    declared.command
                ))
        }));
    }
    findings
}

/// How to raise the limit of subflows.
pub fn raise(evidence: &Evidence, wanted: usize) -> String {
    let number = wanted.min(evidence.capabilities.limits_max as usize);
    evidence
        .fix(&format!("limits: {{subflows: {number}}}"), &format!("ip mptcp limits set subflows {number}"))
}

/// What live connections need besides.
fn renewal(evidence: &Evidence) -> String {
    let is_usable = |row: &&Endpoint| problem(evidence, row).is_none() && routes::is_usable(evidence, row);
    subflows::renewal(evidence, evidence.opening().filter(is_usable))
}

/// Peers of live connections announced addresses, and the limit of accepted ones is 0.
pub fn add_addr_accepted(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = obeyed(evidence) else { return Vec::new() };
    let announced = evidence.counter("AddAddr");
    let lacks = evidence.begun().any(|connection| connection.additional() == 0);
    if state.limits.add_addr_accepted > 0 || !evidence.is_announced_to() || !lacks {
        return Vec::new();
    }
    // A host with endpoints of its own does not need the addresses of peers.
    let own = evidence.opening().next().is_some();
    let finding = Finding::fault(code::ADD_ADDR_ACCEPTED_ZERO, "addresses that peers announce are ignored")
        .severity(if own { FindingSeverity::Hint } else { FindingSeverity::Fault })
        .evidence(format!(
            "limit add-addr-accepted is 0; peers announced {} (AddAddr)",
            counted(announced as usize, "address")
        ))
        .meaning("The kernel opens no subflow to an announced address.")
        .remedy(evidence.fix("limits: {add-addr-accepted: 2}", "ip mptcp limits set add_addr_accepted 2"));
    vec![finding]
}

/// Peers of live connections announced addresses, this host asked there, and was refused each time: nothing answered since
/// boot, and no request is under way.
pub fn announced_in_vain(evidence: &Evidence) -> Vec<Finding> {
    let [asked, answered] = ["MPJoinSynTx", "MPJoinSynAckRx"].map(|name| evidence.counter(name));
    let is_only_way = evidence.opening().next().is_none() && evidence.probe.is_none();
    let is_idle = evidence.begun().all(|connection| connection.subflows.len() == 1);
    if obeyed(evidence).is_none()
        || !is_only_way
        || !is_idle
        || !evidence.is_announced_to()
        || (asked, answered) != (asked.max(1), 0)
    {
        return Vec::new();
    }
    let finding = Finding::hint(code::SUBFLOW_REFUSED, "peers refuse subflows to the addresses that they announce")
        .evidence(format!(
            "peers of live connections announced {} (AddAddr); MPJoinSynTx is {asked} (requests), MPJoinSynAckRx 0 (answers), \
             and none is under way",
            counted(evidence.counter("AddAddr") as usize, "address")
        ))
        .meaning("No service listens at an announced address, a firewall rejects the request, or no path leads there from here.")
        .remedy(format!("# which address it is, a new connection shows:\n# {} doctor --probe PEER:PORT\n# on the peer: ss -ltn", evidence.program));
    vec![finding]
}

/// This host rejected subflows of peers.
pub fn joins_rejected(evidence: &Evidence) -> Vec<Finding> {
    let (Some(state), rejected) = (obeyed(evidence), evidence.counter("MPJoinRejected")) else {
        return Vec::new();
    };
    let limit = state.limits.subflows;
    let full =
        |connection: &&Connection| !connection.is_begun_here() && connection.additional() >= limit as usize;
    let full = evidence.connections.iter().filter(full).count();
    if rejected == 0 || full == 0 || limit == evidence.capabilities.limits_max {
        return Vec::new();
    }
    // It may have been about connections that are gone.
    let accepted = evidence.accepted().count();
    let is_about_live_ones = evidence.counter("MPCapableACKRX") == accepted as u64 && full == accepted;
    let severity = if is_about_live_ones { FindingSeverity::Fault } else { FindingSeverity::Hint };
    let finding = Finding::fault(code::JOINS_REJECTED, "this host rejected subflows of peers")
        .severity(severity)
        .evidence(format!(
            "MPJoinRejected is {rejected}; limit subflows is {limit}; live connections that have reached it: {full}"
        ))
        .meaning("A peer opened more subflows than this host's limit allows per connection.")
        .remedy(
            raise(evidence, (2 * limit as usize).max(USUAL_MAX))
                + "\n# connections that have reached the old limit are refused more until they are opened again: restart the applications of peers",
        );
    vec![finding]
}

/// The limit is lower than a full mesh needs.
pub fn fullmesh(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = obeyed(evidence) else { return Vec::new() };
    let limit = state.limits.subflows as usize;
    let full = |row: &&Endpoint| row.flags.contains(Flags::FULLMESH) && problem(evidence, row).is_none();
    let rows: Vec<&Endpoint> = evidence.opening().filter(full).collect();
    let cut = |connection: &Connection| {
        let remotes: BTreeSet<IpAddr> =
            connection.subflows.iter().map(|subflow| subflow.remote.ip()).collect();
        let pairs = rows.iter().flat_map(|row| remotes.iter().map(|remote| (row.identity.address, *remote)));
        let has = |pair: &(IpAddr, IpAddr)| {
            connection.subflows.iter().any(|subflow| (subflow.local.ip(), subflow.remote.ip()) == *pair)
        };
        let lacking = pairs.filter(|pair| pair.0.is_ipv4() == pair.1.is_ipv4() && !has(pair)).count();
        let is_cut = remotes.len() > 1 && lacking > 0 && connection.additional() >= limit;
        is_cut.then_some((remotes.len(), lacking))
    };
    let Some((remotes, lacking)) = evidence.begun().find_map(cut) else { return Vec::new() };
    let finding = Finding::fault(code::FULLMESH_LIMITS, "the limit of subflows is lower than a full mesh needs")
        .evidence(format!(
            "limit subflows is {limit}; a live connection has {remotes} addresses of its peer and {} here; pairs without a \
             subflow: {lacking}",
            counted(rows.len(), "fullmesh endpoint")
        ))
        .meaning("A full mesh has a subflow for each pair of addresses.");
    let max = evidence.capabilities.limits_max;
    vec![if state.limits.subflows < max {
        finding.remedy(raise(evidence, limit + lacking))
    } else {
        let remedy = format!(
            "# this kernel allows {max} at most: use fewer `fullmesh` endpoints, or announce fewer addresses on the peer"
        );
        finding.severity(FindingSeverity::Hint).remedy(remedy)
    }]
}
