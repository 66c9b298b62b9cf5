//! The test connection of `doctor --probe`: whether it speaks MPTCP, and the subflows that it lacks for no other reason.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::code::{self, Code};
use crate::model::{
    Event, EventKind, HostAddress, ObservedSubflow, Probe, ProbeConnection, ProbeOutcome, Protocol,
};

use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};
use super::stage::{NotTried, RefusedBy, SubflowResult, SubflowStage, has_no_way, reason, subflow_results};
use super::{host, limits, peers};

/// Why there is no test connection, or none with MPTCP.
pub fn connection(evidence: &Evidence) -> Vec<Finding> {
    let Some(Probe { target, outcome }) = &evidence.probe else { return Vec::new() };
    let reported = [host::no_mptcp, host::mptcp_disabled, peers::blackhole];
    let is_fault = |finding: &Finding| finding.severity == FindingSeverity::Fault;
    if reported.iter().any(|find| find(evidence).iter().any(is_fault)) {
        return Vec::new();
    }
    let finding = match outcome {
        ProbeOutcome::Failed(failures) => {
            Finding::fault(code::PROBE_FAILED, format!("cannot connect to {target}"))
                .evidence(failures.join("; "))
                .meaning("Without a TCP connection there is no MPTCP connection either.")
                .remedy(format!("# does plain TCP connect?\ncurl -v telnet://{target}"))
        }
        ProbeOutcome::Connected(watched) => match watched.protocol {
            Protocol::Mptcp => return Vec::new(),
            // That is a finding about the peers of live connections.
            Protocol::Tcp if peers::probe_fell_back(evidence) => return Vec::new(),
            Protocol::Tcp => {
                Finding::fault(code::PEER_WITHOUT_MPTCP, format!("{target} does not speak MPTCP"))
                    .evidence(format!("the connection to {} is plain TCP", watched.peer))
                    .meaning(peers::WITHOUT_MPTCP)
                    .remedy(peers::ASK_THE_SERVER)
            }
            Protocol::Unknown => {
                Finding::hint(code::PROBE_UNSEEN, "this kernel shows subflows to CAP_NET_ADMIN only")
                    .evidence(format!("connected to {}; its subflows are not shown", watched.peer))
                    .meaning("The subflows of the endpoints cannot be checked.")
                    .remedy(as_root(target))
            }
        },
    };
    vec![finding]
}

/// Endpoints without a subflow that no other fault explains.
pub fn unexplained(evidence: &Evidence, found: &[Finding]) -> Vec<Finding> {
    let Some(Probe { target, outcome: ProbeOutcome::Connected(watched) }) = &evidence.probe else {
        return Vec::new();
    };
    // Within this host there is no other path.
    let is_here = |own: &HostAddress| own.address == watched.peer.ip();
    if watched.peer.ip().is_loopback() || evidence.addresses.iter().any(is_here) {
        return Vec::new();
    }
    let explained = |result: &SubflowResult<'_>| {
        let name = evidence.label(result.row);
        let about = |finding: &&Finding| {
            finding.endpoint.as_ref() == Some(&name) || EXPLAIN_ALL.contains(&finding.code)
        };
        found.iter().filter(about).any(|finding| finding.severity == FindingSeverity::Fault)
    };
    let all = subflow_results(evidence).into_iter().filter(|result| result.is_failure(watched));
    let failures: Vec<SubflowResult<'_>> = all.filter(|result| !explained(result)).collect();
    // What is about the peer is said once.
    let is_any = |cause| failures.iter().any(|result| result.stage == SubflowStage::NotTried(cause));
    let joined_elsewhere =
        |seen: &ObservedSubflow| seen.was_established && seen.subflow.remote.ip() != watched.peer.ip();
    let denied = is_any(NotTried::Denied).then(|| match watched.subflows.iter().any(joined_elsewhere) {
        true => announced_only(target),
        false => denied(target),
    });
    let ended = is_any(NotTried::Ended).then(|| ended(target));
    let is_told = |result: &&SubflowResult<'_>| {
        matches!(result.stage, SubflowStage::NotTried(NotTried::Denied | NotTried::Ended))
    };
    let others = failures.iter().filter(|result| !is_told(result));
    let unserved = unserved(watched, target, &failures);
    denied
        .into_iter()
        .chain(ended)
        .chain(others.map(|result| failure(evidence, target, watched, result)))
        .chain(unserved)
        .collect()
}

/// The peer told that it accepts no subflow at the address that it was connected to, and announced no other one.
fn denied(target: &str) -> Finding {
    Finding::fault(code::JOINS_DENIED, format!("{target} accepts no second subflow at its first address"))
        .evidence("the event of the connection has the flag deny-join-id0")
        .meaning("The peer may mean it so, as behind a load balancer; then it has to announce an address of its own, and this host to accept it. The kernel here asks for no subflow otherwise.")
        .remedy("# on the peer, where no load balancer is before it:\nsysctl -w net.mptcp.allow_join_initial_addr_port=1\n# otherwise have it announce its own address: flags: [signal]")
}

/// The same, and it announced another one.
fn announced_only(target: &str) -> Finding {
    Finding::hint(code::JOINS_DENIED, format!("{target} accepts subflows at the addresses that it announces only"))
        .evidence("the event of the connection has the flag deny-join-id0; a subflow to an announced address is there")
        .meaning("The kernel opens a subflow to an announced address from one address here, and from others where their endpoints have `fullmesh`.")
        .remedy("# for a subflow from each address here: flags: [subflow, fullmesh]")
}

/// The peer closed the test connection before subflows could come.
fn ended(target: &str) -> Finding {
    Finding::hint(code::PROBE_UNSEEN, format!("{target} closed the test connection too early"))
        .evidence("the connection ended before all subflows were there")
        .meaning("The kernel opens further subflows once data was acknowledged. Nothing is known of those that had no time.")
        .remedy("# probe a service that keeps connections open, such as SSH, or look at a real connection:\nmptcp-apply show --connections")
}

fn as_root(target: &str) -> String {
    format!("mptcp-apply doctor --probe {target}   # as root, or with CAP_NET_ADMIN")
}

fn failure(
    evidence: &Evidence,
    target: &str,
    watched: &ProbeConnection,
    result: &SubflowResult<'_>,
) -> Finding {
    let (address, word) = (result.row.identity.address, result.stage.word());
    let seen = format!("the subflow from {address} to {target}: {word}, {}", result.detail);
    let missing = || {
        Finding::fault(code::SUBFLOW_MISSING, format!("the test connection has no subflow from {address}"))
    };
    let refused = |title| Finding::fault(code::SUBFLOW_REFUSED, title);
    let home = evidence.home(result.row).map_or("DEV", |home| home.name.as_str());
    let finding = match result.stage {
        SubflowStage::Refused(RefusedBy::Peer) | SubflowStage::Closed => {
            refused(format!("{target} refuses subflows from {address}"))
                .meaning("The peer answers, so the path works. Most peers refuse because of their own limit; a firewall that rejects looks the same, and so does a load balancer that asks another server.")
                .remedy("# on the peer:\nip mptcp limits show\nnstat -az 'MPTcpExtMPJoin*'")
        }
        SubflowStage::Refused(RefusedBy::Itself) => {
            refused(format!("subflows from {address} to {target} are answered without MP_JOIN"))
                .meaning("Something on this path takes the option away (a firewall, a proxy, the provider), or sends the request to another server, without MPTCP. This host cannot join what answers, and closes it.")
                .remedy(format!("# at both ends, while this runs again: where is the option mptcp lost?\ntcpdump -nvi {home} 'tcp[tcpflags] & tcp-syn != 0'"))
        }
        SubflowStage::Refused(RefusedBy::Router) => {
            refused(format!("subflows from {address} to {target} are refused on the way"))
                .meaning("The request was sent, and a router or firewall says that it does not let it pass, or knows no way.")
                .remedy(format!("# while this runs again: who says so?\ntcpdump -nvi {home} 'icmp or icmp6'"))
        }
        SubflowStage::NotSent(Some(hop)) => missing()
            .meaning(format!("There is a route, and its next hop does not answer to ARP or neighbour discovery: {hop} is down, is not on the link of {home}, or is the wrong router."))
            .remedy(format!("ip neighbour show {hop} dev {home}\nping -I {home} {hop}")),
        SubflowStage::NotTried(NotTried::LimitReached(limit)) => missing()
            .meaning("Other subflows, such as those to addresses that the peer announced, use up the limit.")
            .remedy(limits::raise(evidence, limit as usize + 1)),
        SubflowStage::NotTried(NotTried::Unacknowledged) => missing()
            .meaning("The kernel opens no further subflow before the peer has acknowledged data, and this service acknowledged none. Real connections to it have data to acknowledge.")
            .remedy("# probe a service that answers, such as HTTP, or look at a real connection:\nmptcp-apply show --connections"),
        // A subflow that is refused at once is only seen in events.
        SubflowStage::NotTried(NotTried::Unknown) if !watched.shows_events => {
            Finding::hint(code::PROBE_UNSEEN, "this kernel shows events of subflows to CAP_NET_ADMIN only")
                .meaning("Whether this host did not open the subflow, or the peer refused it at once, cannot be seen.")
                .remedy(as_root(target))
        }
        _ => missing()
            .meaning("Nothing found on this host prevents it.")
            .remedy("mptcp-apply monitor   # shows the kernel's events while this runs again"),
    };
    finding.endpoint(evidence.label(result.row)).evidence(seen)
}

/// Addresses that the peer announced, and at which it refuses subflows.
fn unserved(watched: &ProbeConnection, target: &str, failures: &[SubflowResult<'_>]) -> Vec<Finding> {
    let announced = |address: IpAddr| {
        let is_it =
            |event: &Event| event.kind == EventKind::Announced && event.remote.address == Some(address);
        watched.events.iter().any(is_it)
    };
    let is_up = |address: IpAddr| {
        watched.subflows.iter().any(|seen| seen.was_established && seen.subflow.remote.ip() == address)
    };
    let is_told = |event: &Event| {
        failures.iter().any(|result| Some(result.row.identity.address) == event.local.address)
    };
    let closed = watched.events.iter().filter(|event| event.kind == EventKind::SubClosed && !is_told(event));
    let refused: BTreeMap<IpAddr, &Event> =
        closed.filter_map(|event| Some((event.remote.address?, event))).collect();
    let finding = |(address, event): (&IpAddr, &&Event)| {
        if has_no_way(event) {
            let title = format!("subflows to {address}, which {target} announced, are refused on the way");
            return Finding::fault(code::SUBFLOW_REFUSED, title)
                .evidence(format!("events: announced {address}, and sub-closed: {}", reason(Some(event))))
                .meaning("A router or firewall says that it does not let them pass or knows no way there, or the next hop does not answer on the link.")
                .remedy(format!("ip route get {address}\n# while this runs again: who says so?\ntcpdump -nvi any 'icmp or icmp6 or arp'"));
        }
        Finding::fault(
            code::SUBFLOW_REFUSED,
            format!("{target} refuses subflows to {address}, which it announced"),
        )
        .evidence(format!("events: announced {address}, and sub-closed before it was established"))
        .meaning("The peer's service does not listen on that address, or a firewall rejects it.")
        .remedy(format!("# on the peer:\nss -ltn   # does its service listen on {address}?"))
    };
    refused.iter().filter(|(address, _)| announced(**address) && !is_up(**address)).map(finding).collect()
}

/// Addresses that the peer announced and to which no route leads. They matter where they are the only second ones.
pub fn unreachable(evidence: &Evidence) -> Vec<Finding> {
    let Some(Probe { target, outcome: ProbeOutcome::Connected(watched) }) = &evidence.probe else {
        return Vec::new();
    };
    let joined = watched.subflows.iter().any(|seen| seen.was_established && seen.subflow.flags.is_join());
    let accepts = evidence.state().is_some_and(|state| state.limits.add_addr_accepted > 0);
    if joined || !accepts || evidence.is_userspace() {
        return Vec::new();
    }
    let finding = |(address, error): (&IpAddr, &String)| {
        Finding::fault(code::NO_ROUTE, format!("no route to {address}, which {target} announced"))
            .evidence(format!("`ip route get {address}`: {error}"))
            .meaning("The kernel opens a subflow to each address that the peer announces, as far as the limits allow, and has no way to this one.")
            .remedy(format!("# if {address} can be reached from here, add the route; otherwise have the peer announce another address"))
    };
    evidence.unreachable.iter().map(finding).collect()
}

/// Faults that concern all endpoints, or any of them.
const EXPLAIN_ALL: [Code; 6] = [
    code::MPTCP_DISABLED,
    code::USERSPACE_PATH_MANAGER,
    code::SUBFLOWS_LIMIT_ZERO,
    code::SUBFLOWS_LIMIT_LOW,
    code::FULLMESH_LIMITS,
    code::PEER_WITHOUT_MPTCP,
];
