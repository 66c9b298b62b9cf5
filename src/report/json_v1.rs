//! Reports as JSON, version 1: fields are added, never renamed.

pub mod event;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::config::{Config, Name, Selector};
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::{AddressId, Endpoint, Limits, Reason, State, Step, SysctlValue};
use crate::source::SourceFile;

/// The version that every document carries.
pub const VERSION: u32 = 1;

/// What `check` found.
#[derive(Debug, Serialize)]
pub struct Check<'a> {
    version: u32,
    valid: bool,
    errors: Vec<DiagnosticJson<'a>>,
    warnings: Vec<DiagnosticJson<'a>>,
    selectors: Vec<SelectorJson<'a>>,
}

/// A declaration that stands for many addresses.
#[derive(Debug, Serialize)]
struct SelectorJson<'a> {
    endpoint: &'a str,
    meaning: String,
}

/// One finding with its place.
#[derive(Debug, Serialize)]
pub struct DiagnosticJson<'a> {
    code: &'a str,
    endpoint: Option<&'a str>,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    help: Option<&'a str>,
}

impl<'a> DiagnosticJson<'a> {
    /// The finding, its first place by file name, line and column (from 1).
    pub fn new(diagnostic: &'a Diagnostic, sources: &'a [SourceFile]) -> DiagnosticJson<'a> {
        let location = diagnostic.labels.first().map(|label| label.location);
        DiagnosticJson {
            code: diagnostic.code.word(),
            endpoint: diagnostic.endpoint.as_deref(),
            message: &diagnostic.message,
            file: location.map(|location| sources[location.source.0].name.as_str()),
            line: location.map(|location| location.span.line),
            column: location.map(|location| location.span.column),
            help: diagnostic.help.as_deref(),
        }
    }
}

impl<'a> Check<'a> {
    /// The verdict on some sources.
    pub fn new(diagnostics: &'a Diagnostics, sources: &'a [SourceFile], config: &'a Config) -> Check<'a> {
        let selector = |(name, selector): (&'a Name, &Selector)| SelectorJson {
            endpoint: name.as_str(),
            meaning: selector.to_string(),
        };
        let of = |severity| {
            let matching = diagnostics.iter().filter(move |diagnostic| diagnostic.severity == severity);
            matching.map(|diagnostic| DiagnosticJson::new(diagnostic, sources)).collect()
        };
        Check {
            version: VERSION,
            valid: !diagnostics.has_errors(),
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            selectors: config.selectors().map(selector).collect(),
        }
    }
}

/// What a run did, or would do, to one network namespace.
#[derive(Debug, Serialize)]
pub struct Plan<'a> {
    version: u32,
    netns: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
    result: &'static str,
    changed: bool,
    steps: Vec<StepJson<'a>>,
    warnings: Vec<DiagnosticJson<'a>>,
    before: StateJson<'a>,
    after: StateJson<'a>,
    diff: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ErrorJson<'a> {
    step: Option<usize>,
    errno: Option<&'a str>,
    kernel: Option<&'a str>,
    #[serde(flatten)]
    finding: DiagnosticJson<'a>,
}

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The step, counted from 0 in `steps`; none when it was not one step.
    pub step: Option<usize>,
    /// The error's name, such as `EADDRNOTAVAIL`; none when it was not the kernel's.
    pub errno: Option<String>,
    /// The kernel's own words.
    pub kernel: Option<String>,
    /// What it means.
    pub diagnostic: Diagnostic,
}

#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum StepJson<'a> {
    SetSysctl { name: &'a str, from: &'a SysctlValue, to: &'a SysctlValue, disruption: &'a str },
    SetLimits { from: LimitsJson, to: LimitsJson, disruption: &'a str },
    SetFlags(SetFlagsJson<'a>),
    DelAddr(AddrJson<'a>),
    AddAddr(AddrJson<'a>),
}

#[derive(Debug, Serialize)]
struct SetFlagsJson<'a> {
    endpoint: Option<&'a str>,
    address: IpAddr,
    port: Option<u16>,
    id: Option<u8>,
    dev: Option<String>,
    from: Vec<String>,
    to: Vec<String>,
    disruption: &'a str,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct AddrJson<'a> {
    endpoint: Option<&'a str>,
    address: IpAddr,
    port: Option<u16>,
    id: Option<u8>,
    dev: Option<String>,
    flags: Vec<String>,
    disruption: &'a str,
    why: &'a str,
}

/// A state: limits, endpoints and sysctls.
#[derive(Debug, Serialize)]
pub struct StateJson<'a> {
    limits: LimitsJson,
    endpoints: Vec<EndpointJson<'a>>,
    sysctls: BTreeMap<&'a str, &'a SysctlValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct LimitsJson {
    subflows: u32,
    add_addr_accepted: u32,
}

#[derive(Debug, Serialize)]
struct EndpointJson<'a> {
    address: IpAddr,
    port: Option<u16>,
    id: Option<u8>,
    dev: Option<String>,
    flags: Vec<String>,
    name: Option<&'a str>,
}

/// Everything that a plan document says.
pub struct PlanParts<'a> {
    /// The network namespace, if it was named.
    pub netns: Option<&'a str>,
    /// Why there was a run, if that was not a matter of course.
    pub trigger: Option<&'static str>,
    /// `planned`, `applied` and so on.
    pub result: &'static str,
    /// The steps.
    pub steps: &'a [Step],
    /// Warnings about the configuration, and about the host.
    pub diagnostics: [&'a Diagnostics; 2],
    /// The files that they are about.
    pub sources: &'a [SourceFile],
    /// The state before.
    pub before: &'a State,
    /// The state after.
    pub after: &'a State,
    /// From the one to the other, as YAML.
    pub diff: &'a str,
    /// What went wrong.
    pub error: Option<&'a Failed>,
}

impl<'a> Plan<'a> {
    /// The document for one network namespace.
    pub fn new(parts: PlanParts<'a>) -> Plan<'a> {
        let PlanParts { netns, trigger, result, steps, diagnostics, sources, before, after, diff, error } =
            parts;
        let warnings = diagnostics
            .into_iter()
            .flat_map(Diagnostics::iter)
            .filter(|diagnostic| diagnostic.severity == Severity::Warning);
        let error = error.map(|Failed { step, errno, kernel, diagnostic }| ErrorJson {
            step: *step,
            errno: errno.as_deref(),
            kernel: kernel.as_deref(),
            finding: DiagnosticJson::new(diagnostic, sources),
        });
        Plan {
            version: VERSION,
            netns,
            trigger,
            result,
            changed: !steps.is_empty(),
            steps: steps.iter().map(StepJson::from).collect(),
            warnings: warnings.map(|diagnostic| DiagnosticJson::new(diagnostic, sources)).collect(),
            before: before.into(),
            after: after.into(),
            diff,
            error,
        }
    }
}

impl<'a> From<&'a Step> for StepJson<'a> {
    fn from(step: &'a Step) -> StepJson<'a> {
        let disruption = step.disruption().word();
        let addr = |endpoint: &'a Endpoint, why: Reason| AddrJson {
            endpoint: endpoint.name.as_deref(),
            address: endpoint.identity.address,
            port: endpoint.identity.port.map(Into::into),
            id: endpoint.id.map(AddressId::get),
            dev: endpoint.dev.as_ref().map(ToString::to_string),
            flags: endpoint.flags.words(),
            disruption,
            why: why.words(),
        };
        match step {
            Step::SetSysctl { sysctl, from, to } => {
                StepJson::SetSysctl { name: sysctl.name(), from, to, disruption }
            }
            Step::SetLimits { from, to } => {
                StepJson::SetLimits { from: (*from).into(), to: (*to).into(), disruption }
            }
            Step::SetFlags { endpoint, to, why } => {
                let AddrJson { endpoint, address, port, id, dev, flags: from, disruption, why } =
                    addr(endpoint, *why);
                let to = to.words();
                StepJson::SetFlags(SetFlagsJson {
                    endpoint,
                    address,
                    port,
                    id,
                    dev,
                    from,
                    to,
                    disruption,
                    why,
                })
            }
            Step::DelAddr { endpoint, why } => StepJson::DelAddr(addr(endpoint, *why)),
            Step::AddAddr { endpoint, why } => StepJson::AddAddr(addr(endpoint, *why)),
        }
    }
}

impl From<Limits> for LimitsJson {
    fn from(limits: Limits) -> LimitsJson {
        LimitsJson { subflows: limits.subflows, add_addr_accepted: limits.add_addr_accepted }
    }
}

impl<'a> From<&'a State> for StateJson<'a> {
    fn from(state: &'a State) -> StateJson<'a> {
        StateJson {
            limits: state.limits.into(),
            endpoints: state.endpoints.iter().map(EndpointJson::from).collect(),
            sysctls: state.sysctls.iter().map(|(sysctl, value)| (sysctl.name(), value)).collect(),
        }
    }
}

impl<'a> From<&'a Endpoint> for EndpointJson<'a> {
    fn from(endpoint: &'a Endpoint) -> EndpointJson<'a> {
        EndpointJson {
            address: endpoint.identity.address,
            port: endpoint.identity.port.map(Into::into),
            id: endpoint.id.map(AddressId::get),
            dev: endpoint.dev.as_ref().map(ToString::to_string),
            flags: endpoint.flags.words(),
            name: endpoint.name.as_deref(),
        }
    }
}
