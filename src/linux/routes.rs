//! rtnetlink: routes, as `ip route get DST from SRC oif DEV` looks them up, and the default routes of all tables.

use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::rtnl::{Rtm, Rtn};
use neli::consts::socket::NlFamily;

use crate::linux::netlink::decode::{address, attributes, number};
use crate::linux::netlink::{Netlink, Request};
use crate::model::{DefaultRoute, Family, Routing, Step, UplinkState};
use crate::system::{Errno, Error, MainDefault, Refusal};

/// `RTA_*` of `include/uapi/linux/rtnetlink.h`
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

/// A route, as far as one reply describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    kind: Rtn,
    prefix_length: u8,
    ipv4: bool,
    table: u32,
    gateway: Option<IpAddr>,
    /// The interface that it leaves by.
    pub interface: Option<NonZeroU32>,
    /// The source address that the route prefers (RTA_PREFSRC).
    pub source: Option<IpAddr>,
}

/// Looks routes up in one network namespace.
pub struct Routes {
    netlink: Netlink,
}

impl Routes {
    /// Opens a socket for the network namespace of this thread.
    ///
    /// # Errors
    /// When the kernel does not open it.
    pub fn open() -> Result<Routes, Error> {
        Ok(Routes { netlink: Netlink::open(NlFamily::Route)? })
    }

    /// The route of packets from `source` to `destination`, bound to the interface `out_of`; the kernel's error number when
    /// there is none.
    ///
    /// IPv4 does not report that no route leads out of an interface: it assumes that the destination is a neighbour there
    /// (`ip_route_output_key_hash_rcu`). `RTM_F_FIB_MATCH` asks for the entry of the table instead, which is then missing.
    /// IPv6 can answer with a route out of another interface.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn get(
        &mut self,
        destination: IpAddr,
        source: Option<IpAddr>,
        out_of: Option<NonZeroU32>,
    ) -> Result<Result<Route, Errno>, Error> {
        let flags = if out_of.is_some() && destination.is_ipv4() { FIB_MATCH } else { 0 };
        let mut request = Request::get(Rtm::Getroute, &header(destination, source, flags));
        request.put_address(DST, destination);
        if let Some(source) = source {
            request.put_address(SRC, source);
        }
        if let Some(index) = out_of {
            request.put(OIF, index.get().to_ne_bytes());
        }
        Ok(match self.netlink.request(request)? {
            Err(refusal) => Err(refusal.errno),
            Ok(replies) => match replies.iter().find_map(|reply| route(reply)) {
                Some(found) if !matches!(found.kind, Rtn::Unicast | Rtn::Local) => Err(Errno::ENETUNREACH),
                // The entry can have several next hops. The kernel found the one out of this interface.
                Some(found) if flags == FIB_MATCH => Ok(Route { interface: out_of, ..found }),
                Some(found) if out_of.is_some() && found.interface != out_of => Err(Errno::ENETUNREACH),
                Some(found) => Ok(found),
                None => Err(Errno::ENODATA),
            },
        })
    }

    /// The default routes, the interfaces with other routes by a router, and the tables that are in use.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn routing(&mut self) -> Result<Routing, Error> {
        let mut routing = Routing::default();
        for family in Family::ALL {
            for found in self.dump(Rtm::Getroute, family)? {
                routing.tables.insert(found.table);
                let Route { ipv4, table, gateway, interface, .. } = found;
                if found.prefix_length == 0 && found.kind == Rtn::Unicast {
                    routing.defaults.push(DefaultRoute { ipv4, table, gateway, interface });
                } else if let (Some(_), Some(interface)) = (gateway, interface) {
                    routing.partial.insert((ipv4, interface));
                }
            }
            // The table of a rule is in use even when it is empty. Rules have the header of routes, and the same attribute
            // for the table.
            routing.tables.extend(self.dump(Rtm::Getrule, family)?.iter().map(|rule| rule.table));
        }
        Ok(routing)
    }

    /// The rules and routes of uplinks, without the names of their interfaces.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn uplinks(&mut self) -> Result<UplinkState, Error> {
        Ok(UplinkState::default())
    }

    /// The default routes of the main table out of an interface that this program did not make.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn main_defaults(&mut self, _: Family, _: NonZeroU32) -> Result<Vec<MainDefault>, Error> {
        Ok(Vec::new())
    }

    /// Adds, removes or replaces the rule or route of a step.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn execute(&mut self, _: &Step) -> Result<(), Refusal> {
        Ok(())
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
        kind: kind.into(),
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
            // A router of the other family: `sa_family_t`, then the address.
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
