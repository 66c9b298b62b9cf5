//! What became of the subflow of each endpoint on a test connection: established, or the stage at which it stopped.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::{
    Endpoint, Event, EventFlags, EventKind, Flags, ObservedSubflow, ProbeConnection, Protocol, Subflow,
    counted,
};
use crate::system::Errno;

use super::evidence::{Evidence, RouteCheck};
use super::finding::FindingSeverity;
use super::{endpoints, routes};

/// The stage that an endpoint's subflow reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubflowStage {
    /// The subflow is established.
    Established,
    /// The subflow was established, and was closed.
    Closed,
    /// It was refused before it was established.
    Refused(RefusedBy),
    /// The peer did not answer.
    Unanswered,
    /// This host could not send the request. The next hop, if that does not answer on the link.
    NotSent(Option<IpAddr>),
    /// This host did not send a request.
    NotTried(NotTried),
    /// The peer is to open it.
    Announced,
}

/// Who refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// The peer, or what resets connections in its name.
    Peer,
    /// This host: the answer came without MP_JOIN.
    Itself,
    /// A host on the way, by ICMP.
    Router,
}

/// Why this host did not send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTried {
    /// The flags of the endpoint open none.
    Flags,
    /// The peer has acknowledged no data.
    Unacknowledged,
    /// The connection was opened to an address of the other family.
    OtherFamily,
    /// The limit of subflows is reached; this is the limit.
    LimitReached(u32),
    /// The peer accepts no subflow at its first address.
    Denied,
    /// The peer closed the connection.
    Ended,
    /// None of these.
    Unknown,
}

impl NotTried {
    fn words(self) -> String {
        match self {
            NotTried::Flags => "its flags open no subflow here".to_owned(),
            NotTried::Unacknowledged => {
                "the peer has not acknowledged data, which the kernel waits for".to_owned()
            }
            NotTried::OtherFamily => "the connection was opened to an address of the other family".to_owned(),
            NotTried::LimitReached(limit) => {
                format!("the limit of {} is reached", counted(limit as usize, "subflow"))
            }
            NotTried::Denied => "the peer accepts no subflow at its first address".to_owned(),
            NotTried::Ended => "the peer closed the connection before".to_owned(),
            NotTried::Unknown => "no attempt was seen".to_owned(),
        }
    }
}

impl SubflowStage {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            SubflowStage::Established => "established",
            SubflowStage::Closed => "closed",
            SubflowStage::Refused(_) => "refused",
            SubflowStage::Unanswered => "unanswered",
            SubflowStage::NotSent(_) => "not-sent",
            SubflowStage::NotTried(_) => "not-tried",
            SubflowStage::Announced => "announced",
        }
    }
}

/// The subflow of one endpoint on the test connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubflowResult<'a> {
    /// The endpoint.
    pub row: &'a Endpoint,
    /// The stage that it reached.
    pub stage: SubflowStage,
    /// Why it stopped there; may be empty.
    pub detail: String,
    /// The round-trip time, if it is established.
    pub rtt: Option<Duration>,
}

/// One for each endpoint that is not implicit; empty where the connection has no MPTCP, or the kernel does not show its
/// subflows.
pub fn subflow_results(evidence: &Evidence) -> Vec<SubflowResult<'_>> {
    match evidence.watched() {
        Some(watched) if watched.protocol == Protocol::Mptcp => {
            evidence.endpoints().map(|row| subflow_result(evidence, watched, row)).collect()
        }
        _ => Vec::new(),
    }
}

fn subflow_result<'a>(
    evidence: &Evidence,
    watched: &ProbeConnection,
    row: &'a Endpoint,
) -> SubflowResult<'a> {
    let address = row.identity.address;
    let own = || watched.subflows.iter().filter(|seen| seen.subflow.local.ip() == address);
    let is_up = |seen: &&ObservedSubflow| {
        if watched.ended { seen.was_established } else { seen.is_there && seen.subflow.is_established() }
    };
    // The connection's first subflow comes first.
    if let Some(seen) = own().filter(is_up).min_by_key(|seen| seen.subflow.flags.is_join()) {
        if seen.subflow.is_unconfirmed() {
            let detail = "the peer has not confirmed it".to_owned();
            return SubflowResult { row, stage: SubflowStage::Unanswered, detail, rtt: None };
        }
        let detail = if seen.subflow.flags.is_join() { "" } else { "the first subflow" };
        let rtt = Some(seen.subflow.traffic.rtt);
        return SubflowResult { row, stage: SubflowStage::Established, detail: detail.to_owned(), rtt };
    }
    let (stage, detail) = if let Some(seen) = own().find(|seen| seen.is_there) {
        (SubflowStage::Unanswered, sent(seen))
    } else {
        let events = || watched.events.iter().filter(|event| event.local.address == Some(address));
        // The end of the connection closes its subflows too.
        let is_told =
            |event: &&Event| event.error.unwrap_or(0) != 0 || event.reset_reason.is_some() || !watched.ended;
        let closed = events().filter(is_told).rfind(|event| event.kind == EventKind::SubClosed);
        let was_established = own().any(|seen| seen.was_established);
        let had_joined = || events().any(|event| event.kind == EventKind::SubEstablished);
        match (closed, own().next()) {
            (None, seen) if seen.is_none() || watched.ended => not_seen(evidence, watched, row),
            _ if was_established => (SubflowStage::Closed, reason(closed)),
            (Some(closed), _) if has_no_way(closed) => no_way(evidence, watched, row, closed),
            (Some(Event { error: None | Some(0), reset_reason: None, .. }), _) if !had_joined() => {
                (SubflowStage::Refused(RefusedBy::Itself), "it was answered without MP_JOIN".to_owned())
            }
            // Why, only events tell.
            (None, _) if !watched.shows_events => (SubflowStage::NotTried(NotTried::Unknown), reason(None)),
            _ => (SubflowStage::Refused(RefusedBy::Peer), reason(closed)),
        }
    };
    SubflowResult { row, stage, detail, rtt: None }
}

fn sent(seen: &ObservedSubflow) -> String {
    match seen.subflow.traffic.retransmitted {
        0 => "SYN sent".to_owned(),
        again => format!("SYN sent {} times", again + 1),
    }
}

/// Whether a request ended with an error about the way.
pub fn has_no_way(closed: &Event) -> bool {
    let unreachable = [Errno::ENETUNREACH, Errno::EHOSTUNREACH];
    closed.error.is_some_and(|error| unreachable.contains(&Errno::from_raw(error.into())))
}

/// What became of a request that ended with an error about the way: the next hop does not answer, there is no route, or a
/// host on the way said so.
fn no_way(
    evidence: &Evidence,
    watched: &ProbeConnection,
    row: &Endpoint,
    closed: &Event,
) -> (SubflowStage, String) {
    let is_it =
        |check: &&RouteCheck| (check.source, check.destination) == (row.identity.address, watched.peer.ip());
    let check = evidence.routes.iter().find(is_it);
    match check.map(|check| (check.silent, check.taken())) {
        Some((Some(hop), Ok(index))) => {
            let home = evidence.name(*index);
            (SubflowStage::NotSent(Some(hop)), format!("{hop} does not answer on {home}"))
        }
        Some((_, Err(_))) => (SubflowStage::NotSent(None), reason(Some(closed))),
        _ => {
            let error = reason(Some(closed));
            (SubflowStage::Refused(RefusedBy::Router), format!("{error}, as a host on the way said (ICMP)"))
        }
    }
}

/// Why a subflow ended, by the kernel's event.
pub fn reason(closed: Option<&Event>) -> String {
    let error = closed.and_then(|event| event.error).filter(|error| *error != 0);
    match (closed.and_then(|event| event.reset_reason), error) {
        _ if closed.is_none() => "it disappeared".to_owned(),
        (Some(reset), _) => format!("the peer reset it: {reset}"),
        (None, Some(error)) => Errno::from_raw(error.into()).desc().to_owned(),
        (None, None) => "the peer reset it".to_owned(),
    }
}

/// Why no subflow from the endpoint was seen.
fn not_seen(evidence: &Evidence, watched: &ProbeConnection, row: &Endpoint) -> (SubflowStage, String) {
    if row.flags.contains(Flags::SIGNAL) && !row.opens_subflows() {
        return (SubflowStage::Announced, "peers connect to it".to_owned());
    }
    let route = || routes::problem(evidence, row).filter(|found| found.severity == FindingSeverity::Fault);
    let problem = endpoints::problem(evidence, row).or_else(route);
    if let Some(problem) = problem.filter(|_| row.opens_subflows()) {
        return (SubflowStage::NotSent(None), problem.title);
    }
    let cause = not_tried(evidence, watched, row);
    (SubflowStage::NotTried(cause), cause.words())
}

fn not_tried(evidence: &Evidence, watched: &ProbeConnection, row: &Endpoint) -> NotTried {
    let there =
        || watched.subflows.iter().filter(|seen| seen.is_there || watched.ended).map(|seen| &seen.subflow);
    let limit = evidence.state().map_or(0, |state| state.limits.subflows);
    let denied = |event: &Event| event.flags.is_some_and(|flags| flags.contains(EventFlags::DENY_JOIN_ID0));
    if !row.opens_subflows() || !endpoints::can_open(evidence, row) {
        NotTried::Flags
    } else if watched.ended {
        NotTried::Ended
    } else if !there().any(|subflow| subflow.flags.is_fully_established()) {
        NotTried::Unacknowledged
    } else if !there().any(|subflow| is_target(row, watched, subflow)) {
        NotTried::OtherFamily
    } else if there().filter(|subflow| subflow.flags.is_join()).count() >= limit as usize {
        NotTried::LimitReached(limit)
    } else if watched.events.iter().any(denied) {
        NotTried::Denied
    } else {
        NotTried::Unknown
    }
}

/// Whether the kernel opens a subflow from the endpoint to where this one leads: the address that the connection was opened
/// to, and with `fullmesh` an announced one too.
fn is_target(row: &Endpoint, watched: &ProbeConnection, subflow: &Subflow) -> bool {
    let is_meant = row.flags.contains(Flags::FULLMESH) || subflow.remote.ip() == watched.peer.ip();
    is_meant && subflow.remote.is_ipv4() == row.identity.address.is_ipv4()
}

impl SubflowResult<'_> {
    /// Whether a subflow should be established, and is not.
    pub fn is_failure(&self, watched: &ProbeConnection) -> bool {
        let reachable = watched.subflows.iter().any(|seen| is_target(self.row, watched, &seen.subflow));
        !matches!(self.stage, SubflowStage::Established | SubflowStage::Announced)
            && self.row.opens_subflows()
            && reachable
    }
}
