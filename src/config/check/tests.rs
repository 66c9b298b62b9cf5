use std::time::Duration;

use super::super::parse;
use super::{CheckMethod, UplinkCheck, destination, duration};
use crate::model::diagnostic::Diagnostics;

/// The check of the only uplink of these files, each the value of `check`.
fn check(files: &[&str]) -> UplinkCheck {
    let text = |check: &&str| format!("version: 1\nuplinks: {{fiber: {{dev: eth0, check: {check}}}}}\n");
    let (mut diagnostics, texts) = (Diagnostics::default(), files.iter().map(text).collect::<Vec<_>>());
    let config = parse(texts.iter().map(String::as_str), &mut diagnostics);
    assert!(diagnostics.is_empty(), "{:?}", diagnostics.iter().collect::<Vec<_>>());
    config.uplinks.expect("managed")[0].check.clone().expect("a check").value
}

#[test]
fn what_is_absent_has_the_documented_default() {
    let found = check(&["gateway"]);
    let numbers = (found.every, found.timeout, found.fall, found.rise);
    assert_eq!(numbers, (Duration::from_secs(5), Duration::from_secs(2), 3, 6));
    assert_eq!(found.method, CheckMethod::Gateway);
}

#[test]
fn later_files_win_key_by_key() {
    let found = check(&["{connect: '192.0.2.1:443', every: 10s, fall: 5}", "{every: 1min, rise: 1}"]);
    assert_eq!(found.method, CheckMethod::Connect("192.0.2.1:443".parse().expect("an address")));
    assert_eq!((found.every, found.fall, found.rise), (Duration::from_secs(60), 5, 1));
    // What is done is one value, whichever key says it.
    let found = check(&["{connect: '192.0.2.1:443', every: 10s}", "{run: 'true'}"]);
    assert_eq!((found.method, found.every), (CheckMethod::Run("true".to_owned()), Duration::from_secs(10)));
    let found = check(&["{every: 10s}", "gateway"]);
    assert_eq!((found.method, found.every), (CheckMethod::Gateway, Duration::from_secs(10)));
}

#[test]
fn durations_have_units_or_are_seconds() {
    for (text, milliseconds) in
        [("500ms", 500), ("5s", 5000), ("5", 5000), ("1min", 60_000), ("2 min", 120_000), ("1h", 3_600_000)]
    {
        assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in ["", "s", "-5s", "5x", "1.5s", "5m", "1min 30s", "99999999999999999999s"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(duration("5m"), Err(Some("write `5min`".to_owned())));
}

#[test]
fn a_destination_is_an_address_that_another_host_can_have() {
    let shown = |text| destination(text).map(|to| to.to_string()).map_err(|error| error.reason);
    assert_eq!(shown("[2001:db8::1]:443"), Ok("[2001:db8::1]:443".to_owned()));
    assert_eq!(shown("[::ffff:192.0.2.1]:443"), Ok("192.0.2.1:443".to_owned()));
    for text in
        ["192.0.2.1", "::1", "example.com:443", "192.0.2.1:0", "127.0.0.1:443", "0.0.0.0:1", "[ff02::1]:1"]
    {
        assert!(destination(text).is_err(), "{text}");
    }
}
