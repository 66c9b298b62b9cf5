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
    Columns::new(Style::Plain, TimeZone::utc(), [])
        .event(&EventLine { time: Moment::default(), netns: None, event, endpoint }, screen)
}

#[test]
fn a_line_is_in_columns() {
    let event = subflow(EventKind::SubEstablished);
    let line = "00:00:00.000 sub-established  00c0ffee 10.1.2.1:58913 id 5        10.1.1.2:5000 id 0         dev wwan0   lte\n";
    assert_eq!(plain(&event, Some("lte"), None), line);
    assert_eq!(plain(&event, Some("lte"), Some(line.trim_end().len())), line);
    let closed = Event { token: event.token, ..Event::new(EventKind::Closed) };
    assert_eq!(plain(&closed, None, None), "00:00:00.000 closed           00c0ffee\n");
    let listener = Event { local: End { id: None, ..event.local }, ..Event::new(EventKind::ListenerCreated) };
    assert_eq!(plain(&listener, None, None), "00:00:00.000 listener-created          10.1.2.1:58913\n");
    let removed = Event { remote: End { id: Some(7), ..End::default() }, ..closed };
    assert_eq!(plain(&removed, None, None).find("id 7"), line.find("10.1.1.2"));
}

#[test]
fn a_narrow_screen_breaks_no_word() {
    let event = subflow(EventKind::SubEstablished);
    let expected = "\
00:00:00.000 sub-established  00c0ffee 10.1.2.1:58913 id 5        10.1.1.2:5000 id 0
                                       dev wwan0   lte
";
    assert_eq!(plain(&event, Some("lte"), Some(93)), expected);
    // A name in a row of its own, in its column, and one that is too long for that.
    let row = |name: &str, screen| plain(&event, Some(name), Some(screen)).lines().last().map(str::to_owned);
    assert_eq!(row("lte", 51), Some(format!("{:39}lte", "")));
    let long = "n".repeat(60);
    assert_eq!(row(&long, 80), Some(format!("{:20}{long}", "")));
    // Without a local end, the remote end still fits on the screen.
    let announced = Event { token: event.token, remote: event.remote, ..Event::new(EventKind::Announced) };
    let lines = plain(&announced, None, Some(73));
    assert_eq!(lines, format!("00:00:00.000 {:17}00c0ffee 10.1.1.2:5000 id 0\n", "announced"));
    // Too narrow for any word.
    let broken = plain(&event, Some("lte"), Some(1));
    assert_eq!(broken.split_whitespace().count(), expected.split_whitespace().count());
}

#[test]
fn columns_grow_and_stay_so() {
    let mut columns = Columns::new(Style::Plain, TimeZone::utc(), ["a", "web-1"]);
    let mut print = |event: &Event| {
        columns.event(&EventLine { time: Moment::default(), netns: Some("a"), event, endpoint: None }, None)
    };
    let short = subflow(EventKind::SubClosed);
    let long = Event { local: end("2001:db8:1111:2222:3333:4444:5555:6666", 65535, 255), ..short.clone() };
    let (before, at, after) = (print(&short), print(&long), print(&short));
    assert!(
        before.starts_with("00:00:00.000 a     sub-closed       00c0ffee 10.1.2.1:58913 id 5 "),
        "{before}"
    );
    let remote = |line: &str| line.find("10.1.1.2").unwrap();
    assert!(remote(&before) < remote(&at));
    assert_eq!(remote(&at), remote(&after));
}

#[test]
fn colour_changes_no_column() {
    let event = subflow(EventKind::SubPriority);
    let line = EventLine { time: Moment::default(), netns: None, event: &event, endpoint: None };
    let coloured = Columns::new(Style::Coloured, TimeZone::utc(), []).event(&line, None);
    let plain = plain(&event, None, None);
    assert_eq!(coloured, plain.replace("sub-priority", "\x1b[33msub-priority\x1b[0m"));
    assert!(plain.contains(" nobackup dev wwan0\n"), "{plain}");
}

#[test]
fn every_attribute_is_printed() {
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
    assert!(line.starts_with("00:00:00.000 unknown event 42 00c0ffee"), "{line}");
    let rest = "family ipv6 deny-join-id0 rawflags 0x4 server-side backup dev wwan0 error ECONNREFUSED \
                reset: lack of resources transient reset-flags 0x2 timeout 9 attribute 19: 01ab attribute 20: \n";
    assert!(line.ends_with(rest), "{line}");
    let nameless = Event { error: Some(255), family: Some(7), ..Event::new(EventKind::SubClosed) };
    assert!(plain(&nameless, None, None).ends_with(" family 7 error 255\n"));
}

/// The name of an interface may hold anything but slashes and white space.
#[test]
fn a_name_cannot_break_the_line() {
    let dev = Device { index: NonZeroU32::MIN, name: Some("a\nclosed\x1b[2J".to_owned()) };
    let line = plain(&Event { dev: Some(dev), ..subflow(EventKind::SubClosed) }, None, None);
    assert!(line.ends_with(" dev a\\nclosed\\u{1b}[2J\n"), "{line:?}");
}

#[test]
fn lost_events_have_a_line() {
    let lost = Columns::new(Style::Plain, TimeZone::utc(), ["web-1"]).lost(Moment::default(), Some("a"));
    assert!(lost.starts_with("00:00:00.000 a     lost                      events: "), "{lost}");
}
