//! Live MPTCP connections, as the kernel's socket diagnostics report them.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Limits, Token};

/// One MPTCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The token at this end. 0 where there is none, as for a connection that was plain TCP from its first packet on.
    pub token: u32,
    /// What the kernel says of a fallback to plain TCP.
    pub fallback: Fallback,
    /// Whether an end has closed it, so that the kernel opens no more subflows.
    pub closing: bool,
    /// How many subflows the kernel says it may have beside the first (`mptcpi_subflows_max`), if it says so. 0 where its limit
    /// is 0, and under the userspace path manager, which obeys none (not up to Linux 6.1).
    pub limit: Option<u8>,
    /// How many addresses that its peer announced the kernel has asked for a subflow (`mptcpi_add_addr_accepted`), if it says so.
    pub accepted: Option<u8>,
    /// Its subflows.
    pub subflows: Vec<Subflow>,
}

impl Connection {
    /// The token as `ss` prints it, if it has one.
    pub fn token_word(&self) -> Option<String> {
        (self.token != 0).then(|| Token(self.token).to_string())
    }

    /// Whether this end opened it, judged by its first subflow, or by the established ones if that is gone. A server
    /// requests subflows too, mostly without success.
    pub fn is_begun_here(&self) -> bool {
        match self.subflows.iter().find(|path| !path.flags.is_join()) {
            Some(first) => first.flags.is_begun_here(),
            None => self.subflows.iter().any(|path| path.is_established() && path.flags.is_begun_here()),
        }
    }

    /// Whether it is plain TCP: the other end never agreed to MPTCP, or it fell back later.
    pub fn is_plain(&self) -> bool {
        self.fallback != Fallback::No || self.has_plain_answer()
    }

    /// Whether this end asked for MPTCP, and the peer answered without it.
    pub fn asked_in_vain(&self) -> bool {
        let is_asked_here = self.subflows.iter().any(|path| path.flags.is_asked_here());
        self.is_plain() && self.fallback != Fallback::Later && is_asked_here
    }

    fn has_plain_answer(&self) -> bool {
        const AGREED: u32 = 1 << 0;
        let agreed = |path: &Subflow| path.flags.is_join() || path.flags.0 & AGREED != 0;
        let has_answer = || self.subflows.iter().any(|path| !path.is_asking());
        has_answer() && !self.subflows.iter().any(agreed)
    }

    /// Whether it speaks MPTCP, both ends have sent on it, and none has closed it: only then does the kernel open more subflows.
    pub fn is_fully_established(&self) -> bool {
        let confirmed = |path: &Subflow| path.flags.is_fully_established() || path.flags.is_join();
        let is_open = !self.is_plain() && !self.closing;
        is_open && self.subflows.iter().any(|path| path.is_established() && confirmed(path))
    }

    /// Whether it could have more subflows, and has its first one only.
    pub fn has_one_path(&self) -> bool {
        self.is_fully_established() && self.additional() == 0
    }

    /// The peer that this end could ask for another subflow from this address. None where the kernel asks for none: another
    /// host opened the connection, it is plain TCP or local, no subflow is established, the limits allow no more, or the
    /// peer's address is of the other family.
    pub fn could_join(&self, address: IpAddr, limits: Limits) -> Option<IpAddr> {
        let path = self.subflows.first()?;
        let (local, remote) = (path.local.ip(), path.remote.ip());
        let has_room = self.additional() < limits.subflows as usize;
        let is_open = has_room && self.is_begun_here() && self.is_fully_established();
        let is_elsewhere = local != remote && !remote.is_loopback();
        (is_open && is_elsewhere && remote.is_ipv4() == address.is_ipv4()).then_some(remote)
    }

    /// The number of subflows besides the first.
    pub fn additional(&self) -> usize {
        self.subflows.iter().filter(|path| path.flags.is_join()).count()
    }
}

/// What the kernel says of a connection that asked for MPTCP. Not every kernel says it (`CONFIG_INET_MPTCP_DIAG`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It did not fall back to plain TCP.
    No,
    /// The peer never answered with MPTCP.
    AtOnce,
    /// It began with MPTCP.
    Later,
}

/// One of the TCP connections beneath an MPTCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subflow {
    /// This end. Never an IPv4-mapped IPv6 address.
    pub local: SocketAddr,
    /// The other end. Never an IPv4-mapped IPv6 address.
    pub remote: SocketAddr,
    /// The interface to which it is bound, if any.
    pub interface: Option<NonZeroU32>,
    /// The state of its TCP connection, by the kernel's number (`include/net/tcp_states.h`).
    pub state: u8,
    /// The address id of this end; 0 for the connection's first subflow.
    pub local_id: u8,
    /// The address id of the other end.
    pub remote_id: u8,
    /// The kernel's flags.
    pub flags: SubflowFlags,
    /// The token at the other end.
    pub remote_token: u32,
    /// The sequence number of the last connection data that this subflow received.
    pub map_sequence: u64,
    /// The counters of TCP; zero if they are not reported.
    pub traffic: Traffic,
}

/// Counters of TCP for a subflow (`struct tcp_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// Bytes of data sent, retransmissions included, without SYN and FIN.
    pub sent: u64,
    /// Bytes acknowledged by the other end; SYN and FIN count as one byte each.
    pub acknowledged: u64,
    /// Bytes received.
    pub received: u64,
    /// Retransmitted segments.
    pub retransmitted: u32,
    /// How often in a row the oldest data was sent again, with longer pauses, and nothing acknowledged it.
    pub timeouts: u8,
}

/// `MPTCP_SUBFLOW_FLAG_*`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubflowFlags(pub u32);

/// Bits and their names.
const FLAGS: [(u32, &str); 9] = [
    (1 << 0, "capable-remote"),
    (1 << 1, "capable-local"),
    (1 << 2, "join-remote"),
    (1 << 3, "join-local"),
    (1 << 4, "backup-remote"),
    (1 << 5, "backup-local"),
    (1 << 6, "fully-established"),
    (1 << 7, "connected"),
    (1 << 8, "map-valid"),
];

impl SubflowFlags {
    /// Whether this end opened the subflow (`capable-local` or `join-local`), and the other end agreed to MPTCP
    /// (`capable-remote` or `join-remote`). A connection that fell back to TCP has only the former.
    pub fn is_begun_here(self) -> bool {
        let both = |bits: u32| self.0 & bits == bits;
        both(1 << 0 | 1 << 1) || both(1 << 2 | 1 << 3)
    }

    /// Whether this end asked for MPTCP with the connection's first subflow (`capable-local`).
    fn is_asked_here(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// Whether it joined a connection (MP_JOIN), and is not its first.
    pub fn is_join(self) -> bool {
        self.0 & (1 << 2 | 1 << 3) != 0
    }

    /// Whether either end marked it as backup.
    pub fn is_backup(self) -> bool {
        self.0 & (1 << 4 | 1 << 5) != 0
    }

    /// Whether the other end acknowledged data or a join, so that more subflows can follow.
    pub fn is_fully_established(self) -> bool {
        self.0 & (1 << 6) != 0
    }

    /// One word per flag; bits without a name come last as one hexadecimal number.
    pub fn words(self) -> Vec<String> {
        let known = FLAGS.iter().filter(|(bit, _)| self.0 & bit != 0);
        let unknown = FLAGS.iter().fold(self.0, |rest, (bit, _)| rest & !bit);
        let rest = (unknown != 0).then(|| format!("{unknown:#x}"));
        known.map(|(_, word)| (*word).to_owned()).chain(rest).collect()
    }
}

/// The names that `ss` has for the states of TCP.
const STATES: [&str; 13] = [
    "unknown",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "closed",
    "close-wait",
    "last-ack",
    "listening",
    "closing",
    "new-syn-recv",
];

impl Subflow {
    /// Whether this end has completed the handshake of a join, and the other end has not confirmed it, though there was time for
    /// that: half a second, unless the path is slow. No data moves on it.
    pub fn is_unconfirmed(&self) -> bool {
        const SLOW: Duration = Duration::from_millis(250);
        let is_own_join = self.flags.is_join() && self.flags.is_begun_here();
        self.is_established() && is_own_join && !self.flags.is_fully_established() && self.traffic.rtt < SLOW
    }

    /// Whether the handshake is complete and the subflow is not closing.
    pub fn is_established(&self) -> bool {
        self.state_word() == "established"
    }

    /// Whether the handshake is not complete.
    pub fn is_asking(&self) -> bool {
        ["syn-sent", "syn-recv", "new-syn-recv"].contains(&self.state_word())
    }

    /// The state of its TCP connection, as `ss` names it.
    pub fn state_word(&self) -> &'static str {
        STATES.get(usize::from(self.state)).unwrap_or(&STATES[0])
    }
}
