use std::num::{NonZeroU16, NonZeroU32};

use super::fullmesh_alone;
use crate::doctor::links::none;
use crate::doctor::tests::fixture::{codes, count, declared, healthy, state};
use crate::doctor::{Configuration, Declared};
use crate::model::Flags;

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
    evidence.ways_out.pop_last();
    assert_eq!(codes(&evidence), [""; 0], "the second link leads to no peer");
    let mut evidence = without();
    let on_purpose = Declared { manages_endpoints: true, ..declared(&[]) };
    evidence.configuration = Configuration::Valid(Box::new(on_purpose));
    assert_eq!(codes(&evidence), [""; 0]);
}

/// An endpoint is of use to connections of its own family; one that only announces is a server's.
#[test]
fn endpoints_of_the_other_family_are_none() {
    let mut evidence = healthy();
    evidence.connections[0].subflows.truncate(1);
    state(&mut evidence).endpoints.truncate(1);
    state(&mut evidence).endpoints[0].identity.address = "2001:db8::1".parse().expect("an address");
    let finding = none(&evidence).remove(0);
    assert_eq!(finding.title, "no endpoint opens subflows of IPv4, so connections have one path");
    state(&mut evidence).endpoints[0].flags = Flags::SIGNAL;
    assert_eq!(none(&evidence).len(), 1, "nothing here accepts connections");
    count(&mut evidence, "MPCapableSYNRX", 1);
    assert!(none(&evidence).is_empty());
}

/// Which flag it is, the finding says: both open subflows to announced addresses only.
#[test]
fn what_opens_subflows_to_announced_addresses_only_is_found() {
    for flag in [Flags::FULLMESH, Flags::LAMINAR] {
        let mut evidence = healthy();
        evidence.connections[0].subflows.truncate(1);
        state(&mut evidence).endpoints.remove(0);
        state(&mut evidence).endpoints[0].flags = flag;
        let finding = fullmesh_alone(&evidence).remove(0);
        assert!(finding.title.starts_with(&format!("{flag} without subflow")), "{}", finding.title);
        assert!(finding.remedy.contains(&format!("{}", flag.union(Flags::SUBFLOW))), "{}", finding.remedy);
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
