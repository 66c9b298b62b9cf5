//! Which links a first configuration has, and why the others are left out.

use std::net::IpAddr;

use crate::config::{DevicePattern, is_unique_local};
use crate::model::{AddressState, Device, Family, escaped};
use crate::system::MainDefault;

use super::survey::{SurveyedAddress, SurveyedLink, WayOut};

/// Kinds of interfaces (`IFLA_INFO_KIND`) whose packets leave by another one.
const TUNNELS: [&str; 22] = [
    "amt",
    "bareudp",
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "l2tp",
    "ovpn",
    "ovpn-dco",
    "sit",
    "tun",
    "vti",
    "vti6",
    "vxlan",
    "wireguard",
    "xfrm",
];
/// Kinds that are mobile networks or dialled.
const MODEMS: [&str; 3] = ["ppp", "rmnet", "wwan"];
/// How the names of such interfaces begin.
const MODEM_NAMES: [&str; 3] = ["ppp", "rmnet", "ww"];

/// A link of the configuration.
#[derive(Debug)]
pub struct ChosenLink<'s> {
    /// The facts.
    pub link: &'s SurveyedLink,
    /// The interface, by a name that `dev` can have.
    pub dev: Device,
    /// The addresses that can be endpoints.
    pub addresses: Vec<&'s SurveyedAddress>,
}

/// Something that the configuration leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// An interface, or one of its addresses.
    pub what: String,
    /// Why, in a few words.
    pub reason: String,
}

impl LeftOut {
    /// An address of an interface.
    pub fn address(dev: &Device, address: IpAddr, reason: &str) -> LeftOut {
        LeftOut { what: format!("{dev} {address}"), reason: reason.to_owned() }
    }
}

impl<'s> ChosenLink<'s> {
    /// The link with the addresses that packets can leave with by it; the others, and why, go to `left_out`.
    pub fn choose(link: &'s SurveyedLink, left_out: &mut Vec<LeftOut>) -> Option<ChosenLink<'s>> {
        let dev = Device::from(&link.interface);
        let reason = match (unfit(link), declarable(link)) {
            (Some(reason), _) => reason,
            (None, None) => "its name cannot be written as `dev`; give it another one".to_owned(),
            (None, Some(name)) => {
                let named = Device { name: Some(name.to_owned()), ..dev.clone() };
                let (addresses, others): (Vec<_>, Vec<_>) = link
                    .addresses
                    .iter()
                    .map(|address| (address, unfit_address(link, address)))
                    .partition(|(_, reason)| reason.is_none());
                for (own, reason) in others {
                    left_out.push(LeftOut::address(&dev, own.address, &reason.unwrap_or_default()));
                }
                let addresses: Vec<_> = addresses.into_iter().map(|(address, _)| address).collect();
                return (!addresses.is_empty()).then_some(ChosenLink { link, dev: named, addresses });
            }
        };
        left_out.push(LeftOut { what: dev.to_string(), reason });
        None
    }

    /// The best default route out of it; none where only rules lead out by it.
    pub fn best_default(&self) -> Option<MainDefault> {
        self.link.defaults.iter().map(|(_, default)| *default).min()
    }

    /// The best default route of a family out of it.
    pub fn best_default_of(&self, family: Family) -> Option<MainDefault> {
        let own = self.link.defaults.iter().filter(|(of, _)| *of == family);
        own.map(|(_, default)| *default).min()
    }

    /// Whether it is a mobile network or dialled, which is metered and changes its address more often than not.
    pub fn is_modem(&self) -> bool {
        let name = &self.link.interface.name;
        MODEMS.contains(&&*self.link.kind) || MODEM_NAMES.iter().any(|start| name.starts_with(start))
    }

    /// Whether packets with one of its addresses leave by it only where an uplink sees to that.
    pub fn needs_uplink(&self) -> bool {
        let settled = self.addresses.iter().filter(|own| own.state == AddressState::Settled);
        settled.clone().any(|own| own.way != WayOut::Own)
    }
}

/// A name of the interface that a configuration can have, without meaning others too.
fn declarable(link: &SurveyedLink) -> Option<&str> {
    let is_literal = |name: &&str| {
        let pattern = DevicePattern { globs: vec![(*name).to_owned()] };
        pattern.literal().is_some() && DevicePattern::name_error(name).is_none()
    };
    // A name that is not UTF-8 was read with U+FFFD in it.
    link.interface.names().filter(|name| !name.contains(char::REPLACEMENT_CHARACTER)).find(is_literal)
}

/// Why a link is left out as a whole.
fn unfit(link: &SurveyedLink) -> Option<String> {
    let has_default = !link.defaults.is_empty();
    let leads_out = has_default || link.addresses.iter().any(|own| own.way != WayOut::Other);
    let kind = link.kind.as_str();
    if let Some(whole) = &link.part_of {
        return Some(format!("part of {}", escaped(whole)));
    }
    if TUNNELS.contains(&kind) {
        let beside = "subflows of the endpoints above leave beside it, not through it";
        return Some(if has_default {
            format!("a tunnel ({kind}) with a default route; {beside}")
        } else {
            format!("a tunnel ({kind}), whose packets leave by another link")
        });
    }
    match kind {
        _ if !link.interface.up => Some("down".to_owned()),
        "bridge" if !leads_out => Some("a bridge without a default route, as containers have".to_owned()),
        "veth" if !leads_out => {
            Some("a veth without a default route, the end of a container's link".to_owned())
        }
        _ if link.addresses.is_empty() => Some("it has no global address".to_owned()),
        _ if !leads_out => Some("no default route leads out of it".to_owned()),
        _ => None,
    }
}

/// Why an address of a link is left out.
fn unfit_address(link: &SurveyedLink, own: &SurveyedAddress) -> Option<String> {
    let family = Family::of(own.address);
    let leads_out = own.way != WayOut::Other || link.defaults.iter().any(|(of, _)| *of == family);
    match own.state {
        _ if is_unique_local(own.address) => {
            Some("a unique local address, which only the networks of one site route".to_owned())
        }
        AddressState::DadFailed => Some("another host has this address too".to_owned()),
        AddressState::Deprecated => Some("deprecated".to_owned()),
        AddressState::Settled | AddressState::Tentative => {
            (!leads_out).then(|| format!("no {} default route leads out of the link", family.title()))
        }
    }
}
