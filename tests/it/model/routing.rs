//! Rules and routes of the model: what of them an uplink makes, beside those of other programs.

use mptcp_apply::model::{Family, UPLINK_PROTOCOL, UplinkRoute, UplinkRule, UplinkState};
use mptcp_apply::system::{Errno, Refusal};

use super::Model;

/// A rule or route, and its protocol.
type Owned<T> = (u8, T);

/// The rules, and the default routes of all tables.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    rules: Vec<Owned<UplinkRule>>,
    routes: Vec<Owned<UplinkRoute>>,
}

impl Routing {
    /// Those of the program.
    pub fn own(&self) -> UplinkState {
        let mut rules: Vec<UplinkRule> = own(&self.rules);
        let mut routes: Vec<UplinkRoute> = own(&self.routes);
        let family = |rule: &UplinkRule| rule.from.map(Family::of);
        rules.sort_by_key(|rule| (family(rule), rule.priority));
        routes.sort_by_key(|route| route.family);
        UplinkState { rules, routes }
    }

    /// Those of other programs.
    pub fn foreign(&self) -> Routing {
        let is_foreign = |protocol: u8| protocol != UPLINK_PROTOCOL;
        Routing {
            rules: self.rules.iter().filter(|(protocol, _)| is_foreign(*protocol)).cloned().collect(),
            routes: self.routes.iter().filter(|(protocol, _)| is_foreign(*protocol)).cloned().collect(),
        }
    }

    /// What both hold, by their order.
    pub fn rules(&self) -> impl Iterator<Item = &Owned<UplinkRule>> {
        self.rules.iter()
    }

    /// The same for routes.
    pub fn routes(&self) -> impl Iterator<Item = &Owned<UplinkRoute>> {
        self.routes.iter()
    }
}

fn own<T: Clone>(all: &[Owned<T>]) -> Vec<T> {
    all.iter().filter(|(protocol, _)| *protocol == UPLINK_PROTOCOL).map(|(_, one)| one.clone()).collect()
}

impl Model {
    /// Rules and routes.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// RTM_NEWRULE with NLM_F_EXCL (`fib_nl_newrule`).
    pub fn add_rule(&mut self, protocol: u8, rule: UplinkRule) -> Result<(), Refusal> {
        let rules = &mut self.routing.rules;
        if rules.contains(&(protocol, rule.clone())) {
            return Err(Refusal::new(Errno::EEXIST));
        }
        rules.push((protocol, rule));
        // Stable: of rules with one priority the older comes first.
        rules.sort_by_key(|(_, rule)| rule.priority);
        Ok(())
    }

    /// RTM_DELRULE of the program's protocol (`fib_nl_delrule`).
    pub fn delete_rule(&mut self, rule: &UplinkRule) -> Result<(), Refusal> {
        let rules = &mut self.routing.rules;
        let found = rules.iter().position(|own| *own == (UPLINK_PROTOCOL, rule.clone()));
        rules.remove(found.ok_or_else(|| Refusal::new(Errno::ENOENT))?);
        Ok(())
    }

    /// RTM_NEWROUTE with NLM_F_EXCL (`fib_table_insert`): one route a key, whatever its protocol.
    pub fn add_route(&mut self, protocol: u8, route: UplinkRoute) -> Result<(), Refusal> {
        self.has_device(&route)?;
        if self.routing.routes.iter().any(|(_, there)| there.key() == route.key()) {
            return Err(Refusal::new(Errno::EEXIST));
        }
        self.routing.routes.push((protocol, route));
        Ok(())
    }

    /// The same with NLM_F_REPLACE.
    pub fn replace_route(&mut self, route: UplinkRoute) -> Result<(), Refusal> {
        self.has_device(&route)?;
        self.routing.routes.retain(|(_, there)| there.key() != route.key());
        self.routing.routes.push((UPLINK_PROTOCOL, route));
        Ok(())
    }

    /// RTM_DELROUTE of the program's protocol.
    pub fn delete_route(&mut self, route: &UplinkRoute) -> Result<(), Refusal> {
        let routes = &mut self.routing.routes;
        let found = routes.iter().position(|own| *own == (UPLINK_PROTOCOL, route.clone()));
        routes.remove(found.ok_or_else(|| Refusal::new(Errno::ESRCH))?);
        Ok(())
    }

    fn has_device(&self, route: &UplinkRoute) -> Result<(), Refusal> {
        let is_there = route.dev.as_ref().is_some_and(|dev| self.links.contains_key(&dev.index.get()));
        if is_there { Ok(()) } else { Err(Refusal::new(Errno::ENODEV)) }
    }
}
