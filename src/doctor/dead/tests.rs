use crate::doctor::tests::fixture::{codes, healthy, state};

/// One timeout may be a lost packet. What another subflow between the same addresses carries, the path carries.
#[test]
fn only_a_path_on_which_nothing_moves_is_dead() {
    let mut evidence = healthy();
    let second = |timeouts, acknowledged| {
        let mut subflow = healthy().connections.remove(0).subflows.remove(1);
        (subflow.traffic.timeouts, subflow.traffic.acknowledged) = (timeouts, acknowledged);
        subflow
    };
    evidence.connections[0].subflows[1] = second(2, 1);
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.connections[0].subflows[1] = second(3, 1);
    assert_eq!(codes(&evidence), ["fault path-dead"]);
    evidence.connections[0].subflows.push(second(0, 1));
    assert_eq!(codes(&evidence), ["fault path-dead"], "an idle one proves nothing");
    evidence.connections[0].subflows.push(second(0, 5000));
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.connections[0].subflows.truncate(2);
    evidence.interfaces[1].carrier = false;
    assert_eq!(codes(&evidence), ["fault no-carrier"]);
}

/// The first subflow needs no endpoint, and dies as any other.
#[test]
fn what_has_no_endpoint_is_found_too() {
    let mut evidence = healthy();
    let rows = &mut state(&mut evidence).endpoints;
    rows.remove(0);
    evidence.connections[0].subflows[0].traffic.timeouts = 3;
    assert_eq!(codes(&evidence), ["fault path-dead"]);
    evidence.interfaces[0].up = false;
    assert_eq!(codes(&evidence), ["fault interface-down"]);
    evidence.addresses.remove(0);
    assert_eq!(codes(&evidence), ["fault address-missing"]);
}
