//! What stays of uplinks that no declaration names while declared ones wait for their interfaces: a typo must not take away
//! the last way out.

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
        let mut kept = Vec::new();
        for interface in interfaces.iter().filter(|on| on.up) {
            let table = uplink_table(interface.index);
            if self.names.tables.contains_key(&table) {
                continue;
            }
            let sources = facts.source_addresses()?.iter().filter(|(_, index)| *index == interface.index);
            let pairs = sources.map(|(address, _)| (*address, UplinkRule::pair(*address, table)));
            let pairs: Vec<_> =
                pairs.filter(|(_, pair)| pair.iter().all(|rule| current.rules.contains(rule))).collect();
            for family in Family::ALL {
                let is_own = |route: &&UplinkRoute| route.place() == (family, table, family.metric());
                let route = current.routes.iter().find(is_own).filter(|route| route.raw.is_empty());
                let of_family = pairs.iter().filter(|(address, _)| Family::of(*address) == family);
                if let Some(route) = route.filter(|_| of_family.clone().next().is_some()) {
                    self.state.routes.push(route.clone());
                    for (address, pair) in of_family {
                        self.state.rules.extend(pair.clone());
                        kept.push(address.to_string());
                    }
                }
            }
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
