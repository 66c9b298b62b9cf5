//! The wall clock and the time zone of this process, for what is shown.

use std::time::SystemTime;

use tz::TimeZone;

use crate::model::Moment;

/// This moment; 1970 where the clock is set to an earlier time.
pub fn now() -> Moment {
    Moment(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// How long this host has been up, in seconds, as `/proc/uptime` counts them: a clock that nothing sets, and that all
/// processes have.
pub fn uptime() -> u64 {
    u64::try_from(rustix::system::sysinfo().uptime).unwrap_or_default()
}

/// The time zone that `$TZ` names, else the one of the system (`/etc/localtime`); UTC where there is none.
pub fn time_zone() -> TimeZone {
    let name = std::env::var("TZ").unwrap_or_else(|_| "localtime".to_owned());
    TimeZone::from_posix_tz(&name).unwrap_or_else(|error| {
        log::debug!("times are in UTC, since the time zone {name:?} cannot be read: {error}");
        TimeZone::utc()
    })
}
