//! One verb in several network namespaces.

use std::io;

use crate::linux::netns::{self, Names};
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Exit, code};
use crate::reconcile::Failure;
use crate::system;

use super::Output;

/// Runs `job` in each namespace of these names, or in the one in which the program was started if there are no names. A
/// failure in one does not affect the others; the worst exit code is that of all. This thread stays in the last one:
/// going back needs a permission of its own. A name that matches nothing has the severity `unmatched`; as an error, it
/// prevents all jobs.
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
    let is_unmatched = |names: &&Names| !found.iter().any(|name| names.means(name));
    let mut missing = names.iter().filter(is_unmatched).peekable();
    let is_rejected = missing.peek().is_some() && unmatched == Severity::Error;
    for names in missing {
        let message = format!("no network namespace matches {names}");
        let mut diagnostic = Diagnostic::warning(code::NETNS_MISSING, message).help("`ip netns` lists them");
        diagnostic.severity = unmatched;
        output.diagnose_one(diagnostic);
    }
    if is_rejected {
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

/// Reports an error of the kernel, and returns its exit code.
pub fn refuse(error: system::Error, netns: Option<&str>, output: &Output) -> Exit {
    let failure = Failure::from(error);
    output.diagnose_in(netns, &failure.diagnostics, &[]);
    failure.kind.exit()
}
