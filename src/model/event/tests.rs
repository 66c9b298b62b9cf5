use super::*;

#[test]
fn every_number_is_that_of_its_event() {
    for code in 0..=u8::MAX {
        assert_eq!(EventKind::from_code(code).code(), code);
    }
    let unknown = (0..=u8::MAX).filter(|code| EventKind::from_code(*code).word() == "unknown").count();
    assert_eq!(unknown, 256 - KINDS.len());
    assert_eq!(EventKind::from_code(42).to_string(), "unknown event 42");
    assert_eq!(EventKind::from_code(13).to_string(), "sub-priority");
}

#[test]
fn ends_are_written_as_far_as_they_are_known() {
    let end = |address: Option<&str>, port, id| {
        End { address: address.map(|text| text.parse().unwrap()), port, id }.to_string()
    };
    assert_eq!(end(Some("10.1.2.1"), Some(58913), Some(5)), "10.1.2.1:58913 id 5");
    assert_eq!(end(Some("2001:db8::1"), Some(1), None), "[2001:db8::1]:1");
    assert_eq!(end(Some("2001:db8::1"), None, Some(0)), "2001:db8::1 id 0");
    assert_eq!(end(None, None, Some(7)), "id 7");
    assert_eq!(end(None, Some(9), Some(7)), ":9 id 7");
    assert_eq!(end(None, None, None), "");
}

#[test]
fn either_way_of_telling_the_server_side_counts() {
    let accepted = |attribute, flags: Option<u16>| {
        let event = Event::new(EventKind::Created);
        Event { server_side: attribute, flags: flags.map(EventFlags), ..event }.is_server_side()
    };
    assert_eq!(accepted(None, None), None);
    assert_eq!(accepted(Some(false), None), Some(false));
    assert_eq!(accepted(None, Some(2)), Some(true));
    assert_eq!(accepted(Some(true), Some(1)), Some(true));
    assert_eq!(accepted(None, Some(1)), Some(false));
}

#[test]
fn what_has_no_name_is_shown_by_number() {
    assert_eq!(EventFlags(0x8003).words(), ["deny-join-id0", "server-side", "0x8000"]);
    assert_eq!(ResetReason(3).to_string(), "administratively prohibited");
    assert_eq!(ResetReason(7).to_string(), "reason 7");
    assert_eq!(ResetReason(u32::MAX).to_string(), "reason 4294967295");
    assert_eq!((ResetFlags(5).is_transient(), ResetFlags(5).unknown()), (true, Some(4)));
    assert_eq!((ResetFlags(0).is_transient(), ResetFlags(0).unknown()), (false, None));
}
