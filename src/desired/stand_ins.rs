//! Routes that stand in for uplinks that are down: new connections start on a way that works.
//!
//! One more default route in the main table, by the first uplink that is up, with a metric one less than that of the uplink
//! that is down. No route of another program is touched, and live connections, whose packets follow the rules of their
//! addresses, do not notice.

use std::num::NonZeroU32;

use crate::config::{Located, Uplink, UplinkCheck};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Family, Interface, MAIN_TABLE, Reason, UplinkHealth, UplinkRoute, UplinkState, code};
use crate::system::{Error, HostFacts};

use super::uplinks::ResolvedUplinks;

/// One interface of an uplink that is checked, and what of it concerns one family.
struct Checked {
    family: Family,
    /// The metric of the best default route of another program out of the interface.
    metric: u32,
    is_down: bool,
    at: Located<()>,
    uplink: String,
}

impl ResolvedUplinks {
    /// Adds the routes. `owners` are the interfaces with their uplinks; the routes of all uplinks are resolved already.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn add_stand_ins(
        &mut self,
        owners: &[(&Uplink, &Interface)],
        current: &UplinkState,
        facts: &mut dyn HostFacts,
    ) -> Result<(), Error> {
        let is_checked =
            |(uplink, interface): &&(&Uplink, &Interface)| uplink.check.is_some() && interface.up;
        let (mut checked, mut down) = (Vec::new(), Vec::new());
        for (uplink, interface) in owners.iter().filter(is_checked) {
            let Some(check) = &uplink.check else { continue };
            let health = facts.uplink_health(interface.index);
            self.warnings.extend(warning(uplink, check, &health));
            for family in Family::ALL {
                let best = facts.default_routes(family, interface.index)?.into_iter().min();
                // Nothing leaves by an interface without a default route unless it has its address.
                let Some(metric) = best.map(|best| best.metric) else { continue };
                let is_down = match health {
                    UplinkHealth::Down => true,
                    UplinkHealth::Up | UplinkHealth::NotRun(_) => false,
                    // What a watch has found out stays until one knows better.
                    UplinkHealth::Undecided | UplinkHealth::Unwatched => {
                        current.routes.iter().any(|route| stands_in(route, family, metric))
                    }
                };
                down.extend(is_down.then_some((family, interface.index)));
                let at = Located { value: (), location: check.location };
                checked.push(Checked { family, metric, is_down, at, uplink: uplink.name.value.to_string() });
            }
            // Without a default route in main it can still be the way for others.
            if health == UplinkHealth::Down {
                down.extend(Family::ALL.map(|family| (family, interface.index)));
            }
        }
        for lost in checked.iter().filter(|checked| checked.is_down) {
            let best = self.state.routes.iter().find(|route| is_up(route, lost.family, &down)).cloned();
            let Some(best) = best else { continue };
            self.stand_in(lost, best, current, facts);
        }
        self.reasons.routes.extend(reasons(current, &self.state, &checked));
        Ok(())
    }

    fn stand_in(
        &mut self,
        lost: &Checked,
        best: UplinkRoute,
        current: &UplinkState,
        facts: &mut dyn HostFacts,
    ) {
        let Some(metric) = lost.metric.checked_sub(1) else {
            let message = format!(
                "uplink `{}` is down, and new connections still leave by it: its default route has the metric 0",
                lost.uplink
            );
            let warning = Diagnostic::warning(code::METRIC_ZERO, message).at(lost.at.location, "");
            let help = "give that route a metric above 0 where it is configured, such as 100";
            return self.warnings.push(warning.endpoint(lost.uplink.as_str()).help(help));
        };
        let route = UplinkRoute { table: MAIN_TABLE, metric, ..best };
        let is_known = self.state.routes.iter().any(|own| own.key() == route.key());
        // A refusal means that another program has a default route there, which the kernel prefers already.
        if !is_known && (current.routes.contains(&route) || facts.check_route(&route).is_ok()) {
            self.state.routes.push(route);
        }
    }
}

/// Whether this is the route in the place of an uplink whose default route has that metric.
fn stands_in(route: &UplinkRoute, family: Family, metric: u32) -> bool {
    route.is_stand_in() && route.family == family && route.metric.checked_add(1) == Some(metric)
}

/// Whether this is the route of an uplink that is up.
fn is_up(route: &UplinkRoute, family: Family, down: &[(Family, NonZeroU32)]) -> bool {
    let is_down = |index| down.contains(&(family, index));
    route.family == family
        && !route.is_stand_in()
        && route.dev.as_ref().is_some_and(|dev| !is_down(dev.index))
}

/// Why routes leave that stood in for an uplink.
fn reasons(
    current: &UplinkState,
    desired: &UplinkState,
    checked: &[Checked],
) -> Vec<((Family, u32, u32), Reason)> {
    let is_gone = |route: &&UplinkRoute| {
        route.is_stand_in() && desired.routes.iter().all(|own| own.key() != route.key())
    };
    let reason = |route: &UplinkRoute| {
        let own = checked.iter().find(|checked| stands_in(route, checked.family, checked.metric));
        let reason = match own {
            Some(own) if own.is_down => Reason::NoUplinkUp,
            Some(_) => Reason::UplinkUp,
            None if checked.is_empty() => Reason::NotDeclared,
            None => Reason::NoLongerFits,
        };
        (route.place(), reason)
    };
    current.routes.iter().filter(is_gone).map(reason).collect()
}

fn warning(uplink: &Uplink, check: &Located<UplinkCheck>, health: &UplinkHealth) -> Option<Diagnostic> {
    let name = &uplink.name.value;
    let (code, message, help) = match health {
        UplinkHealth::Unwatched => (
            code::CHECK_NEEDS_WATCH,
            format!("uplink `{name}` is not checked by this run: only `--watch` checks uplinks"),
            "run `mptcp-apply --watch`, or enable mptcp-apply-watch.service",
        ),
        UplinkHealth::NotRun(why) => (
            code::CHECK_NOT_RUN,
            format!("uplink `{name}` counts as up, since it cannot be checked: {why}"),
            "correct its `check`, or leave it out; mptcp-apply-watch.service takes a drop-in for it (packaging/README.md)",
        ),
        UplinkHealth::Undecided | UplinkHealth::Up | UplinkHealth::Down => return None,
    };
    let warning = Diagnostic::warning(code, message).at(check.location, "");
    Some(warning.endpoint(name.as_str()).help(help))
}
