//! A connection that was opened to be looked at: which endpoints have a subflow, and at which step the others stopped.

use std::time::Duration;

use crate::model::code::{self, Code};
use crate::model::{
    Course, Endpoint, Event, EventFlags, EventKind, Flags, Probe, Protocol, Sighting, Subflow, Watched,
};
use crate::system::Errno;

use super::{Evidence, Finding, Severity, endpoints, host, peers, routes};

/// How far an endpoint's subflow came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
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

impl Stage {
    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Established => "established",
            Stage::Closed => "closed",
            Stage::Refused => "refused",
            Stage::Unanswered => "unanswered",
            Stage::NotSent => "not-sent",
            Stage::NotTried => "not-tried",
            Stage::Announced => "announced",
        }
    }
}

/// What became of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The endpoint.
    pub row: &'a Endpoint,
    /// How far it came.
    pub stage: Stage,
    /// What there is to say about that.
    pub detail: String,
    /// The round-trip time, where there is a subflow.
    pub rtt: Option<Duration>,
}

/// One for each endpoint that somebody made; none where the connection has no MPTCP, or shows nothing.
pub fn verdicts(evidence: &Evidence) -> Vec<Verdict<'_>> {
    match &evidence.probe {
        Some(Probe { course: Course::Connected(watched), .. }) if watched.protocol == Protocol::Mptcp => {
            evidence.endpoints().map(|row| verdict(evidence, watched, row)).collect()
        }
        _ => Vec::new(),
    }
}

fn verdict<'a>(evidence: &Evidence, watched: &Watched, row: &'a Endpoint) -> Verdict<'a> {
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
        return Verdict { row, stage: Stage::Established, detail: detail.to_owned(), rtt };
    }
    let (stage, detail) = if let Some(seen) = own().find(|seen| seen.is_there) {
        (Stage::Unanswered, sent(seen))
    } else {
        let mut told = watched.events.iter().filter(|event| event.local.address == Some(address));
        let closed = told.rfind(|event| event.kind == EventKind::SubClosed);
        let was_established = own().any(|seen| seen.was_established);
        match (closed, own().next()) {
            (None, None) => not_seen(evidence, watched, row),
            _ if was_established => (Stage::Closed, reason(closed)),
            _ => (Stage::Refused, reason(closed)),
        }
    };
    Verdict { row, stage, detail, rtt: None }
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
fn not_seen(evidence: &Evidence, watched: &Watched, row: &Endpoint) -> (Stage, String) {
    if !row.opens_subflows() {
        return if row.flags.contains(Flags::SIGNAL) {
            (Stage::Announced, "it is for peers to connect to".to_owned())
        } else {
            (Stage::NotTried, "its flags open no subflow here".to_owned())
        };
    }
    let obstacle = || routes::obstacle(evidence, row).filter(|found| found.severity == Severity::Fault);
    if let Some(trouble) = endpoints::trouble(evidence, row).or_else(obstacle) {
        return (Stage::NotSent, trouble.title);
    }
    (Stage::NotTried, not_tried(evidence, watched, row))
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

impl Verdict<'_> {
    /// Whether there should be a subflow, and is none.
    pub fn is_failure(&self, watched: &Watched) -> bool {
        let ipv4 = self.row.identity.address.is_ipv4();
        let reachable = watched.subflows.iter().any(|seen| seen.path.remote.is_ipv4() == ipv4);
        !matches!(self.stage, Stage::Established | Stage::Announced) && self.row.opens_subflows() && reachable
    }
}

/// What the connection itself tells.
pub fn connection(evidence: &Evidence) -> Vec<Finding> {
    let Some(Probe { target, course }) = &evidence.probe else { return Vec::new() };
    let elsewhere = [host::no_mptcp, host::mptcp_disabled, peers::blackhole];
    let is_fault = |finding: &Finding| finding.severity == Severity::Fault;
    if elsewhere.iter().any(|look| look(evidence).iter().any(is_fault)) {
        return Vec::new();
    }
    let finding = match course {
        Course::Failed(failures) => {
            Finding::fault(code::PROBE_FAILED, format!("there is no connection to {target}"))
                .evidence(failures.join("; "))
                .meaning("Where plain TCP gets no connection, MPTCP gets none either.")
                .remedy(format!("# does plain TCP get there?\ncurl -v telnet://{target}"))
        }
        Course::Connected(watched) => match watched.protocol {
            Protocol::Mptcp => return Vec::new(),
            Protocol::Tcp => {
                Finding::fault(code::PEER_WITHOUT_MPTCP, format!("{target} does not speak MPTCP"))
                    .evidence(format!("the connection to {} became plain TCP", watched.peer))
                    .meaning(peers::WITHOUT_MPTCP)
                    .remedy(peers::ASK_THE_SERVER)
            }
            Protocol::Untold => {
                Finding::hint(code::PROBE_UNSEEN, "this kernel shows subflows to CAP_NET_ADMIN only")
                    .evidence(format!(
                        "there is a connection to {}, and its subflows are not shown",
                        watched.peer
                    ))
                    .meaning("What became of the endpoints cannot be told.")
                    .remedy(format!("sudo mptcp-apply doctor --probe {target}"))
            }
        },
    };
    vec![finding]
}

/// Endpoints without a subflow, as far as nothing that was found explains it.
pub fn unexplained(evidence: &Evidence, found: &[Finding]) -> Vec<Finding> {
    let Some(Probe { target, course: Course::Connected(watched) }) = &evidence.probe else {
        return Vec::new();
    };
    let explained = |verdict: &Verdict<'_>| {
        let name = evidence.label(verdict.row);
        let about = |finding: &&Finding| {
            finding.endpoint.as_ref() == Some(&name) || EXPLAIN_ALL.contains(&finding.code)
        };
        found.iter().filter(about).any(|finding| finding.severity == Severity::Fault)
    };
    let finding = |verdict: &Verdict<'_>| {
        let (address, word) = (verdict.row.identity.address, verdict.stage.word());
        let seen = format!("the subflow from {address} to {target}: {word}, {}", verdict.detail);
        let finding = match verdict.stage {
            Stage::Refused | Stage::Closed => {
                Finding::fault(code::SUBFLOW_REFUSED, format!("{target} refuses subflows from {address}"))
                    .meaning("Packets get through both ways, so the path is fine. Most peers refuse for their own limit; a firewall that rejects looks the same.")
                    .remedy("# on the peer:\nip mptcp limits show\nnstat -az 'MPTcpExtMPJoin*'")
            }
            _ => Finding::fault(code::SUBFLOW_MISSING, format!("the connection has no subflow from {address}"))
                .meaning("Nothing that was looked at here keeps the kernel from opening it.")
                .remedy("mptcp-apply monitor   # while this is run again"),
        };
        finding.about(evidence.label(verdict.row)).evidence(seen)
    };
    let failures = verdicts(evidence).into_iter().filter(|verdict| verdict.is_failure(watched));
    failures.filter(|verdict| !explained(verdict)).map(|verdict| finding(&verdict)).collect()
}

/// What keeps all endpoints, or any, from having subflows.
const EXPLAIN_ALL: [Code; 6] = [
    code::MPTCP_DISABLED,
    code::USERSPACE_PATH_MANAGER,
    code::SUBFLOWS_LIMIT_ZERO,
    code::SUBFLOWS_LIMIT_LOW,
    code::FULLMESH_LIMITS,
    code::PEER_WITHOUT_MPTCP,
];

#[cfg(test)]
mod tests {
    use super::super::fixture::{codes, healthy};
    use super::*;
    use crate::model::{End, ResetReason, SubflowFlags};

    /// A probe whose connection is the one that a healthy host has.
    fn probed(change: impl Fn(&mut Watched)) -> Evidence {
        let mut evidence = healthy();
        let subflows = evidence.connections[0].subflows.iter().map(|path| Sighting {
            path: path.clone(),
            was_established: true,
            is_there: true,
        });
        let mut watched = Watched {
            peer: ([198, 51, 100, 1], 443).into(),
            protocol: Protocol::Mptcp,
            lasted: Duration::from_secs(1),
            ended: false,
            subflows: subflows.collect(),
            events: Vec::new(),
        };
        change(&mut watched);
        evidence.connections[0].subflows =
            watched.subflows.iter().filter(|seen| seen.is_there).map(|seen| seen.path.clone()).collect();
        let target = "www.example.org:443".to_owned();
        evidence.probe = Some(Probe { target, course: Course::Connected(watched) });
        evidence
    }

    /// What became of the second endpoint, and what is found.
    #[track_caller]
    fn check(evidence: &Evidence, expected: &str, found: &[&str]) {
        let verdicts = verdicts(evidence);
        let Verdict { stage, detail, .. } = &verdicts[1];
        assert_eq!(format!("{}: {detail}", stage.word()), expected);
        assert_eq!(codes(evidence), found, "{expected}");
    }

    fn closed(change: impl Fn(&mut Event)) -> Event {
        let address = Some([192, 0, 2, 2].into());
        let mut event =
            Event { local: End { address, ..End::default() }, ..Event::new(EventKind::SubClosed) };
        change(&mut event);
        event
    }

    #[test]
    fn each_stage_is_told_from_the_others() {
        const REFUSED: &[&str] = &["fault subflow-refused"];
        const MISSING: &[&str] = &["fault subflow-missing"];
        let gone = |watched: &mut Watched| watched.subflows[1].is_there = false;
        check(&probed(|_| {}), "established: ", &[]);
        check(&probed(gone), "closed: it went away", REFUSED);
        let told = |event: Event| {
            probed(|watched| {
                gone(watched);
                watched.subflows[1].was_established = false;
                watched.events = vec![event.clone()];
            })
        };
        check(&told(closed(|_| {})), "refused: the peer reset it", REFUSED);
        check(&told(closed(|event| event.error = Some(111))), "refused: Connection refused", REFUSED);
        let reset = told(closed(|event| event.reset_reason = Some(ResetReason(3))));
        check(&reset, "refused: the peer reset it: administratively prohibited", REFUSED);
        let asking = |watched: &mut Watched| {
            watched.subflows[1].path.state = 2;
            watched.subflows[1].path.traffic.retransmitted = 2;
        };
        check(&probed(asking), "unanswered: SYN sent 3 times", &["fault joins-unanswered"]);
        let alone = |watched: &mut Watched| watched.subflows.truncate(1);
        check(&probed(alone), "not-tried: no attempt was seen", MISSING);
        let unacknowledged = |watched: &mut Watched| {
            alone(watched);
            watched.subflows[0].path.flags.0 &= !(1 << 6);
        };
        check(
            &probed(unacknowledged),
            "not-tried: the peer acknowledged no data, so that none may follow",
            MISSING,
        );
        let denied = |watched: &mut Watched| {
            alone(watched);
            watched.events =
                vec![Event { flags: Some(EventFlags::DENY_JOIN_ID0), ..Event::new(EventKind::Established) }];
        };
        check(&probed(denied), "not-tried: the peer lets nobody join at its first address", MISSING);
        // Both places are taken by subflows to announced addresses.
        let taken = |watched: &mut Watched| {
            for port in [1, 2] {
                let mut seen = watched.subflows[1].clone();
                seen.path.local = ([192, 0, 2, 1], port).into();
                watched.subflows.push(seen);
            }
            watched.subflows.remove(1);
        };
        check(&probed(taken), "not-tried: the limit of 2 subflows is reached", MISSING);
    }

    #[test]
    fn what_is_known_already_is_not_said_twice() {
        let mut evidence = probed(|watched| watched.subflows.truncate(1));
        evidence.interfaces[1].up = false;
        check(&evidence, "not-sent: eth2 is down", &["fault interface-down"]);
    }

    /// What is in the way to one peer only explains nothing.
    #[test]
    fn a_way_to_another_peer_does_not_count() {
        let mut evidence = probed(|watched| watched.subflows.truncate(1));
        let mut other = evidence.routes[1].clone();
        other.by_device = Some(Err("No route to host".to_owned()));
        evidence.routes.push(other);
        check(&evidence, "not-tried: no attempt was seen", &["fault subflow-missing", "hint no-route"]);
    }

    #[test]
    fn a_connection_that_the_peer_ended_shows_what_was() {
        let over = |watched: &mut Watched| {
            watched.ended = true;
            watched.subflows.iter_mut().for_each(|seen| seen.is_there = false);
        };
        let mut evidence = probed(over);
        evidence.connections.clear();
        check(&evidence, "established: ", &[]);
    }

    #[test]
    fn a_blackhole_says_more_than_plain_tcp() {
        let mut evidence = probed(|watched| watched.protocol = Protocol::Tcp);
        assert_eq!(codes(&evidence), ["fault peer-without-mptcp"]);
        super::super::fixture::count(&mut evidence, "MPCapableSYNTXDrop", 1);
        super::super::fixture::count(&mut evidence, "MPCapableSYNACKRX", 0);
        evidence.connections[0].subflows.truncate(1);
        evidence.connections[0].subflows[0].flags = SubflowFlags(0b10);
        assert_eq!(codes(&evidence), ["fault blackhole"]);
    }
}
