//! Made-up evidence for tests: a host in good health.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::model::diagnostic::{Location, SourceId, Span};
use crate::model::{
    AddressId, AddressState, Capabilities, Connection, Counters, Device, Endpoint, EndpointNames, Fallback,
    Flags, HostAddress, Identity, Interface, Limits, Routing, State, Subflow, SubflowFlags, Sysctl,
    SysctlValue, Traffic,
};

use super::super::{Configuration, Declared, Evidence, RouteCheck, Table, examine};

/// Two interfaces with an address and an endpoint each, and a connection that uses both.
pub fn healthy() -> Evidence {
    let endpoints = vec![endpoint(1, Flags::SUBFLOW), endpoint(2, Flags::SUBFLOW)];
    let sysctls = BTreeMap::from([(Sysctl::ENABLED, SysctlValue::Number(1))]);
    let limits = Limits { subflows: 2, add_addr_accepted: 0 };
    let interface = |number: u32| Interface::working(index(number), &format!("eth{number}"));
    let own = |number| HostAddress {
        address: address(number),
        index: index(number.into()),
        state: AddressState::Settled,
    };
    let check = |number: u8| RouteCheck {
        source: address(number),
        destination: peer(),
        peer: true,
        by_source: Ok(index(number.into())),
        by_device: Some(Ok(index(number.into()))),
        needs_device: false,
        may_differ: false,
        silent: None,
    };
    let counters =
        [("MPCapableSYNTX", 1), ("MPCapableSYNACKRX", 1), ("MPJoinSynTx", 1), ("MPJoinSynAckRx", 1)];
    Evidence {
        netns: None,
        program: "mptcp-apply".to_owned(),
        kernel: "6.18.44".to_owned(),
        path_manager: Table::Read(State { limits, sysctls, endpoints, uplinks: None }),
        names: EndpointNames::new(),
        capabilities: Capabilities::SMALL,
        interfaces: vec![interface(1), interface(2)],
        addresses: vec![own(1), own(2)],
        bindable: Vec::new(),
        routes: vec![check(1), check(2)],
        ways_out: BTreeSet::from([address(1), address(2)]),
        unreachable: BTreeMap::new(),
        routing: Routing::default(),
        first_addresses: vec![address(1)],
        rp_filter: BTreeMap::new(),
        is_paused: false,
        counters: Some(Counters(counters.map(|(name, count)| (name.to_owned(), count)).into())),
        connections: vec![Connection {
            fallback: Fallback::No,
            closing: false,
            limit: Some(2),
            accepted: None,
            token: 1,
            subflows: vec![subflow(1, 0b100_0011), subflow(2, 0b100_1100)],
        }],
        data: Default::default(),
        unconfirmed: Vec::new(),
        answers: Vec::new(),
        listeners: Vec::new(),
        programs: BTreeMap::new(),
        managers: Vec::new(),
        configuration: Configuration::Absent,
        checks: Vec::new(),
        probe: None,
    }
}

/// The codes of what is found, each with how bad it is.
pub fn codes(evidence: &Evidence) -> Vec<String> {
    let findings = examine(evidence);
    findings.iter().map(|finding| format!("{} {}", finding.severity.word(), finding.code)).collect()
}

/// The state of the made-up host.
pub fn state(evidence: &mut Evidence) -> &mut State {
    match &mut evidence.path_manager {
        Table::Read(state) => state,
        other => panic!("no state: {other:?}"),
    }
}

/// The endpoints of a configuration, each declared at its column of one line.
pub fn declared(names: &[&str]) -> Declared {
    let location = |column: usize| Location { source: SourceId::new(0), span: Span::new(1, column, 0) };
    let locations = names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), location(at + 1)));
    Declared {
        command: "mptcp-apply x.yaml".to_owned(),
        locations: locations.collect(),
        ..Declared::default()
    }
}

/// Sets a counter.
pub fn count(evidence: &mut Evidence, name: &str, value: u64) {
    let counters = evidence.counters.get_or_insert_default();
    counters.0.insert(name.to_owned(), value);
}

fn endpoint(number: u8, flags: Flags) -> Endpoint {
    Endpoint {
        identity: Identity { address: address(number), port: None },
        id: AddressId::new(number),
        dev: Some(Device { index: index(number.into()), name: Some(format!("eth{number}")) }),
        flags,
    }
}

fn subflow(number: u8, flags: u32) -> Subflow {
    const ESTABLISHED: u8 = 1;
    Subflow {
        local: (address(number), 40_000).into(),
        remote: (peer(), 443).into(),
        interface: None,
        state: ESTABLISHED,
        local_id: number,
        remote_id: 0,
        flags: SubflowFlags(flags),
        remote_token: 2,
        map_sequence: 0,
        traffic: Traffic::default(),
    }
}

fn peer() -> IpAddr {
    [198, 51, 100, 1].into()
}

fn address(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

fn index(number: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(number - 1)
}
