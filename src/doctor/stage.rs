//! What became of the subflow of each endpoint on a test connection: established, or the stage at which it stopped.

use std::time::Duration;

use crate::model::{
    Course, Endpoint, Event, EventFlags, EventKind, Flags, Probe, Protocol, Sighting, Subflow, Watched,
};
use crate::system::Errno;

use super::evidence::Evidence;
use super::finding::FindingSeverity;
use super::{endpoints, routes};

/// How far an endpoint's subflow came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubflowStage {
    /// It is there.
    Established,
    /// It was there.
    Closed,
    /// The peer reset it before it was there.
    Refused,
    /// The peer did not answer.
    Unanswered,
    /// This host could not ask.
    NotSent,
    /// This host did not ask.
    NotTried,
    /// It is for the peer to ask.
    Announced,
}

impl SubflowStage {
    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            SubflowStage::Established => "established",
            SubflowStage::Closed => "closed",
            SubflowStage::Refused => "refused",
            SubflowStage::Unanswered => "unanswered",
            SubflowStage::NotSent => "not-sent",
            SubflowStage::NotTried => "not-tried",
            SubflowStage::Announced => "announced",
        }
    }
}

/// What became of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubflowResult<'a> {
    /// The endpoint.
    pub row: &'a Endpoint,
    /// How far it came.
    pub stage: SubflowStage,
    /// What there is to say about that.
    pub detail: String,
    /// The round-trip time, where there is a subflow.
    pub rtt: Option<Duration>,
}

/// One for each endpoint that somebody made; none where the connection has no MPTCP, or shows nothing.
pub fn subflow_results(evidence: &Evidence) -> Vec<SubflowResult<'_>> {
    match &evidence.probe {
        Some(Probe { course: Course::Connected(watched), .. }) if watched.protocol == Protocol::Mptcp => {
            evidence.endpoints().map(|row| subflow_result(evidence, watched, row)).collect()
        }
        _ => Vec::new(),
    }
}

fn subflow_result<'a>(evidence: &Evidence, watched: &Watched, row: &'a Endpoint) -> SubflowResult<'a> {
    let address = row.identity.address;
    let own = || watched.subflows.iter().filter(|seen| seen.path.local.ip() == address);
    let is_up = |seen: &&Sighting| match watched.ended {
        true => seen.was_established,
        false => seen.is_there && seen.path.is_established(),
    };
    // The connection's first one comes first.
    if let Some(seen) = own().filter(is_up).min_by_key(|seen| seen.path.flags.is_join()) {
        let detail = if seen.path.flags.is_join() { "" } else { "the first subflow" };
        let rtt = Some(seen.path.traffic.rtt);
        return SubflowResult { row, stage: SubflowStage::Established, detail: detail.to_owned(), rtt };
    }
    let (stage, detail) = if let Some(seen) = own().find(|seen| seen.is_there) {
        (SubflowStage::Unanswered, sent(seen))
    } else {
        let mut told = watched.events.iter().filter(|event| event.local.address == Some(address));
        let closed = told.rfind(|event| event.kind == EventKind::SubClosed);
        let was_established = own().any(|seen| seen.was_established);
        match (closed, own().next()) {
            (None, None) => not_seen(evidence, watched, row),
            _ if was_established => (SubflowStage::Closed, reason(closed)),
            _ => (SubflowStage::Refused, reason(closed)),
        }
    };
    SubflowResult { row, stage, detail, rtt: None }
}

fn sent(seen: &Sighting) -> String {
    match seen.path.traffic.retransmitted {
        0 => "SYN sent".to_owned(),
        again => format!("SYN sent {} times", again + 1),
    }
}

/// What the kernel said about the end of a subflow.
fn reason(closed: Option<&Event>) -> String {
    let error = closed.and_then(|event| event.error).filter(|error| *error != 0);
    match (closed.and_then(|event| event.reset_reason), error) {
        _ if closed.is_none() => "it went away".to_owned(),
        (Some(reset), _) => format!("the peer reset it: {reset}"),
        (None, Some(error)) => Errno::from_raw(error.into()).desc().to_owned(),
        (None, None) => "the peer reset it".to_owned(),
    }
}

/// Why there was no attempt to be seen.
fn not_seen(evidence: &Evidence, watched: &Watched, row: &Endpoint) -> (SubflowStage, String) {
    if !row.opens_subflows() {
        return if row.flags.contains(Flags::SIGNAL) {
            (SubflowStage::Announced, "it is for peers to connect to".to_owned())
        } else {
            (SubflowStage::NotTried, "its flags open no subflow here".to_owned())
        };
    }
    let obstacle =
        || routes::obstacle(evidence, row).filter(|found| found.severity == FindingSeverity::Fault);
    if let Some(trouble) = endpoints::trouble(evidence, row).or_else(obstacle) {
        return (SubflowStage::NotSent, trouble.title);
    }
    (SubflowStage::NotTried, not_tried(evidence, watched, row))
}

fn not_tried(evidence: &Evidence, watched: &Watched, row: &Endpoint) -> String {
    let there =
        || watched.subflows.iter().filter(|seen| seen.is_there || watched.ended).map(|seen| &seen.path);
    let limit = evidence.state().map_or(0, |state| state.limits.subflows);
    let same_family = |path: &Subflow| path.remote.is_ipv4() == row.identity.address.is_ipv4();
    let denied = |event: &Event| event.flags.is_some_and(|flags| flags.contains(EventFlags::DENY_JOIN_ID0));
    if !there().any(|path| path.flags.is_fully_established()) {
        "the peer acknowledged no data, so that none may follow".to_owned()
    } else if !there().any(same_family) {
        "the peer has no address of this family here".to_owned()
    } else if there().filter(|path| path.flags.is_join()).count() >= limit as usize {
        format!("the limit of {limit} subflow{} is reached", if limit == 1 { "" } else { "s" })
    } else if watched.events.iter().any(denied) {
        "the peer lets nobody join at its first address".to_owned()
    } else {
        "no attempt was seen".to_owned()
    }
}

impl SubflowResult<'_> {
    /// Whether there should be a subflow, and is none.
    pub fn is_failure(&self, watched: &Watched) -> bool {
        let ipv4 = self.row.identity.address.is_ipv4();
        let reachable = watched.subflows.iter().any(|seen| seen.path.remote.is_ipv4() == ipv4);
        !matches!(self.stage, SubflowStage::Established | SubflowStage::Announced)
            && self.row.opens_subflows()
            && reachable
    }
}
