//! The guard of a trial: takes back what was tried, unless it hears that it stays.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::cli::{Apply, Common};
use crate::desired::ResolveError;
use crate::linux::LinuxPathManager;
use crate::model::code;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Exit, Reason, State, Step};
use crate::plan::{self, Stage};
use crate::reconcile::{self, Goal, Outcome, Terms, Verdict};
use crate::rundir::RunDir;
use crate::system::PathManager;
use crate::trial::{GuardEnd, GuardMessage, TrialSpec};

use super::input::Input;
use super::job::Job;
use super::{Output, netns};

/// How long a plan may take to be carried out, with ports that close one after the other, before nobody is expected to
/// come back from it. Whoever died is missed at once.
const PLAN_MAX: Duration = Duration::from_secs(15 * 60);

/// How long to wait for ports that are still closing: those of the endpoints that were tried are, for a minute.
const PATIENCE: Duration = Duration::from_secs(130);

/// Waits for news, and acts on them.
///
/// # Errors
/// When nobody hands anything over.
pub fn run(common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let (mut post, handover) = GuardEnd::take()?;
    post.ready()?;
    let mut tried = None;
    let mut left = handover.timeout.max(PLAN_MAX);
    loop {
        match post.hear(left) {
            Some(GuardMessage::Applied(state)) => (tried, left) = (Some(state), handover.timeout),
            Some(GuardMessage::Keep) => return Ok(Exit::Success),
            Some(GuardMessage::Back) | None => return take_back(&handover, tried.as_ref(), &output),
        }
    }
}

/// Takes the change back and reports that. `tried` is the state to which it led, if it was carried out.
///
/// # Errors
/// When that cannot be reported.
pub fn take_back(handover: &TrialSpec, tried: Option<&State>, output: &Output) -> io::Result<Exit> {
    let (input, options) = (Input::none(), Apply::default());
    let mut job = Job::new(&options, output, &input, None);
    let done = match undo(handover, tried) {
        Ok((outcome, target)) => Ok(job.taken_back(outcome, &target)),
        Err(ResolveError::Kernel(error)) => {
            return Ok(netns::refuse(&error, None, output).worse(Exit::Inconsistent));
        }
        Err(unreachable) => job.cannot(&unreachable),
    };
    job.tell(done.as_ref())?;
    Ok(done.map_or_else(|exit| exit, |done| done.exit))
}

fn undo(handover: &TrialSpec, tried: Option<&State>) -> Result<(Outcome, State), ResolveError> {
    let TrialSpec { before, goal, sysctls, owned, timeout: _ } = handover;
    let mut host = LinuxPathManager::open()?;
    let now = host.observe(sysctls)?.state;
    let (tried, stage) = tried.map_or((goal, Stage::Begun), |tried| (tried, Stage::Applied));
    let way = |now: &State, stage: &Stage| {
        let state = plan::taken_back(before, tried, now, stage);
        let steps = plan::plan(now, &state, LinuxPathManager::capabilities().corrected_by(now));
        let steps = steps.map_err(|impossible| {
            ResolveError::Conflict(vec![Diagnostic::error(code::TABLE, impossible.to_string())])
        })?;
        let steps = steps.into_iter().map(|step| step.because(Reason::PutBack)).collect();
        Ok(Goal { state, steps, warnings: Vec::new() })
    };
    let first = way(&now, &stage)?;
    let target = first.state.clone();
    let removed = |step: &Step| match step {
        Step::DelAddr { endpoint, .. } => Some(endpoint.identity),
        _ => None,
    };
    let later = match stage {
        Stage::Begun => Stage::Begun,
        _ => Stage::TakingBack(first.steps.iter().filter_map(removed).collect()),
    };
    let terms = Terms { sysctls, patience: PATIENCE };
    let outcome = reconcile::apply(&mut host, terms, now, first, |_, now| way(now, &later), |_, _| ());
    // What could not be put back is still recorded as the trial left it.
    let is_back = matches!(outcome.verdict, Verdict::Unchanged | Verdict::Applied);
    if let (true, Ok(runtime), Some(owned)) = (is_back, RunDir::of_this_namespace(), owned) {
        let id = |identity| outcome.after.endpoint(identity).and_then(|row| row.id);
        let owned: BTreeMap<_, _> =
            owned.iter().map(|(identity, old)| (*identity, id(*identity).or(*old))).collect();
        if let Err(error) = runtime.remember(&owned) {
            log::warn!("cannot keep the record of mptcp-apply's own endpoints: {error}");
        }
    }
    Ok((outcome, target))
}
