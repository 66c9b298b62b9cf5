//! Rules and routes of uplinks: `struct fib_rule_hdr` and `struct rtmsg` to the vocabulary of plans and back.
//!
//! Whatever has the protocol of this program is its own. Something else can have made rules and routes of that protocol in
//! other forms: of those the whole message is kept, without what only the kernel may say, so that it removes them and puts
//! them back.

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Rtm, Rtn};

use crate::linux::netlink::Request;
use crate::linux::netlink::decode::{Verdict, attributes, find, number};
use crate::linux::routes::{ALL_FAMILIES, Routes, list};
use crate::linux::rtmsg::{self, HEADER, Hop, ONLINK, Route, fra, rta, short_table};
use crate::linux::rulemsg::{self, Rule};
use crate::model::{Device, Family, MAIN_TABLE, Step, UPLINK_PROTOCOL, UplinkRoute, UplinkRule, UplinkState};
use crate::system::{Errno, Error, Refusal};

/// `FR_ACT_TO_TBL`
const TO_TABLE: u8 = 1;
/// `FIB_RULE_INVERT`: the rule is about packets that do not match.
const INVERT: u32 = 2;
/// `-1`, which stands for "nothing" where rules suppress routes.
const NOTHING: [u8; 4] = [0xff; 4];
/// `FRA_DSCP_MASK` and `RTA_NH_ID`, the newest attributes known. Later ones are not looked at: a kernel that adds one to all
/// replies would otherwise make all rules and routes look odd, and be removed.
const NEWEST: u16 = 30;
/// Where both headers have their flags.
const FLAGS: std::ops::Range<usize> = 8..HEADER;

impl Routes {
    /// The rules and routes of uplinks, without the names of their interfaces.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn uplinks(&mut self) -> Result<UplinkState, Error> {
        let mut rules = self.rules(uplink_rule)?;
        rules.sort_by_key(|rule| rule.family);
        let mut routes = self.routes(list(ALL_FAMILIES, UPLINK_PROTOCOL), uplink_route)?;
        routes.sort_by_key(UplinkRoute::place);
        Ok(UplinkState { rules: rules.into_iter().map(|rule| rule.rule).collect(), routes })
    }

    /// Adds, removes or replaces the rule or route of a step.
    ///
    /// # Errors
    /// When the kernel's answer is lost.
    pub fn execute(&mut self, step: &Step) -> Result<Verdict, Error> {
        let new = NlmF::CREATE | NlmF::EXCL;
        match step {
            // To the kernel an odd rule can be there already, by a usual one.
            Step::AddRule { rule, .. } if !rule.raw.is_empty() => {
                self.netlink.request(rule_request(Rtm::Newrule, NlmF::CREATE, rule))
            }
            Step::AddRule { rule, .. } => self.netlink.request(rule_request(Rtm::Newrule, new, rule)),
            Step::DelRule { rule, .. } => self.delete_rule(rule),
            Step::SetRoute { from: None, to, .. } => {
                let request = self.new_route(new, to);
                self.netlink.request(request)
            }
            Step::SetRoute { from: Some(_), to, .. } => self.replace_route(to),
            Step::DelRoute { route, .. } => {
                self.netlink.request(route_request(Rtm::Delroute, NlmF::empty(), route))
            }
            _ => Ok(Err(Refusal::new(Errno::EOPNOTSUPP))),
        }
    }

    /// Removes one rule and no other. What a request leaves open can be anything to the kernel, and `not` always can: it
    /// removes the first rule that fits (`rule_find`). So those before the wanted one are moved behind it first: each is
    /// added a second time, which puts it last of its priority, before the first of the two goes.
    fn delete_rule(&mut self, rule: &UplinkRule) -> Result<Verdict, Error> {
        let is_wanted = |own: &Rule| own.rule == *rule;
        let delete = || rule_request(Rtm::Delrule, NlmF::empty(), rule);
        let mut own = self.rules(uplink_rule)?;
        // Each round moves one of them.
        for _ in 0..own.len() {
            let found = own.iter().find(|own| fits(&delete().body, &message_of_rule(&own.rule)));
            let Some(first) = found.filter(|_| own.iter().any(is_wanted)) else { break };
            if is_wanted(first) {
                return self.netlink.request(delete());
            }
            for request in [rule_request(Rtm::Newrule, NlmF::CREATE, &first.rule), delete()] {
                if let Err(refusal) = self.netlink.request(request)? {
                    return Ok(Err(refusal));
                }
            }
            own = self.rules(uplink_rule)?;
        }
        Ok(Err(Refusal::changed()))
    }

    /// Whether the kernel would take a route.
    ///
    /// # Errors
    /// As it would refuse it.
    pub fn check_route(&mut self, route: &UplinkRoute) -> Result<(), Refusal> {
        self.router_flags(route)?;
        self.check_place(route)
    }

    /// Refuses a route whose place another program's has: to the kernel the new one takes the place of any that has its
    /// destination and metric, by any program.
    fn check_place(&mut self, to: &UplinkRoute) -> Result<(), Refusal> {
        let mut request = list(to.family.number(), 0);
        request.put(rta::TABLE, to.table.to_ne_bytes());
        let routes = self.routes(request, rtmsg::route)?;
        let is_in_place = |route: &&Route| {
            (route.family, route.table, route.prefix_length) == (to.family, to.table, 0)
                && route.metric == to.metric
        };
        if routes.iter().filter(is_in_place).all(|route| route.protocol == UPLINK_PROTOCOL) {
            return Ok(());
        }
        let text = Some(format!("another program has a default route in table {}", to.table));
        Err(Refusal { text, ..Refusal::new(Errno::EEXIST) })
    }

    /// Replaces a route in place.
    fn replace_route(&mut self, to: &UplinkRoute) -> Result<Verdict, Error> {
        if let Err(refusal) = self.check_place(to) {
            return Ok(Err(refusal));
        }
        let request = self.new_route(NlmF::CREATE | NlmF::REPLACE, to);
        self.netlink.request(request)
    }

    /// The request to add a route. What is wrong with its router is left to the kernel to say.
    fn new_route(&mut self, flags: NlmF, route: &UplinkRoute) -> Request {
        let of_router = if route.raw.is_empty() { self.router_flags(route).unwrap_or(0) } else { 0 };
        route_request_by(Rtm::Newroute, flags, route, of_router)
    }
}

/// A rule of this program's protocol; with the whole message if it has another form than those of uplinks.
pub fn uplink_rule(reply: &[u8]) -> Option<Rule> {
    let mut rule = rulemsg::rule(reply).filter(|rule| rule.protocol == UPLINK_PROTOCOL)?;
    let raw = restorable_rule(reply)?;
    let is_usual = |from| UplinkRule::pair(from, rule.rule.table).contains(&rule.rule);
    if !rule.rule.from.is_some_and(is_usual) || !is_same(&raw, &message_of_rule(&rule.rule)) {
        rule.rule.raw = raw;
    }
    Some(rule)
}

/// A route of this program's protocol; with the whole message if it has another form than those of uplinks.
pub fn uplink_route(reply: &[u8]) -> Option<UplinkRoute> {
    let route = rtmsg::route(reply).filter(|route| route.protocol == UPLINK_PROTOCOL)?;
    let hop = route.hops.first();
    let mut own = UplinkRoute {
        family: route.family,
        table: route.table,
        gateway: hop.and_then(|hop| hop.gateway),
        dev: hop.and_then(|hop| hop.interface).map(|index| Device { index, name: None }),
        metric: route.metric,
        raw: Vec::new(),
    };
    let raw = restorable_route(reply)?;
    // Packets do not see how the router came to be accepted (ONLINK), nor a preference among several.
    // Only in the main table the metric says something: which route stands in for which uplink.
    let metric = if own.table == MAIN_TABLE { own.metric } else { own.family.metric() };
    let mut usual = route_request(Rtm::Newroute, NlmF::empty(), &UplinkRoute { metric, ..own.clone() });
    usual.body[FLAGS].copy_from_slice(&raw[FLAGS]);
    if let Some(preference) = find(attributes(&raw[HEADER..]), rta::PREF) {
        usual.put(rta::PREF, preference);
    }
    if !is_same(&raw, &usual.body) {
        own.raw = raw;
    }
    Some(own)
}

fn message_of_rule(rule: &UplinkRule) -> Vec<u8> {
    rule_request(Rtm::Newrule, NlmF::empty(), rule).body
}

/// A request about a rule.
pub fn rule_request(kind: Rtm, flags: NlmF, rule: &UplinkRule) -> Request {
    let UplinkRule { priority, from, table, suppress_prefixlength, raw } = rule;
    if !raw.is_empty() {
        return Request::change(kind, flags, raw);
    }
    let family = from.map(Family::of);
    let mut header = [0; HEADER];
    header[0] = family.map_or(ALL_FAMILIES, Family::number);
    header[2] = family.map_or(0, Family::bits);
    header[4] = short_table(*table);
    header[7] = TO_TABLE;
    let mut request = Request::change(kind, flags, &header);
    request.put(fra::TABLE, table.to_ne_bytes());
    request.put(fra::SUPPRESS_PREFIXLEN, suppress_prefixlength.map_or(NOTHING, u32::to_ne_bytes));
    request.put(fra::PROTOCOL, [UPLINK_PROTOCOL]);
    request.put(fra::PRIORITY, priority.to_ne_bytes());
    if let Some(from) = from {
        request.put_address(fra::SRC, *from);
    }
    request
}

/// A request about a route.
pub fn route_request(kind: Rtm, flags: NlmF, route: &UplinkRoute) -> Request {
    route_request_by(kind, flags, route, 0)
}

/// The same, with flags for its router.
fn route_request_by(kind: Rtm, flags: NlmF, route: &UplinkRoute, of_router: u8) -> Request {
    let UplinkRoute { family, table, gateway, dev, metric, raw } = route;
    if !raw.is_empty() {
        return Request::change(kind, flags, raw);
    }
    let hop = Hop { interface: dev.as_ref().map(|dev| dev.index), gateway: *gateway };
    let route = Route {
        protocol: UPLINK_PROTOCOL,
        metric: *metric,
        hops: vec![hop],
        ..Route::to_everywhere(*family, *table)
    };
    route.request(kind, flags, of_router)
}

/// What of a reply makes the same rule again.
fn restorable_rule(reply: &[u8]) -> Option<Vec<u8>> {
    let mut request = restored(reply, INVERT)?;
    let mut has_priority = false;
    for (attribute, value) in attributes(reply.get(HEADER..)?) {
        request.put(attribute, value);
        has_priority |= attribute == fra::PRIORITY;
    }
    // The kernel does not mention a priority of 0, and without one it would remove a rule of any priority.
    if !has_priority {
        request.put(fra::PRIORITY, [0; 4]);
    }
    Some(request.body)
}

/// What of a reply makes the same route again.
fn restorable_route(reply: &[u8]) -> Option<Vec<u8>> {
    let of_object = [rta::OIF, rta::GATEWAY, rta::VIA, rta::MULTIPATH, rta::ENCAP_TYPE, rta::ENCAP];
    let mut request = restored(reply, ONLINK.into())?;
    let has_object = find(attributes(reply.get(HEADER..)?), rta::NH_ID).is_some();
    if has_object {
        // The object makes it a black hole, which the kernel would not find.
        request.body[7] = Rtn::Unicast.into();
    }
    for (attribute, value) in attributes(reply.get(HEADER..)?) {
        match attribute {
            rta::CACHEINFO => {}
            // Where the object leads is not said a second time.
            _ if has_object && of_object.contains(&attribute) => {}
            rta::MULTIPATH => request.put(attribute, with_given_flags(value)),
            _ => request.put(attribute, value),
        }
    }
    Some(request.body)
}

/// A request that begins with the header of a reply, with those of its flags.
fn restored(reply: &[u8], flags: u32) -> Option<Request> {
    let header: &[u8; HEADER] = reply.first_chunk()?;
    let mut request = Request::change(Rtm::Newroute, NlmF::empty(), header);
    let given = number(&header[FLAGS])? & flags;
    request.body[FLAGS].copy_from_slice(&given.to_ne_bytes());
    Some(request)
}

/// RTA_MULTIPATH without the flags of its hops that only the kernel may set.
fn with_given_flags(multipath: &[u8]) -> Vec<u8> {
    let (mut hops, mut at) = (multipath.to_vec(), 0);
    while let Some([l0, l1, flags, ..]) = hops.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
        *flags &= ONLINK;
        at += usize::from(u16::from_ne_bytes([*l0, *l1])).next_multiple_of(4).max(4);
    }
    hops
}

/// Whether two messages say the same.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let content = |message| {
        let mut known: Vec<(u16, &[u8])> = known_attributes(message).collect();
        known.sort_unstable();
        known
    };
    one.first_chunk::<HEADER>() == other.first_chunk::<HEADER>() && content(one) == content(other)
}

/// Whether the kernel takes this rule for the one that a request to remove one is about.
fn fits(request: &[u8], rule: &[u8]) -> bool {
    let (Some(asked), Some(header)) = (request.first_chunk::<HEADER>(), rule.first_chunk::<HEADER>()) else {
        return false;
    };
    // Family, lengths of both prefixes, type of service, action.
    let places = [(0, asked[0]), (1, asked[1]), (2, asked[2]), (3, asked[3]), (7, asked[7])];
    let is_free = |attribute, value: &[u8]| {
        [fra::SUPPRESS_IFGROUP, fra::SUPPRESS_PREFIXLEN].contains(&attribute) && value == NOTHING
    };
    let mut asked = known_attributes(request).filter(|(attribute, value)| !is_free(*attribute, value));
    places.iter().all(|(place, value)| *value == 0 || *value == header[*place])
        && asked.all(|wanted| known_attributes(rule).any(|own| own == wanted))
}

fn known_attributes(message: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(message.get(HEADER..).unwrap_or_default()).filter(|(attribute, _)| *attribute <= NEWEST)
}
