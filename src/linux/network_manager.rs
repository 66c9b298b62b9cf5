//! The profiles that NetworkManager has active on interfaces, as `nmcli` prints them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::init::{ManagerProfile, MptcpFlags};
use crate::linux::processes;

/// How many seconds `nmcli` may take: D-Bus may not answer.
const SECONDS_MAX: &str = "5";

/// The profiles by interface; none where NetworkManager does not manage this network namespace or has no MPTCP (before
/// 1.40).
pub fn profiles() -> BTreeMap<String, ManagerProfile> {
    if processes::running(&["NetworkManager"]).is_empty() {
        return BTreeMap::new();
    }
    let active = nmcli(&["-f", "UUID,DEVICE,NAME", "connection", "show", "--active"]);
    let profile = |(uuid, dev, name): (&str, &str, &str)| {
        let flags = nmcli(&["-f", "connection.mptcp-flags", "connection", "show", "uuid", uuid]);
        let mptcp_flags = mptcp_flags(&flags)?;
        Some((dev.to_owned(), ManagerProfile { name: name.to_owned(), mptcp_flags }))
    };
    active.lines().filter_map(active_connection).filter_map(profile).collect()
}

/// `5f8c...:eth0:fiber`; neither of the first two has a colon.
fn active_connection(line: &str) -> Option<(&str, &str, &str)> {
    let mut parts = line.splitn(3, ':');
    Some((parts.next()?, parts.next().filter(|dev| !dev.is_empty())?, parts.next()?))
}

/// `connection.mptcp-flags:0x22`
fn mptcp_flags(text: &str) -> Option<MptcpFlags> {
    text.lines().find_map(|line| MptcpFlags::parse(line.strip_prefix("connection.mptcp-flags:")?))
}

/// What `nmcli` prints; nothing where it fails.
fn nmcli(arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args([SECONDS_MAX, "nmcli", "--terse", "--escape", "no", "--colors", "no"]).args(arguments);
    let output = command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.map_or_else(
        |error| {
            log::debug!("nmcli cannot be run: {error}");
            String::new()
        },
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
