use super::*;

use crate::model::{AddressState, Device, Endpoint, Flags};

fn link(index: u32, name: &str, up: bool) -> Interface {
    Interface { up, carrier: up, ..Interface::working(index.try_into().unwrap(), name) }
}

fn address(text: &str, index: u32) -> AssignedAddress {
    AssignedAddress {
        address: text.parse().unwrap(),
        index: index.try_into().unwrap(),
        state: AddressState::Settled,
    }
}

fn view(links: &[Interface], addresses: &[(&str, u32)]) -> HostView {
    let addresses: Vec<_> = addresses.iter().map(|(own, index)| address(own, *index)).collect();
    HostView::new(links, &addresses)
}

#[test]
fn events_of_links_explain_those_of_their_addresses() {
    let both = [link(2, "eth0", true), link(3, "wwan0", true)];
    let before = view(&both, &[("10.1.1.1", 2), ("10.1.2.1", 3), ("2001:db8::1", 3)]);
    for (after, expected) in [
        (before.clone(), &[][..]),
        (view(&[link(2, "eth0", true), link(3, "wwan0", false)], &[("10.1.1.1", 2)]), &["wwan0 went down"]),
        (view(&both[..1], &[("10.1.1.1", 2)]), &["wwan0 is gone"]),
        (
            view(&both, &[("10.1.1.1", 2), ("10.1.2.7", 3), ("2001:db8::1", 3)]),
            &["address 10.1.2.1 left wwan0", "address 10.1.2.7 appeared on wwan0"],
        ),
        (
            view(
                &[link(2, "lan", true), link(3, "wwan0", true)],
                &[("10.1.1.1", 2), ("10.1.2.1", 3), ("2001:db8::1", 3)],
            ),
            &["eth0 was renamed to lan"],
        ),
    ] {
        assert_eq!(after.events_since(&before, [].iter()), expected);
    }
    let down = view(&[link(2, "eth0", false)], &[]);
    let up = view(&[link(2, "eth0", true)], &[("10.1.1.1", 2)]);
    assert_eq!(up.events_since(&down, [].iter()), ["eth0 came up", "address 10.1.1.1 appeared on eth0"]);
}

#[test]
fn files_are_named() {
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.to_owned() };
    let before = [file("/etc/mptcp-apply/a.yaml", "a"), file("/etc/mptcp-apply/b.yaml", "b")];
    let words = |now: &[SourceFile]| Cause::files(&before, now).words;
    assert_eq!(words(&[file("/etc/mptcp-apply/a.yaml", "aa")]), "a.yaml was changed, b.yaml was removed");
    assert_eq!(words(&before), "the configuration was changed");
    let more: Vec<SourceFile> = (0..5).map(|number| file(&format!("{number}"), "")).collect();
    assert_eq!(words(&more), "0 was added, 1 was added, 2 was added, and 4 more events");
}

/// Of a busy host, only what concerns the steps is told.
#[test]
fn events_of_other_interfaces_are_left_out() {
    let row = |address: &str, index: u32| Endpoint {
        identity: Identity { address: address.parse().unwrap(), port: None },
        id: None,
        dev: Some(Device { index: index.try_into().unwrap(), name: None }),
        flags: Flags::SUBFLOW,
    };
    let before = view(&[link(2, "eth0", true), link(3, "wwan0", true)], &[("10.1.2.1", 3)]);
    let after = view(&[link(2, "eth0", false), link(3, "wwan0", false), link(4, "veth1", true)], &[]);
    let gone = Step::DelAddr { endpoint: row("10.1.2.1", 3), why: Reason::InterfaceDown };
    assert_eq!(after.events_since(&before, [&gone].into_iter()), ["wwan0 went down"]);
    let other = Step::DelAddr { endpoint: row("10.9.9.9", 9), why: Reason::NotDeclared };
    let all = ["eth0 went down", "wwan0 went down", "veth1 appeared"];
    assert_eq!(after.events_since(&before, [&other].into_iter()), all);
}

#[test]
fn an_endpoint_is_told_once() {
    let row = |address: &str| Endpoint {
        identity: Identity { address: address.parse().unwrap(), port: None },
        id: None,
        dev: None,
        flags: Flags::SUBFLOW,
    };
    let names: EndpointNames = [(row("10.0.0.1").identity, "a".to_owned())].into();
    let del = |address, why| Step::DelAddr { endpoint: row(address), why };
    let add = |address, why| Step::AddAddr { endpoint: row(address), why };
    let drain = Step::SetFlags { endpoint: row("10.0.0.1"), to: Flags::BACKUP, why: Reason::Drained };
    for (steps, expected) in [
        (vec![], ""),
        (vec![drain.clone(), del("10.0.0.1", Reason::AddressGone)], "a (10.0.0.1) leaves"),
        (
            vec![drain, del("10.0.0.1", Reason::IdDiffers), add("10.0.0.1", Reason::IdDiffers)],
            "a (10.0.0.1) is replaced",
        ),
        (
            vec![del("10.0.0.1", Reason::AskedFor), add("10.0.0.1", Reason::AskedFor)],
            "a (10.0.0.1) is added again",
        ),
        (vec![add("10.0.0.2", Reason::Declared)], "10.0.0.2 joins"),
        (
            vec![add("10.0.0.2", Reason::Declared), del("10.0.0.2", Reason::AddressGone)],
            "10.0.0.2 joins and leaves",
        ),
        (
            vec![
                del("10.0.0.1", Reason::AddressGone),
                add("10.0.0.1", Reason::Declared),
                del("10.0.0.1", Reason::AddressGone),
            ],
            "a (10.0.0.1) leaves",
        ),
        (
            vec![
                del("10.0.0.1", Reason::Renewed),
                add("10.0.0.1", Reason::Renewed),
                del("10.0.0.1", Reason::AddressGone),
            ],
            "a (10.0.0.1) leaves",
        ),
    ] {
        assert_eq!(consequence(steps.iter(), &EndpointNames::new(), &names), expected);
    }
}
