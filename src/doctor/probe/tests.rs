use super::super::tests::fixture::{codes, healthy};
use std::time::Duration;

use super::*;
use crate::model::{
    End, Event, EventFlags, EventKind, ObservedSubflow, ProbeConnection, ResetReason, SubflowFlags,
};

/// The evidence of a healthy host whose connection is the test connection.
fn with_probe(change: impl Fn(&mut ProbeConnection)) -> Evidence {
    let mut evidence = healthy();
    let subflows = evidence.connections[0].subflows.iter().map(|subflow| ObservedSubflow {
        subflow: subflow.clone(),
        was_established: true,
        is_there: true,
    });
    let mut watched = ProbeConnection {
        peer: ([198, 51, 100, 1], 443).into(),
        protocol: Protocol::Mptcp,
        lasted: Duration::from_secs(1),
        ended: false,
        subflows: subflows.collect(),
        shows_events: true,
        events: Vec::new(),
    };
    change(&mut watched);
    evidence.connections[0].subflows =
        watched.subflows.iter().filter(|seen| seen.is_there).map(|seen| seen.subflow.clone()).collect();
    let target = "www.example.org:443".to_owned();
    evidence.probe = Some(Probe { target, outcome: ProbeOutcome::Connected(watched) });
    evidence
}

/// The stage and detail of the second endpoint, and the findings.
#[track_caller]
fn check(evidence: &Evidence, expected: &str, found: &[&str]) {
    let results = subflow_results(evidence);
    let SubflowResult { stage, detail, .. } = &results[1];
    assert_eq!(format!("{}: {detail}", stage.word()), expected);
    assert_eq!(codes(evidence), found, "{expected}");
}

fn closed(change: impl Fn(&mut Event)) -> Event {
    let address = Some([192, 0, 2, 2].into());
    let mut event = Event { local: End { address, ..End::default() }, ..Event::new(EventKind::SubClosed) };
    change(&mut event);
    event
}

fn watched(evidence: &mut Evidence) -> &mut ProbeConnection {
    match &mut evidence.probe {
        Some(Probe { outcome: ProbeOutcome::Connected(watched), .. }) => watched,
        other => panic!("no connection: {other:?}"),
    }
}

/// An error about the way is that of the next hop, or of a host beyond it.
#[test]
fn a_request_without_a_way_was_sent_or_not() {
    let evidence = |silent| {
        let mut evidence = with_probe(|watched| {
            watched.subflows.truncate(1);
            watched.events = vec![closed(|event| event.error = Some(113))];
        });
        evidence.routes[1].silent = silent;
        evidence
    };
    let words = "refused: No route to host, as a host on the way said (ICMP)";
    check(&evidence(None), words, &["fault subflow-refused"]);
    let words = "not-sent: 192.0.2.254 does not answer on eth2";
    check(&evidence(Some([192, 0, 2, 254].into())), words, &["fault subflow-missing"]);
}

#[test]
fn each_stage_is_distinguished() {
    const REFUSED: &[&str] = &["fault subflow-refused"];
    const MISSING: &[&str] = &["fault subflow-missing"];
    let gone = |watched: &mut ProbeConnection| watched.subflows[1].is_there = false;
    check(&with_probe(|_| {}), "established: ", &[]);
    check(&with_probe(gone), "closed: it disappeared", REFUSED);
    let with_event = |event: Event| {
        with_probe(|watched| {
            gone(watched);
            watched.subflows[1].was_established = false;
            watched.events = vec![event.clone()];
        })
    };
    check(&with_event(closed(|_| {})), "refused: it was answered without MP_JOIN", REFUSED);
    let mut joined = with_event(closed(|_| {}));
    watched(&mut joined).events.insert(0, closed(|event| event.kind = EventKind::SubEstablished));
    check(&joined, "refused: the peer reset it", REFUSED);
    check(&with_event(closed(|event| event.error = Some(111))), "refused: Connection refused", REFUSED);
    let reset = with_event(closed(|event| event.reset_reason = Some(ResetReason(3))));
    check(&reset, "refused: the peer reset it: administratively prohibited", REFUSED);
    let asking = |watched: &mut ProbeConnection| {
        watched.subflows[1].subflow.state = 2;
        watched.subflows[1].subflow.traffic.retransmitted = 2;
    };
    check(&with_probe(asking), "unanswered: SYN sent 3 times", &["fault joins-unanswered"]);
    let alone = |watched: &mut ProbeConnection| watched.subflows.truncate(1);
    check(&with_probe(alone), "not-tried: no attempt was seen", MISSING);
    let unseen = |watched: &mut ProbeConnection| {
        alone(watched);
        watched.shows_events = false;
    };
    check(&with_probe(unseen), "not-tried: no attempt was seen", &["hint probe-unseen"]);
    let unacknowledged = |watched: &mut ProbeConnection| {
        alone(watched);
        watched.subflows[0].subflow.flags.0 &= !(1 << 6);
    };
    check(
        &with_probe(unacknowledged),
        "not-tried: the peer has not acknowledged data, which the kernel waits for",
        MISSING,
    );
    let denied = |watched: &mut ProbeConnection| {
        alone(watched);
        watched.events =
            vec![Event { flags: Some(EventFlags::DENY_JOIN_ID0), ..Event::new(EventKind::Established) }];
    };
    let expected = "not-tried: the peer accepts no subflow at its first address";
    check(&with_probe(denied), expected, &["fault joins-denied"]);
    // Both places are taken by subflows to announced addresses.
    let taken = |watched: &mut ProbeConnection| {
        for port in [1, 2] {
            let mut seen = watched.subflows[1].clone();
            seen.subflow.local = ([192, 0, 2, 1], port).into();
            watched.subflows.push(seen);
        }
        watched.subflows.remove(1);
    };
    check(&with_probe(taken), "not-tried: the limit of 2 subflows is reached", MISSING);
}

#[test]
fn what_another_finding_explains_is_not_repeated() {
    let mut evidence = with_probe(|watched| watched.subflows.truncate(1));
    evidence.interfaces[1].up = false;
    check(&evidence, "not-sent: eth2 is down", &["fault interface-down"]);
}

/// A missing route to one of two peers explains nothing.
#[test]
fn a_route_to_another_peer_does_not_count() {
    let mut evidence = with_probe(|watched| watched.subflows.truncate(1));
    let mut other = evidence.routes[1].clone();
    other.destination = [198, 51, 100, 77].into();
    other.by_device = Some(Err("No route to host".to_owned()));
    evidence.routes.push(other);
    check(&evidence, "not-tried: no attempt was seen", &["fault subflow-missing", "hint no-route"]);
    evidence.routes.last_mut().expect("a route").destination = [198, 51, 100, 1].into();
    check(&evidence, "not-sent: no route from 192.0.2.2 out of eth2", &["fault no-route"]);
}

#[test]
fn a_connection_that_the_peer_ended_shows_what_was() {
    let over = |watched: &mut ProbeConnection| {
        watched.ended = true;
        watched.subflows.iter_mut().for_each(|seen| seen.is_there = false);
    };
    let mut evidence = with_probe(over);
    evidence.connections.clear();
    check(&evidence, "established: ", &[]);
}

#[test]
fn a_blackhole_explains_more_than_plain_tcp() {
    let mut evidence = with_probe(|watched| watched.protocol = Protocol::Tcp);
    assert_eq!(codes(&evidence), ["fault peer-without-mptcp"]);
    super::super::tests::fixture::count(&mut evidence, "MPCapableSYNTXDrop", 1);
    super::super::tests::fixture::count(&mut evidence, "MPCapableSYNACKRX", 0);
    evidence.connections[0].subflows.truncate(1);
    evidence.connections[0].subflows[0].flags = SubflowFlags(0b10);
    assert_eq!(codes(&evidence), ["fault blackhole"]);
}
