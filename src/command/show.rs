//! `mptcp-apply show`: the kernel's state.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::cli::{Common, Format, Show};
use crate::linux::LinuxPathManager;
use crate::model::diagnostic::Severity;
use crate::model::{DeclaredNames, Device, Exit, ManagedConnection, State, escaped};
use crate::report::show::{self, ShowJson, ShowView, ShownSysctls};
use crate::report::yaml;
use crate::system::{Error, HostFacts, PathManager, Scope};

use super::installed::InstalledNames;
use super::{Output, netns};

/// Shows the kernel's state in each of the namespaces.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Show, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let installed = InstalledNames::load(common, &output);
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
        let observed = LinuxPathManager::open()
            .and_then(|mut system| Ok((observe(options, common.format(), &installed, &mut system)?, system)));
        match observed {
            Ok((observed, system)) => show(options, (common.format(), &output), netns, &observed, system),
            Err(error) => refuse(netns, error.into()),
        }
    })
}

/// The state of one namespace.
struct Observed {
    state: State,
    names: DeclaredNames,
    /// The interfaces that addresses are on, for YAML.
    homes: BTreeMap<IpAddr, Device>,
    /// The addresses that packets of uplinks leave with, for YAML.
    sources: Vec<(IpAddr, NonZeroU32)>,
    connections: Option<Vec<ManagedConnection>>,
}

fn observe(
    options: &Show,
    format: Format,
    installed: &InstalledNames,
    system: &mut LinuxPathManager,
) -> Result<Observed, Error> {
    let mut state = system.observe(&Scope::everything())?.state;
    let names = installed.names(system)?;
    if let Some(id) = options.id {
        state.endpoints.retain(|row| row.id.is_some_and(|own| own.get() == id.get()));
    }
    let connections = if options.connections { Some(system.managed_connections()?) } else { None };
    let (homes, sources) = if format == Format::Yaml { places(system)? } else { Default::default() };
    Ok(Observed { state, names, homes, sources, connections })
}

type Places = (BTreeMap<IpAddr, Device>, Vec<(IpAddr, NonZeroU32)>);

fn places(system: &mut LinuxPathManager) -> Result<Places, Error> {
    let devices: BTreeMap<NonZeroU32, Device> =
        system.interfaces()?.iter().map(|interface| (interface.index, Device::from(interface))).collect();
    let sources = system.source_addresses()?.to_vec();
    let home = |(address, index): &(IpAddr, NonZeroU32)| Some((*address, devices.get(index)?.clone()));
    Ok((sources.iter().filter_map(home).collect(), sources))
}

fn show(
    options: &Show,
    (format, output): (Format, &Output),
    netns: Option<&str>,
    Observed { state, names, homes, sources, connections }: &Observed,
    system: LinuxPathManager,
) -> io::Result<Exit> {
    if let Some(id) = options.id.filter(|_| state.endpoints.is_empty()) {
        output.error(
            &format!("there is no endpoint with id {id}"),
            Some("`mptcp-apply show` lists all endpoints"),
        );
        return Ok(Exit::Failed);
    }
    // Names of interfaces are looked up only if they are needed.
    let system = RefCell::new(system);
    let interface = |index: NonZeroU32| {
        let name = system.borrow_mut().interface_name(index);
        // As in endpoints: the name is escaped, since it may hold escape sequences.
        Device { index, name: name.ok() }.to_string()
    };
    let view = ShowView { netns, state, names, connections: connections.as_deref(), interface: &interface };
    let sysctls = if options.all { ShownSysctls::All } else { ShownSysctls::Changed };
    match format {
        Format::Json => output.print_json(&ShowJson::new(&view))?,
        Format::Yaml => {
            let start = netns.map_or(String::new(), |name| format!("--- # netns {}\n", escaped(name)));
            let names =
                yaml::named_by_interface(state, names, |row| homes.get(&row.identity.address).cloned());
            let text = yaml::configuration(state, &names, sysctls, sources).map_err(io::Error::other)?;
            output.print(&(start + &text))?;
        }
        Format::Text if options.id.is_some() => {
            output.print_in(netns, &show::endpoints(state, names, output.style()))?
        }
        Format::Text | Format::OpenMetrics => {
            output.print_in(netns, &show::text(&view, sysctls, output.style(), output.screen()))?;
        }
    }
    Ok(Exit::Success)
}
