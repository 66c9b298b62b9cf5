//! Uplinks as the doctor sees them.

use super::host::Scene;
use super::{findings, found, mend};
use crate::support::program_path;

const CONFIG: &str = "{version: 1, uplinks: {fibre: {dev: eth0}, lte: {dev: wwan0, gateway: 10.0.2.2}}, \
                      endpoints: {fiber: {address: 10.0.1.1, dev: eth0, flags: [subflow]}, \
                      lte: {address: 10.0.2.1, dev: wwan0, flags: [subflow, backup]}}}";

/// What is missing or left over is named, and the remedy is the program itself.
#[test]
fn rules_that_are_missing_or_left_over_are_found() {
    let Scene { host, _service } = Scene::new();
    host.ip("rule delete from 10.0.2.1 table 120");
    assert_eq!(
        found(&host, CONFIG),
        ["fault no-route lte", "fault uplink-missing -"],
        "not applied: the endpoint is there already"
    );
    host.apply(CONFIG, &[]).expect(0);
    assert_eq!(found(&host, CONFIG), [""; 0]);
    host.ip("rule delete priority 8685 from 10.0.2.1");
    assert_eq!(found(&host, CONFIG), ["fault no-route lte", "fault uplink-missing -"]);
    host.apply(CONFIG, &[]).expect(0);
    let without = CONFIG.replace("fibre: {dev: eth0}, ", "");
    assert_eq!(found(&host, &without), ["fault uplink-stale -"]);
    mend(&host, &without, "uplink-stale", &[(program_path(), "true")]);
    host.apply(&without, &[]).expect(0);
    assert_eq!(found(&host, &without), [""; 0]);
}

#[test]
fn what_an_uplink_waits_for_is_found() {
    let Scene { host, _service } = Scene::new();
    host.ip("route delete default dev eth0");
    let config = "{version: 1, uplinks: {fibre: {dev: eth0}, other: {dev: eth9}}}";
    assert_eq!(found(&host, config), ["fault gateway-unknown fibre", "fault dev-missing other"]);
}

/// An interface is one uplink, so no remedy declares a second one for it.
#[test]
fn an_uplink_that_is_declared_is_not_declared_again() {
    let Scene { host, _service } = Scene::new();
    host.ip_batch("rule delete from 10.0.2.1 table 120\nroute flush table 120\n");
    let config = CONFIG.replace(", gateway: 10.0.2.2", "");
    assert_eq!(found(&host, &config)[0], "fault no-route lte");
    let remedy = findings(&host, &config)[0]["remedy"].as_str().expect("text").to_owned();
    let first = "# in the configuration: `gateway: GATEWAY` for the uplink of wwan0\n";
    assert!(remedy.starts_with(first), "{remedy}");
}
