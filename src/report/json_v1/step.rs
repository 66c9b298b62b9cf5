//! Steps as JSON.

use serde::Serialize;

use crate::model::{DeclaredNames, Endpoint, Reason, Step, SysctlValue};

use super::uplink::{RouteStepJson, RuleStepJson};
use super::{LimitsJson, RowJson};

/// A step: its operation, what it is about, and why.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum StepJson<'a> {
    SetSysctl { name: &'a str, from: &'a SysctlValue, to: &'a SysctlValue, disruption: &'a str },
    SetLimits { from: LimitsJson, to: LimitsJson, disruption: &'a str },
    SetFlags(EndpointStepJson<'a>),
    DelAddr(EndpointStepJson<'a>),
    AddAddr(EndpointStepJson<'a>),
    AddRule(RuleStepJson<'a>),
    DelRule(RuleStepJson<'a>),
    SetRoute(RouteStepJson<'a>),
    DelRoute(RouteStepJson<'a>),
}

/// What a step does with an endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointStepJson<'a> {
    endpoint: Option<&'a str>,
    #[serde(flatten)]
    row: RowJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Vec<String>>,
    disruption: &'a str,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
}

impl<'a> StepJson<'a> {
    /// The step, with the names of declarations.
    pub fn new(step: &'a Step, names: &'a DeclaredNames) -> StepJson<'a> {
        let disruption = step.disruption().word();
        let of = |endpoint: &'a Endpoint, why: Reason| EndpointStepJson {
            endpoint: names.endpoints.get(&endpoint.identity).map(String::as_str),
            row: endpoint.into(),
            flags: None,
            from: None,
            to: None,
            disruption,
            why: why.words(),
            connections: match why {
                Reason::SubflowLost { connections, .. } => Some(connections),
                _ => None,
            },
        };
        let flags = |endpoint: &Endpoint| Some(endpoint.flags.words());
        match step {
            Step::SetSysctl { sysctl, from, to } => {
                StepJson::SetSysctl { name: sysctl.name(), from, to, disruption }
            }
            Step::SetLimits { from, to } => {
                StepJson::SetLimits { from: (*from).into(), to: (*to).into(), disruption }
            }
            Step::SetFlags { endpoint, to, why } => StepJson::SetFlags(EndpointStepJson {
                from: flags(endpoint),
                to: Some(to.words()),
                ..of(endpoint, *why)
            }),
            Step::DelAddr { endpoint, why } => {
                StepJson::DelAddr(EndpointStepJson { flags: flags(endpoint), ..of(endpoint, *why) })
            }
            Step::AddAddr { endpoint, why } => {
                StepJson::AddAddr(EndpointStepJson { flags: flags(endpoint), ..of(endpoint, *why) })
            }
            Step::AddRule { rule, why } => {
                StepJson::AddRule(RuleStepJson::new(rule, &names.uplinks, disruption, *why))
            }
            Step::DelRule { rule, why } => {
                StepJson::DelRule(RuleStepJson::new(rule, &names.uplinks, disruption, *why))
            }
            Step::SetRoute { from, to, why } => {
                let step = RouteStepJson::new(to, &names.uplinks, disruption, *why);
                StepJson::SetRoute(step.in_place_of(from.as_ref()))
            }
            Step::DelRoute { route, why } => {
                StepJson::DelRoute(RouteStepJson::new(route, &names.uplinks, disruption, *why))
            }
        }
    }
}
