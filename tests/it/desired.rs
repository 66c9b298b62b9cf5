//! What a configuration means on a host that lacks some of what it names, or has more of it than it needs.

use std::collections::BTreeSet;

use mptcp_apply::desired::{self, Desired};
use mptcp_apply::model::diagnostic::Severity;
use mptcp_apply::model::{AddressId, AddressState, Capabilities, State, Step};
use mptcp_apply::plan::{give_reasons, plan};

use crate::host::Host;
use crate::world::{initial, parse};

const SMALL: Capabilities = Capabilities::SMALL;

/// Resolves the text on this host, from a table that another text stands for.
#[track_caller]
fn on(host: &mut Host, before: &str, text: &str) -> (State, Desired) {
    let mut current = reached(&mut Host::new(), before);
    for (row, id) in current.endpoints.iter_mut().zip(1..) {
        row.id = row.id.or(AddressId::new(id));
    }
    let desired = desired::resolve(&parse(text), &current, SMALL, &BTreeSet::new(), host);
    (current, desired.expect("a desired state"))
}

fn reached(host: &mut Host, text: &str) -> State {
    let text = format!("{{version: 1, endpoints: {text}}}");
    let desired = desired::resolve(&parse(&text), &initial(), SMALL, &BTreeSet::new(), host);
    desired.expect("a state").state
}

#[track_caller]
fn now(before: &str, text: &str) -> Desired {
    on(&mut Host::new(), before, &format!("{{version: 1, endpoints: {text}}}")).1
}

fn rows(desired: &Desired) -> Vec<String> {
    desired.state.endpoints.iter().map(ToString::to_string).collect()
}

fn codes(desired: &Desired) -> Vec<&str> {
    desired.warnings.iter().map(|warning| warning.code.word()).collect()
}

const TWO: &str = "{a: {dev: eth0, family: ipv4, flags: [subflow]}, b: {dev: eth2, flags: [subflow]}}";
const TWO_ROWS: [&str; 2] = ["192.0.2.10 id 1 subflow dev eth0", "2001:db8::12 id 2 subflow dev eth2"];

#[test]
fn what_works_is_kept_while_its_successors_wait() {
    let typos = now(TWO, "{a: {dev: eht0, flags: [subflow]}, b: {dev: eth22, flags: [subflow]}}");
    assert_eq!(rows(&typos), TWO_ROWS);
    assert_eq!(codes(&typos), ["dev-missing", "dev-missing", "kept"]);
    let kept = &typos.warnings[2].message;
    assert_eq!(
        kept,
        "kept: 192.0.2.10, 2001:db8::12; otherwise no endpoint opens subflows while `a`, `b` wait"
    );
    assert_eq!(typos.warnings[0].help.as_deref(), Some("did you mean `eth0`?"));

    // An address that is not here is written all the same, and carries nothing.
    let address = now(TWO, "{a: {address: 192.0.2.77, dev: eth0, flags: [subflow]}}");
    assert_eq!(rows(&address), ["192.0.2.77 subflow dev eth0", TWO_ROWS[0], TWO_ROWS[1]]);
    assert_eq!(codes(&address), ["address-missing", "kept"]);
    // The id belongs to the row that works.
    let with_id = now(TWO, "{a: {address: 192.0.2.77, id: 1, flags: [subflow]}}");
    assert_eq!(rows(&with_id), TWO_ROWS);

    // An announcement does not replace a path.
    let signal = now(TWO, "{a: {dev: eth1, flags: [signal]}, b: {dev: eth22, flags: [subflow]}}");
    assert_eq!(rows(&signal)[2..], TWO_ROWS);
    let other_kind = now(
        "{a: {dev: eth0, family: ipv4, flags: [signal]}, b: {dev: eth2, flags: [subflow]}}",
        "{a: {dev: eth1, family: ipv4, flags: [subflow]}, b: {dev: eth22, flags: [signal]}}",
    );
    assert_eq!(rows(&other_kind)[2..], ["192.0.2.10 id 1 signal dev eth0"]);
}

/// What cannot be used yet makes way for it in a full table; what can be used does not.
#[test]
fn what_is_kept_has_a_place_in_a_full_table() {
    let declaration = |n: u8| format!("e{n}: {{address: 192.0.2.{n}, flags: [signal]}}");
    let absent: Vec<String> = (101..=108).map(declaration).collect();
    let desired = now(TWO, &format!("{{{}}}", absent.join(", ")));
    assert_eq!(rows(&desired).len(), SMALL.endpoints_max);
    assert_eq!(rows(&desired)[6..], TWO_ROWS);
    // On this host are 192.0.2.10 to .17 then.
    let mut host = Host::new();
    (12..=17).for_each(|n| host.assign(0, &format!("192.0.2.{n}"), AddressState::Settled));
    let there: Vec<String> = (11..=17).chain([108]).map(declaration).collect();
    let text = format!("{{version: 1, endpoints: {{{}}}}}", there.join(", "));
    let desired = on(&mut host, TWO, &text).1;
    assert_eq!(rows(&desired).len(), SMALL.endpoints_max, "{:?}", rows(&desired));
    assert_eq!(rows(&desired)[7], TWO_ROWS[0]);
}

/// What is only kept makes way for a declared endpoint, but for one row.
#[test]
fn a_selector_has_a_place_beside_what_is_kept() {
    let mut host = Host::new();
    (12..=17).for_each(|n| host.assign(0, &format!("192.0.2.{n}"), AddressState::Settled));
    let declaration = |n: u8| format!("e{n}: {{address: 192.0.2.{n}, flags: [signal]}}");
    let all: Vec<String> = (10..=17).map(declaration).collect();
    let text = "{version: 1, endpoints: {a: {dev: eth2, flags: [subflow]}, z: {dev: eth9, flags: [signal]}}}";
    let desired = on(&mut host, &format!("{{{}}}", all.join(", ")), text).1;
    let rows = rows(&desired);
    assert_eq!(
        (rows.len(), rows[0].as_str()),
        (SMALL.endpoints_max, "2001:db8::12 subflow dev eth2"),
        "{rows:?}"
    );
    assert!(!codes(&desired).contains(&"table-full"), "{:?}", codes(&desired));
}

#[test]
fn nothing_is_kept_that_is_not_missed() {
    let empty = now(TWO, "{}");
    assert_eq!((rows(&empty), codes(&empty)), (Vec::new(), Vec::new()));
    let one_there = now(TWO, "{a: {dev: eth1, flags: [subflow]}, b: {dev: eth22, flags: [subflow]}}");
    assert_eq!(rows(&one_there), ["192.0.2.11 subflow dev eth1", "10.1.1.1 subflow dev eth1"]);
    assert_eq!(codes(&one_there), ["dev-missing"]);
    // What cannot carry anything is not kept.
    let mut host = Host::new();
    host.remove("192.0.2.10");
    host.interface_mut(2).up = false;
    let text = "{version: 1, endpoints: {a: {dev: eht0, flags: [subflow]}}}";
    assert_eq!(rows(&on(&mut host, TWO, text).1), [""; 0]);
}

#[test]
fn a_missing_interface_comes_with_a_remedy() {
    let remedy =
        |dev: &str| now("{}", &format!("{{a: {{dev: {dev}, flags: [subflow]}}}}")).warnings[0].help.clone();
    assert_eq!(remedy("'eth0,eth1'").as_deref(), Some("write a list: `dev: [eth0, eth1]`"));
    assert_eq!(remedy("'eth{0,1}'").as_deref(), Some("write a list: `dev: [eth0, eth1]`"));
    assert_eq!(remedy("'eth0,wwan*'").as_deref(), Some("write a list: `dev: [eth0, \"wwan*\"]`"));
    assert_eq!(remedy("ehh3").as_deref(), Some("did you mean `eth3`?"));
    assert_eq!(remedy("bluetooth"), None);
}

#[test]
fn required_declarations_that_wait_are_errors() {
    let text = "{a: {dev: eth0, required: true, flags: [subflow]}, \
                b: {dev: ppp0, required: true, flags: [subflow]}, \
                c: {address: 192.0.2.77, required: true, flags: [signal]}}";
    let desired = now("{}", text);
    let found: Vec<_> =
        desired.warnings.iter().map(|found| (found.severity, found.message.as_str())).collect();
    assert_eq!(
        found,
        [
            (Severity::Error, "endpoint `b` is required, and waits: there is no interface ppp0"),
            (
                Severity::Error,
                "endpoint `c` is required, and needs 192.0.2.77, which is on no interface or not usable yet"
            ),
        ]
    );
}

#[test]
fn exact_addresses_are_looked_for() {
    let elsewhere = now("{}", "{a: {address: 192.0.2.10, dev: eth1, flags: [subflow]}}");
    assert_eq!(rows(&elsewhere), ["192.0.2.10 subflow dev eth1"]);
    assert_eq!(codes(&elsewhere), ["address-elsewhere"]);
    assert_eq!(
        elsewhere.warnings[0].message,
        "endpoint `a` needs 192.0.2.10, which is not on interface eth1, but on eth0"
    );
    let port = now("{}", "{a: {address: 192.0.2.77, port: 8443, flags: [signal]}}");
    assert_eq!(codes(&port), ["port-address-missing"]);
    assert_eq!(codes(&now("{}", "{a: {address: 192.0.2.10, dev: eth0, flags: [subflow]}}")), [""; 0]);
}

#[test]
fn the_most_specific_selector_wins() {
    let glob_first = now("{}", "{all: {dev: 'eth*', flags: [subflow]}, one: {dev: eth2, flags: [signal]}}");
    assert_eq!(rows(&glob_first)[4], "2001:db8::12 signal dev eth2");
    assert_eq!(glob_first.state.endpoints.len(), 5);
    let prefixes = now(
        "{}",
        "{wide: {address: 0.0.0.0/0, flags: [subflow]}, net: {address: 10.0.0.0/8, flags: [signal]}}",
    );
    assert_eq!(rows(&prefixes), ["192.0.2.10 subflow", "192.0.2.11 subflow", "10.1.1.1 signal"]);
    let shadowed = now("{}", "{one: {dev: eth2, flags: [subflow]}, two: {dev: 'eth2*', flags: [signal]}}");
    assert_eq!(codes(&shadowed), ["selector-shadowed"]);
    assert_eq!(shadowed.warnings[0].endpoint.as_deref(), Some("two"));
}

#[test]
fn unique_local_addresses_and_exclusions() {
    let mut host = Host::new();
    host.assign(0, "fd00::1", AddressState::Settled);
    let mut picked = |selector: &str| {
        let text = format!("{{version: 1, endpoints: {{a: {{{selector}, flags: [signal]}}}}}}");
        rows(&on(&mut host, "{}", &text).1)
    };
    assert_eq!(picked("dev: eth0"), ["192.0.2.10 signal dev eth0", "2001:db8::10 signal dev eth0"]);
    assert_eq!(picked("address: '::/0'"), ["2001:db8::10 signal", "2001:db8::12 signal"]);
    assert_eq!(picked("dev: eth0, address: 'fd00::/8'"), ["fd00::1 signal dev eth0"]);
    let exclusion = picked("address: [192.0.2.0/24, '!192.0.2.10']");
    assert_eq!(exclusion, ["192.0.2.11 signal"]);
}

/// A selector that matches nothing says which address it does not take, and why.
#[test]
fn addresses_that_are_not_taken_have_a_reason() {
    for (address, state, up, reason) in [
        ("fd00::5", AddressState::Settled, true, "is a unique local address"),
        ("198.51.100.7", AddressState::Deprecated, true, "is `deprecated`"),
        ("2001:db8::7", AddressState::Tentative, true, "is `tentative`"),
        ("2001:db8::7", AddressState::DadFailed, true, "another host has it"),
        ("198.51.100.7", AddressState::Settled, false, "is on eth9, which is down"),
    ] {
        let mut host = Host::new();
        host.assign(9, address, state);
        host.interface_mut(9).up = up;
        let prefix = if address.contains(':') { "::/0" } else { "0.0.0.0/0" };
        for selector in ["dev: eth9".to_owned(), format!("dev: eth9, address: '{prefix}'")] {
            let text = format!("{{version: 1, endpoints: {{a: {{{selector}, flags: [subflow]}}}}}}");
            let warnings = on(&mut host, "{}", &text).1.warnings;
            assert_eq!(warnings[0].message, "endpoint `a` waits: no usable address matches");
            let help = warnings[0].help.as_deref().expect("a reason");
            assert!(help.starts_with(address) && help.contains(reason), "{help}");
        }
    }
    let none = now("{}", "{a: {dev: eth9, flags: [subflow]}}");
    assert!(none.warnings[0].help.as_deref().is_some_and(|help| help.starts_with("`ip address`")));
}

#[test]
fn alternative_names_are_names() {
    let mut host = Host::new();
    host.interface_mut(1).altnames.push("enp3s0-uplink-of-the-house".to_owned());
    let text = "{version: 1, endpoints: {a: {dev: 'enp3*', flags: [subflow]}}}";
    let glob = on(&mut host, "{}", text).1;
    assert_eq!(rows(&glob), ["192.0.2.11 subflow dev eth1", "10.1.1.1 subflow dev eth1"]);
    let text = "{version: 1, endpoints: {a: {address: 10.1.1.1, dev: enp3s0-uplink-of-the-house, flags: [subflow]}}}";
    let exact = on(&mut host, "{}", text).1;
    assert_eq!(exact.state.endpoints[0].dev, glob.state.endpoints[1].dev);
    let text = "{version: 1, endpoints: {a: {dev: ['eth*', '!enp3*'], family: ipv4, flags: [subflow]}}}";
    assert_eq!(rows(&on(&mut host, "{}", text).1), ["192.0.2.10 subflow dev eth0"]);
}

#[test]
fn as_many_as_fit() {
    let mut host = Host::new();
    for last in 1..9 {
        host.assign(3, &format!("198.51.100.{last}"), AddressState::Settled);
    }
    let text = "{version: 1, endpoints: {net: {address: 0.0.0.0/0, flags: [subflow]}, \
                last: {address: '2001:db8::12', flags: [subflow]}}}";
    let desired = on(&mut host, "{}", text).1;
    assert_eq!(desired.state.endpoints.len(), SMALL.endpoints_max);
    assert_eq!(rows(&desired)[7], "2001:db8::12 subflow", "exact ones are placed first");
    assert_eq!(codes(&desired), ["table-full"]);
    let message = &desired.warnings[0].message;
    assert!(
        message.ends_with("left out: 198.51.100.5, 198.51.100.6, 198.51.100.7, 198.51.100.8"),
        "{message}"
    );
}

#[test]
fn an_address_on_two_interfaces_is_one_endpoint() {
    let mut host = Host::new();
    host.assign(4, "192.0.2.11", AddressState::Settled);
    let text = "{version: 1, endpoints: {net: {dev: ['eth1', 'eth4'], flags: [subflow]}}}";
    let desired = on(&mut host, "{}", text).1;
    assert_eq!(rows(&desired), ["192.0.2.11 subflow dev eth1", "10.1.1.1 subflow dev eth1"]);
    assert_eq!(codes(&desired), ["address-twice"]);
}

#[test]
fn a_deprecated_address_stays_and_is_not_taken() {
    let mut host = Host::new();
    host.remove("192.0.2.10");
    host.assign(0, "192.0.2.10", AddressState::Deprecated);
    let text = "{version: 1, endpoints: {net: {dev: eth*, family: ipv4, flags: [subflow]}}}";
    let gone = on(&mut host, "{net: {dev: eth1, flags: [subflow]}}", text).1;
    assert!(!rows(&gone).iter().any(|row| row.starts_with("192.0.2.10 ")), "{:?}", rows(&gone));
    let there = on(&mut host, TWO, text).1;
    assert_eq!(rows(&there)[0], TWO_ROWS[0]);
}

/// The reasons of removals of what a selector covers.
#[test]
fn reasons_are_true() {
    let mut host = Host::new();
    host.interface_mut(0).up = false;
    host.remove("192.0.2.11");
    host.assign(5, "198.51.100.5", AddressState::Settled);
    let before = "{a: {dev: 'eth*', family: ipv4, flags: [subflow]}, b: {dev: eth2, flags: [signal]}}";
    let text =
        "{version: 1, endpoints: {a: {dev: 'eth*', family: ipv4, address: '!10.1.1.1', flags: [subflow]}}}";
    let (current, desired) = on(&mut host, before, text);
    let mut steps = plan(&current, &desired.state, SMALL).expect("a plan");
    give_reasons(&mut steps, &desired.reasons);
    let mut found: Vec<String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::DelAddr { endpoint, why } => Some(format!("{}: {}", endpoint.identity, why.words())),
            _ => None,
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "10.1.1.1: not declared",
            "192.0.2.10: interface down",
            "192.0.2.11: address gone",
            "2001:db8::12: not declared",
        ]
    );
}
