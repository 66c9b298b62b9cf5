//! `mptcp-apply try`: applies, and puts it back unless that is confirmed.

use std::io;
use std::time::Duration;

use crate::cli::{Common, Format, Try};
use crate::config::LoadedConfig;
use crate::linux::LinuxPathManager;
use crate::model::Exit;
use crate::reconcile::{self, Failure, Mode, Report, Revert};
use crate::report::About;
use crate::rundir::RunDir;
use crate::trial::{Decision, Guard, GuardMessage, Session, TrialSpec};

use super::countdown::Countdown;
use super::output::Form;
use super::{Output, guard, load};

/// Applies, and waits for a decision.
///
/// # Errors
/// When the result cannot be written, or waited for.
pub fn run(options: &Try, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let loaded = match load::load(&options.paths, options.strict, true, common, &output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let mut session = Session::open()?;
    let timeout = Duration::from_secs(options.timeout.into());
    let mut trial = Trial { options: reporting(common), timeout, guard: None };
    let result = pass(&loaded, &mut trial);
    let about = About { loaded: Some(&loaded), netns: None, trigger: None };
    let exit = output.report(&about, &result, true, false)?;
    let Some((mut guard, mut revert)) = trial.guard else {
        // There was nothing to change, or it could not start.
        return Ok(exit);
    };
    let after = match result {
        Ok(report) if report.failure.is_none() => report.after,
        // It was put back already, as far as possible.
        _ => {
            guard.tell(&GuardMessage::Keep)?;
            guard.end()?;
            return Ok(exit);
        }
    };
    // A guard that is gone is noticed below.
    let _ = guard.tell(&GuardMessage::Applied(after.clone()));
    revert.reached = Some(after);
    let decision = decide(options, &mut session, &guard, timeout).unwrap_or_else(|error| {
        output.error(&format!("cannot wait for a confirmation: {error}"), None);
        Decision::Back("nobody can confirm it")
    });
    let (word, message) = match decision {
        Decision::Keep(word) => (word, GuardMessage::Keep),
        Decision::Back(word) => (word, GuardMessage::Back),
    };
    let told = guard.tell(&message).and_then(|()| guard.end());
    match (decision, told) {
        // The time was up, and the guard faster than the confirmation.
        (Decision::Keep(_), Ok(Some(code))) if code != 0 => Ok(put_back(code)),
        (Decision::Keep(_), _) => {
            if output.form == Form::Text && !output.quiet {
                output.print(&format!("kept: {word}\n"))?;
            }
            Ok(Exit::Success)
        }
        (Decision::Back(_), Ok(Some(code))) => Ok(put_back(code)),
        // The guard was killed. Its work is left.
        (Decision::Back(_), _) => guard::put_back(&revert, &output),
    }
}

/// What is needed to set a guard; and the guard, once it was set.
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
    let (mut system, mut rundir) = (LinuxPathManager::open()?, RunDir::of_this_namespace()?);
    reconcile::reconcile(loaded, &mut system, &mut rundir, Mode::Try(trial))
}

/// What the guard's exit code says.
fn put_back(code: i32) -> Exit {
    if code == i32::from(Exit::TakenBack.code()) { Exit::TakenBack } else { Exit::Inconsistent }
}

/// Waits for the command, a person or the end of the time.
fn decide(options: &Try, session: &mut Session, guard: &Guard, timeout: Duration) -> io::Result<Decision> {
    match &options.confirm_with {
        // What it prints would be torn by a line that counts.
        Some(command) => {
            session.ask(command)?;
            session.wait(guard, timeout, |left| left)
        }
        None => {
            session.forget_what_was_typed();
            log::warn!(
                "to keep this, {} within {} s; otherwise it is taken back",
                session.ways(),
                timeout.as_secs()
            );
            let mut countdown = Countdown::default();
            session.wait(guard, timeout, |left| countdown.tell(left))
        }
    }
}

/// The options that make another process report in the same way.
fn reporting(common: &Common) -> Vec<String> {
    let form = if common.format() == Format::Json { "json" } else { "text" };
    let color = format!("--color={}", common.color().word());
    let quiet = common.quiet.then(|| "--quiet".to_owned());
    [format!("--format={form}"), color].into_iter().chain(quiet).collect()
}
