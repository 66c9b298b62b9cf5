//! What a host has beside its path manager, as far as it decides whether endpoints can be used.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: NonZeroU32,
    /// Its name.
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether what is beneath it is up too: a cable, a radio, the other end of a pair.
    pub carrier: bool,
    /// Whether it leads back to this host.
    pub loopback: bool,
}

/// What keeps an address from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Nothing does.
    Settled,
    /// Duplicate address detection goes on.
    Tentative,
    /// Duplicate address detection found it elsewhere.
    DadFailed,
    /// Its preferred lifetime is over. It can still be used.
    Deprecated,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// Never an IPv4-mapped IPv6 address.
    pub address: IpAddr,
    /// The interface.
    pub index: NonZeroU32,
    /// Whether it can be used.
    pub state: AddressState,
}

/// A default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Whether it is one of IPv4.
    pub ipv4: bool,
    /// The number of its table.
    pub table: u32,
    /// The router, if there is one.
    pub gateway: Option<IpAddr>,
    /// The interface that it leaves by.
    pub interface: Option<NonZeroU32>,
}

/// The routing tables, as far as a remedy needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The default routes of all tables.
    pub defaults: Vec<DefaultRoute>,
    /// The interfaces with a route by a router that is no default route, for IPv4 (true) or IPv6.
    pub partial: BTreeSet<(bool, NonZeroU32)>,
    /// The numbers of all tables that hold a route, or that a rule leads to.
    pub tables: BTreeSet<u32>,
}

/// A socket that listens for TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where. Never an IPv4-mapped IPv6 address.
    pub local: std::net::SocketAddr,
    /// Whether it is one of MPTCP.
    pub mptcp: bool,
}

/// The kernel's MPTCP counters (`MPTcpExt` of `/proc/net/netstat`), by the names that it gives them. They count since the
/// network namespace was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<String, u64>);

impl Counters {
    /// The counter of that name; none where this kernel has none.
    pub fn known(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// The same, 0 where this kernel has none.
    pub fn get(&self, name: &str) -> u64 {
        self.known(name).unwrap_or(0)
    }

    /// Reads them from the text of `netstat`; none when it has none of MPTCP.
    pub fn parse(netstat: &str) -> Option<Counters> {
        let mut mptcp = netstat.lines().filter_map(|line| line.strip_prefix("MPTcpExt:"));
        let (names, values) = (mptcp.next()?, mptcp.next()?);
        let pairs = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
        let number = |(name, value): (&str, &str)| Some((name.to_owned(), value.parse().ok()?));
        Some(Counters(pairs.filter_map(number).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::Counters;

    #[test]
    fn counters_go_by_their_names() {
        let text = "TcpExt: A\nTcpExt: 7\nMPTcpExt: A B C\nMPTcpExt: 1 x 3\n";
        let counters = Counters::parse(text).expect("counters");
        assert_eq!((counters.get("A"), counters.known("B"), counters.get("C")), (1, None, 3));
        for none in ["", "TcpExt: A\nTcpExt: 7\n", "MPTcpExt: A\n"] {
            assert_eq!(Counters::parse(none), None, "{none:?}");
        }
    }
}
