//! One verb in several network namespaces.

use std::io;

use crate::linux::netns::{self, Names};
use crate::model::diagnostic::{Diagnostic, Severity, Strictness};
use crate::model::{Exit, code};
use crate::reconcile::{Failure, FailureKind};

use super::Output;

/// The severity of a name that matches nothing, where the configuration is applied.
pub fn unmatched(strictness: Strictness) -> Severity {
    match strictness {
        Strictness::Strict => Severity::Error,
        Strictness::Lenient => Severity::Warning,
    }
}

/// Runs `job` in each namespace of these names, or in the one in which the program was started if there are no names. A
/// failure in one does not affect the others; the worst exit code is that of all. This thread stays in the last one:
/// going back needs a permission of its own. A name that matches nothing has the severity `unmatched`; as an error, it
/// prevents all jobs. `fail` reports what keeps the job from being done, and returns its exit code.
///
/// # Errors
/// When a result cannot be written.
pub fn in_each(
    names: &[Names],
    output: &Output,
    unmatched: Severity,
    fail: impl Fn(Option<&str>, Failure) -> io::Result<Exit>,
    mut job: impl FnMut(Option<&str>) -> io::Result<Exit>,
) -> io::Result<Exit> {
    if names.is_empty() {
        return job(None);
    }
    let found = match netns::find(names) {
        Ok(found) => found,
        Err(error) => return fail(None, error.into()),
    };
    let is_unmatched = |names: &&Names| !found.iter().any(|name| names.means(name));
    let missing = names.iter().filter(is_unmatched).map(|names| {
        let message = format!("no network namespace matches {names}");
        let diagnostic = Diagnostic::warning(code::NETNS_MISSING, message).help("`ip netns` lists them");
        Diagnostic { severity: unmatched, ..diagnostic }
    });
    let missing: Vec<Diagnostic> = missing.collect();
    if unmatched == Severity::Error && !missing.is_empty() {
        return fail(None, Failure::new(FailureKind::Invalid, missing));
    }
    output.diagnose_in(None, &missing, &[]);
    let mut worst = Exit::Success;
    for name in &found {
        worst = worst.worse(match netns::enter(name) {
            Ok(()) => job(Some(name))?,
            Err(error) => fail(Some(name), error.into())?,
        });
    }
    Ok(worst)
}
