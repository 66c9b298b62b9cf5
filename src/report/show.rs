//! What there is in a network namespace: its state, and the connections that live there.

use std::fmt::Write;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};

use serde::Serialize;

use crate::model::{Connection, Endpoint, Identity, Path, State};

use super::json_v1::{StateJson, VERSION};

/// Everything that `show` shows.
pub struct Shown<'a> {
    /// The network namespace, if it was named.
    pub netns: Option<&'a str>,
    /// Limits, sysctls and endpoints, with the names that the configuration gives them.
    pub state: &'a State,
    /// The connections, if they were asked for.
    pub connections: Option<&'a [Connection]>,
    /// The names of interfaces that subflows are bound to.
    pub interface: &'a dyn Fn(NonZeroU32) -> String,
}

/// The document for programs.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    version: u32,
    netns: Option<&'a str>,
    #[serde(flatten)]
    state: StateJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Vec<ConnectionJson<'a>>>,
}

#[derive(Debug, Serialize)]
struct ConnectionJson<'a> {
    token: String,
    subflows: Vec<SubflowJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct SubflowJson<'a> {
    local: SocketAddr,
    remote: SocketAddr,
    state: &'a str,
    local_id: u8,
    remote_id: u8,
    backup: bool,
    flags: Vec<String>,
    dev: Option<String>,
    endpoint_id: Option<u8>,
    name: Option<&'a str>,
    remote_token: String,
    map_sequence: u64,
    rtt_us: u128,
    bytes_acked: u64,
    bytes_received: u64,
    retransmitted_segments: u32,
}

/// The endpoint that a subflow uses: the one with its address at this end, and with its port where it has one.
pub fn endpoint_of<'a>(path: &Path, state: &'a State) -> Option<&'a Endpoint> {
    let local = path.local;
    Identity::candidates(local.ip(), NonZeroU16::new(local.port()))
        .find_map(|identity| state.endpoint(identity))
}

impl<'a> Document<'a> {
    /// The document.
    pub fn new(shown: &Shown<'a>) -> Document<'a> {
        let Shown { netns, state, connections, interface } = shown;
        let subflow = |path: &'a Path| {
            let row = endpoint_of(path, state);
            SubflowJson {
                local: path.local,
                remote: path.remote,
                state: path.state_word(),
                local_id: path.local_id,
                remote_id: path.remote_id,
                backup: path.flags.is_backup(),
                flags: path.flags.words(),
                dev: path.interface.map(interface),
                endpoint_id: row.and_then(|row| row.id).map(|id| id.get()),
                name: row.and_then(|row| row.name.as_deref()),
                remote_token: format!("{:08x}", path.remote_token),
                map_sequence: path.map_sequence,
                rtt_us: path.traffic.rtt.as_micros(),
                bytes_acked: path.traffic.acknowledged,
                bytes_received: path.traffic.received,
                retransmitted_segments: path.traffic.retransmitted,
            }
        };
        let connection = |connection: &'a Connection| ConnectionJson {
            token: format!("{:08x}", connection.token),
            subflows: connection.subflows.iter().map(subflow).collect(),
        };
        let connections = connections.map(|all| all.iter().map(connection).collect());
        Document { version: VERSION, netns: *netns, state: (*state).into(), connections }
    }
}

/// One line an endpoint, as `ip mptcp endpoint show` writes it, with its name.
pub fn endpoints(state: &State) -> String {
    let name = |row: &Endpoint| row.name.as_ref().map_or(String::new(), |name| format!("   {name}"));
    state.endpoints.iter().map(|row| format!("{row}{}\n", name(row))).collect()
}

/// The page for people: endpoints as `ip mptcp endpoint show` writes them, with their names, limits, sysctls, and
/// connections, if they were asked for.
pub fn text(shown: &Shown<'_>) -> String {
    let Shown { netns: _, state, connections, interface } = shown;
    let mut text = endpoints(state);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "limits {}", state.limits);
    for (sysctl, value) in &state.sysctls {
        let _ = writeln!(text, "sysctl {} {value}", sysctl.name());
    }
    for connection in connections.iter().copied().flatten() {
        let _ = writeln!(text, "connection {:08x}", connection.token);
        for line in table(connection.subflows.iter().map(|path| cells(path, state, *interface)).collect()) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// One subflow: state, ends, ids, round-trip time, bytes sent and received, the endpoint, and what is unusual.
fn cells(path: &Path, state: &State, interface: &dyn Fn(NonZeroU32) -> String) -> Vec<String> {
    let row = endpoint_of(path, state);
    let at = path.interface.map_or(String::new(), |index| format!("%{}", interface(index)));
    let local = match path.local {
        SocketAddr::V4(local) => format!("{}{at}:{}", local.ip(), local.port()),
        SocketAddr::V6(local) => format!("[{}]{at}:{}", local.ip(), local.port()),
    };
    let name = match row {
        Some(row) => row.name.clone().unwrap_or_else(|| row.id.map_or("-".into(), |id| format!("id {id}"))),
        None => "-".to_owned(),
    };
    vec![
        path.state_word().to_owned(),
        local,
        path.remote.to_string(),
        format!("ids {}/{}", path.local_id, path.remote_id),
        format!("rtt {:.1} ms", path.traffic.rtt.as_secs_f64() * 1000.0),
        format!("sent {}", bytes(path.traffic.acknowledged)),
        format!("received {}", bytes(path.traffic.received)),
        name,
        if path.flags.is_backup() { "backup".to_owned() } else { String::new() },
    ]
}

/// Three digits and a unit of 1000.
fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" || value >= 99.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Lines whose cells stand below each other.
fn table(rows: Vec<Vec<String>>) -> Vec<String> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let widths: Vec<usize> = (0..).map_while(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_at_most() {
        let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_940, "99.9 kB"), (99_960, "100 kB")];
        for (count, text) in
            cases.into_iter().chain([(999_499, "999 kB"), (999_600, "1.0 MB"), (u64::MAX, "18446744 TB")])
        {
            assert_eq!(bytes(count), text);
        }
    }
}
