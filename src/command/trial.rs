//! `mptcp-apply try`: applies, and takes it back unless that is confirmed.

use std::io;
use std::time::Duration;

use crate::cli::{Apply, Common, Format, Try};
use crate::model::Exit;
use crate::trial::{Decision, GuardMessage, Session};

use super::countdown::Countdown;
use super::job::Job;
use super::output::Form;
use super::{Output, guard, input};

/// Does it, and waits for somebody's word.
///
/// # Errors
/// When the result cannot be written, or waited for.
pub fn run(options: &Try, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let apply = Apply { paths: options.paths.clone(), strict: options.strict, ..Apply::default() };
    let mut input = match input::read(&apply.paths, common.root_dir()) {
        Ok(input) => input,
        Err(none) => return Ok(none.tell(&output)),
    };
    let judged = input.judge(&apply);
    output.diagnose(&input.diagnostics, &input.sources);
    if let Err(exit) = judged {
        return Ok(exit);
    }
    let mut session = Session::open()?;
    let timeout = Duration::from_secs(options.timeout.into());
    let mut job = Job::new(&apply, &output, &input, None).on_trial(timeout, reporting(common));
    let done = job.once();
    job.tell(done.as_ref())?;
    let Some((mut guard, handover)) = job.into_guard() else {
        // There was nothing to change, or it could not start.
        return Ok(done.map_or_else(|exit| exit, |done| done.exit));
    };
    let done = match done {
        Ok(done) if done.exit == Exit::Success => done,
        // It was taken back already, as far as possible.
        other => {
            guard.tell(&GuardMessage::Keep)?;
            guard.end()?;
            return Ok(other.map_or_else(|exit| exit, |done| done.exit));
        }
    };
    // Without the guard there would be nobody to hear it.
    let _ = guard.tell(&GuardMessage::Applied(done.after.clone()));
    let decision = decide(options, &mut session, &guard, timeout).unwrap_or_else(|error| {
        output.error(&format!("cannot wait for a confirmation: {error}"), None);
        Decision::Back("nobody can confirm it")
    });
    let (word, news) = match decision {
        Decision::Keep(word) => (word, GuardMessage::Keep),
        Decision::Back(word) => (word, GuardMessage::Back),
    };
    let told = guard.tell(&news).and_then(|()| guard.end());
    match (decision, told) {
        // The time was up, and the guard faster than the confirmation.
        (Decision::Keep(_), Ok(Some(code))) if code != 0 => Ok(taken_back(code)),
        (Decision::Keep(_), _) => {
            if output.form == Form::Text && !output.quiet {
                output.print(&format!("kept: {word}\n"))?;
            }
            Ok(Exit::Success)
        }
        (Decision::Back(_), Ok(Some(code))) => Ok(taken_back(code)),
        // The guard was killed. Its work is left.
        (Decision::Back(_), _) => guard::take_back(&handover, Some(&done.after), &output),
    }
}

/// What the guard's exit code says.
fn taken_back(code: i32) -> Exit {
    if code == i32::from(Exit::TakenBack.code()) { Exit::TakenBack } else { Exit::Inconsistent }
}

/// Asks whoever may decide.
fn decide(
    options: &Try,
    session: &mut Session,
    guard: &crate::trial::Guard,
    timeout: Duration,
) -> io::Result<Decision> {
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
            let mut countdown = Countdown::new();
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
