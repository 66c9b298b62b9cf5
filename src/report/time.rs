//! Moments as text: by the local clock for people, in UTC for programs.

#[cfg(test)]
mod tests;

use tz::{TimeZoneRef, UtcDateTime};

use crate::model::Moment;

/// `12:03:07.123` by the clock of that time zone; by that of UTC where the zone has no rule for the time.
pub fn time_of_day(Moment(since): Moment, zone: TimeZoneRef<'_>) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let seconds = since.as_secs() as i64;
    let offset = zone.find_local_time_type(seconds).map_or(0, |kind| kind.ut_offset());
    let second = (seconds + i64::from(offset)).rem_euclid(DAY);
    let (hour, minute, milli) = (second / 3600, second / 60 % 60, since.subsec_millis());
    format!("{hour:02}:{minute:02}:{:02}.{milli:03}", second % 60)
}

/// `2026-11-28T11:03:07.123456Z`, as in RFC 3339.
pub fn rfc3339(Moment(since): Moment) -> String {
    let at = UtcDateTime::from_timespec(since.as_secs() as i64, 0).unwrap_or(UtcDateTime::MAX);
    let date = format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.month_day());
    let time = format!("{:02}:{:02}:{:02}.{:06}", at.hour(), at.minute(), at.second(), since.subsec_micros());
    format!("{date}T{time}Z")
}
