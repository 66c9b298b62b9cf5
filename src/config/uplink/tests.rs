//! What several files declare together. `tests/cases` has what is wrong in them, word for word.

use crate::config::{Gateway, parse};
use crate::model::Family;
use crate::model::diagnostic::Diagnostics;

/// The uplinks of these files, a line each; each file is the value of its key, or nothing.
#[track_caller]
fn uplinks(files: &[&str]) -> Option<Vec<String>> {
    let (mut diagnostics, mut texts) = (Diagnostics::default(), Vec::new());
    for file in files {
        let key = if file.is_empty() { String::new() } else { format!("uplinks: {file}\n") };
        texts.push(format!("version: 1\n{key}"));
    }
    let config = parse(texts.iter().map(String::as_str), &mut diagnostics);
    assert!(diagnostics.is_empty(), "{:?}", diagnostics.iter().collect::<Vec<_>>());
    assert!(config.endpoints.is_none());
    let shown = |uplink: &super::Uplink| {
        let gateway = uplink.gateway.as_ref().map_or("learnt".to_owned(), |gateway| match &gateway.value {
            Gateway::OnLink => "none".to_owned(),
            Gateway::Routers(routers) => {
                routers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
        });
        format!("{}: {} via {gateway}", uplink.name.value, uplink.dev.value)
    };
    config.uplinks.map(|uplinks| uplinks.iter().map(shown).collect())
}

#[test]
fn without_the_key_nothing_is_managed() {
    assert_eq!(uplinks(&[""]), None);
    assert_eq!(uplinks(&["{}"]), Some(vec![]));
    assert_eq!(uplinks(&["", "{}", ""]), Some(vec![]));
}

#[test]
fn later_files_win_key_by_key() {
    let base = "{fiber: {dev: eth0, gateway: 192.0.2.1}, lte: {dev: 'wwan*'}}";
    let of = |later: &str| uplinks(&[base, later]).expect("managed");
    let lte = "lte: wwan* via learnt";
    assert_eq!(of(""), ["fiber: eth0 via 192.0.2.1", lte]);
    assert_eq!(of("{}"), ["fiber: eth0 via 192.0.2.1", lte]);
    assert_eq!(of("{fiber: {dev: eth1}}"), ["fiber: eth1 via 192.0.2.1", lte]);
    // A list is replaced as a whole.
    assert_eq!(of("{fiber: {gateway: ['fe80::1']}}"), ["fiber: eth0 via fe80::1", lte]);
    assert_eq!(of("{fiber: {gateway: none}}"), ["fiber: eth0 via none", lte]);
    assert_eq!(of("{fiber: {}}"), ["fiber: eth0 via 192.0.2.1", lte]);
    // The place is that of the first declaration, and another one after a withdrawal.
    assert_eq!(
        of("{usb: {dev: usb0}, lte: {dev: wwan0}}")[1..],
        ["lte: wwan0 via learnt", "usb: usb0 via learnt"]
    );
    assert_eq!(of("{fiber: null}"), [lte]);
    let again = uplinks(&[base, "{fiber: null}", "{fiber: {dev: eth0}}"]);
    assert_eq!(again.expect("managed"), [lte, "fiber: eth0 via learnt"]);
    assert_eq!(of("{fiber: null, lte: null}"), [""; 0]);
}

#[test]
fn an_interface_of_an_uplink_that_was_withdrawn_is_free() {
    let files = ["{fiber: {dev: eth0}}", "{fiber: null, dsl: {dev: eth0}}"];
    assert_eq!(uplinks(&files).expect("managed"), ["dsl: eth0 via learnt"]);
}

#[test]
fn a_router_is_declared_for_its_own_family() {
    let gateway = |text: &str| match Gateway::router(text) {
        Ok(router) => Gateway::Routers(vec![router]),
        Err(error) => panic!("{error:?}"),
    };
    let router = |text: &str| Some(Some(text.parse().expect("an address")));
    assert_eq!(gateway("192.0.2.1").of(Family::Ipv4), router("192.0.2.1"));
    assert_eq!(gateway("192.0.2.1").of(Family::Ipv6), None);
    assert_eq!(gateway("::ffff:192.0.2.1").of(Family::Ipv4), router("192.0.2.1"));
    assert_eq!(gateway("fe80::1").of(Family::Ipv6), router("fe80::1"));
    assert_eq!(Family::ALL.map(|family| Gateway::OnLink.of(family)), [Some(None), Some(None)]);
}
