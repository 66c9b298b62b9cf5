use std::net::IpAddr;

use crate::doctor::tests::fixture::{codes, count, healthy};
use crate::model::{Fallback, SubflowFlags};

#[test]
fn a_fallback_is_a_hint_while_the_connection_lives() {
    let mut evidence = healthy();
    count(&mut evidence, "MPCapableSYNACKRX", 2);
    count(&mut evidence, "DSSCorruptionFallback", 1);
    assert_eq!(codes(&evidence), [""; 0]);
    let mut fallen = evidence.connections[0].clone();
    fallen.fallback = Fallback::Later;
    evidence.connections.push(fallen);
    assert_eq!(codes(&evidence), ["hint fallback"]);
}

/// What happened at some time since the start is no evidence of now.
#[test]
fn a_blackhole_is_a_fault_while_it_lasts() {
    let mut evidence = healthy();
    count(&mut evidence, "Blackhole", 1);
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.is_paused = true;
    assert_eq!(codes(&evidence), ["fault blackhole"]);
}

/// Counters count since boot.
#[test]
fn a_peer_without_mptcp_is_a_fault_while_a_connection_shows_it() {
    let mut evidence = healthy();
    let connections = std::mem::take(&mut evidence.connections);
    count(&mut evidence, "MPCapableSYNACKRX", 0);
    count(&mut evidence, "MPCapableFallbackSYNACK", 1);
    assert_eq!(codes(&evidence), ["hint peer-without-mptcp"]);
    evidence.connections = connections;
    let speaking = evidence.connections[0].clone();
    evidence.connections[0].subflows.truncate(1);
    evidence.connections[0].subflows[0].flags = SubflowFlags(0b10);
    assert_eq!(codes(&evidence), ["fault peer-without-mptcp"]);
    // Of two peers one has it.
    count(&mut evidence, "MPCapableSYNACKRX", 9);
    evidence.connections.push(speaking);
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.connections[0].subflows[0].remote.set_ip(IpAddr::from([203, 0, 113, 9]));
    assert_eq!(codes(&evidence), ["hint peer-without-mptcp"]);
    evidence.connections.clear();
    assert_eq!(codes(&evidence), [""; 0], "it may be long ago");
}
