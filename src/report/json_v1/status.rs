//! The document of `status`.

use std::net::IpAddr;

use serde::Serialize;

use crate::config::LoadedConfig;
use crate::model::diagnostic::Severity;
use crate::model::{Keeper, KeeperRole, UplinkStatus};
use crate::report::ReportContext;
use crate::report::status::{Carried, EndpointStatus, NamespaceStatus, UplinkRow};
use crate::report::time::rfc3339;

use super::{DiagnosticJson, ErrorJson, StepJson, VERSION, of_severity};

/// The state of one network namespace beside its configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    in_sync: bool,
    files: Vec<&'a str>,
    steps: Vec<StepJson<'a>>,
    warnings: Vec<DiagnosticJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    lock: Option<LockJson<'a>>,
    endpoints: Vec<EndpointStatusJson<'a>>,
    uplinks: Vec<UplinkStatusJson<'a>>,
    connections: usize,
    subflows: usize,
    fallbacks: usize,
    paused: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<&'a UplinkStatus>,
}

#[derive(Debug, Serialize)]
struct LockJson<'a> {
    pid: u32,
    command: &'a str,
    unit: Option<&'a str>,
    since: Option<String>,
    watch: bool,
}

/// Numbers of 64 bits are text, since most readers of JSON round them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct EndpointStatusJson<'a> {
    name: Option<&'a str>,
    address: Option<IpAddr>,
    port: Option<u16>,
    id: Option<u8>,
    dev: Option<&'a str>,
    flags: Vec<String>,
    state: &'a str,
    reason: Option<&'a str>,
    subflows: usize,
    bytes_sent: String,
    bytes_received: String,
    retransmitted_segments: u32,
}

#[derive(Debug, Serialize)]
struct UplinkStatusJson<'a> {
    name: &'a str,
    dev: &'a str,
    state: &'a str,
    reason: Option<&'a str>,
}

impl<'a> StatusJson<'a> {
    /// The document; `loaded` has the files.
    pub fn new(status: &'a NamespaceStatus, loaded: &'a LoadedConfig) -> StatusJson<'a> {
        let netns = status.netns.as_deref();
        let context = ReportContext { loaded: Some(loaded), netns, cause: None, checks: &[] };
        let (report, totals) = (&status.report, status.connections);
        let [errors, warnings] = [Severity::Error, Severity::Warning]
            .map(|severity| of_severity(severity, &context, &report.diagnostics));
        StatusJson {
            version: VERSION,
            netns,
            in_sync: status.is_in_sync(),
            files: loaded.sources.iter().map(|source| source.name.as_str()).collect(),
            steps: report.steps().map(|step| StepJson::new(step, &report.names)).collect(),
            // What is required and waits is no error here.
            warnings: warnings.into_iter().chain(errors).collect(),
            error: report.failure.as_ref().map(|failure| ErrorJson::new(failure, context.sources())),
            lock: status.keeper.as_ref().map(LockJson::new),
            endpoints: status.endpoints.iter().map(EndpointStatusJson::new).collect(),
            uplinks: status.uplinks.iter().map(UplinkStatusJson::new).collect(),
            connections: totals.connections,
            subflows: totals.subflows,
            fallbacks: totals.plain,
            paused: status.is_paused,
            checks: status.checks.iter().map(|check| &check.status).collect(),
        }
    }
}

impl<'a> LockJson<'a> {
    fn new(keeper: &'a Keeper) -> LockJson<'a> {
        let Keeper { process, command, unit, since, role } = keeper;
        LockJson {
            pid: *process,
            command,
            unit: unit.as_deref(),
            since: since.map(rfc3339),
            watch: *role == KeeperRole::Watch,
        }
    }
}

impl<'a> EndpointStatusJson<'a> {
    fn new(row: &'a EndpointStatus) -> EndpointStatusJson<'a> {
        let EndpointStatus { name, identity, id, dev, flags, condition, carried } = row;
        let Carried { subflows, traffic } = carried;
        EndpointStatusJson {
            name: name.as_deref(),
            address: identity.map(|identity| identity.address),
            port: identity.and_then(|identity| identity.port).map(Into::into),
            id: *id,
            dev: dev.as_deref(),
            flags: flags.words(),
            state: condition.word(),
            reason: condition.reason(),
            subflows: *subflows,
            bytes_sent: traffic.sent.to_string(),
            bytes_received: traffic.received.to_string(),
            retransmitted_segments: traffic.retransmitted,
        }
    }
}

impl<'a> UplinkStatusJson<'a> {
    fn new(UplinkRow { name, dev, condition }: &'a UplinkRow) -> UplinkStatusJson<'a> {
        UplinkStatusJson { name, dev, state: condition.word(), reason: condition.reason() }
    }
}
