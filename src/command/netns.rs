//! The same job in several network namespaces.

use std::io;

use crate::linux::netns::{self, Names};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Exit, code};
use crate::reconcile::Failure;
use crate::system;

use super::Output;

/// Does a job in the namespaces of these names, one after the other, or in the one in which the program was started if
/// there are no names. What happens in one is none of the others' business; the worst exit is that of all. This thread
/// stays in the last one, since nothing follows: to go back needs permission of its own. A glob that matches nothing is
/// told as `unmatched` says; as an error it keeps everything from being done.
///
/// # Errors
/// When a result cannot be written.
pub fn in_each(
    names: &[Names],
    output: &Output,
    unmatched: Severity,
    mut job: impl FnMut(Option<&str>) -> io::Result<Exit>,
) -> io::Result<Exit> {
    if names.is_empty() {
        return job(None);
    }
    let found = match netns::find(names) {
        Ok(found) => found,
        Err(error) => return Ok(refuse(error, None, output)),
    };
    let is_vain = |names: &&Names| !found.iter().any(|name| names.means(name));
    let mut vain = names.iter().filter(is_vain).peekable();
    let is_over = vain.peek().is_some() && unmatched == Severity::Error;
    for names in vain {
        let message = format!("no network namespace is called {names}");
        let mut diagnostic = Diagnostic::warning(code::NETNS_MISSING, message).help("`ip netns` lists them");
        diagnostic.severity = unmatched;
        output.tell(diagnostic);
    }
    if is_over {
        return Ok(Exit::Invalid);
    }
    let mut worst = Exit::Success;
    for name in &found {
        worst = worst.worse(match netns::enter(name) {
            Ok(()) => job(Some(name))?,
            Err(error) => refuse(error, Some(name), output),
        });
    }
    Ok(worst)
}

/// Says why the kernel could not be asked.
pub fn refuse(error: system::Error, netns: Option<&str>, output: &Output) -> Exit {
    let failure = Failure::from(error);
    output.diagnose_in(netns, &failure.diagnostics, &[]);
    failure.kind.exit()
}
