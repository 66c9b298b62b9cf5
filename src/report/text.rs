//! Plans and their results for people.

pub mod event;

use std::fmt::Write;

use crate::model::{DeclaredNames, Disruption, Limits, Reason, Step, UplinkRoute, counted};
use crate::reconcile::Verdict;

use super::{Colour, Style};

/// One line a step, then one line that counts them; `no changes` if there are none.
pub fn plan<'s>(
    steps: impl Iterator<Item = &'s Step> + Clone,
    names: &DeclaredNames,
    verdict: Verdict,
    style: Style,
) -> String {
    let mut text = String::new();
    for step in steps.clone() {
        line(&mut text, step, names, style);
    }
    text.push_str(&summary(steps, verdict));
    text.push('\n');
    text
}

/// A unified diff, in the colours of the plan.
pub fn diff(diff: &str, style: Style) -> String {
    let line = |line: &str| match line.as_bytes() {
        [b'+', b'+', ..] | [b'-', b'-', ..] => format!("{line}\n"),
        [b'+', ..] => format!("{}\n", style.paint(Colour::Green, line)),
        [b'-', ..] => format!("{}\n", style.paint(Colour::Red, line)),
        _ => format!("{line}\n"),
    };
    diff.lines().map(line).collect()
}

/// `plan: 1 to add, 2 to change, 1 to remove`
fn summary<'s>(steps: impl Iterator<Item = &'s Step>, verdict: Verdict) -> String {
    let (mut add, mut change, mut remove) = (0, 0, 0);
    for step in steps {
        match step {
            Step::AddAddr { .. } | Step::AddRule { .. } | Step::SetRoute { from: None, .. } => add += 1,
            Step::DelAddr { .. } | Step::DelRule { .. } | Step::DelRoute { .. } => remove += 1,
            // It lasts until the row is removed.
            Step::SetFlags { why: Reason::Drained, .. } => {}
            Step::SetSysctl { .. }
            | Step::SetLimits { .. }
            | Step::SetFlags { .. }
            | Step::SetRoute { from: Some(_), .. } => change += 1,
        }
    }
    match verdict {
        _ if add + change + remove == 0 => "no changes".to_owned(),
        Verdict::Planned => format!("plan: {add} to add, {change} to change, {remove} to remove"),
        Verdict::Rehearsed => {
            format!(
                "rehearsed: {add} to add, {change} to change, {remove} to remove; this host was not changed"
            )
        }
        Verdict::Reverted => format!("taken back: {add} added, {change} changed, {remove} removed"),
        _ => format!("applied: {add} added, {change} changed, {remove} removed"),
    }
}

fn line(text: &mut String, step: &Step, names: &DeclaredNames, style: Style) {
    let (sign, colour) = match step {
        Step::AddAddr { .. } | Step::AddRule { .. } | Step::SetRoute { from: None, .. } => {
            ('+', Colour::Green)
        }
        Step::DelAddr { .. } | Step::DelRule { .. } | Step::DelRoute { .. } => ('-', Colour::Red),
        Step::SetSysctl { .. } | Step::SetLimits { .. } | Step::SetFlags { .. } | Step::SetRoute { .. } => {
            ('~', Colour::Yellow)
        }
    };
    let note = note(step, names);
    let gap = if note.is_empty() { "" } else { "   " };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}{gap}{note}", style.paint(colour, &format!("{sign} {}", change(step))));
}

/// The endpoint as `ip mptcp endpoint show` writes it, or the setting.
fn change(step: &Step) -> String {
    match step {
        Step::SetSysctl { sysctl, from, to } => format!("sysctl {} {from} -> {to}", sysctl.name()),
        Step::SetLimits { from, to } => format!("limits{}", limits(*from, *to)),
        Step::SetFlags { endpoint, to, .. } => {
            let id = endpoint.id.map(|id| format!(" id {id}")).unwrap_or_default();
            let dev = endpoint.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
            format!("{}{id} {} -> {to}{dev}", endpoint.identity, endpoint.flags)
        }
        Step::DelAddr { endpoint, .. } | Step::AddAddr { endpoint, .. } => endpoint.to_string(),
        Step::AddRule { rule, .. } | Step::DelRule { rule, .. } => rule.to_string(),
        Step::SetRoute { from: Some(from), to, .. } => {
            let dev = to.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
            let table = if to.is_stand_in() { "main".to_owned() } else { to.table.to_string() };
            format!("route default {} -> {}{dev} table {table}", way(from), way(to))
        }
        Step::SetRoute { to: route, .. } | Step::DelRoute { route, .. } => route.to_string(),
    }
}

/// How packets reach what is behind a link.
fn way(route: &UplinkRoute) -> String {
    route.gateway.map_or("on link".to_owned(), |gateway| format!("via {gateway}"))
}

fn limits(from: Limits, to: Limits) -> String {
    let mut text = String::new();
    for (name, from, to) in [
        ("subflows", from.subflows, to.subflows),
        ("add-addr-accepted", from.add_addr_accepted, to.add_addr_accepted),
    ] {
        if from != to {
            let _ = write!(text, " {name} {from} -> {to}");
        }
    }
    text
}

/// The name and the reason, and the effect on live connections.
fn note(step: &Step, names: &DeclaredNames) -> String {
    let name = match step {
        // Several uplinks may have had the address.
        Step::DelRule { .. } => "",
        _ => names.of(step).unwrap_or_default(),
    };
    let reason = match step {
        Step::SetRoute { from: None, why: Reason::Declared, .. } => "",
        Step::AddAddr { why: why @ Reason::Adopted, .. }
        | Step::SetFlags { why: why @ Reason::Drained, .. }
        | Step::DelAddr { why, .. }
        | Step::SetRoute { why, .. }
        | Step::DelRule { why, .. }
        | Step::DelRoute { why, .. } => why.words(),
        _ => "",
    };
    let reason = match step {
        Step::DelAddr { why: Reason::SubflowLost { connections: lacking, .. }, .. } => {
            format!("{reason} on {}", counted(*lacking, "connection"))
        }
        _ => reason.to_owned(),
    };
    let disruption = match step.disruption() {
        Disruption::None => "",
        Disruption::MovesSubflows => "moves its subflows",
        Disruption::RecreatesSubflows => "re-creates its subflows",
        Disruption::ClosesSubflows => "closes its subflows",
    };
    let parts = [name, &reason, disruption].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}
