//! The routers of an uplink, as they are declared.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Family, canonical};

use super::pattern::{AddressError, spelling_help};

/// The routers of an uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// `none`: a link without a router.
    OnLink,
    /// At most one a family.
    Routers(Vec<IpAddr>),
}

impl Gateway {
    /// The word for a link without a router.
    pub const NONE: &'static str = "none";

    /// The declared router of a family, `Some(None)` on a link without one; none where it is not declared.
    pub fn of(&self, family: Family) -> Option<Option<IpAddr>> {
        match self {
            Gateway::OnLink => Some(None),
            Gateway::Routers(routers) => {
                routers.iter().find(|router| Family::of(**router) == family).map(|router| Some(*router))
            }
        }
    }

    /// Parses the address of a router; an IPv4-mapped IPv6 address becomes the IPv4 address.
    ///
    /// # Errors
    /// When it is no address, or none that a router can have.
    pub fn router(text: &str) -> Result<IpAddr, AddressError> {
        let error = |reason: &str, help: Option<String>| AddressError { reason: reason.to_owned(), help };
        let address = match text.parse().map(canonical) {
            Ok(address) => address,
            Err(_) => {
                let (reason, help) = misspelt(text);
                return Err(error(reason, help));
            }
        };
        match address {
            _ if address.is_unspecified() => Err(error(
                "the unspecified address cannot be a router",
                Some("write `gateway: none` on a link without a router".to_owned()),
            )),
            _ if address.is_multicast() => Err(error("a multicast address cannot be a router", None)),
            _ if address.is_loopback() => Err(error("a loopback address cannot be a router", None)),
            IpAddr::V4(v4) if v4.is_broadcast() => {
                Err(error("the broadcast address cannot be a router", None))
            }
            _ => Ok(address),
        }
    }
}

/// Why a text is no address, with a remedy.
fn misspelt(text: &str) -> (&'static str, Option<String>) {
    const NOT_AN_ADDRESS: &str = "not an IP address";
    /// What other programs call a router that the interface learns by itself.
    const LEARNT: [&str; 5] = ["auto", "default", "dhcp", "dhcp4", "ra"];
    /// What other programs call a link without a router.
    const WITHOUT: [&str; 5] = ["direct", "link", "no", "off", "on-link"];
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let word = text.to_ascii_lowercase().replace("onlink", "on-link");
    let parts: Vec<&str> = text.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    if text.is_empty() {
        return ("the address is empty", None);
    }
    if text == Gateway::NONE {
        return ("`none` stands alone", Some("write `gateway: none`, without a list".to_owned()));
    }
    if word == Gateway::NONE || WITHOUT.contains(&word.as_str()) {
        return (NOT_AN_ADDRESS, Some("write `gateway: none` on a link without a router".to_owned()));
    }
    if LEARNT.contains(&word.as_str()) {
        let help = "leave `gateway` out; the router is that of the default route of the interface";
        return (NOT_AN_ADDRESS, Some(help.to_owned()));
    }
    match (text.split_once('/'), text.split_once('%')) {
        (Some((address, _)), _) if is_address(address) => {
            return ("a router has an address, not a prefix", Some(format!("write it as `{address}`")));
        }
        (_, Some((address, _))) if is_address(address) => {
            let help = format!("write it as `{address}`; `dev` names the interface");
            return ("an address cannot have a zone here", Some(help));
        }
        _ => {}
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return ("a router has no port", Some(format!("write it as `{}`", socket.ip())));
    }
    if parts.len() > 1 && parts.iter().all(|part| is_address(part)) {
        return (NOT_AN_ADDRESS, Some(format!("write a list: `gateway: [{}]`", parts.join(", "))));
    }
    let help =
        "write the address of the router; host names are not looked up, and the interface belongs in `dev`";
    (NOT_AN_ADDRESS, Some(spelling_help(text).unwrap_or_else(|| help.to_owned())))
}
