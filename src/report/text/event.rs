//! Events for people: a line each, in columns that stay where they are without knowing what comes.
//!
//! A column is wide enough for any IPv4 address from the start, and grows when something longer comes. A screen that is
//! too narrow gets the rest of a line below its first address, so that no word is torn.

use std::net::IpAddr;

use crate::model::{Event, EventFlags, EventKind, escaped};
use crate::report::names::{errno, family_word, hex};
use crate::report::{Colour, Style, ToldEvent};

/// `listener-created`
const KIND_WIDTH: usize = 16;
/// `c099fbb0`
const TOKEN_WIDTH: usize = 8;
/// `255.255.255.255:65535 id 7`
const END_WIDTH: usize = 26;

/// How many columns stand before the address of this end.
const BEFORE_LOCAL: usize = 3;

/// The columns so far.
pub struct Columns {
    style: Style,
    /// Name of the namespace, event, token, this end, the peer's end.
    widths: [usize; 5],
}

impl Columns {
    /// For events of namespaces with these names; none for those of the one in which the program was started.
    pub fn new<'a>(style: Style, names: impl IntoIterator<Item = &'a str>) -> Columns {
        let name = names.into_iter().map(|name| width(&escaped(name))).max().unwrap_or(0);
        Columns { style, widths: [name, KIND_WIDTH, TOKEN_WIDTH, END_WIDTH, END_WIDTH] }
    }

    /// An event, for a screen of that width if there is one.
    pub fn event(&mut self, told: &ToldEvent<'_>, screen: Option<usize>) -> String {
        let ToldEvent { netns, event, endpoint } = told;
        let cells = [
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
            let colour = if index == 1 { colour(event.kind) } else { None };
            line.put(self.start(index), cell, &self.painted(colour, cell));
        }
        let mut start = self.start(cells.len());
        // Before a name there is more room, as in plans.
        for words in rest(event).into_iter().chain(endpoint.map(|name| format!("  {name}"))) {
            line.put(start, &words, &words);
            start = line.column + 1;
        }
        line.text + "\n"
    }

    /// That events are missing here.
    pub fn lost(&self, netns: Option<&str>) -> String {
        const WORDS: &str = "events: there were more than the kernel keeps until they are read";
        let mut line = Line::new(None, 0);
        let cells = [
            (0, &*escaped(netns.unwrap_or_default()), None),
            (1, "lost", Some(Colour::Red)),
            (BEFORE_LOCAL, WORDS, None),
        ];
        for (index, cell, colour) in cells {
            line.put(self.start(index), cell, &self.painted(colour, cell));
        }
        line.text + "\n"
    }

    /// Where a column begins.
    fn start(&self, index: usize) -> usize {
        self.widths.iter().take(index).map(|width| if *width == 0 { 0 } else { width + 1 }).sum()
    }

    fn painted(&self, colour: Option<Colour>, cell: &str) -> String {
        colour.map_or_else(|| cell.to_owned(), |colour| self.style.paint(colour, cell))
    }
}

/// A line in the making.
struct Line {
    text: String,
    /// Where the last row of it ends.
    column: usize,
    screen: Option<usize>,
    /// Where all rows but the first begin.
    indent: usize,
}

impl Line {
    fn new(screen: Option<usize>, indent: usize) -> Line {
        Line { text: String::new(), column: 0, screen, indent }
    }

    /// Adds words at that column, which look like `painted`; in a new row where this one has no room.
    fn put(&mut self, start: usize, words: &str, painted: &str) {
        if words.is_empty() {
            return;
        }
        let mut start = start.max(self.column);
        let (mut words, mut painted) = (words, painted);
        if let Some(screen) = self.screen.filter(|screen| start + width(words) > *screen) {
            // The room before a name is for what stands in the same row.
            (words, painted) = (words.trim_start(), painted.trim_start());
            if self.column > self.indent {
                self.text.push('\n');
                self.column = 0;
            }
            // What is too long for its place, and not for the screen, begins further to the left.
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

/// What there is to say beside the ends.
fn rest(event: &Event) -> Vec<String> {
    let mut rest: Vec<String> = family(event).into_iter().collect();
    rest.extend(flags(event));
    match event.backup {
        Some(true) => rest.push("backup".to_owned()),
        // Where it is what the event is about.
        Some(false) if event.kind == EventKind::SubPriority => rest.push("nobackup".to_owned()),
        _ => {}
    }
    rest.extend(event.dev.as_ref().map(|dev| format!("dev {dev}")));
    rest.extend(event.error.map(|error| format!("error {}", errno(error))));
    rest.extend(event.reset_reason.map(|reason| format!("reset: {reason}")));
    rest.extend(event.reset_flags.filter(|flags| flags.is_transient()).map(|_| "transient".to_owned()));
    rest.extend(
        event.reset_flags.and_then(|flags| flags.unknown()).map(|bits| format!("reset-flags {bits:#x}")),
    );
    rest.extend(event.timeout.map(|timeout| format!("timeout {timeout}")));
    rest.extend(event.unknown.iter().map(|(kind, value)| format!("attribute {kind}: {}", hex(value))));
    rest
}

/// The family of the socket, where the addresses do not tell it.
fn family(event: &Event) -> Option<String> {
    let told = event.family.map(family_word)?;
    let mut addresses = event.local.address.iter().chain(&event.remote.address).peekable();
    let is_plain = addresses.peek().is_some() && addresses.all(|address| word_of(*address) == told);
    (!is_plain).then(|| format!("family {told}"))
}

fn word_of(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ipv4" } else { "ipv6" }
}

fn flags(event: &Event) -> Vec<String> {
    let mut words = event.flags.map(EventFlags::words).unwrap_or_default();
    for word in words.iter_mut().filter(|word| word.starts_with("0x")) {
        *word = format!("rawflags {word}");
    }
    let is_told = event.flags.is_some_and(|flags| flags.contains(EventFlags::SERVER_SIDE));
    if event.is_server_side() == Some(true) && !is_told {
        words.push("server-side".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Device, End, ResetFlags, ResetReason, Token};
    use std::num::NonZeroU32;

    fn end(address: &str, port: u16, id: u8) -> End {
        End { address: Some(address.parse().unwrap()), port: Some(port), id: Some(id) }
    }

    fn subflow(kind: EventKind) -> Event {
        Event {
            token: Some(Token(0xc0ffee)),
            family: Some(2),
            local: end("10.1.2.1", 58913, 5),
            remote: end("10.1.1.2", 5000, 0),
            backup: Some(false),
            dev: Some(Device { index: NonZeroU32::MIN, name: Some("wwan0".to_owned()) }),
            ..Event::new(kind)
        }
    }

    fn plain(event: &Event, endpoint: Option<&str>, screen: Option<usize>) -> String {
        Columns::new(Style::Plain, []).event(&ToldEvent { netns: None, event, endpoint }, screen)
    }

    #[test]
    fn a_line_is_in_columns() {
        let event = subflow(EventKind::SubEstablished);
        let line = "sub-established  00c0ffee 10.1.2.1:58913 id 5        10.1.1.2:5000 id 0         dev wwan0   lte\n";
        assert_eq!(plain(&event, Some("lte"), None), line);
        assert_eq!(plain(&event, Some("lte"), Some(line.trim_end().len())), line);
        let closed = Event { token: event.token, ..Event::new(EventKind::Closed) };
        assert_eq!(plain(&closed, None, None), "closed           00c0ffee\n");
        let listener =
            Event { local: End { id: None, ..event.local }, ..Event::new(EventKind::ListenerCreated) };
        assert_eq!(plain(&listener, None, None), "listener-created          10.1.2.1:58913\n");
        let removed = Event { remote: End { id: Some(7), ..End::default() }, ..closed };
        assert_eq!(plain(&removed, None, None).find("id 7"), line.find("10.1.1.2"));
    }

    #[test]
    fn a_narrow_screen_tears_no_word() {
        let event = subflow(EventKind::SubEstablished);
        let expected = "\
sub-established  00c0ffee 10.1.2.1:58913 id 5        10.1.1.2:5000 id 0
                          dev wwan0   lte
";
        assert_eq!(plain(&event, Some("lte"), Some(80)), expected);
        // A name in a row of its own, where it belongs, and one that is too long for that.
        let row =
            |name: &str, screen| plain(&event, Some(name), Some(screen)).lines().last().map(str::to_owned);
        assert_eq!(row("lte", 38), Some(format!("{:26}lte", "")));
        let long = "n".repeat(60);
        assert_eq!(row(&long, 80), Some(format!("{:20}{long}", "")));
        // Where this end is not told, the other end does not stand behind the screen.
        let announced =
            Event { token: event.token, remote: event.remote, ..Event::new(EventKind::Announced) };
        let lines = plain(&announced, None, Some(60));
        assert_eq!(lines, format!("{:17}00c0ffee 10.1.1.2:5000 id 0\n", "announced"));
        // So narrow that it cannot help.
        let torn = plain(&event, Some("lte"), Some(1));
        assert_eq!(torn.split_whitespace().count(), expected.split_whitespace().count());
    }

    #[test]
    fn columns_grow_and_stay_so() {
        let mut columns = Columns::new(Style::Plain, ["a", "web-1"]);
        let mut told =
            |event: &Event| columns.event(&ToldEvent { netns: Some("a"), event, endpoint: None }, None);
        let short = subflow(EventKind::SubClosed);
        let long =
            Event { local: end("2001:db8:1111:2222:3333:4444:5555:6666", 65535, 255), ..short.clone() };
        let (before, at, after) = (told(&short), told(&long), told(&short));
        assert!(before.starts_with("a     sub-closed       00c0ffee 10.1.2.1:58913 id 5 "), "{before}");
        let remote = |line: &str| line.find("10.1.1.2").unwrap();
        assert!(remote(&before) < remote(&at));
        assert_eq!(remote(&at), remote(&after));
    }

    #[test]
    fn colour_changes_no_column() {
        let event = subflow(EventKind::SubPriority);
        let told = ToldEvent { netns: None, event: &event, endpoint: None };
        let coloured = Columns::new(Style::Coloured, []).event(&told, None);
        let plain = plain(&event, None, None);
        assert_eq!(coloured, plain.replace("sub-priority", "\x1b[33msub-priority\x1b[0m"));
        assert!(plain.contains(" nobackup dev wwan0\n"), "{plain}");
    }

    #[test]
    fn everything_that_was_said_is_told() {
        let event = Event {
            family: Some(10),
            backup: Some(true),
            error: Some(111),
            reset_reason: Some(ResetReason(2)),
            reset_flags: Some(ResetFlags(3)),
            flags: Some(EventFlags(5)),
            server_side: Some(true),
            timeout: Some(9),
            unknown: vec![(19, vec![1, 0xab]), (20, Vec::new())],
            ..subflow(EventKind::from_code(42))
        };
        let line = plain(&event, None, None);
        assert!(line.starts_with("unknown event 42 00c0ffee"), "{line}");
        let rest = "family ipv6 deny-join-id0 rawflags 0x4 server-side backup dev wwan0 error ECONNREFUSED \
                    reset: lack of resources transient reset-flags 0x2 timeout 9 attribute 19: 01ab attribute 20: \n";
        assert!(line.ends_with(rest), "{line}");
        let nameless = Event { error: Some(255), family: Some(7), ..Event::new(EventKind::SubClosed) };
        assert!(plain(&nameless, None, None).ends_with(" family 7 error 255\n"));
    }

    /// A name of an interface may hold anything but a slash and blanks.
    #[test]
    fn no_name_makes_a_line_of_its_own() {
        let dev = Device { index: NonZeroU32::MIN, name: Some("a\nclosed\x1b[2J".to_owned()) };
        let line = plain(&Event { dev: Some(dev), ..subflow(EventKind::SubClosed) }, None, None);
        assert!(line.ends_with(" dev a\\nclosed\\u{1b}[2J\n"), "{line:?}");
    }

    #[test]
    fn what_is_lost_is_said() {
        let lost = Columns::new(Style::Plain, ["web-1"]).lost(Some("a"));
        assert!(lost.starts_with("a     lost                      events: "), "{lost}");
    }
}
