//! The states before the last runs: a list, or one of them.

use std::num::NonZeroU8;

use serde::Serialize;
use tz::TimeZoneRef;

use crate::model::{PastState, counted};

use super::json_v1::{StateJson, VERSION};
use super::show::{self, ShowView, ShownSysctls};
use super::table::{Cell, TableLayout};
use super::time::{date, rfc3339, seconds};
use super::{Style, wrap};

/// The document of the list.
#[derive(Debug, Serialize)]
pub struct HistoryJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    history: Vec<PastRunJson<'a>>,
}

/// The document of one state.
#[derive(Debug, Serialize)]
pub struct PastStateJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    #[serde(flatten)]
    run: PastRunJson<'a>,
    #[serde(flatten)]
    state: StateJson<'a>,
}

/// One run that changed something.
#[derive(Debug, Serialize)]
pub struct PastRunJson<'a> {
    number: usize,
    /// As in RFC 3339.
    pub time: String,
    /// The word for its kind.
    pub by: &'static str,
    /// Its process.
    pub pid: u32,
    /// What it was about to do.
    pub steps: &'a [String],
}

impl<'a> HistoryJson<'a> {
    /// The document for these, the latest first.
    pub fn new(netns: Option<&'a str>, history: &'a [PastState]) -> HistoryJson<'a> {
        HistoryJson { version: VERSION, netns, history: runs(history) }
    }
}

impl<'a> PastStateJson<'a> {
    /// The document for the state with this number.
    pub fn new(netns: Option<&'a str>, number: NonZeroU8, past: &'a PastState) -> PastStateJson<'a> {
        let run = PastRunJson::new(number.get().into(), past);
        PastStateJson { version: VERSION, netns, run, state: StateJson::new(&past.before, &past.names) }
    }
}

impl<'a> PastRunJson<'a> {
    fn new(number: usize, past: &'a PastState) -> PastRunJson<'a> {
        PastRunJson {
            number,
            time: rfc3339(past.time),
            by: past.by.word(),
            pid: past.pid,
            steps: &past.steps,
        }
    }
}

/// The runs with their numbers: the last one is number 1.
pub fn runs(history: &[PastState]) -> Vec<PastRunJson<'_>> {
    (1..).zip(history).map(|(number, past)| PastRunJson::new(number, past)).collect()
}

/// A line a run: its number, time, kind, process, and what it was about to do.
pub fn list(history: &[PastState], zone: TimeZoneRef<'_>, style: Style, screen: Option<usize>) -> String {
    let row = |(number, past): (usize, &PastState)| -> Vec<Cell> {
        let by = format!("{} (pid {})", past.by.word(), past.pid);
        vec![number.to_string().into(), when(past, zone).into(), by.into(), steps(past).into()]
    };
    let rows: Vec<Vec<Cell>> = (1..).zip(history).map(row).collect();
    let layout = TableLayout::of(&rows.iter().collect::<Vec<_>>(), 0, style, screen);
    let mut text = String::new();
    rows.iter().for_each(|row| layout.write(&mut text, row));
    text
}

/// One state as `show` writes it, below a line about the run before which it was.
pub fn state(past: &PastState, netns: Option<&str>, zone: TimeZoneRef<'_>, style: Style) -> String {
    let interface = |_| String::new();
    let view =
        ShowView { netns, state: &past.before, names: &past.names, connections: None, interface: &interface };
    let (when, by, pid) = (when(past, zone), past.by.word(), past.pid);
    let heading = format!("before {when}, {by} (pid {pid}): {}", steps(past));
    wrap(&heading, 0).join("\n") + "\n" + &show::text(&view, ShownSysctls::All, style, None)
}

fn when(past: &PastState, zone: TimeZoneRef<'_>) -> String {
    format!("{} {}", date(past.time, zone), seconds(past.time, zone))
}

/// The first step, and how many more there were.
fn steps(past: &PastState) -> String {
    match past.steps.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first}, and {}", counted(more.len(), "more step")),
    }
}
