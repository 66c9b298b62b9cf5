//! Selectors: declarations that stand for every usable address that matches.

use std::fmt;

use super::document::Located;
use super::pattern::{AddressFamily, AddressPattern, DevicePattern};

/// The conditions of a selector; an address has to meet all that are given.
#[derive(Debug)]
pub struct Selector {
    /// The prefix that contains the address.
    pub prefix: Option<Located<AddressPattern>>,
    /// The interfaces that have the address.
    pub dev: Option<Located<DevicePattern>>,
    /// The family of the address.
    pub family: Option<Located<AddressFamily>>,
}

/// `every usable IPv4 address in 10.0.0.0/8 on wwan* but not on wwan9`
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.family.map(|family| family.value) {
            None => "every usable address",
            Some(AddressFamily::Ipv4) => "every usable IPv4 address",
            Some(AddressFamily::Ipv6) => "every usable IPv6 address",
        })?;
        if let Some(prefix) = &self.prefix {
            write!(f, " in {}", prefix.value)?;
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
