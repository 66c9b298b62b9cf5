//! `mptcp-apply connection`: live connections, and operations on one of them.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use crate::cli::{Common, ConnectionArgs};
use crate::connection;
use crate::linux::mptcp_events::EventSocket;
use crate::linux::operations::{self, Operations};
use crate::linux::{LinuxPathManager, event_listeners, sock_diag};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{ConnectionManager, Device, Exit, ManagedConnection, Operation, Token, escaped};
use crate::reconcile::Failure;
use crate::report::json_v1::operation::OperationJson;
use crate::report::show::{self, ConnectionsJson, ShowView};
use crate::system::{Errno, Error, HostFacts, PathManager, Refusal, Scope};

use super::installed::InstalledNames;
use super::output::OutputFormat;
use super::{Output, netns};

/// Lists the live connections of each of the namespaces, or carries out an operation in them.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &ConnectionArgs, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    match options.operation() {
        Err(misuse) => {
            output.error(&escaped(&misuse.to_string()), Some(&misuse.form));
            Ok(Exit::Usage)
        }
        Ok(Some((token, operation))) => {
            netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
                perform(token, &operation, &output, netns)
            })
        }
        Ok(None) => {
            let installed = InstalledNames::load(common, &output);
            netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
                list(&installed, &output, netns).unwrap_or_else(|error| refuse(netns, error.into()))
            })
        }
    }
}

fn list(installed: &InstalledNames, output: &Output, netns: Option<&str>) -> Result<io::Result<Exit>, Error> {
    let mut system = LinuxPathManager::open()?;
    let state = system.observe(&Scope::default())?.state;
    let (names, connections) = (installed.names(&mut system)?, system.managed_connections()?);
    if connections.is_empty() && !system.progress()?.is_empty() && Operations::open()?.is_forbidden()? {
        return Err(Error::Refused("list the subflows of connections", Refusal::new(Errno::EPERM)));
    }
    let is_userspace = |all: &ManagedConnection| all.manager.word() == Some("userspace");
    if connections.iter().any(is_userspace) && !event_listeners::any()? {
        output.diagnose_in(netns, &[connection::no_listener()], &[]);
    }
    let system = RefCell::new(system);
    let interface = |index: NonZeroU32| {
        let name = system.borrow_mut().interface_name(index);
        Device { index, name: name.ok() }.to_string()
    };
    let (state, names, connections) = (&state, &names, Some(&*connections));
    let view = ShowView { netns, state, names, connections, interface: &interface };
    let printed = match output.format {
        OutputFormat::Json => output.print_json(&ConnectionsJson::new(&view)),
        OutputFormat::Text => {
            let text = show::connections(&view, output.style(), output.screen());
            output.print_in(netns, if text.is_empty() { "no connections\n" } else { &text })
        }
    };
    Ok(printed.map(|()| Exit::Success))
}

/// What an operation that was done leaves to say.
#[derive(Default)]
struct Done {
    /// This end of the subflow that was created.
    local: Option<SocketAddr>,
    warnings: Vec<Diagnostic>,
}

fn perform(token: Token, operation: &Operation, output: &Output, netns: Option<&str>) -> io::Result<Exit> {
    let result = carry_out(token, operation);
    let (diagnostics, exit) = match &result {
        Ok(done) => (&done.warnings, Exit::Success),
        Err(failure) => (&failure.diagnostics, failure.kind.exit()),
    };
    output.diagnose_in(netns, diagnostics, &[]);
    match (&result, output.format) {
        (Ok(Done { local, warnings }), OutputFormat::Json) => {
            output.print_json(&OperationJson::done(netns, token, operation, *local, warnings))?;
        }
        (Err(failure), OutputFormat::Json) => {
            output.print_json(&OperationJson::failed(netns, token, operation, failure))?;
        }
        (Ok(_), OutputFormat::Text) if output.quiet => {}
        (Ok(Done { local, .. }), OutputFormat::Text) => {
            let port = local.map_or(String::new(), |local| format!(", from port {}", local.port()));
            let (done, object) = (operation.participle(), operation.object());
            output.print_in(netns, &format!("{done} {object} on connection {token}{port}\n"))?;
        }
        (Err(_), OutputFormat::Text) => {}
    }
    Ok(exit)
}

fn carry_out(token: Token, operation: &Operation) -> Result<Done, Failure> {
    let (mut system, mut operations) = (LinuxPathManager::open()?, Operations::open()?);
    let manager = operations.manager(token)?;
    if let Some(failure) = connection::cannot_begin(operation, token, manager.as_ref()) {
        return Err(failure);
    }
    let connections = system.live_connections()?;
    if let Some(failure) = connection::fell_back(operation, token, &connections) {
        return Err(failure);
    }
    let dev = match operation.dev() {
        None => None,
        Some(name) => {
            let index = system.interface(name)?;
            Some(index.ok_or_else(|| connection::no_interface(operation, token, name))?)
        }
    };
    let mut addresses = manager.as_ref().map_or(&[][..], ConnectionManager::addresses).to_vec();
    for dev in addresses.iter_mut().filter_map(|row| row.dev.as_mut()) {
        dev.name = system.interface_name(dev.index).ok();
    }
    let explained = |refusal| connection::explain(operation, token, &refusal, &addresses);
    if !matches!(operation, Operation::Create { .. }) {
        operations.perform(token, operation, dev)?.map_err(explained)?;
        return Ok(Done { local: None, warnings: warnings(operation)? });
    }
    if let Some(twin) = connection::twin(operation, token, &connections) {
        return Err(connection::subflow_exists(operation, token, twin));
    }
    let mut events = EventSocket::open()?;
    operations.perform(token, operation, dev)?.map_err(explained)?;
    let answer = operations::await_answer(&mut events, token, operation)?;
    let local = connection::joined(operation, token, &answer)?;
    if let Some(backup) = connection::backup_left_out(operation, token, &system.live_connections()?) {
        operations.perform(token, &backup, None)?.map_err(explained)?;
    }
    Ok(Done { local, ..Done::default() })
}

/// What keeps an announced address from being of use.
fn warnings(operation: &Operation) -> Result<Vec<Diagnostic>, Error> {
    let Operation::Announce { address, .. } = operation else { return Ok(Vec::new()) };
    let mut warnings = Vec::new();
    if let Some(port) = address.port {
        let serves = |at: &SocketAddr| {
            at.port() == port.get() && (at.ip().is_unspecified() || at.ip() == address.address)
        };
        if !sock_diag::listeners()?.iter().any(|listener| listener.mptcp && serves(&listener.local)) {
            warnings.push(connection::announced_port(port));
        }
    }
    if !event_listeners::any()? {
        warnings.push(connection::no_listener());
    }
    Ok(warnings)
}
