//! Events as JSON, one document each. All have the same fields; what the kernel did not send is null.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::model::{Event, EventFlags, Moment};
use crate::report::EventLine;
use crate::report::names::{errno_name, family_name, hex};
use crate::report::time::rfc3339;

use super::VERSION;

/// One event of one network namespace.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventJson<'a> {
    version: u32,
    time: String,
    netns: Option<&'a str>,
    event: &'static str,
    code: Option<u8>,
    token: Option<String>,
    family: Option<String>,
    local: Option<String>,
    local_id: Option<u8>,
    name: Option<&'a str>,
    remote: Option<String>,
    remote_id: Option<u8>,
    backup: Option<bool>,
    dev: Option<String>,
    ifindex: Option<u32>,
    error: Option<String>,
    reset: Option<ResetJson>,
    server_side: Option<bool>,
    flags: Option<Vec<String>>,
    timeout: Option<u32>,
    unknown: Vec<AttributeJson>,
}

/// The peer's reason for the reset of a subflow.
#[derive(Debug, Serialize)]
struct ResetJson {
    reason: Option<u32>,
    words: Option<&'static str>,
    transient: Option<bool>,
    flags: Option<u32>,
}

/// An attribute without a name here: its number, and its bytes as hexadecimal digits.
#[derive(Debug, Serialize)]
struct AttributeJson {
    attribute: u16,
    value: String,
}

impl<'a> EventJson<'a> {
    /// The document of an event.
    pub fn new(line: &EventLine<'a>) -> EventJson<'a> {
        let EventLine { time, netns, event, endpoint } = *line;
        let Event { kind, token, family, local, remote, backup, dev, error, .. } = event;
        let Event { reset_reason, reset_flags, flags, timeout, unknown, .. } = event;
        let reset = ResetJson {
            reason: reset_reason.map(|reason| reason.0),
            words: reset_reason.and_then(|reason| reason.words()),
            transient: reset_flags.map(|flags| flags.is_transient()),
            flags: reset_flags.map(|flags| flags.0),
        };
        let attribute =
            |(kind, value): &(u16, Vec<u8>)| AttributeJson { attribute: *kind, value: hex(value) };
        EventJson {
            version: VERSION,
            time: rfc3339(time),
            netns,
            event: kind.word(),
            code: Some(kind.code()),
            token: token.map(|token| token.to_string()),
            family: family.map(family_name),
            local: local.socket(),
            local_id: local.id,
            name: endpoint,
            remote: remote.socket(),
            remote_id: remote.id,
            backup: *backup,
            dev: dev.as_ref().map(ToString::to_string),
            ifindex: dev.as_ref().map(|dev| dev.index.get()),
            error: error.map(errno_name),
            reset: (reset_reason.is_some() || reset_flags.is_some()).then_some(reset),
            server_side: event.is_server_side(),
            flags: flags.map(EventFlags::words),
            timeout: *timeout,
            unknown: unknown.iter().map(attribute).collect(),
        }
    }

    /// The document of a gap: events are missing here.
    pub fn lost(time: Moment, netns: Option<&'a str>) -> EventJson<'a> {
        EventJson { version: VERSION, time: rfc3339(time), netns, event: "lost", ..EventJson::default() }
    }
}
