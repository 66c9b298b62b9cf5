//! Messages of the group `mptcp_pm_events` to [`Event`]s.
//!
//! The numbers are those of `include/uapi/linux/mptcp_pm.h`. All values are in the host's byte order except addresses and
//! ports. (The ports of endpoints, in `mptcp_pm`, are in the host's.)

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::linux::mptcp_pm::genl_attributes;
use crate::linux::netlink::decode::number;
use crate::model::{Device, Event, EventFlags, EventKind, Family, ResetFlags, ResetReason, Token, canonical};

/// `enum mptcp_event_attr`
mod attr {
    pub const TOKEN: u16 = 1;
    pub const FAMILY: u16 = 2;
    pub const LOC_ID: u16 = 3;
    pub const REM_ID: u16 = 4;
    pub const SADDR4: u16 = 5;
    pub const SADDR6: u16 = 6;
    pub const DADDR4: u16 = 7;
    pub const DADDR6: u16 = 8;
    pub const SPORT: u16 = 9;
    pub const DPORT: u16 = 10;
    pub const BACKUP: u16 = 11;
    pub const ERROR: u16 = 12;
    pub const FLAGS: u16 = 13;
    pub const TIMEOUT: u16 = 14;
    pub const IF_IDX: u16 = 15;
    pub const RESET_REASON: u16 = 16;
    pub const RESET_FLAGS: u16 = 17;
    pub const SERVER_SIDE: u16 = 18;
}

/// The event in a message; its device has no name yet. None when the message is too short to be one.
pub fn event(message: &[u8]) -> Option<Event> {
    let mut event = Event::new(EventKind::from_code(*message.first()?));
    for (kind, value) in genl_attributes(message) {
        if !take(&mut event, kind, value) {
            event.unknown.push((kind, value.to_vec()));
        }
    }
    Some(event)
}

/// Sets the field of an attribute. False when the attribute is unknown, malformed or a repetition.
fn take(event: &mut Event, kind: u16, value: &[u8]) -> bool {
    match kind {
        attr::TOKEN => set(&mut event.token, number(value).map(Token)),
        attr::FAMILY => set(&mut event.family, small(value)),
        attr::LOC_ID => set(&mut event.local.id, small(value)),
        attr::REM_ID => set(&mut event.remote.id, small(value)),
        attr::SADDR4 => set(&mut event.local.address, address(Family::Ipv4, value)),
        attr::SADDR6 => set(&mut event.local.address, address(Family::Ipv6, value)),
        attr::DADDR4 => set(&mut event.remote.address, address(Family::Ipv4, value)),
        attr::DADDR6 => set(&mut event.remote.address, address(Family::Ipv6, value)),
        attr::SPORT => set(&mut event.local.port, port(value)),
        attr::DPORT => set(&mut event.remote.port, port(value)),
        attr::BACKUP => set(&mut event.backup, truth(value)),
        attr::ERROR => set(&mut event.error, small(value)),
        attr::FLAGS => set(&mut event.flags, small(value).map(EventFlags)),
        attr::TIMEOUT => set(&mut event.timeout, number(value)),
        attr::IF_IDX => {
            let index = number(value).and_then(NonZeroU32::new);
            set(&mut event.dev, index.map(|index| Device { index, name: None }))
        }
        attr::RESET_REASON => set(&mut event.reset_reason, number(value).map(ResetReason)),
        attr::RESET_FLAGS => set(&mut event.reset_flags, number(value).map(ResetFlags)),
        attr::SERVER_SIDE => set(&mut event.server_side, truth(value)),
        _ => false,
    }
}

/// Sets a field that is still empty. Whether it did.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let fits = place.is_none() && value.is_some();
    if fits {
        *place = value;
    }
    fits
}

fn small<T: TryFrom<u32>>(value: &[u8]) -> Option<T> {
    number(value)?.try_into().ok()
}

fn truth(value: &[u8]) -> Option<bool> {
    match number(value)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn port(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

fn address(family: Family, value: &[u8]) -> Option<IpAddr> {
    family.address(value).map(canonical)
}
