//! Plans and outcomes for people.

pub mod event;

use std::fmt::Write;

use crate::model::{Disruption, Limits, Reason, Step};

use super::{Colour, Style};

/// How far a plan got, which decides the words of the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    /// `--dry-run`
    Planned,
    /// `--rehearse`
    Rehearsed,
    /// Done.
    Applied,
    /// Done, to take something back.
    TakenBack,
}

/// One line a step, then one that counts them; `no changes` when there is none.
pub fn plan(steps: &[Step], tense: Tense, style: Style) -> String {
    let mut text = String::new();
    for step in steps {
        line(&mut text, step, style);
    }
    text.push_str(&summary(steps, tense));
    text.push('\n');
    text
}

/// `plan: 1 to add, 2 to change, 1 to remove`
fn summary(steps: &[Step], tense: Tense) -> String {
    if steps.is_empty() {
        return "no changes".to_owned();
    }
    let (mut add, mut change, mut remove) = (0, 0, 0);
    for step in steps {
        match step {
            Step::AddAddr { .. } => add += 1,
            Step::DelAddr { .. } => remove += 1,
            Step::SetSysctl { .. } | Step::SetLimits { .. } | Step::SetFlags { .. } => change += 1,
        }
    }
    match tense {
        Tense::Planned => format!("plan: {add} to add, {change} to change, {remove} to remove"),
        Tense::Rehearsed => {
            format!(
                "rehearsed: {add} to add, {change} to change, {remove} to remove; nothing of this host changed"
            )
        }
        Tense::TakenBack => format!("taken back: {add} added, {change} changed, {remove} removed"),
        Tense::Applied => format!("applied: {add} added, {change} changed, {remove} removed"),
    }
}

fn line(text: &mut String, step: &Step, style: Style) {
    let (sign, colour) = match step {
        Step::AddAddr { .. } => ('+', Colour::Green),
        Step::DelAddr { .. } => ('-', Colour::Red),
        Step::SetSysctl { .. } | Step::SetLimits { .. } | Step::SetFlags { .. } => ('~', Colour::Yellow),
    };
    let note = note(step);
    let gap = if note.is_empty() { "" } else { "   " };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}{gap}{note}", style.paint(colour, &format!("{sign} {}", what(step))));
}

/// The row or setting, as `ip mptcp endpoint show` would write it.
fn what(step: &Step) -> String {
    match step {
        Step::SetSysctl { sysctl, from, to } => format!("sysctl {} {from} -> {to}", sysctl.name()),
        Step::SetLimits { from, to } => format!("limits{}", limits(*from, *to)),
        Step::SetFlags { endpoint, to, .. } => {
            let id = endpoint.id.map(|id| format!(" id {id}")).unwrap_or_default();
            let dev = endpoint.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
            format!("{}{id} {} -> {to}{dev}", endpoint.identity, endpoint.flags)
        }
        Step::DelAddr { endpoint, .. } | Step::AddAddr { endpoint, .. } => endpoint.to_string(),
    }
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

/// Name and reason, and what it does to live connections.
fn note(step: &Step) -> String {
    let name = step.endpoint().and_then(|endpoint| endpoint.name.as_deref()).unwrap_or_default();
    let reason = match step {
        Step::AddAddr { why: Reason::Adopted, .. } => Reason::Adopted.words(),
        Step::DelAddr { why, .. } => why.words(),
        _ => "",
    };
    let disruption = match step.disruption() {
        Disruption::None => "",
        Disruption::RecreatesSubflows => "re-creates its subflows",
        Disruption::ClosesSubflows => "closes its subflows",
    };
    let rest: Vec<&str> = [reason, disruption].into_iter().filter(|part| !part.is_empty()).collect();
    let colon = if name.is_empty() || rest.is_empty() { "" } else { ": " };
    format!("{name}{colon}{}", rest.join(", "))
}
