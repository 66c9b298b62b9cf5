//! `mptcp-apply doctor`: why subflows are not made.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;

use crate::cli::Common;
use crate::desired::{self, Unreachable};
use crate::diagnostic::{Diagnostic, Severity};
use crate::doctor::{self, Configuration, Declared, PathManager};
use crate::kernel::{Error, Host, Kernel, examination, probe};
use crate::model::{Course, Probe, State, Sysctl};
use crate::plan;
use crate::report::doctor::{Document, text};

use super::input::{self, Input};
use super::output::Form;
use super::resolver::Target;
use super::{Exit, Output, places};

/// Looks, says what is wrong, and changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(paths: &[PathBuf], target: Option<&Target>, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let input = match input::read(paths, &common.root_dir) {
        Ok(input) => Some(input),
        Err(nothing) if !paths.is_empty() => return Ok(nothing.tell(&output)),
        Err(nothing) if nothing.exit == Exit::NoInput => None,
        Err(nothing) => {
            nothing.tell(&output);
            None
        }
    };
    let (path_manager, configuration) = look(input.as_ref(), paths);
    // Its connection lives while everything else is looked at.
    let (probe, _connection) = match target {
        Some(target) => probed(target, &path_manager),
        None => (None, None),
    };
    let evidence = examination::examine(path_manager, configuration, probe);
    let findings = doctor::examine(&evidence);
    let sources = input.map_or(Vec::new(), |input| input.sources);
    match output.form {
        Form::Json => output.print_json(&Document::new(&findings, &sources, &evidence))?,
        Form::Text => output.print(&text(&findings, &sources, &evidence, output.style()))?,
    }
    let fault = findings.iter().any(|finding| finding.severity == doctor::Severity::Fault);
    Ok(if fault { Exit::Failed } else { Exit::Success })
}

fn probed(target: &Target, path_manager: &PathManager) -> (Option<Probe>, Option<TcpStream>) {
    let wanted: Vec<IpAddr> = match path_manager {
        PathManager::Read(state) => state
            .endpoints
            .iter()
            .filter(|row| row.opens_subflows())
            .map(|row| row.identity.address)
            .collect(),
        PathManager::Missing | PathManager::Unreadable(_) => Vec::new(),
    };
    match target.addresses() {
        Ok(addresses) => {
            let (probe, connection) = probe::probe(target.to_string(), &addresses, &wanted);
            (Some(probe), connection)
        }
        Err(unknown) => {
            (Some(Probe { target: target.to_string(), course: Course::Failed(vec![unknown]) }), None)
        }
    }
}

fn look(input: Option<&Input>, paths: &[PathBuf]) -> (PathManager, Configuration) {
    let read = || -> Result<(Host, State), Error> {
        let mut host = Host::open()?;
        let state = host.read(&Sysctl::all().collect::<Vec<_>>())?;
        Ok((host, state))
    };
    match read() {
        Ok((mut host, mut state)) => {
            let configuration = configuration(input, paths, &mut state, &mut host);
            (PathManager::Read(state), configuration)
        }
        Err(Error::NoMptcp) => (PathManager::Missing, judged(input).err().unwrap_or(Configuration::Absent)),
        Err(error) => {
            let configuration = judged(input).err().unwrap_or(Configuration::Absent);
            (PathManager::Unreadable(error.to_string()), configuration)
        }
    }
}

/// The files, if they can be used.
fn judged(input: Option<&Input>) -> Result<&Input, Configuration> {
    let input = input.ok_or(Configuration::Absent)?;
    match input.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
        None => Ok(input),
        Some(first) => {
            let place = first.labels.first().map(|label| label.place);
            Err(Configuration::Invalid(input.diagnostics.errors(), first.message.clone(), place))
        }
    }
}

/// Holds the files against the kernel, and gives the rows their names.
fn configuration(
    input: Option<&Input>,
    paths: &[PathBuf],
    state: &mut State,
    host: &mut Host,
) -> Configuration {
    let input = match judged(input) {
        Ok(input) => input,
        Err(configuration) => return configuration,
    };
    let declarations = input.config.endpoints.iter().flatten();
    let mut declared = Declared {
        command: command(paths),
        places: declarations
            .map(|declaration| (declaration.name.value.to_string(), declaration.name.place))
            .collect(),
        ..Declared::default()
    };
    let capabilities = Host::capabilities().corrected_by(state);
    match desired::resolve(&input.config, state, capabilities, &BTreeSet::new(), host) {
        Ok(desired) => {
            places::name_rows(state, &desired.state);
            declared.waiting = desired.warnings;
            match plan::plan(state, &desired.state, capabilities) {
                Ok(steps) => declared.steps = steps,
                Err(impossible) => {
                    declared.impossible.push(Diagnostic::error("not-possible", impossible.to_string()));
                }
            }
        }
        Err(Unreachable::Unsupported(reasons) | Unreachable::Conflict(reasons)) => {
            declared.impossible = reasons;
        }
        Err(Unreachable::Kernel(error)) => log::warn!("the configuration is left out: {error}"),
    }
    Configuration::Valid(declared)
}

/// The command that applies the same files.
fn command(paths: &[PathBuf]) -> String {
    let mut words = vec!["mptcp-apply".to_owned()];
    words.extend(paths.iter().map(|path| path.display().to_string()));
    words.join(" ")
}
