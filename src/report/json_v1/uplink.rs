//! Rules and routes of uplinks as JSON.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Device, Reason, UplinkNames, UplinkRoute, UplinkRule, UplinkState};

/// The rules and routes of a state.
#[derive(Debug, Serialize)]
pub struct UplinksJson<'a> {
    rules: Vec<RuleJson<'a>>,
    routes: Vec<RouteJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct RuleJson<'a> {
    uplink: Option<&'a str>,
    priority: u32,
    from: Option<IpAddr>,
    table: u32,
    suppress_prefixlength: Option<u32>,
}

#[derive(Debug, Serialize)]
struct RouteJson<'a> {
    uplink: Option<&'a str>,
    dev: Option<String>,
    family: &'static str,
    table: u32,
    metric: u32,
    gateway: String,
}

/// The step that adds or removes a rule.
#[derive(Debug, Serialize)]
pub struct RuleStepJson<'a> {
    #[serde(flatten)]
    rule: RuleJson<'a>,
    disruption: &'a str,
    why: &'static str,
}

/// The step that sets or removes a route.
#[derive(Debug, Serialize)]
pub struct RouteStepJson<'a> {
    uplink: Option<&'a str>,
    dev: Option<String>,
    family: &'static str,
    table: u32,
    metric: u32,
    from: Option<String>,
    to: Option<String>,
    disruption: &'a str,
    why: &'static str,
}

impl<'a> UplinksJson<'a> {
    /// The rules and routes, with the names of their uplinks.
    pub fn new(state: &UplinkState, names: &'a UplinkNames) -> UplinksJson<'a> {
        let route = |route: &UplinkRoute| RouteJson {
            uplink: names.of_route(route),
            dev: route.dev.as_ref().map(Device::to_string),
            family: route.family.word(),
            table: route.table,
            metric: route.metric,
            gateway: gateway(route),
        };
        UplinksJson {
            rules: state.rules.iter().map(|rule| RuleJson::new(rule, names)).collect(),
            routes: state.routes.iter().map(route).collect(),
        }
    }
}

impl<'a> RuleJson<'a> {
    fn new(rule: &UplinkRule, names: &'a UplinkNames) -> RuleJson<'a> {
        let UplinkRule { priority, from, table, suppress_prefixlength, raw: _ } = rule;
        RuleJson {
            uplink: names.of_rule(rule),
            priority: *priority,
            from: *from,
            table: *table,
            suppress_prefixlength: *suppress_prefixlength,
        }
    }
}

impl<'a> RuleStepJson<'a> {
    /// The step for a rule.
    pub fn new(rule: &UplinkRule, names: &'a UplinkNames, disruption: &'a str, why: Reason) -> Self {
        RuleStepJson { rule: RuleJson::new(rule, names), disruption, why: why.words() }
    }
}

impl<'a> RouteStepJson<'a> {
    /// The step that removes a route.
    pub fn new(route: &UplinkRoute, names: &'a UplinkNames, disruption: &'a str, why: Reason) -> Self {
        RouteStepJson {
            uplink: names.of_route(route),
            dev: route.dev.as_ref().map(Device::to_string),
            family: route.family.word(),
            table: route.table,
            metric: route.metric,
            from: Some(gateway(route)),
            to: None,
            disruption,
            why: why.words(),
        }
    }

    /// The same for a route that is there afterwards, in the place of another or of none.
    pub fn in_place_of(self, from: Option<&UplinkRoute>) -> Self {
        RouteStepJson { to: self.from, from: from.map(gateway), ..self }
    }
}

/// The router, or `on-link` on a link without one.
fn gateway(route: &UplinkRoute) -> String {
    route.gateway.map_or("on-link".to_owned(), |gateway| gateway.to_string())
}
