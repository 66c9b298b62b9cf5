//! `mptcp-apply`: brings network namespaces to the state that the files declare.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::cli::{Apply, Common};
use crate::config::LoadedConfig;
use crate::linux::signals::Interruption;
use crate::linux::{LinuxPathManager, sandbox};
use crate::model::Exit;
use crate::model::diagnostic::Diagnostic;
use crate::reconcile::{self, Failure, Mode, Report, Wait};
use crate::report::ReportContext;
use crate::rundir::RunDir;

use super::countdown::WaitProgress;
use super::{Output, load, netns, watch};

/// Applies the configuration in each namespace, or starts the watch.
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
    let unmatched = netns::unmatched(loaded.strictness);
    let report = |netns: Option<&str>, result: &Result<Report, Failure>| {
        let context = ReportContext { loaded: Some(&loaded), netns, cause: None, checks: &[] };
        output.report(&context, result, options.applies(), options.diff)
    };
    let fail = |netns: Option<&str>, failure| report(netns, &Err(failure));
    netns::in_each(&options.netns, &output, unmatched, fail, |netns| {
        // One that comes later, and before the first step or wait here, ends the program; what is done was reported.
        signals.let_go();
        if signals.came() {
            return fail(netns, Failure::not_begun(&[]));
        }
        let result = pass(options, &loaded, &signals);
        let exit = report(netns, &result)?;
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
    system.interrupted_by(signals);
    let mode = if options.dry_run { Mode::Plan(wait) } else { Mode::Apply(wait) };
    reconcile::reconcile(loaded, &mut system, &mut rundir, mode)
}
