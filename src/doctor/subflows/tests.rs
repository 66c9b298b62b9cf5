use std::time::Duration;

use crate::doctor::tests::fixture::{codes, count, healthy};
use crate::doctor::{Evidence, examine};
use crate::model::{Connection, SubflowFlags, UplinkHealth, UplinkStatus, code};
use crate::reconcile::LiveData;
use crate::system::{DataProgress, SubflowSummary};

/// A connection that lacks what nothing is in the way of: the counters tell why.
#[test]
fn counters_tell_why_a_subflow_lacks() {
    for (name, expected) in [
        ("MPJoinSynTxBindErr", "fault added-too-early"),
        ("MPJoinSynTxConnectErr", "fault added-too-early"),
        ("MPJoinSynTx", "hint subflow-missing"),
        ("MPRstRx", "hint subflow-missing"),
    ] {
        let mut evidence = healthy();
        let lacking = |connection: &mut Connection| connection.subflows.truncate(1);
        evidence.connections.iter_mut().for_each(lacking);
        count(&mut evidence, "MPJoinSynTx", 0);
        count(&mut evidence, "MPJoinSynAckRx", 0);
        count(&mut evidence, name, 1);
        assert_eq!(codes(&evidence), [expected], "{name}");
    }
}

/// A peer that refused for its limit answered first. A second refusal shows that asking again does not help.
#[test]
fn what_was_refused_twice_is_not_renewed_for_ever() {
    let remedy = |asked: u64| {
        let mut evidence = healthy();
        evidence.connections[0].subflows.truncate(1);
        count(&mut evidence, "MPJoinSynTx", asked);
        count(&mut evidence, "MPJoinSynAckRx", asked);
        examine(&evidence).remove(0).remedy
    };
    assert!(remedy(1).starts_with("mptcp-apply renew 192.0.2.2\n# if that brings none: restart"));
    assert!(remedy(2).starts_with("# each was asked for more than once: restart"));
    assert!(remedy(2).lines().all(|line| line.starts_with('#')));
}

/// Only a request that is under way asks. A connection that is closing has had its subflow.
#[test]
fn a_closing_connection_lacks_nothing() {
    const FIN_WAIT_2: u8 = 5;
    const CLOSE_WAIT: u8 = 8;
    const SYN_SENT: u8 = 2;
    let with = |first: u8, second: u8| {
        let mut evidence = healthy();
        for (subflow, state) in evidence.connections[0].subflows.iter_mut().zip([first, second]) {
            subflow.state = state;
        }
        evidence.connections[0].subflows[1].traffic.retransmitted = 1;
        codes(&evidence)
    };
    for closing in [FIN_WAIT_2, CLOSE_WAIT] {
        assert_eq!(with(closing, closing), [""; 0]);
        assert_eq!(with(1, closing), [""; 0]);
    }
    assert_eq!(with(1, SYN_SENT), ["fault joins-unanswered"]);
}

/// Where answers take long or packets get lost, a request that was sent again once may be answered yet.
#[test]
fn a_slow_or_lossy_path_has_more_time() {
    const SYN_SENT: u8 = 2;
    let with = |rtt: u64, lost: u32, again: u32| {
        let mut evidence = healthy();
        let [first, second] = &mut evidence.connections[0].subflows[..] else { panic!("two subflows") };
        (first.traffic.rtt, first.traffic.retransmitted) = (Duration::from_millis(rtt), lost);
        (second.state, second.traffic.retransmitted) = (SYN_SENT, again);
        codes(&evidence)
    };
    assert_eq!(with(20, 0, 1), ["fault joins-unanswered"]);
    for (rtt, lost) in [(600, 0), (20, 3)] {
        assert_eq!(with(rtt, lost, 1), [""; 0]);
        assert_eq!(with(rtt, lost, 2), ["fault joins-unanswered"]);
    }
}

/// What a watch has found out explains why nothing moves.
#[test]
fn an_uplink_that_a_check_found_down_is_said_once() {
    let mut evidence = healthy();
    evidence.connections[0].subflows[1].traffic.timeouts = 5;
    assert_eq!(codes(&evidence), ["fault path-dead"]);
    evidence.checks.push(UplinkStatus {
        uplink: "lte".to_owned(),
        dev: "eth2".to_owned(),
        state: UplinkHealth::Down.word().to_owned(),
        since: 1,
        error: Some("no answer within 2 s".to_owned()),
    });
    assert_eq!(codes(&evidence), ["fault uplink-down"]);
}

/// The kernel opens more subflows only once something was said.
#[test]
fn a_silent_connection_lacks_nothing() {
    let mut evidence = healthy();
    evidence.connections[0].subflows.truncate(1);
    assert_eq!(codes(&evidence), ["hint subflow-missing"]);
    evidence.connections[0].limit = Some(0);
    assert_eq!(codes(&evidence), ["hint userspace-path-manager"]);
    evidence.connections[0].limit = None;
    evidence.connections[0].subflows[0].flags = SubflowFlags(0b11);
    assert_eq!(codes(&evidence), [""; 0]);
}

#[test]
fn a_connection_within_the_host_lacks_nothing() {
    for remote in ["127.0.0.1", "::1", "192.0.2.2"] {
        let mut evidence = healthy();
        evidence.connections[0].subflows.truncate(1);
        evidence.connections[0].subflows[0].remote.set_ip(remote.parse().expect("an address"));
        assert_eq!(codes(&evidence), [""; 0], "{remote}");
    }
}

/// Requests that got lost since boot prove nothing about one that is missing now, and one that was sent once may be
/// answered yet.
#[test]
fn only_a_request_that_is_sent_again_gets_no_answer() {
    const SYN_SENT: u8 = 2;
    let mut evidence = healthy();
    count(&mut evidence, "MPJoinSynTx", 100);
    evidence.connections[0].subflows[1].state = SYN_SENT;
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.connections[0].subflows[1].traffic.retransmitted = 1;
    assert_eq!(codes(&evidence), ["fault joins-unanswered"]);
    evidence.connections[0].subflows.truncate(1);
    assert_eq!(codes(&evidence), ["hint subflow-missing"]);
}

/// An address that has a subflow to the peer may have no path to the address that the peer announced.
#[test]
fn a_request_to_an_announced_address_gets_no_answer() {
    const SYN_SENT: u8 = 2;
    let mut evidence = healthy();
    let mut asking = evidence.connections[0].subflows[1].clone();
    asking.local.set_ip([192, 0, 2, 1].into());
    asking.remote.set_ip([198, 51, 100, 2].into());
    asking.state = SYN_SENT;
    evidence.connections[0].subflows.push(asking);
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.connections[0].subflows[2].traffic.retransmitted = 1;
    assert_eq!(codes(&evidence), ["fault joins-unanswered"]);
    let mut other = evidence.connections[0].subflows[2].clone();
    other.state = 1;
    evidence.connections[0].subflows.push(other);
    assert_eq!(codes(&evidence), [""; 0], "another subflow between the two is established");
}

/// The end that receives nothing names its own buffer, and the other end that of the peer.
#[test]
fn data_that_stands_still_is_a_fault() {
    const LARGER: &str = "sysctl -w net.ipv4.tcp_rmem=\"4096 8388608 33554432\"";
    let look = |rmem_alloc, moved: u64| {
        let data = DataProgress {
            connection: 0x2a,
            rcv_nxt: 7,
            snd_una: 7,
            write_seq: 2007,
            rmem_alloc,
            rcvbuf: 3_628_612,
            wmem_queued: 4096,
        };
        let subflow = SubflowSummary {
            connection: 0x2a,
            local: [192, 0, 2, 1].into(),
            established: true,
            queued: 0,
            unread: 500_000,
            acknowledged: moved,
            received: moved,
            backoff: 0,
            idle: Duration::ZERO,
        };
        LiveData { connections: vec![data], subflows: vec![subflow] }
    };
    for (rmem_alloc, end, has_cure, larger) in [
        (3_629_824, "this host", false, true),
        (3_629_824, "this host", true, false),
        (0, "the peer", false, true),
        (0, "the peer", true, true),
    ] {
        let mut evidence = Evidence { data: [look(rmem_alloc, 1), look(rmem_alloc, 2)], ..healthy() };
        if has_cure {
            count(&mut evidence, "OFOPruned", 0);
        }
        let findings = examine(&evidence);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.code, code::DATA_STALLED);
        assert!(finding.title.contains("0000002a") && finding.meaning.contains(end), "{finding:?}");
        assert_eq!(finding.remedy.contains(LARGER), larger, "{finding:?}");
    }
    let moving = Evidence { data: [look(0, 1), look(0, 1)], ..healthy() };
    assert_eq!(codes(&moving), [""; 0]);
}
