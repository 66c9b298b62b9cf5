//! Events for people: one line each, in columns that stay aligned although later events are unknown.
//!
//! A column is wide enough for any IPv4 address from the start, and grows with longer content. On a narrow screen the rest
//! of a line goes below its first address, so that no word is broken.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use tz::TimeZone;

use crate::model::{Event, EventFlags, EventKind, Moment, escaped};
use crate::report::names::{errno_name, family_name, hex};
use crate::report::time::time_of_day;
use crate::report::{Colour, EventLine, Style};

/// `listener-created`
const KIND_WIDTH: usize = 16;
/// `c099fbb0`
const TOKEN_WIDTH: usize = 8;
/// `255.255.255.255:65535 id 7`
const END_WIDTH: usize = 26;

/// `12:03:07.123`
const TIME_WIDTH: usize = 12;

/// How many columns come before the local address.
const BEFORE_LOCAL: usize = 4;
/// Which of them is the event.
const KIND: usize = 2;

/// The columns, as wide as the events so far need them.
pub struct Columns {
    style: Style,
    zone: TimeZone,
    /// Time, namespace, event, token, local end, remote end.
    widths: [usize; 6],
}

impl Columns {
    /// For events of the namespaces with these names; without names, of the one in which the program was started. Their
    /// times are shown in that time zone.
    pub fn new<'a>(style: Style, zone: TimeZone, names: impl IntoIterator<Item = &'a str>) -> Columns {
        let name = names.into_iter().map(|name| width(&escaped(name))).max().unwrap_or(0);
        Columns { style, zone, widths: [TIME_WIDTH, name, KIND_WIDTH, TOKEN_WIDTH, END_WIDTH, END_WIDTH] }
    }

    /// The line of an event, for a screen of that width if there is one.
    pub fn event(&mut self, line: &EventLine<'_>, screen: Option<usize>) -> String {
        let EventLine { time, netns, event, endpoint } = line;
        let cells = [
            time_of_day(*time, self.zone.as_ref()),
            escaped(netns.unwrap_or_default()).into_owned(),
            event.kind.to_string(),
            event.token.map(|token| token.to_string()).unwrap_or_default(),
            event.local.to_string(),
            event.remote.to_string(),
        ];
        for (column, cell) in self.widths.iter_mut().zip(&cells) {
            *column = width(cell).max(*column);
        }
        let mut line = Line::new(screen, self.start(BEFORE_LOCAL));
        for (index, cell) in cells.iter().enumerate() {
            let colour = if index == KIND { colour(event.kind) } else { None };
            line.put(self.start(index), cell, &self.painted(colour, cell));
        }
        let mut start = self.start(cells.len());
        // A name has a wider gap before it, as in plans.
        for words in rest(event).into_iter().chain(endpoint.map(|name| format!("  {name}"))) {
            line.put(start, &words, &words);
            start = line.column + 1;
        }
        line.text + "\n"
    }

    /// The line of a gap: events are missing here.
    pub fn lost(&self, time: Moment, netns: Option<&str>) -> String {
        const WORDS: &str = "events: the kernel dropped them, since they were not read in time";
        let mut line = Line::new(None, 0);
        let cells = [
            (0, &*time_of_day(time, self.zone.as_ref()), None),
            (1, &*escaped(netns.unwrap_or_default()), None),
            (KIND, "lost", Some(Colour::Red)),
            (BEFORE_LOCAL, WORDS, None),
        ];
        for (index, cell, colour) in cells {
            line.put(self.start(index), cell, &self.painted(colour, cell));
        }
        line.text + "\n"
    }

    /// The column of the screen in which a cell begins.
    fn start(&self, index: usize) -> usize {
        self.widths.iter().take(index).map(|width| if *width == 0 { 0 } else { width + 1 }).sum()
    }

    fn painted(&self, colour: Option<Colour>, cell: &str) -> String {
        colour.map_or_else(|| cell.to_owned(), |colour| self.style.paint(colour, cell))
    }
}

/// A line that is being written.
struct Line {
    text: String,
    /// The width of its last row.
    column: usize,
    screen: Option<usize>,
    /// The indentation of all rows but the first.
    indent: usize,
}

impl Line {
    fn new(screen: Option<usize>, indent: usize) -> Line {
        Line { text: String::new(), column: 0, screen, indent }
    }

    /// Adds words at that column, written as `painted`; in a new row if this one has no room.
    fn put(&mut self, start: usize, words: &str, painted: &str) {
        if words.is_empty() {
            return;
        }
        let mut start = start.max(self.column);
        let (mut words, mut painted) = (words, painted);
        if let Some(screen) = self.screen.filter(|screen| start + width(words) > *screen) {
            // The wider gap before a name is only for names in the same row.
            (words, painted) = (words.trim_start(), painted.trim_start());
            if self.column > self.indent {
                self.text.push('\n');
                self.column = 0;
            }
            // Words that are too long for this column, but not for the screen, begin further to the left.
            let gap = usize::from(self.column > 0);
            start = self.indent.min(screen.saturating_sub(width(words))).max(self.column + gap);
        }
        self.text.extend(std::iter::repeat_n(' ', start - self.column));
        self.text.push_str(painted);
        self.column = start + width(words);
    }
}

fn width(words: &str) -> usize {
    words.chars().count()
}

fn colour(kind: EventKind) -> Option<Colour> {
    match kind {
        EventKind::Created | EventKind::Established | EventKind::SubEstablished => Some(Colour::Green),
        EventKind::Announced | EventKind::ListenerCreated => Some(Colour::Green),
        EventKind::Closed | EventKind::SubClosed => Some(Colour::Red),
        EventKind::Removed | EventKind::ListenerClosed => Some(Colour::Red),
        EventKind::SubPriority => Some(Colour::Yellow),
        EventKind::Unknown(_) => None,
    }
}

/// What the event has besides its ends.
fn rest(event: &Event) -> Vec<String> {
    let mut rest: Vec<String> = family(event).into_iter().collect();
    rest.extend(flags(event));
    match event.backup {
        Some(true) => rest.push("backup".to_owned()),
        // The event is about the priority, so the default is shown too.
        Some(false) if event.kind == EventKind::SubPriority => rest.push("nobackup".to_owned()),
        _ => {}
    }
    rest.extend(event.dev.as_ref().map(|dev| format!("dev {dev}")));
    rest.extend(event.error.map(|error| format!("error {}", errno_name(error))));
    rest.extend(event.reset_reason.map(|reason| format!("reset: {reason}")));
    rest.extend(event.reset_flags.filter(|flags| flags.is_transient()).map(|_| "transient".to_owned()));
    rest.extend(
        event.reset_flags.and_then(|flags| flags.unknown()).map(|bits| format!("reset-flags {bits:#x}")),
    );
    rest.extend(event.timeout.map(|timeout| format!("timeout {timeout}")));
    rest.extend(event.unknown.iter().map(|(kind, value)| format!("attribute {kind}: {}", hex(value))));
    rest
}

/// The family of the socket, unless it is that of the addresses.
fn family(event: &Event) -> Option<String> {
    let family = event.family.map(family_name)?;
    let mut addresses = event.local.address.iter().chain(&event.remote.address).peekable();
    let is_plain = addresses.peek().is_some() && addresses.all(|address| word_of(*address) == family);
    (!is_plain).then(|| format!("family {family}"))
}

fn word_of(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ipv4" } else { "ipv6" }
}

fn flags(event: &Event) -> Vec<String> {
    let mut words = event.flags.map(EventFlags::words).unwrap_or_default();
    for word in words.iter_mut().filter(|word| word.starts_with("0x")) {
        *word = format!("rawflags {word}");
    }
    let is_shown = event.flags.is_some_and(|flags| flags.contains(EventFlags::SERVER_SIDE));
    if event.is_server_side() == Some(true) && !is_shown {
        words.push("server-side".to_owned());
    }
    words
}
