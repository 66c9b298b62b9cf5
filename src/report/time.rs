//! Moments as text: by the local clock for people, in UTC for programs.

#[cfg(test)]
mod tests;

use tz::{TimeZoneRef, UtcDateTime};

use crate::model::Moment;

/// `12:03:07.123` by the clock of that time zone.
pub fn time_of_day(time: Moment, zone: TimeZoneRef<'_>) -> String {
    format!("{}.{:03}", seconds(time, zone), time.0.subsec_millis())
}

/// `12:03:07` by the clock of that time zone.
pub fn seconds(time: Moment, zone: TimeZoneRef<'_>) -> String {
    let at = local(time, zone);
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// `2026-11-28` by the calendar of that time zone.
pub fn date(time: Moment, zone: TimeZoneRef<'_>) -> String {
    let at = local(time, zone);
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.month_day())
}

/// `2026-11-28T11:03:07.123456Z`, as in RFC 3339.
pub fn rfc3339(time: Moment) -> String {
    let zone = TimeZoneRef::utc();
    let micros = time.0.subsec_micros() % 1000;
    format!("{}T{}{micros:03}Z", date(time, zone), time_of_day(time, zone))
}

/// What a clock in that time zone shows, as if it were in UTC; that of UTC where the zone has no rule for the time.
fn local(Moment(since): Moment, zone: TimeZoneRef<'_>) -> UtcDateTime {
    let seconds = since.as_secs() as i64;
    let offset = zone.find_local_time_type(seconds).map_or(0, |kind| kind.ut_offset());
    UtcDateTime::from_timespec(seconds + i64::from(offset), since.subsec_nanos()).unwrap_or(UtcDateTime::MAX)
}
