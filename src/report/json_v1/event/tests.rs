use super::*;
use crate::model::{Device, End, EventKind, ResetFlags, ResetReason, Token};
use std::num::NonZeroU32;

const EPOCH: &str = r#""time":"1970-01-01T00:00:00.000000Z""#;

fn json(event: &Event) -> String {
    let line = EventLine {
        time: Moment::default(),
        netns: Some("web-1"),
        event,
        endpoint: event.local.address.and(Some("lte")),
    };
    serde_json::to_string(&EventJson::new(&line)).unwrap()
}

#[test]
fn every_field_is_there() {
    let event = Event {
        token: Some(Token(0xc0ffee)),
        family: Some(2),
        local: End { address: Some([10, 1, 2, 1].into()), port: Some(58913), id: Some(5) },
        remote: End { address: Some([10, 1, 1, 2].into()), port: Some(5000), id: Some(0) },
        backup: Some(true),
        dev: Some(Device { index: NonZeroU32::MIN, name: Some("wwan0".to_owned()) }),
        error: Some(111),
        reset_reason: Some(ResetReason(2)),
        reset_flags: Some(ResetFlags(1)),
        flags: Some(EventFlags(6)),
        server_side: None,
        timeout: Some(9),
        unknown: vec![(19, vec![1, 0xab])],
        ..Event::new(EventKind::SubClosed)
    };
    let expected = concat!(
        r#"{"version":1,"time":"1970-01-01T00:00:00.000000Z","netns":"web-1","event":"sub-closed","code":11,"token":"00c0ffee","family":"ipv4","#,
        r#""local":"10.1.2.1:58913","local-id":5,"name":"lte","remote":"10.1.1.2:5000","remote-id":0,"#,
        r#""backup":true,"dev":"wwan0","ifindex":1,"#,
        r#""error":"ECONNREFUSED","#,
        r#""reset":{"reason":2,"words":"lack of resources","transient":true,"flags":1},"server-side":true,"#,
        r#""flags":["server-side","0x4"],"timeout":9,"unknown":[{"attribute":19,"value":"01ab"}]}"#,
    );
    assert_eq!(json(&event), expected);
}

#[test]
fn what_was_not_sent_is_null() {
    let nothing = concat!(
        r#""token":null,"family":null,"local":null,"local-id":null,"name":null,"remote":null,"#,
        r#""remote-id":null,"backup":null,"dev":null,"ifindex":null,"#,
        r#""error":null,"reset":null,"server-side":null,"flags":null,"timeout":null,"unknown":[]}"#,
    );
    let unknown = format!(r#"{{"version":1,{EPOCH},"netns":"web-1","event":"unknown","code":42,{nothing}"#);
    assert_eq!(json(&Event::new(EventKind::from_code(42))), unknown);
    let lost = format!(r#"{{"version":1,{EPOCH},"netns":null,"event":"lost","code":null,{nothing}"#);
    assert_eq!(serde_json::to_string(&EventJson::lost(Moment::default(), None)).unwrap(), lost);
}
