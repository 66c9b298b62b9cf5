//! Addresses, prefixes, interface names and globs, as a declaration writes them.

use std::fmt;
use std::net::IpAddr;

use crate::model::canonical;

/// The longest interface name, `IFNAMSIZ` less its terminating zero.
pub const INTERFACE_NAME_MAX: usize = 15;

/// `ipv4` or `ipv6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `ipv4`
    Ipv4,
    /// `ipv6`
    Ipv6,
}

impl Family {
    /// Both, as a configuration writes them.
    pub const NAMES: [(&'static str, Family); 2] = [("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }
}

/// An address, or a prefix, which makes the declaration a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPattern {
    /// `192.0.2.1`
    Exact(IpAddr),
    /// `192.0.2.0/24`, without host bits
    Prefix(IpAddr, u8),
}

/// Why a text is no [`AddressPattern`], with the remedy where there is one.
#[derive(Debug, PartialEq, Eq)]
pub struct AddressError {
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl AddressPattern {
    /// Reads an address or a prefix; an IPv4-mapped IPv6 address becomes the IPv4 address.
    pub fn parse(text: &str) -> Result<AddressPattern, AddressError> {
        match text.split_once('/') {
            Some((address, length)) => prefix(address, length),
            None => Ok(AddressPattern::Exact(unicast(text)?)),
        }
    }
}

fn unicast(text: &str) -> Result<IpAddr, AddressError> {
    let address = address(text)?;
    let reason = match address {
        _ if address.is_unspecified() => "the unspecified address is on no interface",
        _ if address.is_multicast() => "a multicast address cannot be an endpoint",
        IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address cannot be an endpoint",
        _ => return Ok(address),
    };
    Err(AddressError { reason: reason.to_owned(), help: None })
}

fn address(text: &str) -> Result<IpAddr, AddressError> {
    let error = |reason: &str, help: Option<String>| AddressError { reason: reason.to_owned(), help };
    text.parse().map(canonical).map_err(|_| match text.split_once('%') {
        Some((address, zone)) if address.parse::<IpAddr>().is_ok() => error(
            "an address has no zone here",
            Some(format!("write `address: {address}` and `dev: {zone}`")),
        ),
        _ if text.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit()) => {
            error("not an IP address", Some("host names are not looked up; write the address".to_owned()))
        }
        _ => error("not an IP address", None),
    })
}

fn prefix(address_text: &str, length: &str) -> Result<AddressPattern, AddressError> {
    let given = address(address_text)?;
    let bits: u8 = if given.is_ipv4() { 32 } else { 128 };
    let Some(length) = length.parse().ok().filter(|length| *length <= bits) else {
        let help = Some(format!("use 0 to {bits}"));
        return Err(AddressError { reason: "invalid prefix length".to_owned(), help });
    };
    let network = network(given, length);
    if network != given {
        let help =
            format!("write `{given}` for that one address, `{network}/{length}` for all of the prefix");
        return Err(AddressError { reason: "the prefix has host bits set".to_owned(), help: Some(help) });
    }
    Ok(AddressPattern::Prefix(network, length))
}

fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressPattern::Exact(address) => address.fmt(f),
            AddressPattern::Prefix(network, length) => write!(f, "{network}/{length}"),
        }
    }
}

/// An interface name, a glob, or several; `!` before one excludes what it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePattern {
    /// In the order of the file.
    pub globs: Vec<String>,
}

impl DevicePattern {
    /// The one interface that it names, if it is neither a list nor a glob.
    pub fn literal(&self) -> Option<&str> {
        match self.globs.as_slice() {
            [name] if !name.starts_with('!') && !is_glob(name) => Some(name),
            _ => None,
        }
    }

    /// Why this word can be no name or glob of an interface (`dev_valid_name` in `net/core/dev.c`).
    pub fn flaw(word: &str) -> Option<&'static str> {
        let name = word.strip_prefix('!').unwrap_or(word);
        let too_long = name.len() > INTERFACE_NAME_MAX && !is_glob(name);
        match name {
            "" => Some("an interface name cannot be empty"),
            "." | ".." => Some("no interface can have this name"),
            _ if too_long => Some("an interface name has at most 15 bytes"),
            _ if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
                Some("an interface name has no `/`, `:` or blank")
            }
            _ => None,
        }
    }
}

fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

impl fmt::Display for DevicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.globs.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "2001:db8::1/128"] {
            assert_eq!(AddressPattern::parse(good).map(|pattern| pattern.to_string()).as_deref(), Ok(good));
        }
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/64", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8"]
        {
            assert!(AddressPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mapped_addresses_become_ipv4() {
        let mapped = AddressPattern::parse("::ffff:192.0.2.1");
        assert_eq!(mapped, Ok(AddressPattern::Exact(IpAddr::from([192, 0, 2, 1]))));
    }
}
