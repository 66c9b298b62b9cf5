//! Two looks at connections, made after those at real ones that stood still.

use std::time::Duration;

use super::*;

const TOKEN: u32 = 0xd796_8a01;

/// Of the end that receives nothing, and sends nothing either.
fn full() -> LiveData {
    let data = DataProgress {
        connection: TOKEN,
        rcv_nxt: 1000,
        snd_una: 500,
        write_seq: 500,
        rmem_alloc: 3_629_824,
        rcvbuf: 3_628_612,
        wmem_queued: 0,
    };
    let subflow = |number: u8, received| SubflowSummary {
        connection: TOKEN,
        local: [10, 1, number, 1].into(),
        established: true,
        queued: 0,
        unread: 500_000,
        acknowledged: 0,
        received,
        backoff: 0,
        idle: Duration::ZERO,
    };
    LiveData { connections: vec![data], subflows: vec![subflow(1, 3_901_909), subflow(2, 1_080_024)] }
}

/// The same connection at the other end: its buffer is empty, and it has data that the peer does not acknowledge.
fn waiting() -> LiveData {
    let mut look = full();
    look.connections[0] = DataProgress { rmem_alloc: 0, write_seq: 2_000_000, ..look.connections[0] };
    look.subflows.iter_mut().for_each(|subflow| subflow.unread = 0);
    look.subflows[0].queued = 32_728;
    look
}

/// Whether that is a stall, after the second look has changed from the first.
fn is_stall(before: &LiveData, change: impl Fn(&mut LiveData)) -> bool {
    let mut after = before.clone();
    change(&mut after);
    let stalled = stalled(before, &after);
    assert!(stalled.iter().all(|connection| *connection == TOKEN));
    !stalled.is_empty()
}

#[test]
fn a_full_buffer_before_a_gap_is_a_stall() {
    assert!(full().may_stand_still());
    assert!(is_stall(&full(), |after| after.subflows[0].received += 120_000));
    // The application does not read, so that the peer must not send.
    assert!(!is_stall(&full(), |_| {}));
    for progress in [
        (|after| after.connections[0].rcv_nxt += 1) as fn(&mut LiveData),
        |after| after.connections[0].rmem_alloc = after.connections[0].rcvbuf,
        |after| after.subflows.iter_mut().for_each(|subflow| subflow.unread = 0),
        |after| after.connections.clear(),
        |after| after.connections[0].connection += 1,
    ] {
        let moving = |after: &mut LiveData| {
            after.subflows[0].received += 120_000;
            progress(after);
        };
        assert!(!is_stall(&full(), moving));
    }
}

#[test]
fn what_is_acknowledged_by_paths_alone_is_a_stall() {
    assert!(waiting().may_stand_still());
    assert!(is_stall(&waiting(), |after| after.subflows[0].acknowledged += 100_000));
    // The window is closed: the peer's application does not read.
    assert!(!is_stall(&waiting(), |_| {}));
    for progress in [
        (|after| after.connections[0].snd_una += 1) as fn(&mut LiveData),
        |after| after.connections[0].snd_una = after.connections[0].write_seq,
        // What is missing may be on its way by a slow path.
        |after| after.subflows[1].queued = 100_000,
    ] {
        let moving = |after: &mut LiveData| {
            after.subflows[0].acknowledged += 100_000;
            progress(after);
        };
        assert!(!is_stall(&waiting(), moving));
    }
}

#[test]
fn a_connection_that_has_delivered_everything_needs_no_second_look() {
    let mut look = waiting();
    look.connections[0].snd_una = look.connections[0].write_seq;
    assert!(!look.may_stand_still());
    assert!(!LiveData::default().may_stand_still());
}
