//! What stays of uplinks that no declaration names while declared ones wait: a typo must not take away the last way out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::Uplink;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Family, Interface, UplinkRoute, UplinkRule, UplinkState, code, uplink_table};
use crate::system::{Error, HostFacts};

use super::uplinks::ResolvedUplinks;
use super::wait;

impl ResolvedUplinks {
    /// Keeps the uplinks that work as long as declared ones wait and none of a family would be left, and what stands in by them.
    /// What a declaration covers leaves for reasons of its own.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn keep_working(
        &mut self,
        uplinks: &[Uplink],
        current: &UplinkState,
        interfaces: &[Interface],
        facts: &mut dyn HostFacts,
    ) -> Result<(), Error> {
        let placed: BTreeSet<&str> = self.names.addresses.values().map(String::as_str).collect();
        let waiting = uplinks.iter().filter(|uplink| !placed.contains(uplink.name.value.as_str()));
        let waiting: Vec<&Uplink> = waiting.collect();
        let Some(first) = waiting.first() else { return Ok(()) };
        let has_any = |family| self.state.rules.iter().any(|rule| rule.from.map(Family::of) == Some(family));
        let left: Vec<Family> = Family::ALL.into_iter().filter(|family| !has_any(*family)).collect();
        let sources = facts.source_addresses()?;
        let mut kept: Vec<String> = Vec::new();
        let is_declared = |on: &&Interface| self.names.tables.contains_key(&uplink_table(on.index));
        let others: Vec<&Interface> = interfaces.iter().filter(|on| on.up && !is_declared(on)).collect();
        for on in others {
            let families = Family::ALL.map(|family| working(on, family, current, sources));
            // What is written down has both families of an interface.
            if !families.iter().flatten().any(|(route, _)| left.contains(&route.family)) {
                continue;
            }
            for (route, addresses) in families.into_iter().flatten() {
                let stands_in = |other: &&UplinkRoute| {
                    other.is_stand_in() && other.family == route.family && other.dev == route.dev
                };
                self.state.routes.push(route.clone());
                self.state.routes.extend(current.routes.iter().filter(stands_in).cloned());
                let pairs = addresses.iter().flat_map(|address| UplinkRule::pair(*address, route.table));
                self.state.rules.extend(pairs);
                kept.extend(addresses.iter().map(IpAddr::to_string));
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let message = format!(
            "kept: the rules for {}; otherwise nothing leaves by an uplink while {}",
            kept.join(", "),
            wait(waiting.iter().map(|uplink| uplink.name.value.as_str()))
        );
        let help = "correct what waits; a declared uplink takes their place once it is up, and `uplinks: {}` removes all";
        self.warnings.push(Diagnostic::warning(code::KEPT, message).at(first.name.location, "").help(help));
        Ok(())
    }
}

/// The route of an interface's table, and the addresses with rules that lead there; none where anything is missing.
fn working<'s>(
    on: &Interface,
    family: Family,
    current: &'s UplinkState,
    sources: &[(IpAddr, NonZeroU32)],
) -> Option<(&'s UplinkRoute, Vec<IpAddr>)> {
    let table = uplink_table(on.index);
    let is_own =
        |route: &&UplinkRoute| route.place() == (family, table, family.metric()) && route.raw.is_empty();
    let route = current.routes.iter().find(is_own)?;
    let has_rules = |(address, index): &&(IpAddr, NonZeroU32)| {
        *index == on.index
            && Family::of(*address) == family
            && UplinkRule::pair(*address, table).iter().all(|rule| current.rules.contains(rule))
    };
    let addresses: Vec<IpAddr> = sources.iter().filter(has_rules).map(|(address, _)| *address).collect();
    Some((route, addresses)).filter(|(_, addresses)| !addresses.is_empty())
}
