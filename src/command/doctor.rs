//! `mptcp-apply doctor`: why subflows are not made.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};

use crate::cli::Common;
use crate::config::Config;
use crate::desired::{self, ResolveError};
use crate::doctor::{self, Configuration, Declared, Table, shell_word};
use crate::linux::{LinuxPathManager, evidence, probe};
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Course, Exit, Identity, Probe, State, Sysctl};
use crate::plan;
use crate::report::doctor::{DoctorJson, text};
use crate::rundir::RunDir;
use crate::system::{Error, PathManager};

use super::input::{self, Input};
use super::output::Form;
use super::ownership::Ownership;
use super::resolver::Target;
use super::{Output, places};

/// Looks, says what is wrong, and changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(paths: &[PathBuf], target: Option<&Target>, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let input = match input::read(paths, common.root_dir()) {
        Ok(input) => Some(input),
        Err(nothing) if !paths.is_empty() => return Ok(nothing.tell(&output)),
        Err(nothing) if nothing.exit == Exit::NoInput => None,
        Err(nothing) => {
            nothing.tell(&output);
            None
        }
    };
    let (path_manager, configuration) = look(input.as_ref(), &command(paths, common.root_dir()));
    // Its connection lives while everything else is looked at.
    let (probe, _connection) = match target {
        Some(target) => probed(target, &path_manager),
        None => (None, None),
    };
    let evidence = evidence::examine(path_manager, configuration, probe);
    let findings = doctor::examine(&evidence);
    let sources = input.map_or(Vec::new(), |input| input.sources);
    match output.form {
        Form::Json => output.print_json(&DoctorJson::new(&findings, &sources, &evidence))?,
        Form::Text => output.print(&text(&findings, &sources, &evidence, output.style()))?,
    }
    let fault = findings.iter().any(|finding| finding.severity == doctor::Severity::Fault);
    Ok(if fault { Exit::Failed } else { Exit::Success })
}

fn probed(target: &Target, path_manager: &Table) -> (Option<Probe>, Option<TcpStream>) {
    let wanted: Vec<IpAddr> = match path_manager {
        Table::Read(state) => state
            .endpoints
            .iter()
            .filter(|row| row.opens_subflows())
            .map(|row| row.identity.address)
            .collect(),
        Table::Missing | Table::Unreadable(_) => Vec::new(),
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

fn look(input: Option<&Input>, command: &str) -> (Table, Configuration) {
    let read = || -> Result<(LinuxPathManager, State), Error> {
        let mut host = LinuxPathManager::open()?;
        let state = host.observe(&Sysctl::all().collect::<Vec<_>>())?.state;
        Ok((host, state))
    };
    match read() {
        Ok((mut host, mut state)) => {
            let configuration = configuration(input, command, &mut state, &mut host);
            (Table::Read(state), configuration)
        }
        Err(Error::NoMptcp) => (Table::Missing, judged(input).err().unwrap_or(Configuration::Absent)),
        Err(error) => {
            let configuration = judged(input).err().unwrap_or(Configuration::Absent);
            (Table::Unreadable(error.to_string()), configuration)
        }
    }
}

/// The files, if they can be used.
fn judged(input: Option<&Input>) -> Result<&Input, Configuration> {
    let input = input.ok_or(Configuration::Absent)?;
    match input.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
        None => Ok(input),
        Some(first) => {
            let place = first.labels.first().map(|label| label.location);
            Err(Configuration::Invalid(input.diagnostics.errors(), first.message.clone(), place))
        }
    }
}

/// Holds the files against the kernel, and gives the rows their names.
fn configuration(
    input: Option<&Input>,
    command: &str,
    state: &mut State,
    host: &mut LinuxPathManager,
) -> Configuration {
    let input = match judged(input) {
        Ok(input) => input,
        Err(configuration) => return configuration,
    };
    let declarations = input.config.endpoints.iter().flatten();
    let mut declared = Declared {
        command: command.to_owned(),
        places: declarations
            .map(|declaration| (declaration.name.value.to_string(), declaration.name.location))
            .collect(),
        ..Declared::default()
    };
    let capabilities = LinuxPathManager::capabilities().corrected_by(state);
    let owned = own(&input.config, state);
    match desired::resolve(&input.config, state, capabilities, &owned, host) {
        Ok(desired) => {
            places::name_rows(state, &desired.state);
            declared.waiting = desired.warnings;
            match plan::plan(state, &desired.state, capabilities) {
                Ok(steps) => declared.steps = steps,
                Err(impossible) => {
                    declared.impossible.push(Diagnostic::error(code::NOT_POSSIBLE, impossible.to_string()));
                }
            }
        }
        Err(ResolveError::Unsupported(reasons) | ResolveError::Conflict(reasons)) => {
            declared.impossible = reasons;
        }
        Err(ResolveError::Kernel(error)) => log::warn!("the configuration is left out: {error}"),
    }
    Configuration::Valid(declared)
}

/// The endpoints that applying may remove although the configuration says `prune: false`.
fn own(config: &Config, state: &State) -> BTreeSet<Identity> {
    let Ok(runtime) = RunDir::of_this_namespace() else { return BTreeSet::new() };
    let ownership = Ownership::new(&runtime, config, state);
    if let Some(trouble) = ownership.trouble() {
        log::debug!("{}", trouble.message);
    }
    ownership.identities()
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
