//! The doctor's test connection to a peer.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Event, Subflow};

/// A test connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Host and port, as given.
    pub target: String,
    /// The result.
    pub outcome: ProbeOutcome,
}

/// The result of a test connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// It could not be opened: the reason for each address.
    Failed(Vec<String>),
    /// It was opened.
    Connected(ProbeConnection),
}

/// A connection and its subflows over some seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConnection {
    /// The other end of its first subflow.
    pub peer: SocketAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// How long it was watched.
    pub lasted: Duration,
    /// Whether the peer closed it.
    pub ended: bool,
    /// All subflows that were seen.
    pub subflows: Vec<ObservedSubflow>,
    /// Whether the kernel shows this user the path manager's events, which takes CAP_NET_ADMIN.
    pub shows_events: bool,
    /// Events of the path manager.
    pub events: Vec<Event>,
}

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MPTCP.
    Mptcp,
    /// Plain TCP.
    Tcp,
    /// The kernel does not report it to this user.
    Unknown,
}

impl Protocol {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Mptcp => "mptcp",
            Protocol::Tcp => "tcp",
            Protocol::Unknown => "unknown",
        }
    }
}

/// A subflow that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSubflow {
    /// Its state when it was last seen.
    pub subflow: Subflow,
    /// Whether it was ever seen as established.
    pub was_established: bool,
    /// Whether it was seen in the last dump.
    pub is_there: bool,
}
