//! rtnetlink: routes, as `ip route get DST from SRC oif DEV` looks them up, and lists of them. [`Routes`] does for rules and
//! routes of uplinks, in `uplinks.rs`, what the path manager does for endpoints.
//!
//! Lists are filtered in the kernel where it can (NETLINK_GET_STRICT_CHK), since a router can have a million routes. They
//! are filtered here too, since a kernel that does not check strictly ignores what it is asked for.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::rtnl::{RtScope, Rtm, Rtn};
use neli::consts::socket::NlFamily;

use crate::linux::iproute;
use crate::linux::netlink::{Netlink, Request};
use crate::linux::rtmsg::{self, HEADER, Hop, Nexthop, ONLINK, Route, nha, rta};
use crate::linux::rulemsg::{self, Rule};
use crate::linux::sock_diag::TCP;
use crate::model::{DefaultRoute, Family, MAIN_TABLE, Routing, RoutingWords, UPLINK_PROTOCOL, UplinkRoute};
use crate::system::{Errno, Error, MainDefault, Refusal};

/// `AF_UNSPEC`, which stands for all families
pub const ALL_FAMILIES: u8 = 0;
/// `RTPROT_UNSPEC`, which stands for all protocols
const ALL_PROTOCOLS: u8 = 0;
/// `RTM_F_FIB_MATCH`
const FIB_MATCH: u32 = 0x2000;
/// What packets have that nobody marked.
const NO_MARK: u32 = 0;
/// The user of sockets that the kernel makes.
const ROOT: u32 = 0;
/// `RTM_GETNEXTHOP`
const GETNEXTHOP: u16 = 106;
/// The length of `struct nhmsg`
const NEXTHOP_HEADER: usize = 8;

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRoute {
    /// The interface that they leave by.
    pub interface: Option<NonZeroU32>,
    /// The router, of the first of several hops; none on the link itself.
    pub gateway: Option<IpAddr>,
    /// The source address that the route prefers (RTA_PREFSRC).
    pub source: Option<IpAddr>,
}

/// Rules and routes of one network namespace.
pub struct Routes {
    pub(super) netlink: Netlink,
}

/// What an address of IPv4 is on the link of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnLink {
    /// It may be a router's.
    Router,
    /// All hosts have it.
    Broadcast,
    /// It is not on that link.
    Nothing,
}

impl Routes {
    /// Opens a socket for the network namespace of this thread.
    ///
    /// # Errors
    /// When the kernel does not open it.
    pub fn open() -> Result<Routes, Error> {
        Ok(Routes { netlink: Netlink::open_strict(NlFamily::Route)? })
    }

    /// The route of packets from `source` to `destination`, bound to the interface `out_of`; the kernel's error number when
    /// there is none. They are those of a subflow that the kernel opens: of TCP, and of root's, whoever has the connection.
    ///
    /// IPv4 does not report that no route leads out of an interface: it assumes that the destination is a neighbour there
    /// (`ip_route_output_key_hash_rcu`). `RTM_F_FIB_MATCH` asks for the entry of the table instead, which is then missing.
    /// IPv6 takes `oif` for a wish where there is a source, and a socket that is bound to the interface does not
    /// (`ip6_route_output_flags`): what it finds without the source counts then.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn get(
        &mut self,
        destination: IpAddr,
        source: Option<IpAddr>,
        out_of: Option<NonZeroU32>,
    ) -> Result<Result<FoundRoute, Errno>, Error> {
        self.get_marked(destination, source, out_of, NO_MARK)
    }

    /// The same for packets with a mark, which rules may choose by.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn get_marked(
        &mut self,
        destination: IpAddr,
        source: Option<IpAddr>,
        out_of: Option<NonZeroU32>,
        mark: u32,
    ) -> Result<Result<FoundRoute, Errno>, Error> {
        let flags = if out_of.is_some() && destination.is_ipv4() { FIB_MATCH } else { 0 };
        let mut request = Request::get(Rtm::Getroute, &header(destination, source, flags));
        request.put_address(rta::DST, destination);
        if let Some(source) = source {
            request.put_address(rta::SRC, source);
        }
        if let Some(index) = out_of {
            request.put(rta::OIF, index.get().to_ne_bytes());
        }
        if mark != NO_MARK {
            request.put(rta::MARK, mark.to_ne_bytes());
        }
        request.put(rta::IP_PROTO, [TCP]);
        request.put(rta::UID, ROOT.to_ne_bytes());
        let replies = match self.netlink.request(request)? {
            Ok(replies) => replies,
            Err(refusal) => return Ok(Err(refusal.errno)),
        };
        let Some(found) = replies.iter().find_map(|reply| rtmsg::route(reply)) else {
            return Ok(Err(Errno::ENODATA));
        };
        let hop = found.hops.first();
        // The entry can have several next hops. The kernel found the one out of this interface.
        let interface = if flags == FIB_MATCH { out_of } else { hop.and_then(|hop| hop.interface) };
        let gateway = hop.and_then(|hop| hop.gateway);
        let is_elsewhere = out_of.is_some() && interface != out_of;
        if is_elsewhere && source.is_some() {
            return self.get_marked(destination, None, out_of, mark);
        }
        let is_usable = matches!(found.kind, Rtn::Unicast | Rtn::Local) && !is_elsewhere;
        let found = FoundRoute { interface, gateway, source: found.source };
        Ok(is_usable.then_some(found).ok_or(Errno::ENETUNREACH))
    }

    /// The default routes, the interfaces with other routes by a router, and the tables that are in use.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn routing(&mut self) -> Result<Routing, Error> {
        let found = RefCell::new(Routing::default());
        let default = |reply: &[u8]| {
            let route = rtmsg::route(reply)?;
            let mut routing = found.borrow_mut();
            routing.tables.insert(route.table);
            if route.is_default() {
                return Some(route);
            }
            let ipv4 = route.family == Family::Ipv4;
            let by_router = route.hops.iter().filter(|hop| hop.gateway.is_some());
            routing.partial.extend(by_router.filter_map(|hop| Some((ipv4, hop.interface?))));
            None
        };
        let defaults = self.routes(list(ALL_FAMILIES, ALL_PROTOCOLS), default)?;
        let mut routing = found.into_inner();
        for route in defaults {
            let (ipv4, table, onlink) = (route.family == Family::Ipv4, route.table, route.is_onlink);
            let of_hop =
                |Hop { interface, gateway }| DefaultRoute { ipv4, table, gateway, onlink, interface };
            routing.defaults.extend(self.hops(&route)?.into_iter().map(of_hop));
        }
        // The table of a rule is in use even when it is empty.
        let mut rules = self.rules(rulemsg::rule)?;
        routing.tables.extend(rules.iter().map(|found| found.rule.table));
        routing.by_protocol = rules.iter().any(|found| found.of_protocol.is_some());
        rules.retain(Rule::is_for_tcp);
        routing.rules = rules.iter().filter_map(Rule::by_address).collect();
        routing.marks = rules.iter().filter_map(|found| found.mark).collect();
        routing.is_selective = rules.iter().any(|found| found.is_selective);
        Ok(routing)
    }

    /// All rules, and the default routes of all tables, in words. `name` gives those of interfaces.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn in_words(&mut self, name: impl Fn(NonZeroU32) -> String) -> Result<RoutingWords, Error> {
        let default = |reply: &[u8]| {
            let route = rtmsg::route(reply).filter(|route| route.prefix_length == 0)?;
            Some((reply.to_vec(), route))
        };
        let mut words = RoutingWords { rules: self.rules(iproute::rule)?, ..RoutingWords::default() };
        for (reply, route) in self.routes(list(ALL_FAMILIES, ALL_PROTOCOLS), default)? {
            let hops = self.hops(&route)?;
            words.default_routes.extend(iproute::default_route(&reply, &route, &hops, &name));
        }
        Ok(words)
    }

    /// The default routes of the main table out of an interface that this program did not make. Of several with one metric,
    /// the kernel uses those whose router announces itself with the highest preference (RFC 4191).
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn main_defaults(&mut self, family: Family, out_of: NonZeroU32) -> Result<Vec<MainDefault>, Error> {
        let mut request = list_main(family);
        request.put(rta::OIF, out_of.get().to_ne_bytes());
        // Few of them are default routes, and the others need not be read. One for a type of service is not for all packets.
        let default = |reply: &[u8]| match reply {
            [_, 0, _, 0, ..] => rtmsg::route(reply),
            _ => None,
        };
        let mut defaults = self.routes(request, default)?;
        defaults.retain(|route| route.is_default() && is_foreign_in_main(route, family));
        let best = |metric| {
            let same = defaults.iter().filter(|route| route.metric == metric);
            same.map(|route| route.preference).max()
        };
        let preferred = |route: &&Route| best(route.metric) == Some(route.preference);
        let mut found = Vec::new();
        for route in defaults.iter().filter(preferred) {
            let hops = self.hops(route)?.into_iter().filter(|hop| hop.interface == Some(out_of));
            found.extend(hops.map(|hop| MainDefault { metric: route.metric, gateway: hop.gateway }));
        }
        Ok(found)
    }

    /// The routes of the main table by which routers are found, without those that this program made: the default routes,
    /// and those to what is on a link. Preferred ones come first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn ways_out(&mut self, family: Family) -> Result<Vec<Route>, Error> {
        let mut routes = self.list(list_main(family))?;
        routes.retain(|route| route.kind == Rtn::Unicast && is_foreign_in_main(route, family));
        for route in &mut routes {
            route.hops = self.hops(route)?;
        }
        let is_on_link = |route: &Route| route.hops.iter().all(|hop| hop.gateway.is_none());
        routes.retain(|route| route.is_default() || is_on_link(route));
        routes.sort_by_key(|route| Reverse(route.preference));
        Ok(routes)
    }

    /// The flags (`RTNH_F_*`) that make the kernel take the router of a route. A provider may name one that no prefix covers:
    /// where a default route of another program leads there, the kernel was told that it is on the link. Otherwise the kernel
    /// looks for it (`fib_check_nh_v4_gw`, `ip6_route_check_nh`).
    ///
    /// # Errors
    /// As the kernel will refuse the router.
    pub fn router_flags(&mut self, route: &UplinkRoute) -> Result<u8, Refusal> {
        let (Some(router), Some(dev)) = (route.gateway, &route.dev) else { return Ok(0) };
        let words = "Nexthop has invalid gateway".to_owned();
        let (is_on_link, refusal) = match router {
            IpAddr::V4(_) => {
                let way = self.way_on_link(router, dev.index)?;
                let errno = if way == OnLink::Broadcast { Errno::EINVAL } else { Errno::ENETUNREACH };
                (way == OnLink::Router, Refusal { text: Some(words), ..Refusal::new(errno) })
            }
            IpAddr::V6(v6) => (
                v6.is_unicast_link_local()
                    || self.is_on_link_of_table(router, dev.index, route.table)?
                    || matches!(
                        self.get(router, None, Some(dev.index))?,
                        Ok(FoundRoute { gateway: None, .. })
                    ),
                Refusal::new(Errno::EHOSTUNREACH),
            ),
        };
        if is_on_link {
            return Ok(0);
        }
        let defaults = self.main_defaults(route.family, dev.index)?;
        let is_known = defaults.iter().any(|default| default.gateway == Some(router));
        if is_known { Ok(ONLINK) } else { Err(refusal) }
    }

    /// Whether some route of at most the scope of a link leads to a router of IPv4, and none to a broadcast address. A
    /// lookup (`ip route get`) does not tell: where a rule leads to a table with nothing but a default route by a router, it
    /// finds that one, which the kernel passes over here.
    fn way_on_link(&mut self, router: IpAddr, out_of: NonZeroU32) -> Result<OnLink, Error> {
        let mut request = list(Family::Ipv4.number(), ALL_PROTOCOLS);
        request.put(rta::OIF, out_of.get().to_ne_bytes());
        let link = u8::from(RtScope::Link);
        let mut routes = self.list(request)?;
        routes.retain(|route| {
            let is_near = route.scope >= link && route.covers(router);
            is_near && route.hops.iter().all(|hop| hop.interface == Some(out_of))
        });
        let leads = |kinds: &[Rtn]| routes.iter().any(|route| kinds.contains(&route.kind));
        Ok(match () {
            () if leads(&[Rtn::Broadcast]) => OnLink::Broadcast,
            () if leads(&[Rtn::Unicast, Rtn::Local]) => OnLink::Router,
            () => OnLink::Nothing,
        })
    }

    /// Whether a table leads to a router of IPv6 without another one. The kernel looks there before it asks the rules.
    fn is_on_link_of_table(&mut self, router: IpAddr, out_of: NonZeroU32, table: u32) -> Result<bool, Error> {
        let mut request = list(Family::Ipv6.number(), ALL_PROTOCOLS);
        request.put(rta::TABLE, table.to_ne_bytes());
        let on_link = Hop { interface: Some(out_of), gateway: None };
        let is_usable = |route: &Route| {
            route.table == table && route.kind == Rtn::Unicast && route.hops.contains(&on_link)
        };
        Ok(self.list(request)?.iter().any(|route| is_usable(route) && route.covers(router)))
    }

    /// The next hops of a route, those of its nexthop object if it has one.
    fn hops(&mut self, route: &Route) -> Result<Vec<Hop>, Error> {
        let Some(object) = route.nexthop.filter(|_| route.hops.is_empty()) else {
            return Ok(route.hops.clone());
        };
        let members = match self.nexthop(object)? {
            Some(Nexthop::Group(members)) => members,
            Some(Nexthop::Hop(hop)) => return Ok(vec![hop]),
            None => return Ok(Vec::new()),
        };
        let mut hops = Vec::new();
        for member in members {
            // A group has no groups.
            if let Some(Nexthop::Hop(hop)) = self.nexthop(member)? {
                hops.push(hop);
            }
        }
        Ok(hops)
    }

    fn nexthop(&mut self, id: u32) -> Result<Option<Nexthop>, Error> {
        let mut request = Request::get(GETNEXTHOP, &[0; NEXTHOP_HEADER]);
        request.put(nha::ID, id.to_ne_bytes());
        match self.netlink.request(request)? {
            Ok(replies) => Ok(replies.iter().find_map(|reply| rtmsg::nexthop(reply))),
            Err(refusal) if refusal.errno == Errno::ENOENT => Ok(None),
            Err(refusal) => Err(Error::Refused("look up a nexthop object", refusal)),
        }
    }

    fn list(&mut self, request: Request) -> Result<Vec<Route>, Error> {
        self.routes(request, rtmsg::route)
    }

    /// The routes that a request of [`list`] asks for.
    pub(super) fn routes<T>(
        &mut self,
        request: Request,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        match self.netlink.dump("list the routes", request, parse) {
            // The table, or the interface that routes lead out of, does not exist.
            Err(Error::Refused(_, refusal)) if matches!(refusal.errno, Errno::ENOENT | Errno::ENODEV) => {
                Ok(Vec::new())
            }
            routes => routes,
        }
    }

    /// All rules, in the order in which packets meet them. The kernel cannot filter them.
    pub(super) fn rules<T>(&mut self, parse: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
        self.netlink.dump("list the rules", Request::dump(Rtm::Getrule, &[0; HEADER]), parse)
    }
}

/// A request for the routes of a family that have this protocol.
pub(super) fn list(family: u8, protocol: u8) -> Request {
    let mut header = [0; HEADER];
    (header[0], header[5]) = (family, protocol);
    Request::dump(Rtm::Getroute, &header)
}

fn list_main(family: Family) -> Request {
    let mut request = list(family.number(), ALL_PROTOCOLS);
    request.put(rta::TABLE, MAIN_TABLE.to_ne_bytes());
    request
}

fn is_foreign_in_main(route: &Route, family: Family) -> bool {
    route.family == family && route.table == MAIN_TABLE && route.protocol != UPLINK_PROTOCOL
}

fn header(destination: IpAddr, source: Option<IpAddr>, flags: u32) -> Vec<u8> {
    let family = Family::of(destination);
    let mut body = vec![family.number(), family.bits(), source.map_or(0, |_| family.bits()), 0, 0, 0, 0, 0];
    body.extend(flags.to_ne_bytes());
    body
}
