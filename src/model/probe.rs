//! A connection that was opened to be looked at.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Event, Subflow};

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Host and port, as they were given.
    pub target: String,
    /// How it went.
    pub course: Course,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// There is no connection: why, for each address.
    Failed(Vec<String>),
    /// There is one.
    Connected(Watched),
}

/// What became of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The other end of its first subflow.
    pub peer: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// For how long it was watched.
    pub lasted: Duration,
    /// Whether the peer ended it meanwhile.
    pub ended: bool,
    /// All subflows that were seen.
    pub subflows: Vec<Sighting>,
    /// What the path manager told of it; nothing without CAP_NET_ADMIN.
    pub events: Vec<Event>,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MPTCP.
    Mptcp,
    /// Plain TCP.
    Tcp,
    /// This kernel does not tell this user.
    Untold,
}

impl Protocol {
    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Mptcp => "mptcp",
            Protocol::Tcp => "tcp",
            Protocol::Untold => "unknown",
        }
    }
}

/// A subflow that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// As it was at the last look that showed it.
    pub path: Subflow,
    /// Whether any look showed it as established.
    pub was_established: bool,
    /// Whether the last look showed it.
    pub is_there: bool,
}
