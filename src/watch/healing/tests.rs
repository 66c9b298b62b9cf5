use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::model::{Limits, Subflow, SubflowFlags, Traffic};

const FIRST: u32 = 1 << 0 | 1 << 1 | 1 << 6;
const JOIN: u32 = 1 << 2 | 1 << 3;
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const PEER: &str = "198.51.100.2:443";

fn path(local: &str, state: u8, flags: u32) -> Subflow {
    let local: IpAddr = local.parse().unwrap();
    Subflow {
        local: SocketAddr::new(local, 40000),
        remote: PEER.parse().unwrap(),
        interface: None,
        state,
        local_id: 0,
        remote_id: 0,
        flags: SubflowFlags(flags),
        remote_token: 0,
        map_sequence: 0,
        traffic: Traffic::default(),
    }
}

fn connection(token: u32, joins: &[(&str, u8)]) -> Connection {
    let mut subflows = vec![path("10.0.1.5", ESTABLISHED, FIRST)];
    subflows.extend(joins.iter().map(|(local, state)| path(local, *state, JOIN)));
    Connection {
        token,
        fallback: crate::model::Fallback::No,
        closing: false,
        limit: None,
        accepted: None,
        subflows,
    }
}

fn table() -> State {
    let row = |last: u8| Endpoint {
        identity: Identity { address: [10, 0, last, 5].into(), port: None },
        id: None,
        dev: None,
        flags: Flags::SUBFLOW,
    };
    let limits = Limits { subflows: 2, add_addr_accepted: 0 };
    State { limits, sysctls: BTreeMap::new(), endpoints: vec![row(1), row(2)], uplinks: None }
}

fn second() -> Identity {
    table().endpoints[1].identity
}

/// What is due at these seconds, while the second endpoint reaches the peer from `reaches_from` seconds on.
fn due_at(seconds: &[u64], connections: &[Connection], reaches_from: u64) -> Vec<(u64, usize)> {
    let mut healing = Healing::default();
    let mut due = Vec::new();
    for &second in seconds {
        let reaches = |_: &Endpoint, _| second >= reaches_from;
        let now = healing.due(&table(), connections, Duration::from_secs(second), reaches);
        due.extend(now.get(&self::second()).map(|lost| (second, lost.connections)));
        assert!(now.keys().all(|identity| *identity == self::second()), "the first has its subflow");
    }
    due
}

/// What is left of a connection that ended is no subflow of another one.
#[test]
fn a_closing_subflow_stands_for_nothing() {
    const CLOSING: u8 = 11;
    let connections = [connection(1, &[]), connection(2, &[("10.0.2.5", CLOSING)])];
    assert_eq!(due_at(&[0, 2], &connections, 0), [(2, 2)]);
}

#[test]
fn what_is_lost_comes_back_with_growing_pauses() {
    let connections = [connection(1, &[]), connection(2, &[])];
    let seconds: Vec<u64> = (0..700).collect();
    let due = due_at(&seconds, &connections, 0);
    let at: Vec<u64> = due.iter().map(|(second, _)| *second).collect();
    assert_eq!(at, [2, 4, 8, 16, 32, 64, 128, 256, 512], "{due:?}");
    assert!(due.iter().all(|(_, lacking)| *lacking == 2));
}

#[test]
fn what_one_connection_has_is_not_closed_for_others() {
    let connections = [connection(1, &[("10.0.2.5", ESTABLISHED)]), connection(2, &[])];
    assert_eq!(due_at(&[0, 2, 4, 8], &connections, 0), []);
}

#[test]
fn what_cannot_come_is_not_asked_for() {
    let mut fallen = connection(1, &[]);
    fallen.subflows[0].flags = SubflowFlags(1 << 1);
    let mut accepted = connection(2, &[]);
    accepted.subflows[0].flags = SubflowFlags(1 << 0 | 1 << 6);
    let full = connection(3, &[("10.0.3.5", ESTABLISHED), ("10.0.4.5", ESTABLISHED)]);
    let mut local = connection(4, &[]);
    local.subflows[0].remote = "10.0.1.5:443".parse().unwrap();
    let mut other_family = connection(5, &[]);
    (other_family.subflows[0].local, other_family.subflows[0].remote) =
        ("[2001:db8::5]:1".parse().unwrap(), "[2001:db8::2]:443".parse().unwrap());
    for connection in [fallen, accepted, full, local, other_family] {
        assert_eq!(due_at(&[0, 2, 4, 8], std::slice::from_ref(&connection), 0), [], "{connection:?}");
    }
}

/// A subflow that asks on the wrong way is not waited for.
#[test]
fn a_way_that_comes_is_used_at_once() {
    let asking = [connection(1, &[("10.0.2.5", SYN_SENT)])];
    assert_eq!(due_at(&[0, 2, 3, 4, 5], &asking, 4), [(4, 1)]);
    // There was one all the time, so that the answer may still come.
    assert_eq!(due_at(&[0, 2, 3, 4, 5], &asking, 0), []);
}

/// A server gets new connections all the time, which must not wake anything.
#[test]
fn healthy_connections_need_no_look() {
    let mut healing = Healing::default();
    let connections = [connection(1, &[("10.0.2.5", ESTABLISHED)])];
    assert!(healing.due(&table(), &connections, Duration::ZERO, |_, _| true).is_empty());
    assert_eq!(healing.next(), None);
    let lost = [connection(1, &[])];
    assert!(healing.due(&table(), &lost, Duration::ZERO, |_, _| true).is_empty(), "it is too young");
    assert_eq!(healing.next(), Some(GRACE));
}

/// What made attempts vain is over: the next one is due at once, not after the pause.
#[test]
fn after_an_outage_nothing_waits_for_the_end_of_a_pause() {
    let (mut healing, connections) = (Healing::default(), [connection(1, &[])]);
    let is_due = |healing: &mut Healing, second: u64| {
        !healing.due(&table(), &connections, Duration::from_secs(second), |_, _| true).is_empty()
    };
    let due: Vec<u64> = (0..12).filter(|second| is_due(&mut healing, *second)).collect();
    assert_eq!(due, [2, 4, 8]);
    healing.retry_at_once();
    assert!(is_due(&mut healing, 12));
}
