//! What stays of uplinks that no declaration names while declared ones wait for their interfaces: a typo must not take away
//! the last way out.

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::Uplink;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Family, Interface, UplinkRoute, UplinkRule, UplinkState, code, uplink_table};
use crate::system::{Error, HostFacts};

use super::uplinks::ResolvedUplinks;

impl ResolvedUplinks {
    /// Keeps the uplinks that work as long as declared ones wait and none would be left. What a declaration covers leaves for
    /// reasons of its own.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn keep_working(
        &mut self,
        waiting: &[&Uplink],
        current: &UplinkState,
        interfaces: &[Interface],
        facts: &mut dyn HostFacts,
    ) -> Result<(), Error> {
        let Some(first) = waiting.first().filter(|_| self.state.rules.is_empty()) else { return Ok(()) };
        let sources = facts.source_addresses()?;
        let mut kept: Vec<String> = Vec::new();
        let families = |on| Family::ALL.map(|family| (on, family));
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
            self.state.routes.extend((!addresses.is_empty()).then(|| route.clone()));
            self.state.rules.extend(addresses.iter().flat_map(|address| UplinkRule::pair(*address, table)));
            kept.extend(addresses.iter().map(IpAddr::to_string));
        }
        if kept.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = waiting.iter().map(|uplink| format!("`{}`", uplink.name.value)).collect();
        let message = format!(
            "kept: the rules for {}; otherwise nothing leaves by an uplink while {} waits",
            kept.join(", "),
            names.join(", ")
        );
        let help = "correct what waits; a declared uplink takes their place once it is up, and `uplinks: {}` removes all";
        self.warnings.push(Diagnostic::warning(code::KEPT, message).at(first.name.location, "").help(help));
        Ok(())
    }
}
