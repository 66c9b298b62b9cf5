//! Tells what path managers do, as it happens.

use std::io;

use crate::cli::Common;
use crate::linux::mptcp_events::{EventSocket, EventStream, Received};
use crate::linux::netns::Names;
use crate::linux::{LinuxPathManager, rlimit, signals};
use crate::model::diagnostic::Severity;
use crate::model::{End, EndpointNames, Exit, Identity};
use crate::report::ToldEvent;
use crate::report::json_v1::event::EventJson;
use crate::report::text::event::Columns;
use crate::system::Error;

use super::installed::InstalledNames;
use super::output::Form;
use super::{Output, netns};

/// A network namespace that is listened to.
struct Listened {
    name: Option<String>,
    /// The names of its endpoints when the program was started.
    endpoints: EndpointNames,
}

/// Tells until a signal comes, or nobody reads it any more.
///
/// # Errors
/// When an event cannot be written.
pub fn run(names: &[Names], common: &Common) -> io::Result<Exit> {
    signals::end_at_signals()?;
    if !names.is_empty() {
        // Each takes two sockets.
        rlimit::raise_limit();
    }
    let output = Output::new(common);
    let installed = InstalledNames::load(common, &output);
    let (mut namespaces, mut sockets) = (Vec::new(), Vec::new());
    let exit = netns::in_each(names, &output, Severity::Warning, |name| match listen(name, &installed) {
        Ok((namespace, socket)) => {
            namespaces.push(namespace);
            sockets.push(socket);
            Ok(Exit::Success)
        }
        Err(error) => Ok(netns::refuse(error, name, &output)),
    })?;
    // Whoever asks for several is not to take silence of one for peace.
    if exit != Exit::Success || namespaces.is_empty() {
        Ok(exit)
    } else {
        tell(&namespaces, sockets, &output)
    }
}

/// Begins to listen in the namespace that this thread is in. That comes first: who may not listen is to hear of that, and
/// not of what else he may not.
fn listen(name: Option<&str>, installed: &InstalledNames) -> Result<(Listened, EventSocket), Error> {
    let socket = EventSocket::open()?;
    let endpoints = installed.names(&mut LinuxPathManager::open()?)?;
    Ok((Listened { name: name.map(str::to_owned), endpoints }, socket))
}

fn tell(namespaces: &[Listened], sockets: Vec<EventSocket>, output: &Output) -> io::Result<Exit> {
    let stdout = io::stdout();
    let mut stream = EventStream::new(sockets, &stdout);
    let names = namespaces.iter().filter_map(|namespace| namespace.name.as_deref());
    let mut columns = Columns::new(output.style(), names);
    loop {
        let (index, received) = match stream.wait_for_next() {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(Exit::Success),
            Err(error) => return Ok(netns::refuse(error, None, output)),
        };
        let Some(Listened { name, endpoints }) = namespaces.get(index) else { continue };
        let netns = name.as_deref();
        match (&received, output.form) {
            (Received::Lost, Form::Json) => output.print_json(&EventJson::lost(netns))?,
            (Received::Lost, Form::Text) => output.print(&columns.lost(netns))?,
            (Received::Event(event), form) => {
                let endpoint = endpoint_at(&event.local, endpoints);
                let told = ToldEvent { netns, event: event.as_ref(), endpoint };
                match form {
                    Form::Json => output.print_json(&EventJson::new(&told))?,
                    Form::Text => output.print(&columns.event(&told, output.screen()))?,
                }
            }
        }
    }
}

/// The name of the endpoint there: of that with the port, or else of that without any.
fn endpoint_at<'a>(end: &End, endpoints: &'a EndpointNames) -> Option<&'a str> {
    let port = end.port.and_then(|port| port.try_into().ok());
    let found = Identity::candidates(end.address?, port).find_map(|identity| endpoints.get(&identity));
    found.map(String::as_str)
}
