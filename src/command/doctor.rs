//! `mptcp-apply doctor`: explains why subflows are missing.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::path::Path;

use crate::cli::{Common, Doctor};
use crate::config::{LoadedConfig, Trust};
use crate::desired;
use crate::doctor::{self, Configuration, Declared, FindingSeverity, ProbeTarget, Table, apply_command};
use crate::linux::lookup::lookup;
use crate::linux::{LinuxPathManager, evidence, probe};
use crate::model::diagnostic::{Diagnostic, Severity, Strictness};
use crate::model::{EndpointNames, Exit, Limits, Probe, ProbeOutcome, RoutingWords, UplinkStatus, code};
use crate::report::bug_report::BugReport;
use crate::report::doctor::{DoctorJson, text};
use crate::rundir::RunDir;
use crate::source::{self, ReadError};
use crate::system::{PathManager, Scope};

use super::output::OutputFormat;
use super::{Output, netns, status};

/// Reads the evidence in each of the namespaces and prints the findings; changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Doctor, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let paths = options.paths.as_slice();
    let loaded = match LoadedConfig::load(paths, common.root_dir(), Strictness::Lenient, || Trust::Advised) {
        Ok(loaded) => Some(loaded),
        Err(none) => {
            if !paths.is_empty() {
                return output.refuse_without_config(none);
            }
            if none.exit != Exit::NoInput {
                output.diagnose_one(*none.diagnostic);
            } else if has_skipped(common.root_dir()) {
                output.diagnose_one(Diagnostic { severity: Severity::Warning, ..*none.diagnostic });
            }
            None
        }
    };
    let report = options.report.then(private);
    report.into_iter().for_each(|warning| output.diagnose_one(warning));
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
        examine(netns, loaded.as_ref(), options, common, &output)
    })
}

/// Whether a standard folder has no configuration, and a file that looks meant.
fn has_skipped(root: &Path) -> bool {
    matches!(source::find(&[], root), Err(ReadError::NoneFound { skipped, .. }) if !skipped.is_empty())
}

/// The doctor in the namespace that this thread is in.
fn examine(
    netns: Option<&str>,
    loaded: Option<&LoadedConfig>,
    options: &Doctor,
    common: &Common,
    output: &Output,
) -> io::Result<Exit> {
    let command = apply_command(evidence::program(netns), &options.paths, common.root_dir());
    let (table, names, configuration, checks) = observe(loaded, command);
    // The test connection stays open while the rest is read.
    let (probe, _connection) = options.probe.as_ref().map(|target| connect(target, &table)).unzip();
    let evidence = evidence::examine(netns, table, names, configuration, checks, probe);
    let findings = doctor::examine(&evidence);
    let sources = loaded.map_or(&[][..], |loaded| &loaded.sources);
    let routing = if options.report { evidence::routing(&evidence) } else { RoutingWords::default() };
    let history = RunDir::of_this_namespace().ok().filter(|_| options.report);
    let history = history.and_then(|rundir| rundir.history().ok()).unwrap_or_default();
    let report = BugReport::new(&findings, sources, &evidence, &routing, &history);
    match output.format {
        OutputFormat::Json if options.report => {
            output.print_json(&report.json().map_err(io::Error::other)?)?
        }
        OutputFormat::Text if options.report => {
            output.print_in(netns, &report.text().map_err(io::Error::other)?)?
        }
        OutputFormat::Json => output.print_json(&DoctorJson::new(&findings, sources, &evidence))?,
        OutputFormat::Text => output.print_in(netns, &text(&findings, sources, &evidence, output.style()))?,
    }
    let has_fault = findings.iter().any(|finding| finding.severity == FindingSeverity::Fault);
    Ok(if has_fault { Exit::Failed } else { Exit::Success })
}

fn private() -> Diagnostic {
    let words =
        "the report has the addresses, interfaces and programs of this host, and the addresses of its peers";
    Diagnostic::warning(code::REPORT_PRIVATE, words)
        .help("read it before you publish it, and replace what others must not know")
}

/// The table, the names of endpoints, the configuration compared with them, and what a watch has found out.
fn observe(
    loaded: Option<&LoadedConfig>,
    command: String,
) -> (Table, EndpointNames, Configuration, Vec<UplinkStatus>) {
    let valid = Configuration::valid(loaded);
    let observed = LinuxPathManager::open().and_then(|mut system| {
        let state = system.observe(&Scope::everything())?.state;
        Ok((system, state))
    });
    match (observed, valid) {
        (Ok((mut system, state)), Ok(loaded)) => {
            let names = desired::endpoint_names(&loaded.config, &mut system).unwrap_or_default();
            let (pass, checks) = status::plan(loaded, &mut system);
            let declared = Box::new(Declared::new(loaded, command, pass));
            (Table::Read(state), names, Configuration::Valid(declared), checks)
        }
        (Ok((_, state)), Err(invalid)) => (Table::Read(state), EndpointNames::new(), invalid, Vec::new()),
        (Err(error), valid) => {
            let configuration = valid.err().unwrap_or(Configuration::Absent);
            (error.into(), EndpointNames::new(), configuration, Vec::new())
        }
    }
}

/// Opens the test connection, and watches it until all endpoints have their subflow or time is up.
fn connect(target: &ProbeTarget, table: &Table) -> (Probe, Option<TcpStream>) {
    let rows = table.state().into_iter().flat_map(|state| &state.endpoints);
    let opening = rows.filter(|row| row.opens_subflows());
    let sources: Vec<IpAddr> = opening.map(|row| row.identity.address).collect();
    let limits = table.state().map_or(Limits { subflows: 0, add_addr_accepted: 0 }, |state| state.limits);
    match lookup(target) {
        Ok(addresses) => probe::probe(target.to_string(), &addresses, &sources, limits),
        Err(error) => {
            (Probe { target: target.to_string(), outcome: ProbeOutcome::Failed(vec![error]) }, None)
        }
    }
}
