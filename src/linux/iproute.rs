//! Rules and default routes in the words of `ip rule` and `ip route show table all`, for people who read a report. Nothing
//! is decided by them: plans and findings have types of their own.
//!
//! What no rule here knows is written by its number, never left out: a condition that is missing makes another rule of it.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::rtnl::Rtn;

use crate::linux::netlink::decode::{address, attributes, find, number};
use crate::linux::rtmsg::{HEADER, Hop, ONLINK, Route, fra, rta};
use crate::linux::rulemsg;
use crate::model::{Family, MAIN_TABLE, escaped};

/// `FIB_RULE_*`, and what of them `ip` mentions.
const INVERT: u32 = 1 << 1;
const UNRESOLVED: u32 = 1 << 2;
const IIF_DETACHED: u32 = 1 << 3;
const OIF_DETACHED: u32 = 1 << 4;
/// `RTNH_F_*`: why the kernel does not use a hop.
const DEAD: u8 = 1 << 0;
const LINKDOWN: u8 = 1 << 4;
/// `RTPROT_KERNEL` and `RTPROT_BOOT`: where `ip` says nothing of who made a rule, and a route.
const BY_KERNEL: u8 = 2;
const AT_BOOT: u8 = 3;

/// A rule; none for a family without Internet addresses.
pub fn rule(reply: &[u8]) -> Option<String> {
    let [family, to_length, from_length, tos, _, _, _, action, f0, f1, f2, f3] =
        *reply.first_chunk::<HEADER>()?;
    let known = rulemsg::rule(reply)?;
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let family = Family::from_number(family.into())?;
    let value = |kind: u16| find(attributes(&reply[HEADER..]), kind);
    let count = |kind: u16| value(kind).and_then(number);
    let mut words = vec![flag(family).to_owned(), format!("{}:", known.rule.priority)];
    words.extend((flags & INVERT != 0).then(|| "not".to_owned()));
    let from = value(fra::SRC).and_then(address);
    words.push(format!("from {}", prefix(family, from, from_length).unwrap_or_else(|| "all".to_owned())));
    let to = value(fra::DST).and_then(address);
    words.extend(prefix(family, to, to_length).map(|to| format!("to {to}")));
    words.extend((tos != 0).then(|| format!("tos {tos:#04x}")));
    words.extend(mark(count(fra::FWMARK), count(fra::FWMASK)));
    let detached = |bit: u32| if flags & bit == 0 { "" } else { " [detached]" };
    words.extend(value(fra::IIFNAME).map(|name| format!("iif {}{}", text(name), detached(IIF_DETACHED))));
    words.extend(value(fra::OIFNAME).map(|name| format!("oif {}{}", text(name), detached(OIF_DETACHED))));
    let mut others: Vec<(u16, &[u8])> = attributes(&reply[HEADER..]).collect();
    others.sort_by_key(|(kind, _)| *kind);
    words.extend(others.into_iter().filter_map(|(kind, value)| condition(kind, value)));
    let table = match count(fra::L3MDEV) {
        Some(1..) => "[l3mdev-table]".to_owned(),
        _ => table(known.rule.table),
    };
    words.extend((known.rule.table != 0 || table.starts_with('[')).then(|| format!("lookup {table}")));
    let suppressed = known.rule.suppress_prefixlength;
    words.extend(suppressed.map(|length| format!("suppress_prefixlength {length}")));
    let group = count(fra::SUPPRESS_IFGROUP).filter(|group| *group != u32::MAX);
    words.extend(group.map(|group| format!("suppress_ifgroup {group}")));
    // `FR_ACT_*`
    words.extend(match action {
        1 => None,
        2 => {
            let unresolved = if flags & UNRESOLVED == 0 { "" } else { " [unresolved]" };
            Some(format!("goto {}{unresolved}", count(fra::GOTO).unwrap_or(0)))
        }
        3 => Some("nop".to_owned()),
        6 => Some("blackhole".to_owned()),
        7 => Some("unreachable".to_owned()),
        8 => Some("prohibit".to_owned()),
        other => Some(format!("action {other}")),
    });
    let is_mentioned = ![0, BY_KERNEL].contains(&known.protocol);
    words.extend(is_mentioned.then(|| format!("proto {}", protocol(known.protocol))));
    Some(words.join(" "))
}

/// A condition or setting of a rule that stands between its interfaces and its table.
fn condition(kind: u16, value: &[u8]) -> Option<String> {
    let count = number(value).unwrap_or(0);
    Some(match kind {
        // These stand elsewhere.
        fra::DST | fra::SRC | fra::IIFNAME | fra::OIFNAME | fra::GOTO | fra::PRIORITY => return None,
        fra::FWMARK | fra::FWMASK | fra::TABLE | fra::PROTOCOL | fra::L3MDEV | fra::PAD => return None,
        fra::SUPPRESS_IFGROUP | fra::SUPPRESS_PREFIXLEN => return None,
        // Of one port, and of one DSCP, all bits count.
        fra::SPORT_MASK | fra::DPORT_MASK if count == 0xffff => return None,
        fra::DSCP_MASK if count == 0x3f => return None,
        fra::UID_RANGE => {
            let ends = value.chunks_exact(4).filter_map(number).map(|user: u32| user.to_string());
            format!("uidrange {}", ends.collect::<Vec<_>>().join("-"))
        }
        // `IPPROTO_*`
        fra::IP_PROTO => match count {
            1 => "ipproto icmp".to_owned(),
            6 => "ipproto tcp".to_owned(),
            17 => "ipproto udp".to_owned(),
            other => format!("ipproto {other}"),
        },
        fra::SPORT_RANGE => format!("sport {}", range(value.chunks_exact(2))),
        fra::DPORT_RANGE => format!("dport {}", range(value.chunks_exact(2))),
        fra::DSCP => format!("dscp {count}"),
        fra::TUN_ID => {
            format!("tun_id {}", value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
        }
        fra::FLOW => format!("realms {}/{}", count >> 16, count & 0xffff),
        other => {
            let bytes: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("attribute {other} 0x{bytes}")
        }
    })
}

/// A default route of any type; none for another one. `hops` has those of its nexthop object, and `name` an interface's name.
pub fn default_route(
    reply: &[u8],
    route: &Route,
    hops: &[Hop],
    name: impl Fn(NonZeroU32) -> String,
) -> Option<String> {
    let [_, 0, from_length, tos, _, _, _, _, f0, f1, f2, f3] = *reply.first_chunk::<HEADER>()? else {
        return None;
    };
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let value = |kind: u16| find(attributes(&reply[HEADER..]), kind);
    let mut words = vec![flag(route.family).to_owned()];
    words.extend(kind(route.kind));
    words.push("default".to_owned());
    let from = value(rta::SRC).and_then(address);
    words.extend(prefix(route.family, from, from_length).map(|from| format!("from {from}")));
    words.extend(route.nexthop.map(|id| format!("nhid {id}")));
    words.extend((tos != 0).then(|| format!("tos {tos:#04x}")));
    let hop = |hop: &Hop| {
        let other = |gateway: &IpAddr| if Family::of(*gateway) == route.family { "" } else { "inet6 " };
        let via = hop.gateway.map(|gateway| format!("via {}{gateway}", other(&gateway)));
        let dev = hop.interface.map(|index| format!("dev {}", name(index)));
        via.into_iter().chain(dev).collect::<Vec<_>>().join(" ")
    };
    let single = if let [single] = hops { Some(hop(single)) } else { None };
    words.extend(single);
    words.push(format!("table {}", table(route.table)));
    words.extend((route.protocol != AT_BOOT).then(|| format!("proto {}", protocol(route.protocol))));
    // `RT_SCOPE_*`
    words.extend(match route.scope {
        0 => None,
        200 => Some("scope site".to_owned()),
        253 => Some("scope link".to_owned()),
        254 => Some("scope host".to_owned()),
        other => Some(format!("scope {other}")),
    });
    words.extend(route.source.map(|source| format!("src {source}")));
    words.extend((route.metric != 0).then(|| format!("metric {}", route.metric)));
    let is_set = |(bit, word): (u8, &str)| (flags & u32::from(bit) != 0).then(|| word.to_owned());
    words.extend([(DEAD, "dead"), (ONLINK, "onlink"), (LINKDOWN, "linkdown")].into_iter().filter_map(is_set));
    words.extend(value(rta::PREF).map(|_| match route.preference {
        1.. => "pref high".to_owned(),
        0 => "pref medium".to_owned(),
        _ => "pref low".to_owned(),
    }));
    if hops.len() > 1 {
        words.extend(hops.iter().map(|own| format!("nexthop {}", hop(own))));
    }
    Some(words.join(" "))
}

fn flag(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "-4",
        Family::Ipv6 => "-6",
    }
}

/// An address, with its length where that is not the whole; none where nothing of it counts.
fn prefix(family: Family, address: Option<IpAddr>, length: u8) -> Option<String> {
    match address {
        Some(address) if length == family.bits() => Some(address.to_string()),
        Some(address) => Some(format!("{address}/{length}")),
        None if length == 0 => None,
        None => Some(format!("0/{length}")),
    }
}

/// The kernel leaves out a mark of 0, and says by a mask that it counts.
fn mark(mark: Option<u32>, mask: Option<u32>) -> Option<String> {
    match (mark.unwrap_or(0), mask) {
        (0, None) => None,
        (mark, None | Some(u32::MAX)) => Some(format!("fwmark {mark:#x}")),
        (mark, Some(mask)) => Some(format!("fwmark {mark:#x}/{mask:#x}")),
    }
}

/// A name that ends with a zero byte.
fn text(name: &[u8]) -> String {
    escaped(String::from_utf8_lossy(name).trim_end_matches('\0')).into_owned()
}

fn range<'a>(ends: impl Iterator<Item = &'a [u8]>) -> String {
    let ends: Vec<u32> = ends.filter_map(number).collect();
    match ends[..] {
        [start, end] if start == end => start.to_string(),
        [start, end] => format!("{start}-{end}"),
        _ => "?".to_owned(),
    }
}

fn table(number: u32) -> String {
    // `RT_TABLE_*`
    match number {
        253 => "default".to_owned(),
        MAIN_TABLE => "main".to_owned(),
        255 => "local".to_owned(),
        other => other.to_string(),
    }
}

/// `RTPROT_*`, by the names that `ip` has of itself.
fn protocol(number: u8) -> String {
    let name = match number {
        0 => "unspec",
        1 => "redirect",
        BY_KERNEL => "kernel",
        AT_BOOT => "boot",
        4 => "static",
        9 => "ra",
        16 => "dhcp",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// The type of a route; none for a usual one.
fn kind(kind: Rtn) -> Option<String> {
    let word = match kind {
        Rtn::Unicast => return None,
        Rtn::Local => "local",
        Rtn::Broadcast => "broadcast",
        Rtn::Anycast => "anycast",
        Rtn::Multicast => "multicast",
        Rtn::Blackhole => "blackhole",
        Rtn::Unreachable => "unreachable",
        Rtn::Prohibit => "prohibit",
        Rtn::Throw => "throw",
        other => return Some(format!("type {}", u8::from(other))),
    };
    Some(word.to_owned())
}
