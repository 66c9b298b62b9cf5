//! What stays of uplinks that no declaration names while declared ones wait: a typo must not take away the last way out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::Uplink;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Family, Interface, UplinkRoute, UplinkRule, UplinkState, code, uplink_table};
use crate::system::{Error, HostFacts};

use super::uplinks::ResolvedUplinks;

impl ResolvedUplinks {
    /// Keeps the uplinks that work as long as declared ones wait and none of their family would be left, and what stands in by
    /// them. What a declaration covers leaves for reasons of its own.
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
        let families = |on| left.iter().map(move |family| (on, *family));
        for (on, family) in interfaces.iter().filter(|on| on.up).flat_map(families) {
            let table = uplink_table(on.index);
            let is_own = |route: &&UplinkRoute| {
                route.place() == (family, table, family.metric()) && route.raw.is_empty()
            };
            let route = current.routes.iter().find(is_own);
            let Some(route) = route.filter(|_| !self.names.tables.contains_key(&table)) else { continue };
            let has_rules = |(address, index): &&(IpAddr, NonZeroU32)| {
                let pair = UplinkRule::pair(*address, table);
                *index == on.index
                    && Family::of(*address) == family
                    && pair.iter().all(|rule| current.rules.contains(rule))
            };
            let addresses: Vec<IpAddr> =
                sources.iter().filter(has_rules).map(|(address, _)| *address).collect();
            if addresses.is_empty() {
                continue;
            }
            let stands_in = |other: &&UplinkRoute| other.is_stand_in() && other.dev == route.dev;
            let of_family = current.routes.iter().filter(|other| other.family == family);
            self.state.routes.push(route.clone());
            self.state.routes.extend(of_family.filter(stands_in).cloned());
            self.state.rules.extend(addresses.iter().flat_map(|address| UplinkRule::pair(*address, table)));
            kept.extend(addresses.iter().map(IpAddr::to_string));
        }
        if kept.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = waiting.iter().map(|uplink| format!("`{}`", uplink.name.value)).collect();
        let message = format!(
            "kept: the rules for {}; otherwise nothing leaves by an uplink while {} {}",
            kept.join(", "),
            names.join(", "),
            if names.len() == 1 { "waits" } else { "wait" }
        );
        let help = "correct what waits; a declared uplink takes their place once it is up, and `uplinks: {}` removes all";
        self.warnings.push(Diagnostic::warning(code::KEPT, message).at(first.name.location, "").help(help));
        Ok(())
    }
}
