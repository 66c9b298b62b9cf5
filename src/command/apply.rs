//! The main job: bring network namespaces to what the files say.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::cli::{Apply, Common};
use crate::config::LoadedConfig;
use crate::linux::signals::Interruption;
use crate::linux::{LinuxPathManager, sandbox};
use crate::model::diagnostic::{Diagnostic, Severity, Strictness};
use crate::model::{Exit, code};
use crate::reconcile::{self, Failure, Mode, Report, Wait};
use crate::report::About;
use crate::rundir::RunDir;

use super::countdown::WaitProgress;
use super::{Output, load, netns, watch};

/// Does the main job.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Apply, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    if options.watch {
        return watch::run(options, common, &output);
    }
    let loaded = match load::load(&options.paths, options.strict, options.applies(), common, &output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let signals = Rc::new(Interruption::default());
    let unmatched = match loaded.strictness {
        Strictness::Strict => Severity::Error,
        Strictness::Lenient => Severity::Warning,
    };
    netns::in_each(&options.netns, &output, unmatched, |netns| {
        // One that comes later, and before the first step here, ends the program; what is done was reported.
        signals.let_go();
        if signals.came() {
            let error = Diagnostic::error(code::INTERRUPTED, "interrupted before its turn; nothing was done");
            output.diagnose_in(netns, [&error], &[]);
            return Ok(Exit::Failed);
        }
        let result = pass(options, &loaded, &signals);
        let about = About { loaded: Some(&loaded), netns, trigger: None };
        let exit = output.report(&about, &result, options.applies(), options.diff)?;
        let has_steps = result.is_ok_and(|report| !report.steps.is_empty());
        let is_changed = exit == Exit::Success && has_steps && options.detailed_exitcode;
        Ok(if is_changed { Exit::Changed } else { exit })
    })
}

/// One pass in the namespace that this thread is in.
fn pass(options: &Apply, loaded: &LoadedConfig, signals: &Rc<Interruption>) -> Result<Report, Failure> {
    let mut rundir = RunDir::of_this_namespace()?;
    if options.rehearse {
        let (mut system, warnings) = sandbox::enter(&loaded.config)?;
        return reconcile::reconcile(loaded, &mut system, &mut rundir, Mode::Rehearse(warnings));
    }
    let mut system = LinuxPathManager::open()?;
    let mut progress = WaitProgress::default();
    let mut show = |missing: &[Diagnostic], left| progress.show(missing, left);
    let at_most = options.wait.map(|seconds| Duration::from_secs(seconds.into()));
    let wait = at_most.map(|at_most| Wait { at_most, progress: &mut show });
    let mode = match options.dry_run {
        true => Mode::Plan(wait),
        false => {
            system.interrupted_by(signals);
            Mode::Apply(wait)
        }
    };
    reconcile::reconcile(loaded, &mut system, &mut rundir, mode)
}
