//! The page of `status` for people.

use tz::TimeZoneRef;

use crate::model::{Keeper, KeeperRole, Moment, UplinkHealth, counted, escaped};
use crate::reconcile::Verdict;
use crate::report::show::bytes;
use crate::report::table::{Cell, TableLayout, colour_of};
use crate::report::time::{date, time_of_day};
use crate::report::{Colour, Style, folded, text};

use super::{CheckRow, Condition, EndpointStatus, NamespaceStatus, UplinkRow};

/// The page: in sync or what differs, then one row a declaration, then the live connections. `now` is for dates: those of
/// today are left out.
pub fn page(
    status: &NamespaceStatus,
    zone: TimeZoneRef<'_>,
    now: Moment,
    style: Style,
    screen: Option<usize>,
) -> String {
    let report = &status.report;
    let (words, colour) =
        if status.is_in_sync() { ("in sync", Colour::Green) } else { ("not in sync", Colour::Red) };
    let keeper = keeper(status, zone, now);
    let mut page = format!("{} with {}{keeper}\n", style.paint(colour, words), escaped(&status.files));
    if let Some(failure) = report.failure.as_ref().and_then(|failure| failure.diagnostics.first()) {
        page += &format!("cannot be applied: {}\n", failure.message);
    }
    if !report.steps.is_empty() {
        page += &text::plan(report.steps(), &report.names, Verdict::Planned, style);
    }
    page = folded(page, screen);
    let most = status.endpoints.iter().map(|row| row.carried.subflows).max().unwrap_or(0);
    let endpoints = status.endpoints.iter().map(|row| endpoint(row, most));
    let uplinks = status.uplinks.iter().map(|row| uplink(row, &status.checks));
    let rows: Vec<Vec<Cell>> = endpoints.chain(uplinks).collect();
    let layout = TableLayout::of(&rows.iter().collect::<Vec<_>>(), 0, style, screen);
    rows.iter().for_each(|row| layout.write(&mut page, row));
    page += &connections(status);
    if status.is_paused {
        let words = "MPTCP is paused: new connections are plain TCP";
        page += &format!("{}; `mptcp-apply doctor` has the remedy\n", style.paint(Colour::Red, words));
    }
    page
}

/// What holds the lock: a watch keeps the namespace in sync, a run is about to change it.
fn keeper(status: &NamespaceStatus, zone: TimeZoneRef<'_>, now: Moment) -> String {
    let Some(Keeper { process, command, unit, since, role }) = &status.keeper else {
        return "; no watch runs".to_owned();
    };
    let who = unit.as_deref().map_or("mptcp-apply --watch".into(), escaped);
    let since = since.map_or(String::new(), |since| {
        let minute = &time_of_day(since, zone)[..5];
        match date(since, zone) {
            day if day == date(now, zone) => format!(" since {minute}"),
            day => format!(" since {day} {minute}"),
        }
    });
    match role {
        KeeperRole::Watch if status.is_in_sync() => format!("; kept so by {who} (pid {process}){since}"),
        KeeperRole::Watch => format!("; watched by {who} (pid {process}){since}"),
        KeeperRole::Run => format!("; {command} (pid {process}) holds the lock{since}"),
    }
}

/// `most` is the largest number of subflows in the table.
fn endpoint(row: &EndpointStatus, most: usize) -> Vec<Cell> {
    let EndpointStatus { name, identity, id: _, dev, flags, condition, carried } = row;
    let address =
        identity.map(|identity| Cell::coloured(identity.to_string(), Some(colour_of(identity.address))));
    let mut cells = vec![
        name.as_deref().unwrap_or("-").into(),
        address.unwrap_or_else(|| "-".into()),
        Cell::coloured(dev.as_deref().map_or("-".into(), escaped), Some(Colour::Interface)),
        flags.to_string().into(),
        state(condition),
    ];
    if carried.subflows > 0 {
        let (number, most) = (carried.subflows.to_string(), counted(most, "subflow"));
        let indent = most.find(' ').unwrap_or(0).saturating_sub(number.len());
        let subflows = " ".repeat(indent) + &counted(carried.subflows, "subflow");
        let bytes = bytes(carried.traffic.sent.saturating_add(carried.traffic.received));
        // In one cell, which a narrow screen does not separate. The empty one makes this row longer than that of an
        // uplink, whose last cell may be long.
        cells.extend([format!("{subflows:width$}  {bytes}", width = most.len()).into(), "".into()]);
    }
    cells
}

/// An uplink, and what its checks have found out: `check down for 3 min: no answer`.
fn uplink(UplinkRow { name, dev, condition }: &UplinkRow, checks: &[CheckRow]) -> Vec<Cell> {
    let mut cells = vec![
        name.as_str().into(),
        "uplink".into(),
        Cell::coloured(escaped(dev), Some(Colour::Interface)),
        "".into(),
        state(condition),
    ];
    cells.extend(checks.iter().filter(|check| check.status.uplink == *name).map(check));
    cells
}

fn check(CheckRow { status, age }: &CheckRow) -> Cell {
    let age = match age {
        ..120 => format!("{age} s"),
        120..7200 => format!("{} min", age / 60),
        _ => format!("{} h", age / 3600),
    };
    let (is_down, error) = (status.state == UplinkHealth::Down.word(), status.error.as_deref());
    let error = error.filter(|_| is_down).map_or(String::new(), |error| format!(": {}", escaped(error)));
    let colour = if is_down { Colour::Red } else { Colour::Green };
    Cell::coloured(format!("check {} for {age}{error}", status.state), Some(colour))
}

fn state(condition: &Condition) -> Cell {
    let colour = match condition {
        Condition::InPlace => Some(Colour::Green),
        Condition::Waiting(_) | Condition::Surplus => Some(Colour::Yellow),
        Condition::Differs | Condition::Missing => Some(Colour::Red),
        Condition::Undeclared => None,
    };
    let reason = condition.reason().map_or(String::new(), |reason| format!(": {reason}"));
    Cell::coloured(format!("{}{reason}", condition.word()), colour)
}

/// `14 connections, 15 subflows, 1 fell back to TCP`
fn connections(status: &NamespaceStatus) -> String {
    let totals = &status.connections;
    let plain = match totals.plain {
        0 => String::new(),
        count => format!(", {count} fell back to TCP"),
    };
    let (connections, subflows) =
        (counted(totals.connections, "connection"), counted(totals.subflows, "subflow"));
    format!("{connections}, {subflows}{plain}\n")
}
