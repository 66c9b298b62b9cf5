//! rtnetlink messages about rules of policy routing.

use std::net::IpAddr;

use crate::linux::netlink::decode::{attributes, number};
use crate::linux::rtmsg::{HEADER, fra};
use crate::linux::sock_diag::TCP;
use crate::model::{AddressRule, Family, Prefix, RuleAction, UplinkRule};

/// A rule, as far as one reply describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Of the addresses that it is about.
    pub family: Family,
    /// `RTPROT_*`: who made it.
    pub protocol: u8,
    /// Whose packets it applies to; those of all addresses where there is none.
    pub from: Option<Prefix>,
    /// Where they lead.
    pub to: Option<Prefix>,
    /// The mark of the packets that it applies to, or, inverted, does not apply to.
    pub mark: Option<u32>,
    /// The protocol of the packets that it applies to.
    pub of_protocol: Option<u8>,
    /// Whether it applies to the packets of an interface.
    pub of_interface: bool,
    /// Whether it applies to all packets but those that it describes.
    pub is_inverted: bool,
    /// Whether it applies to packets by more than all these: their user, ports, tunnel or type of service.
    pub is_selective: bool,
    /// The word of its type, where that refuses packets.
    pub refuses: Option<&'static str>,
    /// What of it rules of uplinks have too, whether it has more or not.
    pub rule: UplinkRule,
}

impl Rule {
    /// Whether it can apply to subflows.
    pub fn is_for_tcp(&self) -> bool {
        self.of_protocol.is_none_or(|protocol| protocol == TCP)
    }

    /// The rule, if it applies to packets by their addresses alone, and does not merely suppress routes.
    pub fn by_address(&self) -> Option<AddressRule> {
        let is_other = self.mark.is_some() || self.is_selective || self.of_interface || self.is_inverted;
        let is_half = self.rule.suppress_prefixlength.is_some();
        let action = self.refuses.map_or(RuleAction::LookUp(self.rule.table), RuleAction::Refuse);
        let (ipv4, priority) = (self.family == Family::Ipv4, self.rule.priority);
        (!is_other && !is_half).then_some(AddressRule {
            ipv4,
            priority,
            from: self.from,
            to: self.to,
            action,
        })
    }
}

/// Reads `struct fib_rule_hdr` and its attributes; none for a family without Internet addresses.
pub fn rule(reply: &[u8]) -> Option<Rule> {
    /// `FIB_RULE_INVERT`
    const INVERT: u32 = 2;
    /// What FRA_SUPPRESS_PREFIXLEN is where nothing is suppressed.
    const NOTHING: u32 = u32::MAX;
    let [family, to_length, from_length, service, table, _, _, action, flags @ ..] =
        *reply.first_chunk::<HEADER>()?;
    let flags = u32::from_ne_bytes(flags);
    let family = Family::from_number(family.into())?;
    // `FR_ACT_*`
    let refuses = match action {
        6 => Some("blackhole"),
        7 => Some("unreachable"),
        8 => Some("prohibit"),
        _ => None,
    };
    let rule =
        UplinkRule { priority: 0, from: None, table: table.into(), suppress_prefixlength: None, raw: vec![] };
    let mut rule = Rule {
        family,
        protocol: 0,
        from: None,
        to: None,
        mark: None,
        of_protocol: None,
        of_interface: false,
        is_inverted: flags & INVERT != 0,
        is_selective: service != 0,
        refuses,
        rule,
    };
    let prefix = |network: Option<IpAddr>, length| network.map(|network| Prefix { network, length });
    for (attribute, value) in attributes(reply.get(HEADER..)?) {
        match attribute {
            fra::SRC => {
                rule.rule.from = family.address(value);
                rule.from = prefix(rule.rule.from, from_length);
            }
            fra::DST => rule.to = prefix(family.address(value), to_length),
            fra::PRIORITY => rule.rule.priority = number(value)?,
            fra::TABLE => rule.rule.table = number(value)?,
            fra::SUPPRESS_PREFIXLEN => {
                rule.rule.suppress_prefixlength = number(value).filter(|length| *length != NOTHING);
            }
            fra::PROTOCOL => rule.protocol = value.first().copied().unwrap_or_default(),
            fra::FWMARK => rule.mark = number(value),
            fra::IP_PROTO => rule.of_protocol = value.first().copied(),
            fra::IIFNAME | fra::OIFNAME => rule.of_interface = true,
            fra::TUN_ID | fra::UID_RANGE | fra::SPORT_RANGE | fra::DPORT_RANGE | fra::DSCP => {
                rule.is_selective = true;
            }
            _ => {}
        }
    }
    Some(rule)
}
