//! Whether a program listens to path manager events, by `/proc/PID/net/netlink`.
//!
//! The kernel itself asks this for connections under the userspace path manager, and a listener in any network namespace
//! counts.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::linux::mptcp_events;
use crate::system::Error;

/// `NETLINK_GENERIC`
const GENERIC: &str = "16";

/// Whether a socket receives events in the network namespace of any process. A process whose namespace this user may not
/// see counts as one that has such a socket. The file shows the groups 1 to 32.
///
/// # Errors
/// When the kernel does not give the number of the group.
pub fn any() -> Result<bool, Error> {
    let (_, group) = mptcp_events::numbers()?;
    let own = PathBuf::from("/proc/thread-self");
    let others = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut seen = BTreeSet::new();
    let mut may_listen = |process: PathBuf| match fs::read_link(process.join("ns/net")) {
        Ok(namespace) => seen.insert(namespace) && listens(&process, group),
        // It ended meanwhile, or is no process.
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    };
    Ok([own].into_iter().chain(others).any(&mut may_listen))
}

/// Whether a socket of the network namespace of that process is in the group.
fn listens(process: &Path, group: u32) -> bool {
    let table = fs::read_to_string(process.join("net/netlink")).unwrap_or_default();
    table.lines().any(|line| is_listener(line, group))
}

/// A line has the socket's address, its protocol, its port, and a bit for each group, in hexadecimal digits.
fn is_listener(line: &str, group: u32) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let bit = group.checked_sub(1).and_then(|bit| 1_u32.checked_shl(bit)).unwrap_or(0);
    let groups = words.get(3).and_then(|groups| u32::from_str_radix(groups, 16).ok()).unwrap_or(0);
    words.get(1) == Some(&GENERIC) && groups & bit != 0
}
