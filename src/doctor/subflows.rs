//! Findings about subflows that live connections lack.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Connection, Endpoint, Flags, Subflow, Token, code, counted};
use crate::reconcile::{is_full, stalled};
use crate::system::DataProgress;

use super::endpoints::{can_open_on, problem};
use super::evidence::Evidence;
use super::finding::Finding;
use super::peers::listed;
use super::routes;
use super::stage::subflow_results;

/// A usable endpoint without a subflow on some live connections that could have one.
struct Missing<'a> {
    /// The endpoint.
    row: &'a Endpoint,
    /// How many connections lack the subflow.
    connections: usize,
    /// How many of these have sent a request that is not answered yet.
    asking: usize,
    /// How many connections this host opened.
    of: usize,
    /// The peers of the connections that lack it.
    peers: BTreeSet<IpAddr>,
}

impl Missing<'_> {
    /// The numbers, for evidence.
    fn evidence(&self) -> String {
        let Missing { row, connections, of, .. } = self;
        format!(
            "{connections} of {} {} no subflow from {}",
            counted(*of, "live connection"),
            if *connections == 1 { "has" } else { "have" },
            row.identity.address
        )
    }
}

/// All of them, without those that the endpoint's address, interface or route or the limit explains.
fn all(evidence: &Evidence) -> Vec<Missing<'_>> {
    let Some(state) = evidence.state().filter(|_| !evidence.is_userspace()) else { return Vec::new() };
    let limit = state.limits.subflows as usize;
    // On those of the userspace path manager the kernel opens nothing.
    let is_kernels = |connection: &&Connection| !evidence.is_of_userspace(connection);
    let begun: Vec<&Connection> = evidence.begun().filter(is_kernels).collect();
    let usable = |row: &&Endpoint| problem(evidence, row).is_none() && routes::is_usable(evidence, row);
    let missing = |row| {
        let could_have = |connection: &Connection| {
            lacks(connection, row, limit)
                && can_open_on(evidence, row, connection)
                && routes::reaches(evidence, row, connection)
        };
        let lacking = || begun.iter().filter(|connection| could_have(connection));
        let asks =
            |connection: &&&Connection| connection.subflows.iter().any(|subflow| is_from(subflow, row));
        let (connections, asking) = (lacking().count(), lacking().filter(asks).count());
        let peers =
            lacking().filter_map(|connection| Some(connection.subflows.first()?.remote.ip())).collect();
        Missing { row, connections, asking, of: begun.len(), peers }
    };
    evidence.opening().filter(usable).map(missing).filter(|missing| missing.connections > 0).collect()
}

fn is_from(subflow: &Subflow, row: &Endpoint) -> bool {
    subflow.local.ip() == row.identity.address
}

fn lacks(connection: &Connection, row: &Endpoint, limit: usize) -> bool {
    let own = || connection.subflows.iter().filter(|subflow| is_from(subflow, row));
    // A subflow that is closing was established. A request may be answered yet.
    let had = own().any(|subflow| !subflow.is_asking() || !is_unanswered(connection, subflow));
    let same_family = |subflow: &Subflow| subflow.remote.is_ipv4() == row.identity.address.is_ipv4();
    // The kernel opens them to the address that the connection was opened to; with `fullmesh` to announced ones too.
    let mut first = connection.subflows.iter().filter(|path| !path.flags.is_join());
    let reachable = match first.next() {
        Some(first) if !row.flags.contains(Flags::FULLMESH) => same_family(first),
        _ => connection.subflows.iter().any(same_family),
    };
    // A subflow that is being opened counts towards the limit.
    let has_room = own().next().is_some() || connection.additional() < limit;
    !had && connection.is_fully_established() && reachable && has_room
}

/// Whether a request was sent again so often that an answer should be here: once, or twice where an answer takes long, as by
/// satellite, or packets get lost.
fn is_unanswered(connection: &Connection, request: &Subflow) -> bool {
    const LONG: Duration = Duration::from_millis(500);
    let is_slow = |path: &Subflow| {
        path.is_established() && (path.traffic.rtt >= LONG || path.traffic.retransmitted > 0)
    };
    let expected = u32::from(connection.subflows.iter().any(is_slow));
    request.traffic.retransmitted > expected
}

/// The command by which live connections get what is possible after a remedy: the kernel opens subflows when an endpoint is added,
/// not when a limit or a route is there at last. Only endpoints without any subflow are added again.
pub fn renewal<'a>(evidence: &Evidence, rows: impl Iterator<Item = &'a Endpoint>) -> String {
    let could_use = |row: &Endpoint| {
        let is_of_family = |subflow: &Subflow| subflow.remote.is_ipv4() == row.identity.address.is_ipv4();
        let mut begun = evidence.begun().filter(|connection| connection.is_fully_established());
        begun.any(|connection| connection.subflows.iter().any(is_of_family))
    };
    let is_idle =
        |row: &&Endpoint| row.flags.contains(Flags::SUBFLOW) && !evidence.is_in_use(row) && could_use(row);
    let idle: String = rows.filter(is_idle).map(|row| format!(" {}", row.identity.address)).collect();
    if idle.is_empty() { String::new() } else { format!("\n{} renew{idle}", evidence.program) }
}

/// Subflows that are missing, and for which no request is under way.
pub fn missing(evidence: &Evidence) -> Vec<Finding> {
    // A test connection is new, and shows at which stage each subflow stopped.
    if !subflow_results(evidence).is_empty() {
        return Vec::new();
    }
    let without_request = || all(evidence).into_iter().filter(|missing| missing.asking == 0);
    let lacking = without_request().map(|missing| missing.connections as u64).sum();
    without_request().map(|missing| not_asked(evidence, &missing, lacking)).collect()
}

/// The finding about one endpoint; `lacking` is how many subflows are missing from all of them.
fn not_asked(evidence: &Evidence, missing: &Missing<'_>, lacking: u64) -> Finding {
    let (seen, row) = (missing.evidence(), missing.row);
    let peers = listed(&missing.peers);
    // Where others have it, it works here, and what it would close is theirs.
    let others = missing.of - missing.connections;
    let again = match evidence.is_in_use(row) {
        true => format!(
            "# if {peers} accepts it now, this asks again; {} with this subflow lose it, and get it back:\n# {} renew {}",
            counted(others, "connection"),
            evidence.program,
            row.identity.address
        ),
        false => format!("{} renew {}", evidence.program, row.identity.address),
    };
    if let Some((name, count)) = could_not_send(evidence, missing, lacking) {
        return Finding::fault(code::ADDED_TOO_EARLY, format!("{} was added before it could be used", evidence.label(row)))
            .endpoint(evidence.label(row))
            .evidence(format!("{seen}; {name} is {count}, and every request that was sent is an established subflow"))
            .meaning("The kernel tried once, before the address, interface or route was there, and does not try again on those connections. New connections are not affected.")
            .remedy(format!("{again}\n# `mptcp-apply --watch` does this by itself"));
    }
    let title = format!("live connections lack a subflow from {}", row.identity.address);
    let finding = Finding::hint(code::SUBFLOW_MISSING, title).endpoint(evidence.label(row));
    if evidence.never_asked() {
        return finding
            .evidence(format!("{seen}; MPJoinSynTx is 0 (no request for a subflow since boot)"))
            .meaning("The kernel here never asked for a subflow: the peer accepts none at its first address (allow_join_initial_addr_port), or the limit was raised after those connections had begun.")
            .remedy(format!("{again}\n# if none comes, a new connection shows what the peer accepts:\n{} doctor --probe PEER:PORT", evidence.program));
    }
    let mut checks = evidence.routes.iter().filter(|check| check.source == row.identity.address);
    if let Some((hop, index)) = checks.find_map(|check| check.silent.zip(check.taken().as_ref().ok())) {
        let home = evidence.name(*index);
        return finding
            .evidence(format!("{seen}; `ip neighbour show {hop} dev {home}`: FAILED or INCOMPLETE"))
            .meaning(format!("The next hop of the route did not answer to ARP or neighbour discovery when it was last asked: {hop} is down, is not on the link of {home}, or is the wrong router."))
            .remedy(format!("ping -c 3 -I {home} {hop}\n# when it answers:\n{again}"));
    }
    let counted = ["MPJoinSynTx", "MPJoinSynAckRx", "MPRstRx"].map(|name| (name, evidence.counter(name)));
    let counted = counted.iter().filter(|(name, count)| *name != "MPRstRx" || *count > 0);
    let counted: String = counted.map(|(name, count)| format!("; {name} is {count}")).collect();
    let again = match was_asked_again(evidence, lacking) {
        true => format!(
            "# each was asked for more than once: restart the application, so that it opens a new connection\n# or, if something changed since the last request: {} renew {}",
            evidence.program, row.identity.address
        ),
        false => format!(
            "{again}\n# if that brings none: restart the application, so that it opens a new connection"
        ),
    };
    finding
        .evidence(format!("{seen} (to {peers}){counted}"))
        .meaning("Nothing on this host prevents it now. Raising a limit or adding a route does nothing for connections that exist, and the kernel does not retry a subflow that was closed, that got no answer, or that the peer refused (MPRstRx), for example because of its own limit. A connection that has reached the limit of the peer is refused more even after that limit is raised. The kernel asks for none where the peer accepts none at its first address (allow_join_initial_addr_port).")
        .remedy(format!("{again}\n# on the peer: ip mptcp limits show"))
}

/// Whether each of the missing subflows was asked for more than once: the counters are about live connections only. A refusal
/// for the limit of the peer comes after its answer.
fn was_asked_again(evidence: &Evidence, lacking: u64) -> bool {
    evidence.counts_live_ones_only() && evidence.counter("MPJoinSynTx") >= joined(evidence) + 2 * lacking
}

/// How many subflows this host has opened that are established.
fn joined(evidence: &Evidence) -> u64 {
    let paths = evidence.begun().flat_map(|connection| &connection.subflows);
    paths.filter(|path| path.flags.is_join() && path.is_established()).count() as u64
}

/// The counter of requests that could not be sent, if it can only be about what is missing now. Counters are of all
/// endpoints and since boot, so all connections have to be live still, each request that was sent has to be an established
/// subflow, none of them from this endpoint, and as many failed as are missing.
fn could_not_send(evidence: &Evidence, missing: &Missing<'_>, lacking: u64) -> Option<(&'static str, u64)> {
    let [sent, answered, reset] =
        ["MPJoinSynTx", "MPJoinSynAckRx", "MPRstRx"].map(|name| evidence.counter(name));
    let refused = ["MPJoinSynTxBindErr", "MPJoinSynTxConnectErr"].map(|name| (name, evidence.counter(name)));
    let joined = joined(evidence);
    let is_exact = evidence.counts_live_ones_only()
        && !evidence.is_in_use(missing.row)
        && (sent, answered, reset) == (joined, joined, 0)
        && refused.iter().map(|(_, count)| count).sum::<u64>() == lacking;
    refused.into_iter().find(|(_, count)| *count > 0).filter(|_| is_exact)
}

/// Requests for subflows that get no answer: those that are under way and were sent again. What was lost at some time is
/// no matter.
pub fn joins_unanswered(evidence: &Evidence) -> Vec<Finding> {
    let [asked, answered] = ["MPJoinSynTx", "MPJoinSynAckRx"].map(|name| evidence.counter(name));
    let unanswered = |missing: &Missing<'_>| {
        let (address, asking) = (missing.row.identity.address, missing.asking);
        let home = evidence.home(missing.row).map_or("DEV", |home| home.name.as_str());
        Finding::fault(code::JOINS_UNANSWERED, format!("subflows from {address} get no answer"))
            .endpoint(evidence.label(missing.row))
            .evidence(format!(
                "{}, {asking} of which sent a request again; MPJoinSynTx is {asked}, MPJoinSynAckRx {answered}",
                missing.evidence()
            ))
            .meaning(match address {
                IpAddr::V6(v6) if v6.is_unique_local() => "Requests for subflows (SYN with MP_JOIN) are sent from a unique local address (fc00::/7), to which the Internet has no way back.",
                _ => "Requests for subflows (SYN with MP_JOIN) are sent, and no answer arrives: the path is broken, a firewall drops them, or the peer ignores them.",
            })
            .remedy(format!("{}tcpdump -ni {home} 'tcp[tcpflags] & tcp-syn != 0'", pings(address, &missing.peers)))
    };
    let missing: Vec<Missing<'_>> = all(evidence).into_iter().filter(|missing| missing.asking > 0).collect();
    let others = unanswered_pairs(evidence, &missing);
    missing.iter().map(unanswered).chain(others).collect()
}

fn pings(address: IpAddr, peers: &BTreeSet<IpAddr>) -> String {
    const SHOWN: usize = 3;
    peers.iter().take(SHOWN).map(|peer| format!("ping -c 3 -I {address} {peer}\n")).collect()
}

/// Requests to an announced address from an address that has subflows to others.
fn unanswered_pairs(evidence: &Evidence, missing: &[Missing<'_>]) -> Vec<Finding> {
    let pair = |subflow: &Subflow| (subflow.local.ip(), subflow.remote.ip());
    let is_reported = |subflow: &Subflow| missing.iter().any(|missing| is_from(subflow, missing.row));
    // What is wrong with the endpoint itself explains it.
    let is_explained = |subflow: &Subflow| {
        let mut rows = evidence.opening().filter(|row| is_from(subflow, row));
        rows.any(|row| problem(evidence, row).is_some() || !routes::is_usable(evidence, row))
    };
    let is_proven = |ends| evidence.subflows().any(|other| other.is_established() && pair(other) == ends);
    let is_odd = |connection: &Connection, subflow: &Subflow| {
        subflow.is_asking()
            && subflow.flags.is_join()
            && is_unanswered(connection, subflow)
            && !is_reported(subflow)
            && !is_explained(subflow)
            && !is_proven(pair(subflow))
    };
    let full = evidence.begun().filter(|connection| connection.is_fully_established());
    let asking = full.flat_map(|connection| {
        connection.subflows.iter().filter(|subflow| is_odd(connection, subflow)).map(pair)
    });
    let asking: BTreeSet<(IpAddr, IpAddr)> = asking.collect();
    let [asked, answered] = ["MPJoinSynTx", "MPJoinSynAckRx"].map(|name| evidence.counter(name));
    let finding = |(local, remote): (IpAddr, IpAddr)| {
        let home = evidence.interface_of(local).map_or("DEV", |home| home.name.as_str());
        let title = format!("subflows from {local} to {remote} get no answer");
        let finding = Finding::fault(code::JOINS_UNANSWERED, title)
            .evidence(format!(
                "a live connection sent the request again; MPJoinSynTx is {asked}, MPJoinSynAckRx {answered}"
            ))
            .meaning("Requests for subflows (SYN with MP_JOIN) to this address of the peer are sent, and no answer arrives: no path leads there from here, or a firewall drops them.")
            .remedy(format!("ping -c 3 -I {local} {remote}\ntcpdump -ni {home} 'tcp[tcpflags] & tcp-syn != 0'"));
        evidence.label_of(local).into_iter().fold(finding, Finding::endpoint)
    };
    asking.into_iter().map(finding).collect()
}

/// Subflows that this host opened, and whose last packet of the handshake gets lost: to it they are established.
pub fn unconfirmed(evidence: &Evidence) -> Vec<Finding> {
    let paths = evidence.begun().flat_map(|connection| &connection.subflows);
    let pairs: BTreeSet<(IpAddr, IpAddr)> =
        paths.filter(|path| path.is_unconfirmed()).map(|path| (path.local.ip(), path.remote.ip())).collect();
    let finding = |(local, remote): (IpAddr, IpAddr)| {
        let home = evidence.interface_of(local).map_or("DEV", |home| home.name.as_str());
        let title = format!("subflows from {local} to {remote} are not confirmed");
        let finding = Finding::fault(code::JOINS_INCOMPLETE, title)
            .evidence("`ss -tni`: they are established here, and have no flag `e` (fully established)")
            .meaning("The peer has answered, and the packet that completes the join does not arrive there: a firewall or middlebox on this path drops what has MP_JOIN and no SYN. No data moves on them.")
            .remedy(format!("# at both ends, while a new connection is opened: where is it lost?\ntcpdump -nvi {home} host {remote} and tcp"));
        evidence.label_of(local).into_iter().fold(finding, Finding::endpoint)
    };
    pairs.into_iter().map(finding).collect()
}

/// Connections that have their subflows, and whose data stands still.
pub fn data_stalled(evidence: &Evidence) -> Vec<Finding> {
    let [before, after] = &evidence.data;
    let stalled = stalled(before, after);
    let has_cure = evidence.counters.as_ref().is_some_and(|counters| counters.0.contains_key("OFOPruned"));
    let finding = |data: &DataProgress| {
        let DataProgress { rmem_alloc, rcvbuf, write_seq, snd_una, .. } = data;
        let (seen, receiver) = if is_full(data) {
            (format!("rcv_nxt stays, and {rmem_alloc} bytes fill a receive buffer of {rcvbuf}"), "this host")
        } else {
            (format!("snd_una stays, and {} bytes wait", write_seq.wrapping_sub(*snd_una)), "the peer")
        };
        let again = "# restart the application: this connection does not go on";
        let larger = "sysctl -w net.ipv4.tcp_rmem=\"4096 8388608 33554432\"   # on";
        let title = format!("the data of connection {} does not move", Token(data.connection));
        let finding = Finding::fault(code::DATA_STALLED, title)
            .evidence(format!("ss -Mmi: {seen}, while its subflows go on"))
            .meaning(format!("The receive buffer of {receiver} is full of data after a gap, and Linux before 7.3 takes nothing more then, what is missing included. It comes of subflows that were closed with data on their way. Nothing revives the connection."));
        finding.remedy(match receiver {
            "this host" if has_cure => again.to_owned(),
            _ => format!("{again}\n{larger} {receiver}, for new connections"),
        })
    };
    after.connections.iter().filter(|data| stalled.contains(&data.connection)).map(finding).collect()
}
