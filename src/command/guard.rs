//! `mptcp-apply guard`, which `try` starts: puts the trial back unless it is confirmed.

use std::io;

use crate::cli::Common;
use crate::linux::{LinuxPathManager, stream};
use crate::model::Exit;
use crate::reconcile::{self, Failure, Mode, Report, Revert};
use crate::report::ReportContext;
use crate::rundir::RunDir;
use crate::trial::{GuardEnd, GuardMessage, TrialSpec};

use super::Output;

/// Waits for messages, and puts the trial back unless it is kept.
///
/// # Errors
/// When no trial is handed over.
pub fn run(common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let (mut end, spec) = GuardEnd::take()?;
    stream::never_wait()?;
    end.ready()?;
    let TrialSpec { mut revert, timeout: mut left, netns } = spec;
    loop {
        match end.hear(left) {
            Some(GuardMessage::Working) => {}
            Some(GuardMessage::Applied(state, rest)) => {
                (revert.reached, left) = (Some(state), rest);
                // Where nothing hears this, the connection has ended.
                let _ = end.ready();
            }
            Some(GuardMessage::Keep) => return Ok(Exit::Success),
            Some(GuardMessage::Back) | None => return put_back(&revert, netns.as_deref(), &output),
        }
    }
}

/// Puts a trial back in the namespace that this thread is in, and reports that.
///
/// # Errors
/// When the report cannot be written.
pub fn put_back(revert: &Revert, netns: Option<&str>, output: &Output) -> io::Result<Exit> {
    let context = ReportContext { loaded: None, netns, cause: None, checks: &[] };
    let result = pass(revert);
    let exit = output.report(&context, &result, true, false)?;
    // If the pass could not start, the trial is still in force.
    Ok(if result.is_ok() { exit } else { exit.worse(Exit::Inconsistent) })
}

fn pass(revert: &Revert) -> Result<Report, Failure> {
    let (mut system, mut rundir) = (LinuxPathManager::open()?, RunDir::of_this_namespace()?);
    reconcile::reconcile(revert, &mut system, &mut rundir, Mode::Revert(revert))
}
