//! Who holds a lock on a file, by `/proc`. To ask the claim itself would leave a connection in its queue each time.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{major, minor};

use crate::linux::clock;
use crate::model::{Moment, shell_word};

/// `USER_HZ`: how many times of `/proc` are a second. It is the same on all processors that Rust has MPTCP for.
const TICKS: u64 = 100;

/// A process that holds a lock.
pub struct Holder {
    /// Its id.
    pub process: u32,
    /// Its command line.
    pub words: Vec<OsString>,
    /// The systemd service that it belongs to, without `.service`.
    pub unit: Option<String>,
    /// When it was started.
    pub since: Option<Moment>,
}

impl Holder {
    /// The process that holds the lock (`flock(2)`) on this file; none if there is none, or it is not to be seen from this PID
    /// namespace.
    pub fn of(file: &Path) -> Option<Holder> {
        let file = fs::metadata(file).ok()?;
        let name = format!("{:02x}:{:02x}:{}", major(file.dev()), minor(file.dev()), file.ino());
        let process = holder(&fs::read_to_string("/proc/locks").ok()?, &name)?;
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
        Some(Holder {
            process,
            words: words.map(|word| OsString::from_vec(word.to_vec())).collect(),
            unit: service(&groups),
            since: started(process),
        })
    }

    /// Its command line, quoted for a shell.
    pub fn command(&self) -> String {
        self.words.iter().map(|word| shell_word(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }
}

/// The process in the row of `/proc/locks` for that file: `1: FLOCK  ADVISORY  WRITE 812 00:19:1234 0 EOF`. Rows of those
/// that wait have an arrow behind the number.
fn holder(locks: &str, name: &str) -> Option<u32> {
    let rows = locks.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
    let of = |row: Vec<&str>| match row[..] {
        ["FLOCK", _, _, process, file, ..] if file == name => process.parse().ok(),
        _ => None,
    };
    rows.into_iter().find_map(of)
}

/// The last service on the path of a control group: `0::/system.slice/mptcp-apply-watch.service`.
fn service(groups: &str) -> Option<String> {
    let parts = groups.lines().flat_map(|line| line.split('/'));
    parts.filter_map(|part| part.strip_suffix(".service")).next_back().map(str::to_owned)
}

/// When a process was started: field 22 of its `stat`, in ticks since boot. Field 2, its name in parentheses, may hold
/// anything.
fn started(process: u32) -> Option<Moment> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let ticks: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
    let age =
        Duration::try_from_secs_f64(uptime).ok()?.checked_sub(Duration::from_millis(ticks * 1000 / TICKS))?;
    clock::now().0.checked_sub(age).map(Moment)
}
