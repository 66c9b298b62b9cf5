//! Rules and routes of uplinks: what makes packets leave by the interface that has their source address.
//!
//! Two rules an address, because one cuts off what is behind this host: with `from ADDR lookup T` alone, answers to
//! containers and VPNs take the default route of T too. The first rule lets every route of the main table win that is not
//! the default.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::{Device, Family};

/// The protocol of all rules and routes of this program (`FRA_PROTOCOL`, `RTA_PROTOCOL`). Whatever has it is its own, and
/// nothing else is ever touched.
pub const UPLINK_PROTOCOL: u8 = 109;

/// `RT_TABLE_MAIN`
pub const MAIN_TABLE: u32 = 254;

/// The priority of rules to the main table without its default routes.
const PRIORITY_OF_MAIN: u32 = 8684;

/// The priority of rules to the table of an uplink.
const PRIORITY_OF_UPLINK: u32 = 8685;

/// The table of the interface with index 0, which no interface has.
const TABLES: u32 = 868_400_000;

/// The table of the uplink that an interface is.
pub fn uplink_table(index: NonZeroU32) -> u32 {
    TABLES.saturating_add(index.get())
}

/// The length of `struct rtmsg`.
const RTMSG: usize = 12;

/// The length of `struct rtattr`, and what attributes are aligned to.
const RTATTR: usize = 4;

/// `RTA_DST`
const RTA_DST: u16 = 1;

/// The names that declarations give to uplinks.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UplinkNames {
    /// By the table of their interface.
    pub tables: BTreeMap<u32, String>,
    /// By the addresses of their interface: a rule to the main table does not tell the interface.
    pub addresses: BTreeMap<IpAddr, String>,
}

impl UplinkNames {
    /// The name of the uplink that a rule belongs to.
    pub fn of_rule(&self, rule: &UplinkRule) -> Option<&str> {
        let by_address = || self.addresses.get(&rule.from?);
        self.tables.get(&rule.table).or_else(by_address).map(String::as_str)
    }

    /// The name of the uplink that a route leads to.
    pub fn of_route(&self, route: &UplinkRoute) -> Option<&str> {
        let by_interface = || self.tables.get(&uplink_table(route.dev.as_ref()?.index));
        let by_table = self.tables.get(&route.table);
        by_table.or_else(|| if route.is_stand_in() { by_interface() } else { None }).map(String::as_str)
    }
}

/// The rules and routes of protocol 109 in one network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UplinkState {
    /// By family, then in the order in which packets meet them.
    pub rules: Vec<UplinkRule>,
    /// By family.
    pub routes: Vec<UplinkRoute>,
}

/// A rule `from ADDRESS lookup TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UplinkRule {
    /// Rules with lower numbers come first.
    pub priority: u32,
    /// The source address of packets; none for a rule of another form that has none.
    pub from: Option<IpAddr>,
    /// The table.
    pub table: u32,
    /// Routes with a prefix of at most this length are passed over.
    pub suppress_prefixlength: Option<u32>,
    /// For a rule of another form, which something else made: all that the kernel says of it, to remove it by.
    pub raw: Vec<u8>,
}

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UplinkRoute {
    /// Of which destinations.
    pub family: Family,
    /// The table.
    pub table: u32,
    /// The router; none on a link without one.
    pub gateway: Option<IpAddr>,
    /// The outgoing interface; none for a route of another form that has none.
    pub dev: Option<Device>,
    /// The kernel prefers the lowest one. Alone in its table, the route of an uplink has that of [`Family::metric`].
    pub metric: u32,
    /// For a route of another form, which something else made: all that the kernel says of it, to remove it by.
    pub raw: Vec<u8>,
}

impl UplinkRule {
    /// The two rules for packets from an address, in the order in which they are added.
    pub fn pair(from: IpAddr, table: u32) -> [UplinkRule; 2] {
        let rule = |priority, table, suppress_prefixlength| UplinkRule {
            priority,
            from: Some(from),
            table,
            suppress_prefixlength,
            raw: Vec::new(),
        };
        [rule(PRIORITY_OF_MAIN, MAIN_TABLE, Some(0)), rule(PRIORITY_OF_UPLINK, table, None)]
    }

    /// Whether it leads to the table of an uplink.
    pub fn leads_to_uplink(&self) -> bool {
        self.priority == PRIORITY_OF_UPLINK && self.raw.is_empty()
    }
}

impl UplinkRoute {
    /// What of it the kernel holds once: a route with the same key takes the place of the other.
    pub fn key(&self) -> (Family, u32, u32, &[u8]) {
        (self.family, self.table, self.metric, &self.raw)
    }

    /// The same without its form: family, table and metric.
    pub fn place(&self) -> (Family, u32, u32) {
        (self.family, self.table, self.metric)
    }

    /// The destinations of a route of another form; none where that is all, or where the message does not tell.
    fn destinations(&self) -> Option<(IpAddr, u8)> {
        let UplinkRoute { family, raw, .. } = self;
        let prefix_length = *raw.get(1)?;
        let mut rest = raw.get(RTMSG..)?;
        while let Some([l0, l1, k0, k1]) = rest.first_chunk() {
            let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
            let value = rest.get(RTATTR..length)?;
            if u16::from_ne_bytes([*k0, *k1]) == RTA_DST {
                let address = match family {
                    Family::Ipv4 => IpAddr::from(<[u8; 4]>::try_from(value).ok()?),
                    Family::Ipv6 => IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
                };
                return Some((address, prefix_length));
            }
            rest = rest.get(length.next_multiple_of(RTATTR)..)?;
        }
        None
    }

    /// Whether it stands in for an uplink that is down; otherwise it is in the table of one.
    pub fn is_stand_in(&self) -> bool {
        self.table == MAIN_TABLE && self.raw.is_empty()
    }
}

/// Written as `ip rule` writes it.
impl fmt::Display for UplinkRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UplinkRule { priority, from, table, suppress_prefixlength, raw } = self;
        f.write_str("rule")?;
        if let Some(from) = from {
            write!(f, " from {from}")?;
        }
        match *table {
            MAIN_TABLE => f.write_str(" lookup main")?,
            table => write!(f, " lookup {table}")?,
        }
        if let Some(length) = suppress_prefixlength {
            write!(f, " suppress_prefixlength {length}")?;
        }
        // Among those of this program the priority says nothing more.
        if raw.is_empty() { Ok(()) } else { write!(f, " priority {priority}") }
    }
}

/// Written as `ip route` writes it.
impl fmt::Display for UplinkRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.raw.is_empty() { "route default" } else { "route" })?;
        if let Some((to, prefix_length)) = self.destinations() {
            write!(f, " {to}/{prefix_length}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(dev) = &self.dev {
            write!(f, " dev {dev}")?;
        }
        match self.table {
            MAIN_TABLE => f.write_str(" table main")?,
            table => write!(f, " table {table}")?,
        }
        if self.table == MAIN_TABLE { write!(f, " metric {}", self.metric) } else { Ok(()) }
    }
}
