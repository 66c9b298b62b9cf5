//! `mptcp-apply doctor`: why subflows are not made.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};

use crate::cli::Common;
use crate::config::{LoadedConfig, Trust};
use crate::desired;
use crate::doctor::{self, Configuration, Declared, ProbeTarget, Table, shell_word};
use crate::linux::lookup::lookup;
use crate::linux::{LinuxPathManager, evidence, probe};
use crate::model::diagnostic::Strictness;
use crate::model::{Course, EndpointNames, Exit, Probe, State, Sysctl, code};
use crate::reconcile::{self, Failure, FailureKind, Mode, Report};
use crate::report::doctor::{DoctorJson, text};
use crate::rundir::RunDir;
use crate::system::{Error, PathManager};

use super::Output;
use super::output::Form;

/// Looks, says what is wrong, and changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(paths: &[PathBuf], target: Option<&ProbeTarget>, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let loaded = match LoadedConfig::load(paths, common.root_dir(), Strictness::Lenient, || Trust::Advised) {
        Ok(loaded) => Some(loaded),
        Err(none) => {
            let exit = none.exit;
            if !paths.is_empty() || exit != Exit::NoInput {
                output.tell(*none.diagnostic);
            }
            if !paths.is_empty() {
                return Ok(exit);
            }
            None
        }
    };
    let command = command(paths, common.root_dir());
    let (table, names, configuration) = look(loaded.as_ref(), &command);
    // Its connection lives while everything else is looked at.
    let (probe, _connection) = match target {
        Some(target) => probed(target, &table),
        None => (None, None),
    };
    let evidence = evidence::examine(table, names, configuration, probe);
    let findings = doctor::examine(&evidence);
    let sources = loaded.map_or(Vec::new(), |loaded| loaded.sources);
    match output.form {
        Form::Json => output.print_json(&DoctorJson::new(&findings, &sources, &evidence))?,
        Form::Text => output.print(&text(&findings, &sources, &evidence, output.style()))?,
    }
    let fault = findings.iter().any(|finding| finding.severity == doctor::FindingSeverity::Fault);
    Ok(if fault { Exit::Failed } else { Exit::Success })
}

fn probed(target: &ProbeTarget, table: &Table) -> (Option<Probe>, Option<TcpStream>) {
    let wanted: Vec<IpAddr> = match table {
        Table::Read(state) => state
            .endpoints
            .iter()
            .filter(|row| row.opens_subflows())
            .map(|row| row.identity.address)
            .collect(),
        Table::Missing | Table::Unreadable(_) => Vec::new(),
    };
    match lookup(target) {
        Ok(addresses) => {
            let (probe, connection) = probe::probe(target.to_string(), &addresses, &wanted);
            (Some(probe), connection)
        }
        Err(unknown) => {
            (Some(Probe { target: target.to_string(), course: Course::Failed(vec![unknown]) }), None)
        }
    }
}

/// The table, the names of endpoints, and the configuration held against this host.
fn look(loaded: Option<&LoadedConfig>, command: &str) -> (Table, EndpointNames, Configuration) {
    let judged = judged(loaded);
    let read = || -> Result<(LinuxPathManager, State), Error> {
        let mut system = LinuxPathManager::open()?;
        let state = system.observe(&Sysctl::all().collect::<Vec<_>>())?.state;
        Ok((system, state))
    };
    let (mut system, state) = match read() {
        Ok(read) => read,
        Err(error) => {
            let configuration = judged.err().unwrap_or(Configuration::Absent);
            let table = match error {
                Error::NoMptcp => Table::Missing,
                error => Table::Unreadable(error.to_string()),
            };
            return (table, EndpointNames::new(), configuration);
        }
    };
    let (names, configuration) = match judged {
        Ok(loaded) => {
            let names = desired::names(&loaded.config, &mut system).unwrap_or_default();
            (names, Configuration::Valid(declared(loaded, command, &mut system)))
        }
        Err(configuration) => (EndpointNames::new(), configuration),
    };
    (Table::Read(state), names, configuration)
}

/// The configuration, if it can be used.
fn judged(loaded: Option<&LoadedConfig>) -> Result<&LoadedConfig, Configuration> {
    let loaded = loaded.ok_or(Configuration::Absent)?;
    match loaded.first_error() {
        None => Ok(loaded),
        Some(first) => {
            let location = first.labels.first().map(|label| label.location);
            Err(Configuration::Invalid(loaded.diagnostics.errors(), first.message.clone(), location))
        }
    }
}

/// What applying the configuration would do now.
fn declared(loaded: &LoadedConfig, command: &str, system: &mut LinuxPathManager) -> Declared {
    let declarations = loaded.config.endpoints.iter().flatten();
    let mut declared = Declared {
        command: command.to_owned(),
        locations: declarations
            .map(|declaration| (declaration.name.value.to_string(), declaration.name.location))
            .collect(),
        ..Declared::default()
    };
    let pass = RunDir::of(None)
        .map_err(Failure::from)
        .and_then(|mut rundir| reconcile::reconcile(loaded, system, &mut rundir, Mode::Plan(None)));
    match pass {
        Ok(Report { failure: Some(failure), .. }) => declared.unsupported = failure.diagnostics,
        Ok(report) => {
            declared.steps = report.steps().cloned().collect();
            declared.waiting = report.diagnostics;
            declared.waiting.retain(|found| [code::DEV_MISSING, code::NO_MATCH].contains(&found.code));
        }
        Err(failure) if failure.kind == FailureKind::Waiting => {
            declared.waiting = failure.diagnostics;
            declared
                .waiting
                .retain(|found| [code::DEV_MISSING, code::NO_MATCH, code::REQUIRED].contains(&found.code));
        }
        Err(failure) => {
            let reason = failure.diagnostics.first().map_or("", |first| first.message.as_str());
            log::warn!("the configuration is left out: {reason}");
        }
    }
    declared
}

/// The command that applies the same files.
fn command(paths: &[PathBuf], root: &Path) -> String {
    let mut words = vec!["mptcp-apply".to_owned()];
    // The folders count only where no file is named.
    if paths.is_empty() && root != Path::new("/") {
        words.extend(["--root-dir".to_owned(), shell_word(&root.to_string_lossy())]);
    }
    words.extend(paths.iter().map(|path| shell_word(&path.to_string_lossy())));
    words.join(" ")
}
