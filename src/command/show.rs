//! `mptcp-apply show`: what there is.

use std::cell::RefCell;
use std::io;
use std::num::NonZeroU32;

use crate::cli::{Common, Format, Show};
use crate::linux::LinuxPathManager;
use crate::model::diagnostic::Severity;
use crate::model::{Connection, Device, EndpointNames, Exit, State, Sysctl};
use crate::report::show::{self, ShowJson, Shown};
use crate::report::yaml;
use crate::system::{Error, PathManager};

use super::installed::InstalledNames;
use super::{Output, netns};

/// Shows the kernel's state in each of the namespaces.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Show, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let installed = InstalledNames::load(common, &output);
    netns::in_each(&options.netns, &output, Severity::Warning, |netns| {
        let seen =
            LinuxPathManager::open().and_then(|mut host| Ok((look(options, &installed, &mut host)?, host)));
        match seen {
            Ok((seen, host)) => show(options, (common.format(), &output), netns, &seen, host),
            Err(error) => Ok(netns::refuse(error, netns, &output)),
        }
    })
}

/// What there is in a namespace.
struct Seen {
    state: State,
    names: EndpointNames,
    connections: Option<Vec<Connection>>,
}

fn look(options: &Show, installed: &InstalledNames, host: &mut LinuxPathManager) -> Result<Seen, Error> {
    let mut state = host.observe(&Sysctl::all().collect::<Vec<_>>())?.state;
    let names = installed.names(host)?;
    if let Some(id) = options.id {
        state.endpoints.retain(|row| row.id.is_some_and(|own| own.get() == id));
    }
    let connections = if options.connections { Some(host.live_connections()?) } else { None };
    Ok(Seen { state, names, connections })
}

fn show(
    options: &Show,
    (format, output): (Format, &Output),
    netns: Option<&str>,
    Seen { state, names, connections }: &Seen,
    host: LinuxPathManager,
) -> io::Result<Exit> {
    if let Some(id) = options.id.filter(|_| state.endpoints.is_empty()) {
        output.error(&format!("there is no endpoint with id {id}"), Some("`mptcp-apply show` lists all"));
        return Ok(Exit::Failed);
    }
    // Names of interfaces are looked up as they are needed.
    let host = RefCell::new(host);
    let interface = |index: NonZeroU32| {
        let name = host.borrow_mut().interface_name(index);
        // As endpoints write it: a name may hold what a terminal obeys.
        Device { index, name: name.ok() }.to_string()
    };
    let shown = Shown { netns, state, names, connections: connections.as_deref(), interface: &interface };
    match format {
        Format::Json => output.print_json(&ShowJson::new(&shown))?,
        Format::Yaml => {
            let start = netns.map_or(String::new(), |name| format!("--- # netns {name}\n"));
            output.print(&(start + &yaml::configuration(state, names).map_err(io::Error::other)?))?;
        }
        Format::Text if options.id.is_some() => output.print_in(netns, &show::endpoints(state, names))?,
        Format::Text => output.print_in(netns, &show::text(&shown, output.style(), output.screen()))?,
    }
    Ok(Exit::Success)
}
