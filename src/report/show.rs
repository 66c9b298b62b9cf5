//! The state of a network namespace, and its live connections.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use serde::Serialize;

use crate::model::{
    ConnectionManager, DeclaredNames, Endpoint, Identity, ManagedConnection, State, Subflow, Sysctl,
    SysctlValue, UplinkNames, UplinkState,
};

use super::json_v1::{EndpointJson, StateJson, VERSION};
use super::table::{Cell, TableLayout, colour_of, rows_with_names};
use super::{Colour, Style};

/// The indentation below the line of a connection.
const INDENT: usize = 2;

/// The state and connections that `show` renders.
pub struct ShowView<'a> {
    /// The network namespace, if `--netns` named it.
    pub netns: Option<&'a str>,
    /// Limits, sysctls and endpoints.
    pub state: &'a State,
    /// The names that the configuration gives to endpoints.
    pub names: &'a DeclaredNames,
    /// The connections, with `--connections`.
    pub connections: Option<&'a [ManagedConnection]>,
    /// Returns the name of an interface that a subflow is bound to.
    pub interface: &'a dyn Fn(NonZeroU32) -> String,
}

/// The document for programs.
#[derive(Debug, Serialize)]
pub struct ShowJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    #[serde(flatten)]
    state: StateJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Vec<ConnectionJson<'a>>>,
}

/// The document of `connection`.
#[derive(Debug, Serialize)]
pub struct ConnectionsJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    connections: Vec<ConnectionJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ConnectionJson<'a> {
    token: Option<String>,
    path_manager: Option<&'static str>,
    fallback: bool,
    subflows: Vec<SubflowJson<'a>>,
    addresses: Vec<EndpointJson<'a>>,
}

/// Numbers of 64 bits are text, since most readers of JSON round them.
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
    map_sequence: String,
    rtt_us: u128,
    bytes_sent: String,
    bytes_acked: String,
    bytes_received: String,
    retransmitted_segments: u32,
}

/// The endpoint that a subflow uses: the one with its local address, and with its port if the endpoint has one.
pub fn endpoint_of<'a>(subflow: &Subflow, state: &'a State) -> Option<&'a Endpoint> {
    let local = subflow.local;
    Identity::candidates(local.ip(), NonZeroU16::new(local.port()))
        .find_map(|identity| state.endpoint(identity))
}

/// The same, unless the connection is under the userspace path manager: that opens subflows without endpoints.
fn endpoint_used<'a>(
    subflow: &Subflow,
    manager: &ConnectionManager,
    state: &'a State,
) -> Option<&'a Endpoint> {
    match manager {
        ConnectionManager::Userspace { .. } => None,
        ConnectionManager::Kernel | ConnectionManager::OnlyKernel | ConnectionManager::Unknown => {
            endpoint_of(subflow, state)
        }
    }
}

impl<'a> ShowJson<'a> {
    /// The document of this view.
    pub fn new(view: &ShowView<'a>) -> ShowJson<'a> {
        let ShowView { netns, state, names, connections, .. } = view;
        let connections = connections.map(|all| connections_json(all, view));
        ShowJson { version: VERSION, netns: *netns, state: StateJson::new(state, names), connections }
    }
}

impl<'a> ConnectionsJson<'a> {
    /// The document of the connections of this view.
    pub fn new(view: &ShowView<'a>) -> ConnectionsJson<'a> {
        let connections = connections_json(view.connections.unwrap_or_default(), view);
        ConnectionsJson { version: VERSION, netns: view.netns, connections }
    }
}

fn connections_json<'a>(all: &'a [ManagedConnection], view: &ShowView<'a>) -> Vec<ConnectionJson<'a>> {
    let json = |ManagedConnection { connection, manager }: &'a ManagedConnection| ConnectionJson {
        token: connection.token_word(),
        path_manager: manager.word(),
        fallback: connection.is_plain(),
        subflows: connection
            .subflows
            .iter()
            .map(|subflow| SubflowJson::new(subflow, manager, view))
            .collect(),
        addresses: manager
            .addresses()
            .iter()
            .map(|row| EndpointJson::new(row, &view.names.endpoints))
            .collect(),
    };
    all.iter().map(json).collect()
}

impl<'a> SubflowJson<'a> {
    fn new(subflow: &'a Subflow, manager: &ConnectionManager, view: &ShowView<'a>) -> SubflowJson<'a> {
        let row = endpoint_used(subflow, manager, view.state);
        SubflowJson {
            local: subflow.local,
            remote: subflow.remote,
            state: subflow.state_word(),
            local_id: subflow.local_id,
            remote_id: subflow.remote_id,
            backup: subflow.flags.is_backup(),
            flags: subflow.flags.words(),
            dev: subflow.interface.map(view.interface),
            endpoint_id: row.and_then(|row| row.id).map(|id| id.get()),
            name: row.and_then(|row| view.names.endpoints.get(&row.identity)).map(String::as_str),
            remote_token: format!("{:08x}", subflow.remote_token),
            map_sequence: subflow.map_sequence.to_string(),
            rtt_us: subflow.traffic.rtt.as_micros(),
            bytes_sent: subflow.traffic.sent.to_string(),
            bytes_acked: subflow.traffic.acknowledged.to_string(),
            bytes_received: subflow.traffic.received.to_string(),
            retransmitted_segments: subflow.traffic.retransmitted,
        }
    }
}

/// One line an endpoint, as `ip mptcp endpoint show` writes it, with its name.
pub fn endpoints(state: &State, names: &DeclaredNames, style: Style) -> String {
    let row = |row: &Endpoint| (row.to_string(), names.endpoints.get(&row.identity).map(String::as_str));
    let mut text = String::new();
    rows_with_names(&mut text, &state.endpoints.iter().map(row).collect::<Vec<_>>(), style);
    text
}

/// Which sysctls the page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownSysctls {
    /// Those that have another value than in a new network namespace.
    Changed,
    /// All that the kernel has.
    All,
}

impl ShownSysctls {
    /// Whether a sysctl with that value is among them.
    pub fn include(self, sysctl: Sysctl, value: &SysctlValue) -> bool {
        match self {
            ShownSysctls::All => true,
            // The older name of another one.
            ShownSysctls::Changed => sysctl != Sysctl::PM_TYPE && value.to_string() != sysctl.initial(),
        }
    }
}

/// The page for people: endpoints as `ip mptcp endpoint show` writes them with their names, limits, sysctls, and with
/// `--connections` the live connections.
pub fn text(view: &ShowView<'_>, sysctls: ShownSysctls, style: Style, screen: Option<usize>) -> String {
    let ShowView { state, names, .. } = view;
    let mut text = endpoints(state, names, style);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "limits {}", state.limits);
    for (sysctl, value) in state.sysctls.iter().filter(|(sysctl, value)| sysctls.include(**sysctl, value)) {
        let _ = writeln!(text, "sysctl {} {value}", sysctl.name());
    }
    uplinks(&mut text, state.uplinks(), &names.uplinks, style);
    text + &self::connections(view, style, screen)
}

/// The live connections: a heading with the path manager, a line a subflow, and the addresses that the connection holds
/// under the userspace path manager.
pub fn connections(view: &ShowView<'_>, style: Style, screen: Option<usize>) -> String {
    let mut text = String::new();
    let connections = view.connections.unwrap_or_default();
    let rows_of = |ManagedConnection { connection, manager }: &ManagedConnection| {
        connection.subflows.iter().map(|subflow| cells(subflow, manager, view)).collect()
    };
    let tables: Vec<Vec<Vec<Cell>>> = connections.iter().map(rows_of).collect();
    let layout = TableLayout::of(&tables.iter().flatten().collect::<Vec<_>>(), INDENT, style, screen);
    for (ManagedConnection { connection, manager }, rows) in connections.iter().zip(&tables) {
        let manager_word = manager.word().map_or(String::new(), |word| format!(" path manager {word}"));
        let fallback = if connection.is_plain() {
            style.paint(Colour::Yellow, "   fallback to TCP")
        } else {
            String::new()
        };
        let token = connection.token_word().unwrap_or_else(|| "-".to_owned());
        let _ = writeln!(text, "connection {token}{manager_word}{fallback}");
        rows.iter().for_each(|row| layout.write(&mut text, row));
        for address in manager.addresses() {
            let _ = writeln!(text, "  address {address}");
        }
    }
    text
}

/// One line a rule or route, as `ip` writes it, with its name.
fn uplinks(text: &mut String, state: &UplinkState, names: &UplinkNames, style: Style) {
    let routes = state.routes.iter().map(|route| (route.to_string(), names.of_route(route)));
    let rules = state.rules.iter().map(|rule| (rule.to_string(), names.of_rule(rule)));
    rows_with_names(text, &routes.chain(rules).collect::<Vec<_>>(), style);
}

/// One subflow: state, ends, ids, round-trip time, bytes sent and received, the endpoint, and what is unusual.
fn cells(
    subflow: &Subflow,
    manager: &ConnectionManager,
    ShowView { state, names, interface, .. }: &ShowView<'_>,
) -> Vec<Cell> {
    let row = endpoint_used(subflow, manager, state);
    let at = subflow.interface.map_or(String::new(), |index| format!("%{}", interface(index)));
    let local = match subflow.local {
        SocketAddr::V4(local) => format!("{}{at}:{}", local.ip(), local.port()),
        SocketAddr::V6(local) => format!("[{}]{at}:{}", local.ip(), local.port()),
    };
    let name = match row {
        Some(row) => names
            .endpoints
            .get(&row.identity)
            .cloned()
            .unwrap_or_else(|| row.id.map_or("-".into(), |id| format!("id {id}"))),
        None => "-".to_owned(),
    };
    let is_backup = subflow.flags.is_backup();
    vec![
        Cell::coloured(subflow.state_word(), (!subflow.is_established()).then_some(Colour::Yellow)),
        Cell::coloured(local, Some(colour_of(subflow.local.ip()))),
        Cell::coloured(subflow.remote.to_string(), Some(colour_of(subflow.remote.ip()))),
        format!("ids {}/{}", subflow.local_id, subflow.remote_id).into(),
        rtt(subflow.traffic.rtt).into(),
        format!("sent {}", bytes(subflow.traffic.sent)).into(),
        format!("received {}", bytes(subflow.traffic.received)).into(),
        name.into(),
        Cell::coloured(if is_backup { "backup" } else { "" }, Some(Colour::Yellow)),
    ]
}

/// The round-trip time in milliseconds, or `-` before the first answer.
fn rtt(time: Duration) -> String {
    if time.is_zero() {
        return "rtt -".to_owned();
    }
    let milliseconds = time.as_secs_f64() * 1000.0;
    let digits = if milliseconds < 1.0 { 2 } else { 1 };
    format!("rtt {milliseconds:.digits$} ms")
}

/// A number of bytes in three digits and a unit.
pub fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" || value >= 99.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}
