//! `mptcp-apply monitor`: prints the events of path managers as they happen.

use std::io;

use crate::cli::Common;
use crate::linux::clock;
use crate::linux::mptcp_events::{Arrival, EventSocket, EventStream, Received};
use crate::linux::netns::Names;
use crate::linux::{LinuxPathManager, rlimit, signals};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{End, EndpointNames, Exit, Identity, Sysctl, code};
use crate::report::EventLine;
use crate::report::json_v1::event::EventJson;
use crate::report::text::event::Columns;
use crate::system::{Error, HostFacts};

use super::installed::InstalledNames;
use super::output::OutputFormat;
use super::{Output, netns};

/// A monitored network namespace.
struct Monitored {
    name: Option<String>,
    /// The names of its endpoints at the start of the program.
    endpoints: EndpointNames,
}

/// Prints events until a signal arrives, or the reader closes standard output.
///
/// # Errors
/// When an event cannot be written.
pub fn run(names: &[Names], common: &Common) -> io::Result<Exit> {
    signals::end_at_signals()?;
    if !names.is_empty() {
        // Each namespace needs two sockets.
        rlimit::raise_limit();
    }
    let output = Output::new(common);
    let installed = InstalledNames::load(common, &output);
    let (mut namespaces, mut sockets) = (Vec::new(), Vec::new());
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    let exit = netns::in_each(names, &output, Severity::Warning, refuse, |name| {
        match subscribe(name, &installed, &output) {
            Ok((namespace, socket)) => {
                namespaces.push(namespace);
                sockets.push(socket);
                Ok(Exit::Success)
            }
            Err(error) => refuse(name, error.into()),
        }
    })?;
    // If one namespace failed, its silence must not be taken for a lack of events.
    match exit {
        Exit::Success if !namespaces.is_empty() => print_events(&namespaces, sockets, &output),
        exit => Ok(exit),
    }
}

/// Subscribes to the events of the namespace that this thread is in. This comes first, so that its error is reported rather
/// than another one.
fn subscribe(
    name: Option<&str>,
    installed: &InstalledNames,
    output: &Output,
) -> Result<(Monitored, EventSocket), Error> {
    let socket = EventSocket::open()?;
    let mut system = LinuxPathManager::open()?;
    let endpoints = installed.endpoint_names(&mut system)?;
    if system.sysctl(Sysctl::PATH_MANAGER)?.is_some_and(|word| word.to_string() == "userspace") {
        let warning = Diagnostic::warning(code::USERSPACE_PATH_MANAGER, LISTENING)
            .help("end this command before you judge why subflows are rejected");
        output.diagnose_in(name, &[warning], &[]);
    }
    Ok((Monitored { name: name.map(str::to_owned), endpoints }, socket))
}

/// What the userspace path manager makes of a listener, in whatever network namespace it is.
const LISTENING: &str = "the userspace path manager is selected: while any program listens to its events, as this one does, \
    the kernel accepts subflows and announced addresses of peers that it rejects otherwise";

fn print_events(namespaces: &[Monitored], sockets: Vec<EventSocket>, output: &Output) -> io::Result<Exit> {
    let stdout = io::stdout();
    let mut stream = EventStream::new(sockets, &stdout);
    let names = namespaces.iter().filter_map(|namespace| namespace.name.as_deref());
    let mut columns = Columns::new(output.style(), clock::time_zone(), names);
    loop {
        let Arrival { socket, time, received } = match stream.wait_for_next() {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(Exit::Success),
            Err(error) => return output.refuse(None, error.into()),
        };
        let Some(Monitored { name, endpoints }) = namespaces.get(socket) else { continue };
        let netns = name.as_deref();
        match (&received, output.format) {
            (Received::Lost, OutputFormat::Json) => output.print_json(&EventJson::lost(time, netns))?,
            (Received::Lost, OutputFormat::Text) => output.print(&columns.lost(time, netns))?,
            (Received::Event(event), format) => {
                let endpoint = endpoint_at(&event.local, endpoints);
                let line = EventLine { time, netns, event: event.as_ref(), endpoint };
                match format {
                    OutputFormat::Json => output.print_json(&EventJson::new(&line))?,
                    OutputFormat::Text => output.print(&columns.event(&line, output.screen()))?,
                }
            }
        }
    }
}

/// The name of the endpoint at this end: the one with the port, or else the one without a port.
fn endpoint_at<'a>(end: &End, endpoints: &'a EndpointNames) -> Option<&'a str> {
    let port = end.port.and_then(|port| port.try_into().ok());
    let found = Identity::candidates(end.address?, port).find_map(|identity| endpoints.get(&identity));
    found.map(String::as_str)
}
