//! `mptcp-apply history`: the states before the last runs that changed something.

use std::io;
use std::num::NonZeroU8;

use crate::cli::{Common, Format, History};
use crate::linux::clock;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Exit, PastState, code, counted, escaped};
use crate::reconcile::{Failure, FailureKind};
use crate::report::history::{self, HistoryJson, PastStateJson};
use crate::report::yaml;
use crate::rundir::RunDir;
use crate::system::Error;

use super::{Output, netns};

/// Lists the states of each of the namespaces, or prints one of them; changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &History, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
        let history = match read() {
            Ok(history) => history,
            Err(error) => return refuse(netns, error.into()),
        };
        match options.number {
            None => list(&history, (common.format(), &output), netns)?,
            Some(number) => match history.get(usize::from(number.get()) - 1) {
                Some(past) => print(past, number, (common.format(), &output), netns)?,
                None => return refuse(netns, missing(number, history.len())),
            },
        }
        Ok(Exit::Success)
    })
}

fn read() -> Result<Vec<PastState>, Error> {
    let history = RunDir::of_this_namespace()?.history();
    history.map_err(|error| Error::Io("read the states before the last runs".to_owned(), error))
}

fn list(history: &[PastState], (format, output): (Format, &Output), netns: Option<&str>) -> io::Result<()> {
    if format == Format::Json {
        return output.print_json(&HistoryJson::new(netns, history));
    }
    if history.is_empty() {
        return output.print_in(netns, "no run has changed anything here since boot\n");
    }
    let (zone, style, screen) = (clock::time_zone(), output.style(), output.screen());
    output.print_in(netns, &history::list(history, zone.as_ref(), style, screen))
}

fn print(
    past: &PastState,
    number: NonZeroU8,
    (format, output): (Format, &Output),
    netns: Option<&str>,
) -> io::Result<()> {
    match format {
        Format::Json => output.print_json(&PastStateJson::new(netns, number, past)),
        Format::Yaml => {
            let start = netns.map_or(String::new(), |name| format!("--- # netns {}\n", escaped(name)));
            output.print(&(start + &yaml::past(&past.before, &past.names).map_err(io::Error::other)?))
        }
        Format::Text | Format::OpenMetrics => {
            let zone = clock::time_zone();
            output.print_in(netns, &history::state(past, netns, zone.as_ref(), output.style()))
        }
    }
}

fn missing(number: NonZeroU8, known: usize) -> Failure {
    let message = match known {
        0 => "no run has changed anything here since boot".to_owned(),
        known => format!("there is no state {number}, but {}", counted(known, "state")),
    };
    let help = "`mptcp-apply history` lists the states before the last runs; the last run is number 1";
    Failure::new(FailureKind::Refused, vec![Diagnostic::error(code::FAILED, message).help(help)])
}
