//! What there is in a network namespace: its state, and the connections that live there.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use serde::Serialize;

use crate::model::{Connection, Endpoint, EndpointNames, Identity, State, Subflow};

use super::json_v1::{StateJson, VERSION};
use super::{Colour, Style};

/// Everything that `show` shows.
pub struct Shown<'a> {
    /// The network namespace, if it was named.
    pub netns: Option<&'a str>,
    /// Limits, sysctls and endpoints.
    pub state: &'a State,
    /// The names that the configuration gives to endpoints.
    pub names: &'a EndpointNames,
    /// The connections, if they were asked for.
    pub connections: Option<&'a [Connection]>,
    /// The names of interfaces that subflows are bound to.
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

#[derive(Debug, Serialize)]
struct ConnectionJson<'a> {
    token: String,
    fallback: bool,
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
pub fn endpoint_of<'a>(path: &Subflow, state: &'a State) -> Option<&'a Endpoint> {
    let local = path.local;
    Identity::candidates(local.ip(), NonZeroU16::new(local.port()))
        .find_map(|identity| state.endpoint(identity))
}

impl<'a> ShowJson<'a> {
    /// The document.
    pub fn new(shown: &Shown<'a>) -> ShowJson<'a> {
        let Shown { netns, state, names, connections, interface } = shown;
        let subflow = |path: &'a Subflow| {
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
                name: row.and_then(|row| names.get(&row.identity)).map(String::as_str),
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
            fallback: connection.is_plain(),
            subflows: connection.subflows.iter().map(subflow).collect(),
        };
        let connections = connections.map(|all| all.iter().map(connection).collect());
        ShowJson { version: VERSION, netns: *netns, state: StateJson::new(state, names), connections }
    }
}

/// One line an endpoint, as `ip mptcp endpoint show` writes it, with its name.
pub fn endpoints(state: &State, names: &EndpointNames) -> String {
    let name = |row: &Endpoint| names.get(&row.identity).map_or(String::new(), |name| format!("   {name}"));
    state.endpoints.iter().map(|row| format!("{row}{}\n", name(row))).collect()
}

/// The page for people: endpoints as `ip mptcp endpoint show` writes them, with their names, limits, sysctls, and
/// connections, if they were asked for.
pub fn text(shown: &Shown<'_>, style: Style, screen: Option<usize>) -> String {
    let Shown { state, names, connections, .. } = shown;
    let mut text = endpoints(state, names);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "limits {}", state.limits);
    for (sysctl, value) in &state.sysctls {
        let _ = writeln!(text, "sysctl {} {value}", sysctl.name());
    }
    for connection in connections.iter().copied().flatten() {
        let fallback = if connection.is_plain() {
            style.paint(Colour::Yellow, "   fallback to TCP")
        } else {
            String::new()
        };
        let _ = writeln!(text, "connection {:08x}{fallback}", connection.token);
        let rows: Vec<_> = connection.subflows.iter().map(|path| cells(path, shown)).collect();
        table(&mut text, &rows, style, screen);
    }
    text
}

/// One subflow: state, ends, ids, round-trip time, bytes sent and received, the endpoint, and what is unusual.
fn cells(path: &Subflow, Shown { state, names, interface, .. }: &Shown<'_>) -> Vec<Cell> {
    let row = endpoint_of(path, state);
    let at = path.interface.map_or(String::new(), |index| format!("%{}", interface(index)));
    let local = match path.local {
        SocketAddr::V4(local) => format!("{}{at}:{}", local.ip(), local.port()),
        SocketAddr::V6(local) => format!("[{}]{at}:{}", local.ip(), local.port()),
    };
    let name = match row {
        Some(row) => names
            .get(&row.identity)
            .cloned()
            .unwrap_or_else(|| row.id.map_or("-".into(), |id| format!("id {id}"))),
        None => "-".to_owned(),
    };
    let is_backup = path.flags.is_backup();
    vec![
        Cell {
            words: path.state_word().to_owned(),
            colour: (!path.is_established()).then_some(Colour::Yellow),
        },
        local.into(),
        path.remote.to_string().into(),
        format!("ids {}/{}", path.local_id, path.remote_id).into(),
        rtt(path.traffic.rtt).into(),
        format!("sent {}", bytes(path.traffic.acknowledged)).into(),
        format!("received {}", bytes(path.traffic.received)).into(),
        name.into(),
        Cell {
            words: if is_backup { "backup".to_owned() } else { String::new() },
            colour: Some(Colour::Yellow),
        },
    ]
}

/// In milliseconds, with one digit that counts at least; without an answer there is none.
fn rtt(time: Duration) -> String {
    if time.is_zero() {
        return "rtt -".to_owned();
    }
    let milliseconds = time.as_secs_f64() * 1000.0;
    let digits = if milliseconds < 1.0 { 2 } else { 1 };
    format!("rtt {milliseconds:.digits$} ms")
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

/// Where lines begin below the one that names a connection, and what stands between two cells.
const GAP: usize = 2;

/// Lines whose cells stand below each other. On a screen that is too narrow for all of them, each row takes several
/// lines, all rows in the same way.
fn table(text: &mut String, rows: &[Vec<Cell>], style: Style, screen: Option<usize>) {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(Cell::width).max();
    let widths: Vec<usize> = (0..).map_while(width).collect();
    let starts = starts(&widths, screen);
    for row in rows {
        let mut at = 0;
        let mut current = 0;
        for (cell, (line, start)) in row.iter().zip(&starts).filter(|(cell, _)| cell.width() > 0) {
            if *line > current {
                text.push('\n');
                (current, at) = (*line, 0);
            }
            text.extend(std::iter::repeat_n(' ', start.saturating_sub(at)));
            text.push_str(&cell.painted(style));
            at = start + cell.width();
        }
        text.push('\n');
    }
}

/// In which line of a row each column is, and where it begins there.
fn starts(widths: &[usize], screen: Option<usize>) -> Vec<(usize, usize)> {
    // Below the second column.
    let indent = GAP + widths.first().map_or(0, |width| width + GAP);
    let (mut starts, mut line, mut at) = (Vec::new(), 0, GAP);
    for (column, width) in widths.iter().enumerate() {
        if column > 1 && screen.is_some_and(|screen| at + width > screen) {
            (line, at) = (line + 1, indent);
        }
        starts.push((line, at));
        at += width + GAP;
    }
    starts
}

/// A part of a line.
struct Cell {
    words: String,
    colour: Option<Colour>,
}

impl Cell {
    fn width(&self) -> usize {
        self.words.chars().count()
    }

    fn painted(&self, style: Style) -> String {
        self.colour.map_or_else(|| self.words.clone(), |colour| style.paint(colour, &self.words))
    }
}

impl From<String> for Cell {
    fn from(words: String) -> Cell {
        Cell { words, colour: None }
    }
}
