//! How things are in one network namespace, as `status` shows it: what a plan would change, what waits, who holds the lock,
//! and what each endpoint carries.

pub mod metrics;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Config, Declaration, EndpointTarget, LoadedConfig, Uplink};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{
    Connection, Counters, Endpoint, Flags, Identity, Keeper, State, Traffic, UplinkStatus, WatchCounters,
    code, counted,
};
use crate::reconcile::Report;

use super::show::endpoint_of;

/// The state of one network namespace beside its configuration.
pub struct NamespaceStatus {
    /// The network namespace, if `--netns` named it.
    pub netns: Option<String>,
    /// The files in words: `/etc/mptcp-apply (2 files)`.
    pub files: String,
    /// What applying would do, and the states before and after.
    pub report: Report,
    /// Who holds the lock.
    pub keeper: Option<Keeper>,
    /// The declared endpoints in their order, then the others.
    pub endpoints: Vec<EndpointStatus>,
    /// The declared uplinks in their order.
    pub uplinks: Vec<UplinkRow>,
    /// The live connections together.
    pub connections: ConnectionTotals,
    /// The kernel's MPTCP counters since the namespace was made.
    pub counters: Counters,
    /// Whether the kernel has paused MPTCP for new connections, after SYNs that got no answer.
    pub is_paused: bool,
    /// What the checks of a watch have found out.
    pub checks: Vec<CheckRow>,
    /// What a watch counts; only the watch itself knows.
    pub watch: Option<WatchCounters>,
}

/// What the kernel shows beside the state that is managed.
pub struct LiveState {
    /// The live connections.
    pub connections: Vec<Connection>,
    /// The kernel's MPTCP counters since the namespace was made.
    pub counters: Counters,
    /// Whether the kernel has paused MPTCP for new connections.
    pub is_paused: bool,
    /// What the checks of a watch have found out.
    pub checks: Vec<UplinkStatus>,
    /// How long this host has been up, in seconds, as `/proc/uptime` counts them.
    pub uptime: u64,
}

/// How many live connections and subflows there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTotals {
    /// Connections of MPTCP sockets.
    pub connections: usize,
    /// Those of them that are plain TCP.
    pub plain: usize,
    /// Established subflows.
    pub subflows: usize,
}

/// One endpoint, declared or in the table.
#[derive(Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// The declared name.
    pub name: Option<String>,
    /// None for a selector that waits.
    pub identity: Option<Identity>,
    /// The id in the table, or the declared one.
    pub id: Option<u8>,
    /// The interface, or the declared pattern while it waits.
    pub dev: Option<String>,
    /// The declared flags; those in the table where it is not declared.
    pub flags: Flags,
    /// How it is.
    pub condition: Condition,
    /// What its live subflows carry.
    pub carried: Carried,
}

/// What the live subflows of an endpoint have carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// How many are established.
    pub subflows: usize,
    /// Their counters together.
    pub traffic: Traffic,
}

/// One declared uplink.
#[derive(Debug, PartialEq, Eq)]
pub struct UplinkRow {
    /// The declared name.
    pub name: String,
    /// Its interfaces, or the declared pattern while it waits.
    pub dev: String,
    /// Whether its rules and routes are there.
    pub condition: Condition,
}

/// What is known of one interface that a watch checks.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// As the watch has it.
    pub status: UplinkStatus,
    /// For how long, in seconds.
    pub age: u64,
}

impl CheckRow {
    fn new(status: UplinkStatus, uptime: u64) -> CheckRow {
        CheckRow { age: uptime.saturating_sub(status.since), status }
    }
}

/// How something declared, or in the table, is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is as declared.
    InPlace,
    /// It is there, and not as declared.
    Differs,
    /// It is declared, and not there.
    Missing,
    /// It is declared, and not possible now; the reason.
    Waiting(String),
    /// It is there, not declared, and would be removed.
    Surplus,
    /// It is there, not declared, and left alone.
    Undeclared,
}

impl Condition {
    /// The word of reports.
    pub fn word(&self) -> &'static str {
        match self {
            Condition::InPlace => "ok",
            Condition::Differs => "differs",
            Condition::Missing => "missing",
            Condition::Waiting(_) => "waiting",
            Condition::Surplus => "surplus",
            Condition::Undeclared => "undeclared",
        }
    }

    /// Why it waits.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Condition::Waiting(reason) => Some(reason),
            _ => None,
        }
    }
}

impl NamespaceStatus {
    /// Compares a plan that was not carried out with the configuration and the live connections.
    pub fn new(
        netns: Option<&str>,
        loaded: &LoadedConfig,
        report: Report,
        LiveState { connections, counters, is_paused, checks, uptime }: LiveState,
        keeper: Option<Keeper>,
    ) -> NamespaceStatus {
        let sources: Vec<&str> = loaded.sources.iter().map(|source| source.name.as_str()).collect();
        let subflows = connections.iter().flat_map(|connection| &connection.subflows);
        NamespaceStatus {
            netns: netns.map(str::to_owned),
            files: files(&sources),
            endpoints: endpoints(&loaded.config, &report, &connections),
            uplinks: uplinks(&loaded.config, &report),
            report,
            keeper,
            connections: ConnectionTotals {
                connections: connections.len(),
                plain: connections.iter().filter(|connection| connection.is_plain()).count(),
                subflows: subflows.filter(|subflow| subflow.is_established()).count(),
            },
            counters,
            is_paused,
            checks: checks.into_iter().map(|status| CheckRow::new(status, uptime)).collect(),
            watch: None,
        }
    }

    /// Whether applying would change nothing, and is possible.
    pub fn is_in_sync(&self) -> bool {
        let Report { steps, failure, diagnostics, .. } = &self.report;
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        steps.is_empty() && failure.is_none() && !diagnostics.iter().any(is_error)
    }
}

/// One file by its path, several by their folders and number.
fn files(sources: &[&str]) -> String {
    if let [one] = sources {
        return (*one).to_owned();
    }
    let mut folders: Vec<&str> =
        sources.iter().filter_map(|source| Path::new(source).parent()?.to_str()).collect();
    folders.sort_unstable();
    folders.dedup();
    format!("{} ({})", folders.join(", "), counted(sources.len(), "file"))
}

/// Whether the diagnostic says why a declaration waits.
pub fn is_wait(found: &Diagnostic) -> bool {
    const CODES: [code::Code; 8] = [
        code::DEV_MISSING,
        code::NO_MATCH,
        code::REQUIRED,
        code::ADDRESS_MISSING,
        code::PORT_ADDRESS_MISSING,
        code::ADDRESS_ELSEWHERE,
        code::GATEWAY_UNKNOWN,
        code::UPLINK_DOWN,
    ];
    found.endpoint.is_some() && CODES.contains(&found.code)
}

/// The diagnostics about each declaration, by its name: there may be thousands of both.
struct About<'r>(BTreeMap<&'r str, Vec<&'r Diagnostic>>);

impl<'r> About<'r> {
    fn new(report: &'r Report) -> About<'r> {
        let mut about: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
        for found in &report.diagnostics {
            about.entry(found.endpoint.as_deref().unwrap_or_default()).or_default().push(found);
        }
        About(about)
    }

    fn of(&self, name: &str) -> &[&'r Diagnostic] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Why a declaration of that kind and name waits, if it does.
    fn wait(&self, kind: &str, name: &str) -> Option<Condition> {
        let is_its = |found: &&&Diagnostic| is_wait(found) && found.message.starts_with(kind);
        self.of(name).iter().find(is_its).map(|found| reason(found))
    }
}

/// In the row of a declaration, its name need not be said again.
fn reason(found: &Diagnostic) -> Condition {
    let message = found.message.as_str();
    let waits = message.split_once("waits: ").map(|(_, reason)| reason);
    let needs =
        || message.split_once("` ").map(|(_, needs)| needs).filter(|needs| needs.starts_with("needs "));
    Condition::Waiting(waits.or_else(needs).unwrap_or(message).to_owned())
}

fn endpoints(config: &Config, report: &Report, connections: &[Connection]) -> Vec<EndpointStatus> {
    let Report { before, after, names, .. } = report;
    let carried = carried(before, connections);
    let carries = |row: &Endpoint| carried.get(&row.identity).copied().unwrap_or_default();
    let name = |row: &Endpoint| names.endpoints.get(&row.identity);
    let of_row = |row: &Endpoint, condition: Condition| EndpointStatus {
        name: name(row).cloned(),
        identity: Some(row.identity),
        id: row.id.or_else(|| before.endpoint(row.identity)?.id).map(|id| id.get()),
        dev: row.dev.as_ref().map(ToString::to_string),
        flags: row.flags,
        condition,
        carried: carries(row),
    };
    let about = About::new(report);
    let kept = report.diagnostics.iter().find(|found| found.code == code::KEPT);
    let mut rows: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
    for row in &after.endpoints {
        rows.entry(name(row).map_or("", String::as_str)).or_default().push(row);
    }
    let mut all = Vec::new();
    for declaration in config.endpoints.iter().flatten() {
        let own = declaration.name.value.as_str();
        let waits = || about.wait("endpoint", own);
        let rows = rows.get(own).map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            // Also where more specific selectors have all addresses, or the table is full.
            let why = waits().or_else(|| about.of(own).first().map(|found| reason(found)));
            all.push(absent(declaration, why.unwrap_or(Condition::Missing)));
        }
        all.extend(rows.iter().map(|row| match kept.filter(|_| row.flags != declaration.flags) {
            Some(kept) => EndpointStatus { flags: declaration.flags, ..of_row(row, reason(kept)) },
            None => of_row(row, waits().unwrap_or_else(|| compared(row, before))),
        }));
    }
    let others = after.endpoints.iter().filter(|row| name(row).is_none());
    all.extend(others.map(|row| of_row(row, Condition::Undeclared)));
    let removed = before.endpoints.iter().filter(|row| after.endpoint(row.identity).is_none());
    all.extend(removed.map(|row| of_row(row, Condition::Surplus)));
    all
}

/// A declaration without a row.
fn absent(declaration: &Declaration, condition: Condition) -> EndpointStatus {
    let (identity, dev) = match &declaration.target {
        EndpointTarget::Address { identity, dev, .. } => {
            (Some(*identity), dev.as_ref().map(|dev| dev.value.clone()))
        }
        EndpointTarget::Selector(selector) => (None, selector.dev.as_ref().map(|dev| dev.value.to_string())),
    };
    EndpointStatus {
        name: Some(declaration.name.value.to_string()),
        identity,
        id: None,
        dev,
        flags: declaration.flags,
        condition,
        carried: Carried::default(),
    }
}

fn compared(desired: &Endpoint, before: &State) -> Condition {
    match before.endpoint(desired.identity) {
        None => Condition::Missing,
        Some(row) => {
            let has_id = desired.id.is_none() || desired.id == row.id;
            match has_id && (row.flags, &row.dev) == (desired.flags, &desired.dev) {
                true => Condition::InPlace,
                false => Condition::Differs,
            }
        }
    }
}

fn carried(state: &State, connections: &[Connection]) -> BTreeMap<Identity, Carried> {
    let mut carried: BTreeMap<Identity, Carried> = BTreeMap::new();
    let subflows = connections.iter().flat_map(|connection| &connection.subflows);
    for subflow in subflows.filter(|subflow| subflow.is_established()) {
        let Some(row) = endpoint_of(subflow, state) else { continue };
        let Carried { subflows, traffic } = carried.entry(row.identity).or_default();
        *subflows += 1;
        traffic.sent += subflow.traffic.sent;
        traffic.received += subflow.traffic.received;
        traffic.retransmitted = traffic.retransmitted.saturating_add(subflow.traffic.retransmitted);
    }
    carried
}

fn uplinks(config: &Config, report: &Report) -> Vec<UplinkRow> {
    let (before, after, names) = (report.before.uplinks(), report.after.uplinks(), &report.names.uplinks);
    let about = About::new(report);
    let of = |uplink: &Uplink| {
        let name = uplink.name.value.as_str();
        let routes = || after.routes.iter().filter(|route| names.of_route(route) == Some(name));
        let rules = || after.rules.iter().filter(|rule| names.of_rule(rule) == Some(name));
        let is_there = routes().all(|route| before.routes.contains(route))
            && rules().all(|rule| before.rules.contains(rule));
        let mut devs: Vec<String> =
            routes().filter_map(|route| route.dev.as_ref()).map(ToString::to_string).collect();
        devs.dedup();
        let condition = about.wait("uplink", name);
        UplinkRow {
            name: name.to_owned(),
            dev: if devs.is_empty() { uplink.dev.value.to_string() } else { devs.join(" ") },
            condition: condition.unwrap_or(if is_there { Condition::InPlace } else { Condition::Missing }),
        }
    };
    config.uplinks.iter().flatten().map(of).collect()
}
