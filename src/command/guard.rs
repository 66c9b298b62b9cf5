//! The guard of a trial: puts back what was tried, unless it hears that it stays.

use std::io;

use crate::cli::Common;
use crate::linux::LinuxPathManager;
use crate::model::Exit;
use crate::reconcile::{self, Failure, Mode, Report, Revert};
use crate::report::About;
use crate::rundir::RunDir;
use crate::trial::{GuardEnd, GuardMessage};

use super::Output;

/// Waits for messages, and acts on them.
///
/// # Errors
/// When no process hands a trial over.
pub fn run(common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let (mut end, spec) = GuardEnd::take()?;
    end.ready()?;
    let (mut revert, mut left) = (spec.revert, spec.timeout);
    loop {
        match end.hear(left) {
            Some(GuardMessage::Working) => {}
            Some(GuardMessage::Applied(state, rest)) => {
                (revert.reached, left) = (Some(state), rest);
                // Where nothing hears this, the connection has ended.
                let _ = end.ready();
            }
            Some(GuardMessage::Keep) => return Ok(Exit::Success),
            Some(GuardMessage::Back) | None => return put_back(&revert, &output),
        }
    }
}

/// Puts a trial back and reports that.
///
/// # Errors
/// When it cannot be reported.
pub fn put_back(revert: &Revert, output: &Output) -> io::Result<Exit> {
    let about = About { loaded: None, netns: None, trigger: None };
    let result = pass(revert);
    let exit = output.report(&about, &result, true, false)?;
    // What was tried is still there where the pass could not start.
    Ok(if result.is_ok() { exit } else { exit.worse(Exit::Inconsistent) })
}

fn pass(revert: &Revert) -> Result<Report, Failure> {
    let (mut system, mut rundir) = (LinuxPathManager::open()?, RunDir::of_this_namespace()?);
    reconcile::reconcile(revert, &mut system, &mut rundir, Mode::Revert(revert))
}
