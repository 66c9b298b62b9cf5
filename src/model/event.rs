//! Events of the path manager, about connections, subflows, addresses of peers, and listeners.
//!
//! Every attribute is kept, including unknown ones: what a newer kernel adds is shown by number.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::Device;

/// What happened: `enum mptcp_event_type` of `include/uapi/linux/mptcp_pm.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A connection was created.
    Created,
    /// A connection can have more subflows from now on.
    Established,
    /// A connection was closed.
    Closed,
    /// The peer announced an address (ADD_ADDR).
    Announced,
    /// The peer withdrew an address (RM_ADDR).
    Removed,
    /// A subflow joined.
    SubEstablished,
    /// A subflow was closed, or could not be established.
    SubClosed,
    /// The peer changed the priority of a subflow (MP_PRIO).
    SubPriority,
    /// An endpoint with a port, or a program, started to listen (Linux 6.2).
    ListenerCreated,
    /// It stopped (Linux 6.2).
    ListenerClosed,
    /// An event without a name here.
    Unknown(u8),
}

/// Number and word of every event.
const KINDS: [(EventKind, u8, &str); 10] = [
    (EventKind::Created, 1, "created"),
    (EventKind::Established, 2, "established"),
    (EventKind::Closed, 3, "closed"),
    (EventKind::Announced, 6, "announced"),
    (EventKind::Removed, 7, "removed"),
    (EventKind::SubEstablished, 10, "sub-established"),
    (EventKind::SubClosed, 11, "sub-closed"),
    (EventKind::SubPriority, 13, "sub-priority"),
    (EventKind::ListenerCreated, 15, "listener-created"),
    (EventKind::ListenerClosed, 16, "listener-closed"),
];

impl EventKind {
    /// The event of that number.
    pub fn from_code(code: u8) -> EventKind {
        let found = KINDS.iter().find(|(_, number, _)| *number == code);
        found.map_or(EventKind::Unknown(code), |(kind, ..)| *kind)
    }

    /// Its number, `MPTCP_EVENT_*`.
    pub fn code(self) -> u8 {
        match self {
            EventKind::Unknown(code) => code,
            known => KINDS.iter().find(|(kind, ..)| *kind == known).map_or(0, |(_, code, _)| *code),
        }
    }

    /// Its word, `unknown` where there is none.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("unknown", |(.., word)| *word)
    }
}

/// `sub-established`, `unknown event 42`
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Unknown(code) => write!(f, "unknown event {code}"),
            known => f.write_str(known.word()),
        }
    }
}

/// The number of a connection at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u32);

/// Why a word is no token.
#[derive(Debug, thiserror::Error)]
#[error("a token of 1 to 8 hexadecimal digits is expected, as `mptcp-apply connection` and `ss -M` print it")]
pub struct BadToken;

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Token, BadToken> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let is_digits = digits.chars().all(|c| c.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|number| is_digits && *number != 0);
        number.map(Token).ok_or(BadToken)
    }
}

/// Eight hexadecimal digits, as `ip mptcp monitor` writes it.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One end of a subflow, as far as an event reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Never an IPv4-mapped IPv6 address.
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: Option<u16>,
    /// The address id; 0 is that of the connection's first subflow.
    pub id: Option<u8>,
}

impl End {
    /// `10.1.2.1:58913`, `[2001:db8::1]:443`, or the address or `:443` alone.
    pub fn socket(&self) -> Option<String> {
        match (self.address, self.port) {
            (Some(address), Some(port)) => Some(SocketAddr::new(address, port).to_string()),
            (Some(address), None) => Some(address.to_string()),
            (None, port) => port.map(|port| format!(":{port}")),
        }
    }
}

/// `10.1.2.1:58913 id 5`, as far as known
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.map(|id| format!("id {id}"));
        f.write_str(&self.socket().into_iter().chain(id).collect::<Vec<_>>().join(" "))
    }
}

/// Flags of a connection, `MPTCP_PM_EV_FLAG_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFlags(pub u16);

impl EventFlags {
    /// The peer accepts no joins to the address of the first subflow.
    pub const DENY_JOIN_ID0: EventFlags = EventFlags(1 << 0);
    /// This end accepted the connection.
    pub const SERVER_SIDE: EventFlags = EventFlags(1 << 1);
    /// Bit and word of each.
    const TABLE: [(EventFlags, &str); 2] =
        [(EventFlags::DENY_JOIN_ID0, "deny-join-id0"), (EventFlags::SERVER_SIDE, "server-side")];

    /// Whether that flag is set.
    pub fn contains(self, flag: EventFlags) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// One word per flag; bits without a name come last as one hexadecimal number.
    pub fn words(self) -> Vec<String> {
        let set = EventFlags::TABLE.iter().filter(|(flag, _)| self.contains(*flag));
        let unknown = EventFlags::TABLE.iter().fold(self.0, |rest, (flag, _)| rest & !flag.0);
        let raw = (unknown != 0).then(|| format!("{unknown:#x}"));
        set.map(|(_, word)| (*word).to_owned()).chain(raw).collect()
    }
}

/// Why a peer reset a subflow: the reason of its MP_TCPRST (RFC 8684, 3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetReason(pub u32);

impl ResetReason {
    /// The RFC's name for it, if it has one.
    pub fn words(self) -> Option<&'static str> {
        const WORDS: [&str; 7] = [
            "unspecified error",
            "MPTCP-specific error",
            "lack of resources",
            "administratively prohibited",
            "too much outstanding data",
            "unacceptable performance",
            "middlebox interference",
        ];
        WORDS.get(usize::try_from(self.0).ok()?).copied()
    }
}

/// The name, or the number without one.
impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            Some(words) => f.write_str(words),
            None => write!(f, "reason {}", self.0),
        }
    }
}

/// Flags of a peer's MP_TCPRST; the kernel reports only the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetFlags(pub u32);

impl ResetFlags {
    /// The T flag: the cause is transient, and another attempt may succeed.
    pub const TRANSIENT: ResetFlags = ResetFlags(1);

    /// Whether the cause is transient.
    pub fn is_transient(self) -> bool {
        self.0 & ResetFlags::TRANSIENT.0 != 0
    }

    /// The bits without a name here.
    pub fn unknown(self) -> Option<u32> {
        Some(self.0 & !ResetFlags::TRANSIENT.0).filter(|bits| *bits != 0)
    }
}

/// One event. `None` stands for what the kernel did not report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The connection.
    pub token: Option<Token>,
    /// The address family of the socket, `AF_*`.
    pub family: Option<u16>,
    /// This end.
    pub local: End,
    /// The peer's end.
    pub remote: End,
    /// Whether the subflow is a backup.
    pub backup: Option<bool>,
    /// The interface to which the subflow's socket is bound.
    pub dev: Option<Device>,
    /// The error of the subflow's socket.
    pub error: Option<u8>,
    /// Why the peer reset the subflow.
    pub reset_reason: Option<ResetReason>,
    /// How the peer reset the subflow.
    pub reset_flags: Option<ResetFlags>,
    /// Flags of the connection.
    pub flags: Option<EventFlags>,
    /// Whether this end accepted the connection, as kernels before 6.18 report it.
    pub server_side: Option<bool>,
    /// The timeout in the kernel's own unit; no known kernel sends it.
    pub timeout: Option<u32>,
    /// Number and bytes of the attributes that are unknown, malformed, or repeated.
    pub unknown: Vec<(u16, Vec<u8>)>,
}

impl Event {
    /// An event without attributes.
    pub fn new(kind: EventKind) -> Event {
        Event {
            kind,
            token: None,
            family: None,
            local: End::default(),
            remote: End::default(),
            backup: None,
            dev: None,
            error: None,
            reset_reason: None,
            reset_flags: None,
            flags: None,
            server_side: None,
            timeout: None,
            unknown: Vec::new(),
        }
    }

    /// Whether this end accepted the connection, in either way that kernels report it.
    pub fn is_server_side(&self) -> Option<bool> {
        let by_flag = self.flags.map(|flags| flags.contains(EventFlags::SERVER_SIDE));
        self.server_side.into_iter().chain(by_flag).reduce(|one, other| one || other)
    }
}
