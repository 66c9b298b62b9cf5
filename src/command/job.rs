//! One run in one network namespace: read, resolve, plan, and then show, rehearse or apply it.

mod trial;

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use crate::cli::Apply;
use crate::desired::ResolveError;
use crate::linux::netns::Entered;
use crate::linux::signals::Interruption;
use crate::linux::{LinuxPathManager, sandbox};
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::{Exit, Identity, State, Step, Sysctl};
use crate::reconcile::{self, Goal, Outcome, Terms, Verdict};
use crate::report::json_v1::{self, Failed, PlanParts};
use crate::report::text::{self, Tense};
use crate::report::{Style, yaml};
use crate::rundir::{Lock, LockError, RunDir};
use crate::trial::{Guard, TrialSpec};
use crate::{plan, system};

use super::failure::{self, Told};
use super::input::Input;
use super::output::Form;
use super::sight::{self, Blind, Sight, Wanted};
use super::{Output, places};

/// What to do, where, and what there is to say about it.
pub struct Job<'a> {
    options: &'a Apply,
    output: &'a Output,
    input: &'a Input,
    /// The namespace's name; none for the one in which the program was started.
    netns: Option<&'a str>,
    /// Its inode, where that is known.
    inode: Option<u64>,
    /// Why it is done, by whoever does it again and again.
    trigger: Option<&'static str>,
    sysctls: Vec<Sysctl>,
    diagnostics: Diagnostics,
    lock: Option<Lock>,
    /// How long to try it, and how the guard is to report; none if it is meant to last.
    trial: Option<(Duration, Vec<String>)>,
    guard: Option<(Guard, TrialSpec)>,
    /// What may keep it from waiting for connections.
    interruption: Option<&'a Interruption>,
}

/// What came of it.
pub struct Done {
    /// The word of reports.
    pub result: &'static str,
    /// What was done, or is to be done.
    pub steps: Vec<Step>,
    /// The state before.
    pub before: State,
    /// The state after.
    pub after: State,
    /// For the shell.
    pub exit: Exit,
    tense: Tense,
    error: Option<Failed>,
}

/// What a job is given that has done the same before.
pub struct Again<'a> {
    /// The namespace's files; whoever holds them has the lock.
    pub runtime: &'a RunDir,
    /// The endpoints that are to be added anew.
    pub renewed: &'a BTreeSet<Identity>,
}

impl<'a> Job<'a> {
    /// A job in the namespace that this thread is in.
    pub fn new(options: &'a Apply, output: &'a Output, input: &'a Input, netns: Option<&'a str>) -> Job<'a> {
        let sysctls = input.config.sysctls.keys().copied().collect();
        Job {
            options,
            output,
            input,
            netns,
            inode: None,
            trigger: None,
            sysctls,
            diagnostics: Diagnostics::default(),
            lock: None,
            trial: None,
            guard: None,
            interruption: None,
        }
    }

    /// Lets it end in order when a signal comes.
    pub fn interrupted_by(mut self, interruption: &'a Interruption) -> Job<'a> {
        self.interruption = Some(interruption);
        self
    }

    /// Says which namespace this thread has entered. To ask for the inode otherwise takes as long as a lock.
    pub fn stands_in(&mut self, entered: Option<Entered<'_>>) {
        self.inode = entered.map(|entered| entered.inode);
    }

    /// Says why it is done.
    pub fn because(mut self, trigger: &'static str) -> Job<'a> {
        self.trigger = Some(trigger);
        self
    }

    /// Does the job and reports.
    ///
    /// # Errors
    /// When the report cannot be written, and that is all that went wrong.
    pub fn run(mut self) -> io::Result<Exit> {
        let done = self.once();
        self.tell(done.as_ref()).map(|()| done.map_or_else(|exit| exit, |done| done.exit))
    }

    /// Does the job.
    ///
    /// # Errors
    /// When it could not start; the diagnostics say why.
    pub fn once(&mut self) -> Result<Done, Exit> {
        let runtime = self.runtime()?;
        let opened = if self.options.rehearse {
            sandbox::enter(&places::declared_interfaces(&self.input.config))
        } else {
            LinuxPathManager::open().map(|host| (host, Vec::new()))
        };
        let (mut host, warnings) = opened.map_err(|error| self.kernel_failed(&error))?;
        self.diagnostics.extend(warnings);
        let seconds = self.options.wait.filter(|_| !self.options.rehearse);
        let left = seconds.map(|seconds| sight::await_missing(&self.wanted(), &runtime, &mut host, seconds));
        let patience = left.transpose().map_err(|error| self.kernel_failed(&error))?;
        // While it is only waited for something, others may apply.
        self.lock = if self.options.applies() { self.lock(&runtime)? } else { None };
        self.carry_out(&Again { runtime: &runtime, renewed: &BTreeSet::new() }, &mut host, patience)
    }

    /// Does what [`Job::once`] does, with what is at hand.
    ///
    /// # Errors
    /// When it could not start; the diagnostics say why.
    pub fn once_more(&mut self, again: &Again<'_>, host: &mut LinuxPathManager) -> Result<Done, Exit> {
        self.carry_out(again, host, None)
    }

    /// The files of the namespace that this thread is in.
    ///
    /// # Errors
    /// As [`Job::once_more`].
    pub fn runtime(&mut self) -> Result<RunDir, Exit> {
        self.inode
            .map_or_else(RunDir::of_this_namespace, |inode| Ok(RunDir::of_namespace(inode)))
            .map_err(|error| self.fail(Exit::Failed, format!("cannot read /proc/self/ns/net: {error}"), None))
    }

    /// Keeps others from changing the namespace.
    ///
    /// # Errors
    /// When others do.
    pub fn lock(&mut self, runtime: &RunDir) -> Result<Option<Lock>, Exit> {
        match runtime.lock() {
            Ok(lock) => Ok(Some(lock)),
            Err(error @ LockError::Held(_)) => {
                let help = "it runs already, perhaps with --watch; wait for it, or stop it";
                Err(self.fail(Exit::Locked, error.to_string(), Some(help)))
            }
            // The lock only keeps two runs from getting in each other's way, which they would notice. A host without
            // endpoints because of a full /run would be worse.
            Err(error @ LockError::Unavailable(..)) => {
                let help = "give it a writable runtime folder by RUNTIME_DIRECTORY";
                self.diagnostics.push(Diagnostic::warning(code::NO_LOCK, error.to_string()).help(help));
                Ok(None)
            }
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { config: &self.input.config, sysctls: &self.sysctls }
    }

    fn carry_out(
        &mut self,
        Again { runtime, renewed }: &Again<'_>,
        host: &mut LinuxPathManager,
        patience: Option<Duration>,
    ) -> Result<Done, Exit> {
        let (sight, warnings) = match sight::look(&self.wanted(), runtime, host, patience) {
            Ok(seen) => seen,
            Err(Blind::Kernel(error)) => return Err(self.kernel_failed(&error)),
            Err(Blind::ResolveError(unreachable, before)) => return self.unreachable(unreachable, before),
        };
        self.diagnostics.extend(warnings);
        let (Sight { before, mut ownership, mut goal }, patience) = (sight, patience.unwrap_or_default());
        plan::renew(&mut goal.steps, &goal.state, renewed);
        if self.options.dry_run {
            self.foretell(&goal.steps, patience, host);
        }
        if self.options.strict && !self.diagnostics.is_empty() {
            self.diagnostics.make_strict();
            return Err(Exit::Invalid);
        }
        if self.options.dry_run {
            return Ok(self.planned(before, goal));
        }
        self.set_guard(runtime, &before, &goal)?;
        let interruption = self.interruption.filter(|_| self.options.applies() && !goal.steps.is_empty());
        match interruption.map(Interruption::hold) {
            Some(Ok(came)) => host.hurry_when(came),
            Some(Err(error)) => log::debug!("signals end the run at once: {error}"),
            None => {}
        }
        let (known, target) = (ownership.clone(), goal.state.clone());
        let terms = Terms { sysctls: &self.sysctls, patience };
        let replan = |host: &mut LinuxPathManager, now: &State| {
            sight::goal_anew(&self.input.config, &known, host, now)
        };
        let outcome = reconcile::apply(host, terms, before, goal, replan, |steps, now| {
            if !self.options.rehearse {
                ownership.announce(steps, now);
            }
        });
        if !self.options.rehearse {
            let known = self.diagnostics.iter().any(|known| known.code == code::NO_RECORD);
            self.diagnostics.extend(ownership.settle(&outcome).filter(|_| !known));
        }
        if let Some(interruption) = interruption {
            interruption.let_go();
        }
        Ok(self.done(outcome, &target))
    }

    /// Warns of what would end the run before its first step.
    fn foretell(&mut self, steps: &[Step], patience: Duration, host: &mut LinuxPathManager) {
        let closing = reconcile::closing(host, steps);
        let needed = reconcile::patience_for(&closing);
        let too_much = closing.iter().filter(|_| patience < needed);
        let warnings = too_much.map(|closing| failure::closing(closing, needed, steps, Severity::Warning));
        self.diagnostics.extend(warnings.collect::<Vec<_>>());
    }

    fn planned(&self, before: State, goal: Goal) -> Done {
        let result = if goal.steps.is_empty() { "unchanged" } else { "planned" };
        let exit = self.success(&goal.steps);
        let Goal { state: after, steps, warnings: _ } = goal;
        Done { result, tense: Tense::Planned, steps, before, after, exit, error: None }
    }

    fn done(&mut self, outcome: Outcome, wanted: &State) -> Done {
        let Outcome { verdict, steps, before, mut after, warnings } = outcome;
        // Those of the first plan are known already; a later one may have others.
        let new =
            warnings.into_iter().filter(|warning| !self.diagnostics.iter().any(|known| known == warning));
        self.diagnostics.extend(new.collect::<Vec<_>>());
        places::name_rows(&mut after, wanted);
        let tense = if self.options.rehearse { Tense::Rehearsed } else { Tense::Applied };
        let config = &self.input.config;
        let (result, exit, error) = match verdict {
            Verdict::Unchanged => ("unchanged", Exit::Success, None),
            Verdict::Applied if self.options.rehearse => ("rehearsed", self.success(&steps), None),
            Verdict::Applied => ("applied", self.success(&steps), None),
            Verdict::RolledBack(failure) => {
                let told = failure::tell(&failure, &steps, config, true);
                self.diagnostics.extend(told.diagnostics);
                ("rolled-back", told.exit, Some(told.error))
            }
            Verdict::RollbackIncomplete(failure) => {
                let told = failure::tell(&failure, &steps, config, false);
                self.diagnostics.extend(told.diagnostics);
                ("rollback-incomplete", Exit::Inconsistent, Some(told.error))
            }
        };
        Done { result, tense, steps, before, after, exit, error }
    }

    fn success(&self, steps: &[Step]) -> Exit {
        if self.options.detailed_exitcode && !steps.is_empty() { Exit::Changed } else { Exit::Success }
    }

    fn unreachable(&mut self, unreachable: ResolveError, state: State) -> Result<Done, Exit> {
        let Told { diagnostics, exit, error } = failure::unreachable(&unreachable);
        self.diagnostics.extend(diagnostics);
        if let ResolveError::Kernel(_) = unreachable {
            return Err(exit);
        }
        let (before, after, error) = (state.clone(), state, Some(error));
        Ok(Done { result: "unchanged", tense: Tense::Planned, steps: Vec::new(), before, after, exit, error })
    }

    /// Takes note of a failure of the kernel.
    pub fn kernel_failed(&mut self, error: &system::Error) -> Exit {
        let told = failure::kernel_error(error);
        self.diagnostics.extend(told.diagnostics);
        told.exit
    }

    fn fail(&mut self, exit: Exit, message: String, help: Option<&str>) -> Exit {
        let mut diagnostic = Diagnostic::error(code::FAILED, message);
        diagnostic.help = help.map(str::to_owned);
        self.diagnostics.push(diagnostic);
        exit
    }

    /// What there is to say so far.
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Reports.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub fn tell(&self, done: Result<&Done, &Exit>) -> io::Result<()> {
        self.output.diagnose_in(self.netns, &self.diagnostics, &self.input.sources);
        let Ok(done) = done else { return Ok(()) };
        match self.report(done) {
            // Whoever acts on the exit code has to learn what became of the kernel, not of the report.
            Err(error) if self.options.applies() || done.error.is_some() => {
                self.output.error(&format!("cannot write the report: {error}"), None);
                Ok(())
            }
            reported => reported,
        }
    }

    fn report(&self, done: &Done) -> io::Result<()> {
        let Done { result, tense, steps, before, after, exit: _, error } = done;
        let names = if error.is_some() { ["before", "after"] } else { ["current", "desired"] };
        let diff = || yaml::diff(before, after, names).map_err(io::Error::other);
        match self.output.form {
            Form::Json => self.output.print_json(&json_v1::Plan::new(PlanParts {
                netns: self.netns,
                trigger: self.trigger,
                result,
                steps,
                diagnostics: [&self.input.diagnostics, &self.diagnostics],
                sources: &self.input.sources,
                before,
                after,
                diff: &diff()?,
                error: error.as_ref(),
            })),
            // What was tried is told by the error; what is left of it matters, also to those who want errors only.
            Form::Text if error.is_some() => self.output.print_in(self.netns, &diff()?),
            Form::Text if self.output.quiet => Ok(()),
            Form::Text => {
                let diff = if self.options.diff { diff()? } else { String::new() };
                // Nothing is coloured where there is no step, so the terminal need not be asked.
                let style = if steps.is_empty() { Style::Plain } else { self.output.style() };
                let plan = text::plan(steps, *tense, style);
                self.output.print_in(self.netns, &(diff + &plan))
            }
        }
    }
}
