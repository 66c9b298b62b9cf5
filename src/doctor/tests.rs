//! Findings in made-up evidence: what cannot be brought about in a namespace, and what would be a false alarm.

pub mod fixture;

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::model::diagnostic::{Location, SourceId, Span};
use crate::model::{
    Connection, DefaultRoute, Fallback, Flags, Identity, Listener, Reason, State, Step, SubflowFlags, Sysctl,
    SysctlValue, code,
};
use crate::reconcile::LiveData;
use crate::system::{DataProgress, SubflowSummary};

use super::*;
use fixture::{codes, count, healthy};

#[test]
fn good_health_is_silent() {
    assert_eq!(codes(&healthy()), [""; 0]);
}

#[test]
fn without_mptcp_there_is_nothing_else_to_say() {
    let evidence =
        Evidence { path_manager: Table::Missing, counters: None, connections: Vec::new(), ..healthy() };
    assert_eq!(codes(&evidence), ["fault no-mptcp"]);
}

#[test]
fn a_table_that_only_root_may_read_is_a_hint() {
    let path_manager = Table::Unreadable("cannot read the endpoints: EPERM".to_owned());
    assert_eq!(codes(&Evidence { path_manager, ..healthy() }), ["hint table-unreadable"]);
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

/// Another request that went wrong may be the one that is missing, and a peer may have announced an address to another
/// connection long ago.
#[test]
fn counters_prove_nothing_while_something_else_explains_them() {
    let mut evidence = healthy();
    evidence.connections[0].subflows.truncate(1);
    count(&mut evidence, "MPJoinSynTxBindErr", 1);
    assert_eq!(codes(&evidence), ["fault added-too-early"]);
    count(&mut evidence, "MPRstRx", 1);
    assert_eq!(codes(&evidence), ["hint subflow-missing"]);
    let mut evidence = healthy();
    evidence.connections.clear();
    count(&mut evidence, "AddAddr", 1);
    assert_eq!(codes(&evidence), [""; 0]);
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
        count(&mut evidence, name, 5);
        assert_eq!(codes(&evidence), [expected], "{name}");
    }
}

#[test]
fn faults_come_first() {
    let mut evidence = healthy();
    count(&mut evidence, "Blackhole", 1);
    evidence.interfaces[0].up = false;
    evidence.connections.iter_mut().for_each(|connection| connection.fallback = Fallback::Later);
    assert_eq!(codes(&evidence), ["fault interface-down", "hint fallback"]);
}

/// The state of the made-up host.
fn state(evidence: &mut Evidence) -> &mut State {
    match &mut evidence.path_manager {
        Table::Read(state) => state,
        other => panic!("no state: {other:?}"),
    }
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
            (subflow.state, subflow.traffic.retransmitted) = (state, 1);
        }
        codes(&evidence)
    };
    for closing in [FIN_WAIT_2, CLOSE_WAIT] {
        assert_eq!(with(closing, closing), [""; 0]);
        assert_eq!(with(1, closing), [""; 0]);
    }
    assert_eq!(with(1, SYN_SENT), ["fault joins-unanswered"]);
}

/// The kernel opens more subflows only once something was said.
#[test]
fn a_silent_connection_lacks_nothing() {
    let mut evidence = healthy();
    evidence.connections[0].subflows.truncate(1);
    assert_eq!(codes(&evidence), ["hint subflow-missing"]);
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

/// TCP connections outlive their interface for a while.
#[test]
fn a_dead_interface_is_found_while_its_subflow_seems_to_live() {
    let mut evidence = healthy();
    evidence.interfaces[1].carrier = false;
    assert_eq!(codes(&evidence), ["fault no-carrier"]);
    // Without `dev` packets may leave by another one.
    state(&mut evidence).endpoints[1].dev = None;
    assert_eq!(codes(&evidence), [""; 0]);
    evidence.interfaces[1].up = false;
    assert_eq!(codes(&evidence), ["fault interface-down"]);
    let mut evidence = healthy();
    evidence.interfaces[1].index = NonZeroU32::new(77).expect("a number");
    assert_eq!(codes(&evidence), ["fault dev-gone"]);
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

/// A limit that the kernel does not obey is no matter.
#[test]
fn the_userspace_path_manager_obeys_no_limit() {
    let mut evidence = healthy();
    state(&mut evidence).limits.subflows = 0;
    evidence.connections[0].subflows.truncate(1);
    state(&mut evidence).sysctls.insert(Sysctl::PATH_MANAGER, SysctlValue::Word("userspace".to_owned()));
    assert_eq!(codes(&evidence), ["fault userspace-path-manager"]);
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

/// Links to containers are no way to a peer, and who declares that there are no endpoints means it.
#[test]
fn no_endpoint_is_a_hint_where_there_are_several_links() {
    let without = || {
        let mut evidence = healthy();
        state(&mut evidence).endpoints.clear();
        evidence.connections[0].subflows.truncate(1);
        evidence
    };
    assert_eq!(codes(&without()), ["hint no-endpoint"]);
    let mut evidence = without();
    evidence.interfaces[1].name = "docker0".to_owned();
    assert_eq!(codes(&evidence), [""; 0]);
    let mut evidence = without();
    let on_purpose = Declared { manages_endpoints: true, ..declared(&[]) };
    evidence.configuration = Configuration::Valid(Box::new(on_purpose));
    assert_eq!(codes(&evidence), [""; 0]);
}

/// A mesh that is larger than the kernel can make it is no mistake, and no command helps.
#[test]
fn a_mesh_beyond_the_kernel_is_a_hint() {
    let mut evidence = healthy();
    let mut second = evidence.connections[0].subflows[1].clone();
    second.remote.set_ip([198, 51, 100, 2].into());
    evidence.connections[0].subflows.push(second);
    for row in &mut state(&mut evidence).endpoints {
        row.flags = Flags::SUBFLOW.union(Flags::FULLMESH);
    }
    assert_eq!(codes(&evidence), ["fault fullmesh-limits"]);
    evidence.capabilities.limits_max = 2;
    assert_eq!(codes(&evidence), ["hint fullmesh-limits"]);
    let finding = &examine(&evidence)[0];
    assert!(!finding.remedy.contains("limits set"), "{}", finding.remedy);
}

/// The endpoints of a configuration, each declared at its column of one line.
fn declared(names: &[&str]) -> Declared {
    let location = |column: usize| Location { source: SourceId::new(0), span: Span::new(1, column, 0) };
    let locations = names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), location(at + 1)));
    Declared {
        command: "mptcp-apply x.yaml".to_owned(),
        locations: locations.collect(),
        ..Declared::default()
    }
}

/// Declared order decides, not that of the ids; also within a line.
#[test]
fn what_is_declared_behind_the_limit_is_never_used() {
    let mut evidence = healthy();
    evidence.first_addresses = vec![[203, 0, 113, 1].into()];
    let state = state(&mut evidence);
    state.limits.subflows = 1;
    let identities: Vec<Identity> = state.endpoints.iter().map(|row| row.identity).collect();
    evidence.names = identities.into_iter().zip(["late", "early"].map(str::to_owned)).collect();
    assert_eq!(codes(&evidence), ["fault subflows-limit-low"], "the order is unknown");
    evidence.configuration = Configuration::Valid(Box::new(declared(&["early", "late"])));
    assert_eq!(codes(&evidence), ["fault subflows-limit-low", "hint never-used"]);
    let finding = examine(&evidence).remove(1);
    assert_eq!(finding.endpoint.as_deref(), Some("late"));
    assert_eq!(finding.location.map(|location| location.span.column()), Some(2));
    assert!(
        finding.remedy.ends_with("ip mptcp endpoint delete id 2\nmptcp-apply x.yaml"),
        "{}",
        finding.remedy
    );
}

/// A socket that listens everywhere takes the port of its own family; one of IPv6 takes that of both.
#[test]
fn only_who_can_hold_a_port_holds_it() {
    let port = NonZeroU16::new(8443);
    for (listens, wanted, holds) in [
        ("0.0.0.0:8443", "192.0.2.1", true),
        ("[::]:8443", "192.0.2.1", true),
        ("[::]:8443", "2001:db8::1", true),
        ("0.0.0.0:8443", "2001:db8::1", false),
        ("192.0.2.9:8443", "192.0.2.1", false),
        ("192.0.2.1:8444", "192.0.2.1", false),
    ] {
        let mut evidence = healthy();
        let mut row = state(&mut evidence).endpoints[0].clone();
        row.identity = Identity { address: wanted.parse().expect("an address"), port };
        row.flags = Flags::SIGNAL;
        let steps = vec![Step::AddAddr { endpoint: row, why: Reason::Declared }];
        evidence.configuration = Configuration::Valid(Box::new(Declared { steps, ..declared(&[]) }));
        evidence.listeners =
            vec![Listener { local: listens.parse().expect("an address"), mptcp: false, inode: 1 }];
        let found = codes(&evidence).contains(&"fault port-held".to_owned());
        assert_eq!(found, holds, "{listens} and {wanted}");
    }
}

/// Behind a router that translates addresses, peers are told of one that this host does not have.
#[test]
fn an_address_that_is_only_announced_may_be_elsewhere() {
    let mut evidence = healthy();
    let row = &mut state(&mut evidence).endpoints[0];
    (row.flags, row.dev, row.identity.address) = (Flags::SIGNAL, None, [203, 0, 113, 7].into());
    assert_eq!(codes(&evidence), ["hint address-missing"]);
    state(&mut evidence).endpoints[0].identity.port = NonZeroU16::new(8443);
    assert_eq!(codes(&evidence), ["fault address-missing"]);
    state(&mut evidence).endpoints[0].identity.port = None;
    state(&mut evidence).endpoints[0].flags = Flags::SIGNAL.union(Flags::LAMINAR);
    assert_eq!(codes(&evidence), ["fault address-missing"]);
}

/// A link that leads to some networks only may well be meant so, until a peer is known that it does not lead to.
#[test]
fn a_link_to_some_networks_is_a_hint() {
    let mut evidence = healthy();
    evidence.connections.clear();
    let home = evidence.interfaces[1].index;
    let check = &mut evidence.routes[1];
    (check.by_device, check.peer) = (Some(Err("no route to host".to_owned())), false);
    assert_eq!(codes(&evidence), ["fault no-route"]);
    evidence.routing.partial.insert((true, home));
    assert_eq!(codes(&evidence), ["hint no-route"]);
    evidence.routes[1].peer = true;
    assert_eq!(codes(&evidence), ["fault no-route"]);
    evidence.routes[1].peer = false;
    let default = DefaultRoute { ipv4: true, table: 120, gateway: None, interface: Some(home) };
    evidence.routing.defaults.push(default);
    assert_eq!(codes(&evidence), ["fault no-route"]);
}

/// A connection has its first subflow anyhow.
#[test]
fn the_first_subflow_needs_none_of_the_limit() {
    let mut evidence = healthy();
    for (limit, expected) in [(2, &[][..]), (1, &[]), (0, &["fault subflows-limit-zero"])] {
        state(&mut evidence).limits.subflows = limit;
        assert_eq!(codes(&evidence), expected, "{limit}");
    }
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

#[test]
fn remedies_are_carried_out_in_the_namespace() {
    for (remedy, expected) in [
        ("sysctl -w net.mptcp.enabled=1", "ip netns exec web sysctl -w net.mptcp.enabled=1"),
        (
            "limits: {subflows: 3}   # in the configuration, then:\nx",
            "limits: {subflows: 3}   # in the configuration, then:\nx",
        ),
        (
            "ss -lM   # on the server\nss -l\nping a # here: b",
            "ss -lM   # on the server\nss -l\nip netns exec web ping a # here: b",
        ),
        (
            "# on the peer:\nss -l\n# otherwise\nss -l",
            "# on the peer:\nss -l\n# otherwise\nip netns exec web ss -l",
        ),
        ("sysctl x   # on this host", "ip netns exec web sysctl x   # on this host"),
    ] {
        assert_eq!(remedy::in_namespace(remedy, "web"), expected);
    }
}
