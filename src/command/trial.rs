//! `mptcp-apply try`: applies a configuration, and puts the old state back unless it is confirmed.

use std::io;
use std::time::Duration;

use crate::cli::{Common, Format, Try};
use crate::config::LoadedConfig;
use crate::linux::LinuxPathManager;
use crate::model::Exit;
use crate::reconcile::{self, Failure, Mode, Report, Revert};
use crate::report::ReportContext;
use crate::rundir::RunDir;
use crate::trial::{Decision, Guard, GuardMessage, Session, TrialSpec};

use super::countdown::Countdown;
use super::output::OutputFormat;
use super::{Output, guard, load};

/// Applies the configuration, and waits for a decision.
///
/// # Errors
/// When the result cannot be written, or the guard cannot be reached.
pub fn run(options: &Try, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let loaded = match load::load(&options.paths, options.strict, true, common, &output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let mut session = Session::open()?;
    let timeout = Duration::from_secs(options.timeout.into());
    let mut trial = Trial { options: guard_options(common), timeout, guard: None };
    let result = pass(&loaded, &mut trial);
    let context = ReportContext { loaded: Some(&loaded), netns: None, trigger: None };
    let exit = output.report(&context, &result, true, false)?;
    let Some((mut guard, mut revert)) = trial.guard else {
        // Nothing had to be changed, or the pass could not start.
        return Ok(exit);
    };
    let after = match result {
        Ok(report) if report.failure.is_none() => report.after,
        // The failed pass has put back what it could.
        _ => {
            guard.tell(&GuardMessage::Keep)?;
            guard.end()?;
            return Ok(exit);
        }
    };
    // If the guard is gone, the wait below notices it.
    let _ = guard.tell(&GuardMessage::Applied(after.clone()));
    revert.reached = Some(after);
    let decision = decide(options, &mut session, &guard, timeout).unwrap_or_else(|error| {
        output.error(&format!("cannot wait for a confirmation: {error}"), None);
        Decision::Back("it cannot be confirmed")
    });
    let (word, message) = match decision {
        Decision::Keep(word) => (word, GuardMessage::Keep),
        Decision::Back(word) => (word, GuardMessage::Back),
    };
    let ended = guard.tell(&message).and_then(|()| guard.end());
    match (decision, ended) {
        // The time was up, and the guard acted before the confirmation.
        (Decision::Keep(_), Ok(Some(code))) if code != 0 => Ok(put_back(code)),
        (Decision::Keep(_), _) => {
            if output.format == OutputFormat::Text && !output.quiet {
                output.print(&format!("kept: {word}\n"))?;
            }
            Ok(Exit::Success)
        }
        (Decision::Back(_), Ok(Some(code))) => Ok(put_back(code)),
        // The guard was killed, so this process does its work.
        (Decision::Back(_), _) => guard::put_back(&revert, &output),
    }
}

/// What a guard is started with, and the guard once it runs.
struct Trial {
    options: Vec<String>,
    timeout: Duration,
    guard: Option<(Guard, Revert)>,
}

impl reconcile::Safeguard for Trial {
    fn set(&mut self, revert: Revert) -> io::Result<()> {
        let spec = TrialSpec { revert, timeout: self.timeout };
        self.guard = Some((Guard::start(&self.options, &spec)?, spec.revert));
        Ok(())
    }
}

fn pass(loaded: &LoadedConfig, trial: &mut Trial) -> Result<Report, Failure> {
    let (mut system, mut rundir) = (LinuxPathManager::open()?, RunDir::of(None)?);
    reconcile::reconcile(loaded, &mut system, &mut rundir, Mode::Try(trial))
}

/// The exit code of a trial whose guard ended with this code.
fn put_back(code: i32) -> Exit {
    if code == i32::from(Exit::TakenBack.code()) { Exit::TakenBack } else { Exit::Inconsistent }
}

/// Waits for the command, the user or the end of the time.
fn decide(options: &Try, session: &mut Session, guard: &Guard, timeout: Duration) -> io::Result<Decision> {
    match &options.confirm_with {
        // A countdown would disturb the output of the command.
        Some(command) => {
            session.ask(command)?;
            session.wait(guard, timeout, |left| left)
        }
        None => {
            session.forget_what_was_typed();
            log::warn!(
                "to keep the change, {} within {} s; otherwise it is taken back",
                session.ways(),
                timeout.as_secs()
            );
            let mut countdown = Countdown::default();
            session.wait(guard, timeout, |left| countdown.show(left))
        }
    }
}

/// The options with which the guard reports in the same way.
fn guard_options(common: &Common) -> Vec<String> {
    let format = if common.format() == Format::Json { "json" } else { "text" };
    let color = format!("--color={}", common.color().word());
    let quiet = common.quiet.then(|| "--quiet".to_owned());
    [format!("--format={format}"), color].into_iter().chain(quiet).collect()
}
