//! `mptcp-apply try`: applies a configuration, and puts the old state back unless it is confirmed.

use std::io;
use std::time::Duration;

use crate::cli::{Common, Format, Try};
use crate::config::LoadedConfig;
use crate::linux::{LinuxPathManager, stream};
use crate::model::Exit;
use crate::reconcile::{self, Failure, Mode, Report, Revert};
use crate::report::ReportContext;
use crate::rundir::RunDir;
use crate::trial::{Decision, Guard, GuardMessage, Heartbeat, Session, TrialSpec};

use super::countdown::Countdown;
use super::output::OutputFormat;
use super::{Output, guard, load, netns};

/// How often it is looked whether keys count, while a command decides.
const LOOK: Duration = Duration::from_secs(1);

/// Applies the configuration in each namespace, and waits for a decision each time. One that is not kept ends the run.
///
/// # Errors
/// When the result cannot be written, or the guard cannot be reached.
pub fn run(options: &Try, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let loaded = match load::load(&options.paths, options.strict, true, common, &output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    stream::never_wait()?;
    let unmatched = netns::unmatched(loaded.strictness);
    let fail = |netns: Option<&str>, failure| {
        let context = ReportContext { loaded: Some(&loaded), netns, cause: None, checks: &[] };
        output.report(&context, &Err(failure), true, false)
    };
    let mut ended = None;
    netns::in_each(&options.netns, &output, unmatched, fail, |netns| match ended {
        Some(exit) => Ok(exit),
        None => {
            let exit = run_in(netns, &loaded, options, common, &output)?;
            ended = Some(exit).filter(|exit| *exit != Exit::Success);
            Ok(exit)
        }
    })
}

/// The trial in the namespace that this thread is in.
fn run_in(
    netns: Option<&str>,
    loaded: &LoadedConfig,
    options: &Try,
    common: &Common,
    output: &Output,
) -> io::Result<Exit> {
    let mut session = Session::open()?;
    let timeout = Duration::from_secs(options.timeout.into());
    let mut trial = Trial {
        options: guard_options(common),
        timeout,
        netns: netns.map(str::to_owned),
        guard: None,
        heartbeat: Heartbeat::default(),
    };
    let result = pass(loaded, &mut trial);
    let left = timeout.saturating_sub(trial.heartbeat.since_last_write());
    let context = ReportContext { loaded: Some(loaded), netns, cause: None, checks: &[] };
    let report = || output.report(&context, &result, true, false);
    let Some((mut guard, mut revert)) = trial.guard else {
        // Nothing had to be changed, or the pass could not start.
        return report();
    };
    let after = match &result {
        Ok(report) if report.failure.is_none() => report.after.clone(),
        // The failed pass has put back what it could.
        _ => {
            let _ = guard.tell(&GuardMessage::Keep);
            let ended = guard.end();
            let exit = report()?;
            return if matches!(ended, Ok(Some(0))) {
                Ok(exit)
            } else {
                after_its_death(&revert, netns, output)
            };
        }
    };
    // Before the report, which a slow reader may delay.
    let received = guard.applied(after.clone(), left);
    revert.reached = Some(after);
    report()?;
    if received.is_err() {
        // The guard is gone, or its time was up before the last step: then it did not put back all steps.
        return match guard.end() {
            Ok(Some(_)) => guard::put_back(&revert, netns, output),
            _ => after_its_death(&revert, netns, output),
        };
    }
    let decision = decide(options, &mut session, &guard, left).unwrap_or_else(|error| {
        output.error(&format!("cannot wait for a confirmation: {error}"), None);
        Decision::Back("it cannot be confirmed")
    });
    let message = match decision {
        Decision::Keep(_) => GuardMessage::Keep,
        Decision::Back(_) => GuardMessage::Back,
    };
    // If this fails, the guard has taken the change back, or was killed. Its end shows which.
    let _ = guard.tell(&message);
    match (decision, guard.end().ok().flatten()) {
        (Decision::Keep(word), Some(0)) => {
            if output.format == OutputFormat::Text && !output.quiet {
                let written = output.print_in(netns, &format!("kept: {word}\n"));
                written
                    .unwrap_or_else(|error| output.error(&format!("cannot write the report: {error}"), None));
            }
            Ok(Exit::Success)
        }
        (_, Some(code)) if code == i32::from(Exit::TakenBack.code()) => Ok(Exit::TakenBack),
        (_, Some(code)) if code == i32::from(Exit::Inconsistent.code()) => Ok(Exit::Inconsistent),
        // The guard was killed, so this process does its work, also after a confirmation that came too late.
        _ => after_its_death(&revert, netns, output),
    }
}

/// Puts the trial back in the place of a guard that died, which is a failure.
fn after_its_death(revert: &Revert, netns: Option<&str>, output: &Output) -> io::Result<Exit> {
    output.error("the guard of the trial died; the change is taken back without it", None);
    match guard::put_back(revert, netns, output)? {
        Exit::TakenBack => Ok(Exit::Failed),
        exit => Ok(exit),
    }
}

/// What a guard is started with, and the guard once it runs.
struct Trial {
    options: Vec<String>,
    timeout: Duration,
    netns: Option<String>,
    guard: Option<(Guard, Revert)>,
    heartbeat: Heartbeat,
}

impl reconcile::Safeguard for Trial {
    fn set(&mut self, revert: Revert) -> io::Result<()> {
        let spec = TrialSpec { revert, timeout: self.timeout, netns: self.netns.clone() };
        let guard = Guard::start(&self.options, &spec)?;
        self.heartbeat.connect(&guard)?;
        self.guard = Some((guard, spec.revert));
        Ok(())
    }
}

fn pass(loaded: &LoadedConfig, trial: &mut Trial) -> Result<Report, Failure> {
    let (mut system, mut rundir) = (LinuxPathManager::open()?, RunDir::of_this_namespace()?);
    let heartbeat = trial.heartbeat.clone();
    system.at_activity(move |activity| heartbeat.beat(activity));
    reconcile::reconcile(loaded, &mut system, &mut rundir, Mode::Try(trial))
}

/// Waits for the command, the user or the end of the time.
fn decide(options: &Try, session: &mut Session, guard: &Guard, left: Duration) -> io::Result<Decision> {
    session.forget_what_was_typed();
    match &options.confirm_with {
        // A countdown would disturb the output of the command. The terminal may come to the foreground.
        Some(command) => {
            session.ask(command)?;
            session.wait(guard, left, |left| left.min(LOOK))
        }
        None => {
            log::warn!("to keep the change, {}", session.ways());
            log::warn!("otherwise it is taken back after {} s", left.as_secs_f32().round());
            let mut countdown = Countdown::default();
            session.wait(guard, left, |left| countdown.show(left))
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
