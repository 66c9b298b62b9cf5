use super::*;
use std::time::Duration;
use tz::TimeZone;

/// 2026-11-28 23:30:07.123456 UTC
fn moment() -> Moment {
    Moment(Duration::from_micros(1_795_908_607_123_456))
}

#[test]
fn programs_get_utc() {
    assert_eq!(rfc3339(moment()), "2026-11-28T23:30:07.123456Z");
    assert_eq!(rfc3339(Moment::default()), "1970-01-01T00:00:00.000000Z");
}

#[test]
fn people_get_their_own_clock() {
    let in_zone = |hours| time_of_day(moment(), TimeZone::fixed(hours * 3600).unwrap().as_ref());
    assert_eq!([0, 1, -5].map(in_zone), ["23:30:07.123", "00:30:07.123", "18:30:07.123"]);
    let day = |hours| date(moment(), TimeZone::fixed(hours * 3600).unwrap().as_ref());
    assert_eq!([0, 1].map(day), ["2026-11-28", "2026-11-29"]);
}

#[test]
fn summer_time_follows_the_rules_of_the_zone() {
    let zone = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let at = |days: u64| time_of_day(Moment(moment().0 - Duration::from_secs(days * 86400)), zone.as_ref());
    assert_eq!([at(0), at(120)], ["00:30:07.123", "01:30:07.123"]);
}
