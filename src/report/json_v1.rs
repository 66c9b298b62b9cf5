//! Reports as JSON, version 1. Within a version, fields are added and never renamed.

pub mod event;
pub mod operation;
pub mod status;
mod step;
mod uplink;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::config::{Config, Entry, Name, Selector};
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::{
    AddressId, DeclaredNames, Endpoint, EndpointNames, Limits, State, SysctlValue, UplinkStatus,
};
use crate::reconcile::{Failure, Report, ReportedStep, Verdict};
use crate::source::SourceFile;

use super::ReportContext;
use super::merged::{self, MergedJson};
use step::StepJson;
use uplink::UplinksJson;

/// The `version` of every document.
pub const VERSION: u32 = 1;

/// The document of `check`.
#[derive(Debug, Serialize)]
pub struct Check<'a> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    valid: bool,
    errors: Vec<DiagnosticJson<'a>>,
    warnings: Vec<DiagnosticJson<'a>>,
    selectors: Vec<SelectorJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged: Option<Vec<MergedJson<'a>>>,
}

/// A declaration that matches addresses.
#[derive(Debug, Serialize)]
struct SelectorJson<'a> {
    endpoint: &'a str,
    meaning: String,
}

/// One diagnostic, with its first location.
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
    /// The object. Lines and columns count from 1.
    pub fn new(diagnostic: &'a Diagnostic, sources: &'a [SourceFile]) -> DiagnosticJson<'a> {
        let location = diagnostic.labels.first().map(|label| label.location);
        DiagnosticJson {
            code: diagnostic.code.word(),
            endpoint: diagnostic.endpoint.as_deref(),
            message: &diagnostic.message,
            file: location.map(|location| sources[location.source.index()].name.as_str()),
            line: location.map(|location| location.span.line()),
            column: location.map(|location| location.span.column()),
            help: diagnostic.help.as_deref(),
        }
    }
}

impl<'a> Check<'a> {
    /// The document; `sources` has the files of locations.
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
            file: None,
            valid: !diagnostics.has_errors(),
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            selectors: config.selectors().map(selector).collect(),
            merged: None,
        }
    }

    /// The same for one of several files that are judged each by itself.
    pub fn of_file(self, file: Option<&'a str>) -> Check<'a> {
        Check { file, ..self }
    }

    /// The same with the values of all files together.
    pub fn merged(self, entries: Option<&'a [Entry]>, sources: &'a [SourceFile]) -> Check<'a> {
        Check { merged: entries.map(|entries| merged::values(entries, sources)), ..self }
    }
}

/// The document of a pass over one network namespace.
#[derive(Debug, Serialize)]
pub struct PlanJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checks: &'a [UplinkStatus],
    result: &'static str,
    changed: bool,
    steps: Vec<ReportedStepJson<'a>>,
    warnings: Vec<DiagnosticJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<DiagnosticJson<'a>>,
    before: Option<StateJson<'a>>,
    after: Option<StateJson<'a>>,
    diff: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    /// Also without `error`: in the watch, what is declared beside a required endpoint that waits is applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<DiagnosticJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ReportedStepJson<'a> {
    #[serde(flatten)]
    step: StepJson<'a>,
    /// Only after a failure; otherwise `result` applies to all steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct ErrorJson<'a> {
    step: Option<usize>,
    errno: Option<String>,
    kernel: Option<&'a str>,
    #[serde(flatten)]
    finding: Option<DiagnosticJson<'a>>,
}

/// What a row is, but for its flags.
#[derive(Debug, Serialize)]
struct RowJson {
    address: IpAddr,
    port: Option<u16>,
    id: Option<u8>,
    dev: Option<String>,
}

/// Why a verb that changes nothing was not done.
#[derive(Debug, Serialize)]
pub struct FailureJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    error: ErrorJson<'a>,
    errors: Vec<DiagnosticJson<'a>>,
}

impl<'a> FailureJson<'a> {
    /// The document of a failure in this namespace.
    pub fn new(netns: Option<&'a str>, failure: &'a Failure) -> FailureJson<'a> {
        let context = ReportContext { loaded: None, netns, cause: None, checks: &[] };
        FailureJson {
            version: VERSION,
            netns,
            error: ErrorJson::new(failure, context.sources()),
            errors: of_severity(Severity::Error, &context, &failure.diagnostics),
        }
    }
}

/// A state: limits, endpoints and sysctls, and uplinks where they are managed.
#[derive(Debug, Serialize)]
pub struct StateJson<'a> {
    limits: LimitsJson,
    endpoints: Vec<EndpointJson<'a>>,
    sysctls: BTreeMap<&'a str, &'a SysctlValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uplinks: Option<UplinksJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct LimitsJson {
    subflows: u32,
    add_addr_accepted: u32,
}

/// A row of the table, or an address of a connection.
#[derive(Debug, Serialize)]
pub struct EndpointJson<'a> {
    #[serde(flatten)]
    row: RowJson,
    flags: Vec<String>,
    name: Option<&'a str>,
}

impl<'a> PlanJson<'a> {
    /// The document of a pass, with the diff between its states.
    pub fn new(context: &ReportContext<'a>, report: &'a Report, diff: &'a str) -> PlanJson<'a> {
        let Report { verdict, steps, before, after, names, diagnostics, failure } = report;
        let step = |reported: &'a ReportedStep| ReportedStepJson {
            step: StepJson::new(&reported.step, names),
            outcome: failure.as_ref().map(|_| reported.outcome.word()),
        };
        PlanJson {
            version: VERSION,
            netns: context.netns,
            trigger: context.cause.map(|cause| cause.trigger),
            cause: context.cause.map(|cause| cause.words),
            checks: context.checks,
            result: verdict.word(),
            changed: !steps.is_empty(),
            steps: steps.iter().map(step).collect(),
            warnings: of_severity(Severity::Warning, context, diagnostics),
            notes: of_severity(Severity::Note, context, diagnostics),
            before: Some(StateJson::new(before, names)),
            after: Some(StateJson::new(after, names)),
            diff,
            error: failure.as_ref().map(|failure| ErrorJson::new(failure, context.sources())),
            errors: of_severity(Severity::Error, context, diagnostics),
        }
    }

    /// The document of a pass that could not start.
    pub fn not_started(context: &ReportContext<'a>, failure: &'a Failure) -> PlanJson<'a> {
        PlanJson {
            version: VERSION,
            netns: context.netns,
            trigger: context.cause.map(|cause| cause.trigger),
            cause: context.cause.map(|cause| cause.words),
            checks: context.checks,
            result: Verdict::not_started(failure.kind).word(),
            changed: false,
            steps: Vec::new(),
            warnings: of_severity(Severity::Warning, context, &failure.diagnostics),
            notes: of_severity(Severity::Note, context, &failure.diagnostics),
            before: None,
            after: None,
            diff: "",
            error: Some(ErrorJson::new(failure, context.sources())),
            errors: of_severity(Severity::Error, context, &failure.diagnostics),
        }
    }
}

/// Those of the configuration, then those of the pass. A pass that failed since the configuration is invalid has the first
/// error from there.
fn of_severity<'a>(
    severity: Severity,
    context: &ReportContext<'a>,
    diagnostics: &'a [Diagnostic],
) -> Vec<DiagnosticJson<'a>> {
    let loaded = || context.loaded.into_iter().flat_map(|loaded| loaded.diagnostics.iter());
    let known = context.loaded.and_then(|loaded| loaded.first_error());
    let own = diagnostics.iter().filter(|found| Some(*found) != known);
    let matching = loaded().chain(own).filter(|found| found.severity == severity);
    matching.map(|found| DiagnosticJson::new(found, context.sources())).collect()
}

impl<'a> ErrorJson<'a> {
    fn new(failure: &'a Failure, sources: &'a [SourceFile]) -> ErrorJson<'a> {
        let Failure { kind: _, step, errno, kernel, diagnostics } = failure;
        ErrorJson {
            step: *step,
            errno: errno.map(|errno| format!("{errno:?}")),
            kernel: kernel.as_deref(),
            finding: diagnostics.first().map(|first| DiagnosticJson::new(first, sources)),
        }
    }
}

impl From<Limits> for LimitsJson {
    fn from(limits: Limits) -> LimitsJson {
        LimitsJson { subflows: limits.subflows, add_addr_accepted: limits.add_addr_accepted }
    }
}

impl<'a> StateJson<'a> {
    /// The state, with the names of declarations.
    pub fn new(state: &'a State, names: &'a DeclaredNames) -> StateJson<'a> {
        StateJson {
            limits: state.limits.into(),
            endpoints: state.endpoints.iter().map(|row| EndpointJson::new(row, &names.endpoints)).collect(),
            sysctls: state.sysctls.iter().map(|(sysctl, value)| (sysctl.name(), value)).collect(),
            uplinks: state.uplinks.as_ref().map(|uplinks| UplinksJson::new(uplinks, &names.uplinks)),
        }
    }
}

impl<'a> EndpointJson<'a> {
    /// The object, with the name of the declaration.
    pub fn new(endpoint: &'a Endpoint, names: &'a EndpointNames) -> EndpointJson<'a> {
        EndpointJson {
            row: endpoint.into(),
            flags: endpoint.flags.words(),
            name: names.get(&endpoint.identity).map(String::as_str),
        }
    }
}

impl From<&Endpoint> for RowJson {
    fn from(endpoint: &Endpoint) -> RowJson {
        RowJson {
            address: endpoint.identity.address,
            port: endpoint.identity.port.map(Into::into),
            id: endpoint.id.map(AddressId::get),
            dev: endpoint.dev.as_ref().map(ToString::to_string),
        }
    }
}
