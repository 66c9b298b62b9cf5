//! rtnetlink: routes. What `ip route get DST from SRC oif DEV` asks, and the default routes of all tables.

use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;

use crate::linux::netlink::decode::{address, attributes, number};
use crate::linux::netlink::{Netlink, Request};
use crate::model::{DefaultRoute, Family, Routing};
use crate::system::{Errno, Error};

/// `RTA_*`
const DST: u16 = 1;
const SRC: u16 = 2;
const OIF: u16 = 4;
const GATEWAY: u16 = 5;
const PREFSRC: u16 = 7;
const TABLE: u16 = 15;
const VIA: u16 = 18;
/// The length of `struct rtmsg`
const HEADER: usize = 12;
/// `RTM_F_FIB_MATCH`
const FIB_MATCH: u32 = 0x2000;
/// `RTN_UNICAST`
const UNICAST: u8 = 1;
/// `RTN_LOCAL`
const LOCAL: u8 = 2;

/// What one reply tells of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `RTN_*`
    kind: u8,
    prefix_length: u8,
    ipv4: bool,
    table: u32,
    gateway: Option<IpAddr>,
    /// The interface that it leaves by.
    pub interface: Option<NonZeroU32>,
    /// The address at this end, where nobody asked for another.
    pub source: Option<IpAddr>,
}

/// Asks for routes in one network namespace.
pub struct Routes {
    netlink: Netlink,
}

impl Routes {
    /// Opens it for the namespace of this thread.
    pub fn open() -> Result<Routes, Error> {
        Ok(Routes { netlink: Netlink::open(NlFamily::Route)? })
    }

    /// The route that packets to `destination` take, the error of the kernel when there is none.
    ///
    /// Where an interface is asked for and no route leads out of it, IPv4 does not say so: it assumes that the
    /// destination is a neighbour there (`ip_route_output_key_hash_rcu`). `RTM_F_FIB_MATCH` asks for the entry of the
    /// table instead, and then there is none. IPv6 may answer with a route out of another interface.
    pub fn get(
        &mut self,
        destination: IpAddr,
        source: Option<IpAddr>,
        out_of: Option<NonZeroU32>,
    ) -> Result<Result<Route, Errno>, Error> {
        let flags = if out_of.is_some() && destination.is_ipv4() { FIB_MATCH } else { 0 };
        let mut request = Request::get(Rtm::Getroute, &header(destination, source, flags));
        request.put(DST, destination);
        if let Some(source) = source {
            request.put(SRC, source);
        }
        if let Some(index) = out_of {
            request.put(OIF, index.get());
        }
        Ok(match self.netlink.request(request)? {
            Err(refusal) => Err(refusal.errno),
            Ok(replies) => match replies.iter().find_map(|reply| route(reply)) {
                Some(found) if found.kind != UNICAST && found.kind != LOCAL => Err(Errno::ENETUNREACH),
                // The entry may have several ways out, and the one that was asked for is among them.
                Some(found) if flags == FIB_MATCH => Ok(Route { interface: out_of, ..found }),
                Some(found) if out_of.is_some() && found.interface != out_of => Err(Errno::ENETUNREACH),
                Some(found) => Ok(found),
                None => Err(Errno::ENODATA),
            },
        })
    }

    /// The default routes, which interfaces have others by a router, and which tables are in use.
    pub fn routing(&mut self) -> Result<Routing, Error> {
        let mut routing = Routing::default();
        for family in Family::ALL {
            for found in self.dump(Rtm::Getroute, family)? {
                routing.tables.insert(found.table);
                let Route { ipv4, table, gateway, interface, .. } = found;
                if found.prefix_length == 0 && found.kind == UNICAST {
                    routing.defaults.push(DefaultRoute { ipv4, table, gateway, interface });
                } else if let (Some(_), Some(interface)) = (gateway, interface) {
                    routing.partial.insert((ipv4, interface));
                }
            }
            // What a rule leads to is not free, though it may be empty now. Rules begin as routes do, and have the same
            // attribute for the table.
            routing.tables.extend(self.dump(Rtm::Getrule, family)?.iter().map(|rule| rule.table));
        }
        Ok(routing)
    }

    fn dump(&mut self, what: Rtm, family: Family) -> Result<Vec<Route>, Error> {
        let mut header = [0; HEADER];
        header[0] = family.number();
        self.netlink.dump("list the routes and rules", Request::dump(what, &header), route)
    }
}

/// Reads `struct rtmsg` and its attributes.
pub fn route(reply: &[u8]) -> Option<Route> {
    let [family, prefix_length, _, _, table, _, _, kind, ..] = *reply.first_chunk::<HEADER>()?;
    let mut route = Route {
        kind,
        prefix_length,
        ipv4: family == Family::Ipv4.number(),
        table: table.into(),
        gateway: None,
        interface: None,
        source: None,
    };
    for (attribute, value) in attributes(reply.get(HEADER..)?) {
        match attribute {
            OIF => route.interface = number(value).and_then(NonZeroU32::new),
            GATEWAY => route.gateway = address(value),
            // A router of the other family: `sa_family_t` and the address.
            VIA => route.gateway = value.get(2..).and_then(address),
            PREFSRC => route.source = address(value),
            TABLE => route.table = number(value).unwrap_or(route.table),
            _ => {}
        }
    }
    Some(route)
}

fn header(destination: IpAddr, source: Option<IpAddr>, flags: u32) -> Vec<u8> {
    let family = Family::of(destination);
    let mut body = vec![family.number(), family.bits(), source.map_or(0, |_| family.bits()), 0, 0, 0, 0, 0];
    body.extend(flags.to_ne_bytes());
    body
}
