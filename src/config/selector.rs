//! Selectors: declarations that stand for every usable address that matches.

use std::fmt;
use std::net::IpAddr;

use crate::model::{Family, Interface};

use super::document::Located;
use super::pattern::{AddressPattern, DevicePattern, is_unique_local};

/// The conditions of a selector; an address has to meet all that are given.
#[derive(Debug)]
pub struct Selector {
    /// The prefix that contains the address.
    pub prefix: Option<Located<AddressPattern>>,
    /// The interfaces that have the address.
    pub dev: Option<Located<DevicePattern>>,
    /// The family of the address.
    pub family: Option<Located<Family>>,
}

impl Selector {
    /// How specific the selector is for an address of that interface; none where it does not match. A literal name of
    /// the interface counts more than the length of the prefix. Unique local addresses have to be asked for.
    pub fn rank(&self, address: IpAddr, interface: &Interface) -> Option<(bool, u8)> {
        let length = match &self.prefix {
            Some(prefix) => prefix.value.matches(address)?,
            None if is_unique_local(address) => return None,
            None => 0,
        };
        let is_of_family = self.family.is_none_or(|family| Family::of(address) == family.value);
        match &self.dev {
            _ if !is_of_family => None,
            None => Some((false, length)),
            Some(dev) => dev.value.matches(interface).then(|| (dev.value.names(interface), length)),
        }
    }

    /// Whether it would match if unique local addresses did not have to be asked for.
    pub fn covers(&self, address: IpAddr, interface: &Interface) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| prefix.value.covers(address))
            && self.family.is_none_or(|family| Family::of(address) == family.value)
            && self.dev.as_ref().is_none_or(|dev| dev.value.matches(interface))
    }
}

/// `every usable IPv4 address in 10.0.0.0/8 on wwan* but not on wwan9`
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.family.map(|family| family.value) {
            None => "every usable address",
            Some(Family::Ipv4) => "every usable IPv4 address",
            Some(Family::Ipv6) => "every usable IPv6 address",
        })?;
        let prefixes = self.prefix.iter().flat_map(|prefix| prefix.value.prefixes());
        let (outside, inside): (Vec<String>, Vec<String>) =
            prefixes.map(ToString::to_string).partition(|prefix| prefix.starts_with('!'));
        if !inside.is_empty() {
            write!(f, " in {}", inside.join(" or "))?;
        }
        if !outside.is_empty() {
            write!(f, " but not in {}", outside.join(" or ").replace('!', ""))?;
        }
        let globs = self.dev.iter().flat_map(|dev| &dev.value.globs);
        let (excluded, included): (Vec<&str>, Vec<&str>) =
            globs.map(String::as_str).partition(|glob| glob.starts_with('!'));
        if !included.is_empty() {
            write!(f, " on {}", included.join(" or "))?;
        }
        if !excluded.is_empty() {
            write!(f, " but not on {}", excluded.join(" or ").replace('!', ""))?;
        }
        Ok(())
    }
}
