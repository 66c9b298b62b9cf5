//! The parts of a host besides its path manager that decide whether endpoints can be used.

#[cfg(test)]
mod tests;

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
    /// Its alternative names (`ip link property add altname`).
    pub altnames: Vec<String>,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether it has a carrier: a cable, a radio, the other end of a pair.
    pub carrier: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Whether packets reach whatever is on its link without a router or neighbour (`IFF_POINTOPOINT`, `IFF_NOARP`): PPP,
    /// modems, tunnels.
    pub routerless: bool,
    /// The interface of this namespace that it is on top of (a VLAN), or that is the other end of its pair (`IFLA_LINK`).
    pub below: Option<NonZeroU32>,
}

impl Interface {
    /// All its names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.altnames).map(String::as_str)
    }

    /// One that works, for tests.
    #[cfg(test)]
    pub fn working(index: NonZeroU32, name: &str) -> Interface {
        Interface {
            index,
            name: name.to_owned(),
            altnames: Vec::new(),
            up: true,
            carrier: true,
            loopback: false,
            routerless: false,
            below: None,
        }
    }
}

/// Whether an address can be used, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// It can be used.
    Settled,
    /// Duplicate address detection is not complete.
    Tentative,
    /// Duplicate address detection found it on another host.
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
    /// Whether the kernel was told that the router is on the link.
    pub onlink: bool,
    /// The outgoing interface.
    pub interface: Option<NonZeroU32>,
}

/// The addresses of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The first of them.
    pub network: IpAddr,
    /// How many bits they have in common: up to 32 for IPv4, 128 for IPv6.
    pub length: u8,
}

impl Prefix {
    /// Whether the address is one of them.
    pub fn covers(self, address: IpAddr) -> bool {
        let bits = |address| match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        };
        let rest = u128::BITS - u32::from(self.length);
        let differ = bits(self.network) ^ bits(address);
        self.network.is_ipv4() == address.is_ipv4() && differ.checked_shr(rest).unwrap_or(0) == 0
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

/// A rule that chooses packets by their addresses alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRule {
    /// Whether it is one of IPv4.
    pub ipv4: bool,
    /// Lower ones come first.
    pub priority: u32,
    /// Whose packets they are; of all addresses where there is none.
    pub from: Option<Prefix>,
    /// Where they lead.
    pub to: Option<Prefix>,
    /// What becomes of them.
    pub action: RuleAction,
}

/// What a rule does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// It looks for a route in this table.
    LookUp(u32),
    /// It refuses them; this is the word of its type.
    Refuse(&'static str),
}

impl AddressRule {
    /// Whether it applies to packets between the two.
    pub fn applies(&self, source: IpAddr, destination: IpAddr) -> bool {
        let covers = |prefix: Option<Prefix>, address| prefix.is_none_or(|prefix| prefix.covers(address));
        self.ipv4 == source.is_ipv4() && covers(self.from, source) && covers(self.to, destination)
    }
}

/// The routing tables, as far as a remedy needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The default routes of all tables.
    pub defaults: Vec<DefaultRoute>,
    /// The interfaces with a route through a router that is not a default route, for IPv4 (true) or IPv6.
    pub partial: BTreeSet<(bool, NonZeroU32)>,
    /// The numbers of all tables that have a route, or that a rule names.
    pub tables: BTreeSet<u32>,
    /// The rules that choose by addresses alone, in the order in which packets meet them.
    pub rules: Vec<AddressRule>,
    /// The marks of packets by which rules choose.
    pub marks: BTreeSet<u32>,
    /// Whether some rule chooses by the protocol, so that `ip route get` has to be told of it.
    pub by_protocol: bool,
    /// Whether some rule chooses by more than marks, protocols, addresses and interfaces, so that a subflow may take another
    /// route than a look-up finds.
    pub is_selective: bool,
}

/// All rules and default routes, one text each, nearly as `ip` writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingWords {
    /// By family, then in the order in which packets meet them.
    pub rules: Vec<String>,
    /// Of all tables, those that lead nowhere too.
    pub default_routes: Vec<String>,
}

/// A socket that listens for TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address and port. Never an IPv4-mapped IPv6 address.
    pub local: std::net::SocketAddr,
    /// Whether it is one of MPTCP.
    pub mptcp: bool,
    /// The number of its inode, by which `/proc` names it.
    pub inode: u32,
}

impl Listener {
    /// Whether connections to that place come to it. An IPv6 socket on the unspecified address usually accepts IPv4 too.
    pub fn covers(&self, place: std::net::SocketAddr) -> bool {
        let (own, wanted) = (self.local.ip(), place.ip());
        let everywhere = own.is_unspecified() && (own.is_ipv6() || wanted.is_ipv4());
        self.local.port() == place.port() && (own == wanted || everywhere)
    }
}

/// A connection or subflow that a peer opens, and whose answer (SYN-ACK) was sent again for want of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnconfirmedRequest {
    /// The end on this host.
    pub local: std::net::SocketAddr,
    /// The peer's end.
    pub remote: std::net::SocketAddr,
}

/// The kernel's MPTCP counters (`MPTcpExt` of `/proc/net/netstat`) by their names. They count since the network namespace
/// was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<String, u64>);

impl Counters {
    /// The counter of that name; `None` if this kernel does not have it.
    pub fn known(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// The same, or 0.
    pub fn get(&self, name: &str) -> u64 {
        self.known(name).unwrap_or(0)
    }

    /// Parses the text of `netstat`; `None` if it has no counters of MPTCP.
    pub fn parse(netstat: &str) -> Option<Counters> {
        Counters::parse_those(netstat, |_| true)
    }

    /// The same, of those names alone.
    pub fn parse_those(netstat: &str, is_wanted: impl Fn(&str) -> bool) -> Option<Counters> {
        let mut mptcp = netstat.lines().filter_map(|line| line.strip_prefix("MPTcpExt:"));
        let (names, values) = (mptcp.next()?, mptcp.next()?);
        let pairs = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
        let wanted = pairs.filter(|(name, _)| is_wanted(name));
        let number = |(name, value): (&str, &str)| Some((name.to_owned(), value.parse().ok()?));
        Some(Counters(wanted.filter_map(number).collect()))
    }
}
