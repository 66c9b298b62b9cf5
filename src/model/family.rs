//! The two families of Internet addresses: the one table of their numbers, words and lengths.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A family of addresses. Its discriminant is the kernel's number, `AF_INET` or `AF_INET6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Family {
    /// `ipv4`
    Ipv4 = 2,
    /// `ipv6`
    Ipv6 = 10,
}

impl Family {
    /// Both, by the words that files and reports use.
    pub const NAMES: [(&'static str, Family); 2] = [("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];

    /// Both, in the order in which the kernel is asked about them.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The family of an address; an IPv4-mapped one is of IPv6.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// The command that shows and changes rules and routes of the family.
    pub fn ip(self) -> &'static str {
        match self {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ip -6",
        }
    }

    /// The family with this number; none for one that has no Internet addresses.
    pub fn from_number(number: u16) -> Option<Family> {
        Family::ALL.into_iter().find(|family| u16::from(family.number()) == number)
    }

    /// `AF_INET` or `AF_INET6`.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// `ipv4` or `ipv6`.
    pub fn word(self) -> &'static str {
        Family::NAMES.iter().find(|(_, family)| *family == self).map_or("", |(word, _)| word)
    }

    /// `IPv4` or `IPv6`
    pub fn title(self) -> &'static str {
        match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        }
    }

    /// How many bits an address has, and so the longest prefix.
    pub fn bits(self) -> u8 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }

    /// The metric of a route that is added without one (`IP6_RT_PRIO_USER` for IPv6).
    pub fn metric(self) -> u32 {
        match self {
            Family::Ipv4 => 0,
            Family::Ipv6 => 1024,
        }
    }

    /// The address with these bytes, in the network's order; none when their number is not that of the family.
    pub fn address(self, bytes: &[u8]) -> Option<IpAddr> {
        match self {
            Family::Ipv4 => <[u8; 4]>::try_from(bytes).ok().map(|raw| Ipv4Addr::from(raw).into()),
            Family::Ipv6 => <[u8; 16]>::try_from(bytes).ok().map(|raw| Ipv6Addr::from(raw).into()),
        }
    }
}
