//! Findings in made-up evidence: what cannot be brought about in a namespace, and what would be a false alarm. Here is what
//! is about several findings; the others are beside what finds them.

pub mod fixture;

use crate::model::{Fallback, Identity};

use super::*;
use fixture::{codes, count, declared, healthy, state};

#[test]
fn good_health_is_silent() {
    assert_eq!(codes(&healthy()), [""; 0]);
}

/// Each of these would be a false alarm.
#[test]
fn what_is_rare_or_long_ago_is_silent() {
    for (name, value) in [
        ("MPJoinSynTxBindErr", 5),
        ("MPJoinSynTxConnectErr", 5),
        ("MPJoinSynTx", 8),
        ("MPJoinRejected", 8),
        ("MPCapableFallbackSYNACK", 50),
        ("AddAddr", 7),
        ("MPCapableSYNTXDisabled", 3),
    ] {
        let mut evidence = healthy();
        count(&mut evidence, name, value);
        assert_eq!(codes(&evidence), [""; 0], "{name}");
    }
}

/// Another request that went wrong may be the one that is missing, and a peer may have announced an address to another
/// connection long ago.
#[test]
fn counters_prove_nothing_while_something_else_explains_them() {
    let mut evidence = healthy();
    evidence.connections[0].subflows.truncate(1);
    count(&mut evidence, "MPJoinSynTxBindErr", 1);
    assert_eq!(codes(&evidence), ["hint subflow-missing"], "a request was sent and is no subflow now");
    count(&mut evidence, "MPJoinSynTx", 0);
    count(&mut evidence, "MPJoinSynAckRx", 0);
    assert_eq!(codes(&evidence), ["fault added-too-early"]);
    for (name, value) in
        [("MPRstRx", 1), ("MPCapableSYNACKRX", 2), ("MPCapableACKRX", 1), ("MPJoinSynTxConnectErr", 1)]
    {
        let before = evidence.counter(name);
        count(&mut evidence, name, value);
        assert_eq!(codes(&evidence), ["hint subflow-missing"], "{name}");
        count(&mut evidence, name, before);
    }
    let mut evidence = healthy();
    evidence.connections.clear();
    count(&mut evidence, "AddAddr", 1);
    assert_eq!(codes(&evidence), [""; 0]);
}

/// The peer that announced may be that of a connection that is closed, and nobody announces anything to this one.
#[test]
fn an_announcement_long_ago_explains_nothing() {
    let mut evidence = healthy();
    state(&mut evidence).endpoints.clear();
    evidence.connections[0].subflows.truncate(1);
    count(&mut evidence, "AddAddr", 1);
    assert_eq!(codes(&evidence), ["fault add-addr-accepted-zero"]);
    count(&mut evidence, "MPCapableSYNACKRX", 2);
    assert_eq!(codes(&evidence), ["hint no-endpoint"]);
}

#[test]
fn faults_come_first() {
    let mut evidence = healthy();
    count(&mut evidence, "Blackhole", 1);
    evidence.interfaces[0].up = false;
    evidence.connections.iter_mut().for_each(|connection| connection.fallback = Fallback::Later);
    assert_eq!(codes(&evidence), ["fault interface-down", "hint fallback"]);
}

/// Endpoints of one selector have one name.
#[test]
fn endpoints_of_one_selector_are_told_apart() {
    let mut evidence = healthy();
    evidence.interfaces[1].up = false;
    let identities: Vec<Identity> = state(&mut evidence).endpoints.iter().map(|row| row.identity).collect();
    evidence.names = identities.into_iter().map(|identity| (identity, "links".to_owned())).collect();
    evidence.configuration = Configuration::Valid(Box::new(declared(&["links"])));
    let finding = examine(&evidence).remove(0);
    assert_eq!(finding.endpoint.as_deref(), Some("links (192.0.2.2)"));
    assert!(finding.location.is_some());
}
