//! `struct rtmsg`, `struct fib_rule_hdr` and `struct nhmsg`: what a reply says of a route, a rule, or a nexthop object.
//!
//! The numbers are those of `include/uapi/linux/rtnetlink.h`, `fib_rules.h` and `nexthop.h`.

use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{RtScope, Rtm, Rtn};

use crate::linux::netlink::Request;
use crate::linux::netlink::decode::{address, attributes, number};
use crate::model::{Family, Prefix};

/// The length of `struct rtmsg`, and of `struct fib_rule_hdr`, which has the same fields in most places.
pub const HEADER: usize = 12;

/// `RTNH_F_ONLINK`: the router is on the link, whatever other routes say. The other flags of hops are what the kernel has
/// found out.
pub const ONLINK: u8 = 4;

/// `RTA_*`
pub mod rta {
    pub const DST: u16 = 1;
    pub const SRC: u16 = 2;
    pub const OIF: u16 = 4;
    pub const GATEWAY: u16 = 5;
    pub const PRIORITY: u16 = 6;
    pub const PREFSRC: u16 = 7;
    pub const MULTIPATH: u16 = 9;
    pub const CACHEINFO: u16 = 12;
    pub const TABLE: u16 = 15;
    pub const MARK: u16 = 16;
    pub const VIA: u16 = 18;
    pub const PREF: u16 = 20;
    pub const ENCAP_TYPE: u16 = 21;
    pub const ENCAP: u16 = 22;
    pub const UID: u16 = 25;
    pub const IP_PROTO: u16 = 27;
    pub const NH_ID: u16 = 30;
}

/// `FRA_*`
pub mod fra {
    pub const DST: u16 = 1;
    pub const SRC: u16 = 2;
    pub const IIFNAME: u16 = 3;
    pub const GOTO: u16 = 4;
    pub const PRIORITY: u16 = 6;
    pub const FWMARK: u16 = 10;
    pub const FLOW: u16 = 11;
    pub const TUN_ID: u16 = 12;
    pub const SUPPRESS_IFGROUP: u16 = 13;
    pub const SUPPRESS_PREFIXLEN: u16 = 14;
    pub const TABLE: u16 = 15;
    pub const FWMASK: u16 = 16;
    pub const OIFNAME: u16 = 17;
    pub const PAD: u16 = 18;
    pub const L3MDEV: u16 = 19;
    pub const UID_RANGE: u16 = 20;
    pub const PROTOCOL: u16 = 21;
    pub const IP_PROTO: u16 = 22;
    pub const SPORT_RANGE: u16 = 23;
    pub const DPORT_RANGE: u16 = 24;
    pub const DSCP: u16 = 25;
    pub const SPORT_MASK: u16 = 28;
    pub const DPORT_MASK: u16 = 29;
    pub const DSCP_MASK: u16 = 30;
}

/// `NHA_*`
pub mod nha {
    pub const ID: u16 = 1;
    pub const GROUP: u16 = 2;
    pub const OIF: u16 = 5;
    pub const GATEWAY: u16 = 6;
}

/// A next hop of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The outgoing interface.
    pub interface: Option<NonZeroU32>,
    /// The router, of either family; none on the link itself.
    pub gateway: Option<IpAddr>,
}

impl Hop {
    /// These flags if it has a router: they make no sense otherwise, and the kernel refuses them.
    fn flags(&self, of_router: u8) -> u8 {
        self.gateway.map_or(0, |_| of_router)
    }
}

/// A route, as far as one reply describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Of its destinations.
    pub family: Family,
    /// `RTN_*`
    pub kind: Rtn,
    /// `RTPROT_*`: who made it.
    pub protocol: u8,
    /// `RT_TABLE_*`, or a number without a name.
    pub table: u32,
    /// `RT_SCOPE_*`: how far away the destinations are, at most; lower numbers are farther.
    pub scope: u8,
    /// How many bits of the destination count; 0 for a default route.
    pub prefix_length: u8,
    /// None for a default route.
    pub destination: Option<IpAddr>,
    /// The kernel prefers the lowest one.
    pub metric: u32,
    /// How much a router wants to be used: 1 more, -1 less than others with the same metric.
    pub preference: i8,
    /// The source address that the route prefers.
    pub source: Option<IpAddr>,
    /// Several for a multipath route; none for an unreachable destination.
    pub hops: Vec<Hop>,
    /// Whether its router counts as on the link, whatever other routes say (`RTNH_F_ONLINK`); of a single hop only.
    pub is_onlink: bool,
    /// The nexthop object. The kernel can leave it at that (`net.ipv4.nexthop_compat_mode`), without `hops`.
    pub nexthop: Option<u32>,
}

impl Route {
    /// A default route, which has no hops yet.
    pub fn to_everywhere(family: Family, table: u32) -> Route {
        Route {
            family,
            kind: Rtn::Unicast,
            protocol: 0,
            table,
            scope: RtScope::Universe.into(),
            prefix_length: 0,
            destination: None,
            metric: 0,
            preference: 0,
            source: None,
            hops: Vec::new(),
            is_onlink: false,
            nexthop: None,
        }
    }

    /// A request about it, with these flags (`RTNH_F_*`) for hops by a router. The scope is that of a new route. Preferences,
    /// preferred source addresses and nexthop objects are left out.
    pub fn request(&self, kind: Rtm, flags: NlmF, hop_flags: u8) -> Request {
        let on_link = self.family == Family::Ipv4 && self.hops.iter().all(|hop| hop.gateway.is_none());
        let scope = if on_link { RtScope::Link } else { RtScope::Universe };
        let family = self.family.number();
        let mut header = vec![family, self.prefix_length, 0, 0, short_table(self.table), self.protocol];
        header.push(scope.into());
        header.push(self.kind.into());
        let onlink = if self.is_onlink { ONLINK } else { 0 };
        let single = if let [hop] = self.hops[..] { hop.flags(hop_flags | onlink) } else { 0 };
        header.extend(u32::from(single).to_ne_bytes());
        let mut request = Request::change(kind, flags, &header);
        request.put(rta::TABLE, self.table.to_ne_bytes());
        if let Some(destination) = self.destination {
            request.put_address(rta::DST, destination);
        }
        if self.metric != 0 {
            request.put(rta::PRIORITY, self.metric.to_ne_bytes());
        }
        match self.hops[..] {
            [Hop { interface, gateway }] => {
                put_gateway(&mut request, self.family, gateway);
                if let Some(interface) = interface {
                    request.put(rta::OIF, interface.get().to_ne_bytes());
                }
            }
            ref several => request.put(rta::MULTIPATH, put_hops(self.family, several, hop_flags)),
        }
        request
    }

    /// Whether it leads to all destinations that no other route leads to.
    pub fn is_default(&self) -> bool {
        self.prefix_length == 0 && self.kind == Rtn::Unicast
    }

    /// Whether it leads to that address.
    pub fn covers(&self, address: IpAddr) -> bool {
        let prefix = self.destination.map(|network| Prefix { network, length: self.prefix_length });
        Family::of(address) == self.family && prefix.is_none_or(|prefix| prefix.covers(address))
    }
}

/// Reads `struct rtmsg` and its attributes; none for a family without Internet addresses.
pub fn route(reply: &[u8]) -> Option<Route> {
    let [family, prefix_length, _, _, table, protocol, scope, kind, flags @ ..] =
        *reply.first_chunk::<HEADER>()?;
    let family = Family::from_number(family.into())?;
    let mut route = Route {
        kind: kind.into(),
        protocol,
        scope,
        prefix_length: Some(prefix_length).filter(|length| *length <= family.bits())?,
        ..Route::to_everywhere(family, table.into())
    };
    for (attribute, value) in attributes(reply.get(HEADER..)?) {
        match attribute {
            rta::DST => route.destination = family.address(value),
            rta::PRIORITY => route.metric = number(value)?,
            rta::PREF => route.preference = preference(value),
            rta::PREFSRC => route.source = address(value),
            rta::TABLE => route.table = number(value)?,
            rta::NH_ID => route.nexthop = number(value),
            rta::MULTIPATH => route.hops = multipath(value),
            _ => {}
        }
    }
    let single = hop(None, attributes(reply.get(HEADER..)?));
    route.hops.extend((single.interface.is_some() || single.gateway.is_some()).then_some(single));
    let has_router = matches!(route.hops[..], [Hop { gateway: Some(_), .. }]);
    route.is_onlink = has_router && u32::from_ne_bytes(flags) & u32::from(ONLINK) != 0;
    Some(route)
}

/// `ICMPV6_ROUTER_PREF_*`, a number of two bits with a sign
fn preference(value: &[u8]) -> i8 {
    match value.first() {
        Some(1) => 1,
        Some(3) => -1,
        _ => 0,
    }
}

fn hop<'a>(interface: Option<NonZeroU32>, attributes: impl Iterator<Item = (u16, &'a [u8])>) -> Hop {
    let mut hop = Hop { interface, gateway: None };
    for (attribute, value) in attributes {
        match attribute {
            rta::OIF => hop.interface = number(value).and_then(NonZeroU32::new),
            rta::GATEWAY => hop.gateway = address(value),
            // A router of the other family: `sa_family_t`, then the address.
            rta::VIA => hop.gateway = value.get(2..).and_then(address),
            _ => {}
        }
    }
    hop
}

/// Reads the hops of RTA_MULTIPATH: `struct rtnexthop` and attributes each.
fn multipath(mut bytes: &[u8]) -> Vec<Hop> {
    const HEADER: usize = 8;
    let mut hops = Vec::new();
    while let Some([l0, l1, _, _, i0, i1, i2, i3]) = bytes.first_chunk::<HEADER>() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(own) = bytes.get(HEADER..length) else { break };
        let interface = NonZeroU32::new(u32::from_ne_bytes([*i0, *i1, *i2, *i3]));
        hops.push(hop(interface, attributes(own)));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

/// `struct rtnexthop` and attributes for each hop.
fn put_hops(family: Family, hops: &[Hop], hop_flags: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for hop in hops {
        // The length is written last; the fourth byte is a weight, less 1.
        let mut header = vec![0, 0, hop.flags(hop_flags), 0];
        header.extend(hop.interface.map_or(0, NonZeroU32::get).to_ne_bytes());
        let mut own = Request::get(0u16, &header);
        put_gateway(&mut own, family, hop.gateway);
        let length = u16::try_from(own.body.len()).unwrap_or(u16::MAX).to_ne_bytes();
        own.body[..length.len()].copy_from_slice(&length);
        bytes.extend(own.body);
    }
    bytes
}

/// Adds the router of a route, which can be of the other family.
fn put_gateway(request: &mut Request, family: Family, gateway: Option<IpAddr>) {
    match gateway {
        Some(gateway) if Family::of(gateway) == family => request.put_address(rta::GATEWAY, gateway),
        Some(gateway) => {
            let mut via = u16::from(Family::of(gateway).number()).to_ne_bytes().to_vec();
            match gateway {
                IpAddr::V4(v4) => via.extend(v4.octets()),
                IpAddr::V6(v6) => via.extend(v6.octets()),
            }
            request.put(rta::VIA, via);
        }
        None => {}
    }
}

/// The number of a table as the header has it: `RT_TABLE_COMPAT` where it does not fit.
pub fn short_table(table: u32) -> u8 {
    const COMPAT: u8 = 252;
    u8::try_from(table).unwrap_or(COMPAT)
}

/// A nexthop object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nexthop {
    /// It leads there.
    Hop(Hop),
    /// It is a group of these objects.
    Group(Vec<u32>),
}

/// Reads `struct nhmsg` and its attributes.
pub fn nexthop(reply: &[u8]) -> Option<Nexthop> {
    const HEADER: usize = 8;
    /// `struct nexthop_grp`: the id, and a weight.
    const MEMBER: usize = 8;
    let mut hop = Hop { interface: None, gateway: None };
    for (attribute, value) in attributes(reply.get(HEADER..)?) {
        match attribute {
            nha::GROUP => {
                let ids = value.chunks_exact(MEMBER).filter_map(|member| number(member.get(..4)?));
                return Some(Nexthop::Group(ids.collect()));
            }
            nha::OIF => hop.interface = number(value).and_then(NonZeroU32::new),
            nha::GATEWAY => hop.gateway = address(value),
            _ => {}
        }
    }
    Some(Nexthop::Hop(hop))
}
