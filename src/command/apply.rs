//! The main job: read, resolve, plan, and then show, rehearse or apply it.

use std::io;
use std::time::Duration;

use crate::apply::{self, Goal, Outcome, Terms, Verdict};
use crate::cli::{Apply, Common, Format};
use crate::config::Config;
use crate::desired::Unreachable;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::kernel::{self, Host, rehearsal};
use crate::model::{State, Sysctl};
use crate::plan::Step;
use crate::report::json_v1::{self, ErrorJson, PlanParts};
use crate::report::text::{self, Tense};
use crate::report::yaml;
use crate::runtime::{Lock, LockError, Runtime};
use crate::source::Source;

use super::failure::{self, Told};
use super::sight::{self, Blind, Sight, Wanted};
use super::{Exit, Output, input, places};

/// Does the main job.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Apply, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let input = match input::read(&options.paths, &common.root_dir, &output) {
        Ok(input) => input,
        Err(exit) => return Ok(exit),
    };
    let mut job = Job {
        options,
        output: &output,
        sysctls: input.config.sysctls.keys().copied().collect(),
        config: input.config,
        sources: input.sources,
        diagnostics: input.diagnostics,
    };
    match job.judge(input.trust).and_then(|()| job.carry_out()) {
        Ok(result) => match job.report(&result) {
            // Whoever acts on the exit code has to learn what became of the kernel, not of the report.
            Err(error) if job.applies() || result.error.is_some() => {
                output.error(&format!("cannot write the report: {error}"), None);
                Ok(result.exit)
            }
            reported => reported.map(|()| result.exit),
        },
        Err(exit) => {
            output.diagnose(&job.diagnostics, &job.sources);
            Ok(exit)
        }
    }
}

struct Job<'a> {
    options: &'a Apply,
    output: &'a Output,
    config: Config,
    sources: Vec<Source>,
    sysctls: Vec<Sysctl>,
    diagnostics: Diagnostics,
}

/// What came of it.
struct Done {
    result: &'static str,
    tense: Tense,
    steps: Vec<Step>,
    before: State,
    after: State,
    exit: Exit,
    error: Option<ErrorJson>,
}

impl Job<'_> {
    /// Whether the files may be carried out at all.
    fn judge(&mut self, trust: Vec<Diagnostic>) -> Result<(), Exit> {
        if self.options.strict {
            self.diagnostics.make_strict();
        }
        if self.diagnostics.has_errors() {
            return Err(Exit::Invalid);
        }
        let carried_out_as_root = self.applies() && rustix::process::geteuid().is_root();
        for mut finding in trust {
            if !carried_out_as_root {
                finding.severity = Severity::Warning;
            }
            self.diagnostics.push(finding);
        }
        if self.diagnostics.has_errors() { Err(Exit::NotPermitted) } else { self.strictly() }
    }

    fn applies(&self) -> bool {
        !self.options.dry_run && !self.options.rehearse
    }

    /// With `--strict` a warning ends the job.
    fn strictly(&mut self) -> Result<(), Exit> {
        if self.options.strict && !self.diagnostics.is_empty() {
            self.diagnostics.make_strict();
            return Err(Exit::Invalid);
        }
        Ok(())
    }

    fn carry_out(&mut self) -> Result<Done, Exit> {
        let runtime = match Runtime::of_this_namespace() {
            Ok(runtime) => runtime,
            Err(error) => {
                return Err(self.fail(Exit::Failed, format!("cannot read /proc/self/ns/net: {error}"), None));
            }
        };
        let opened = if self.options.rehearse {
            rehearsal::enter(&places::declared_interfaces(&self.config))
        } else {
            Host::open().map(|host| (host, Vec::new()))
        };
        let (mut host, warnings) = opened.map_err(|error| self.kernel_failed(&error))?;
        self.diagnostics.extend(warnings);
        let wanted = Wanted { config: &self.config, sysctls: &self.sysctls };
        let seconds = self.options.wait.filter(|_| !self.options.rehearse);
        let left = seconds.map(|seconds| sight::await_missing(&wanted, &runtime, &mut host, seconds));
        let patience = left.transpose().map_err(|error| self.kernel_failed(&error))?;
        // While it is only waited for something, others may apply.
        let _lock = if self.applies() { self.lock(&runtime)? } else { None };
        let wanted = Wanted { config: &self.config, sysctls: &self.sysctls };
        let (sight, warnings) = match sight::look(&wanted, &runtime, &mut host, patience) {
            Ok(seen) => seen,
            Err(Blind::Kernel(error)) => return Err(self.kernel_failed(&error)),
            Err(Blind::Unreachable(unreachable, before)) => return self.unreachable(unreachable, before),
        };
        self.diagnostics.extend(warnings);
        let (Sight { before, mut ownership, goal }, patience) = (sight, patience.unwrap_or_default());
        if self.options.dry_run {
            self.foretell(&goal.steps, patience, &mut host);
        }
        self.strictly()?;
        if self.options.dry_run {
            return Ok(self.planned(before, goal));
        }
        let (known, target) = (ownership.clone(), goal.state.clone());
        let terms = Terms { sysctls: &self.sysctls, patience };
        let replan = |host: &mut Host, now: &State| sight::goal_anew(&self.config, &known, host, now);
        let outcome = apply::apply(&mut host, terms, before, goal, replan, |steps, now| {
            if !self.options.rehearse {
                ownership.announce(steps, now);
            }
        });
        if !self.options.rehearse {
            let known = self.diagnostics.iter().any(|known| known.code == "no-record");
            self.diagnostics.extend(ownership.settle(&outcome).filter(|_| !known));
        }
        Ok(self.done(outcome, &target))
    }

    /// Warns of what would end the run before its first step.
    fn foretell(&mut self, steps: &[Step], patience: Duration, host: &mut Host) {
        let closing = apply::closing(host, steps);
        let needed = apply::patience_for(&closing);
        let too_much = closing.iter().filter(|_| patience < needed);
        let warnings = too_much.map(|closing| failure::closing(closing, needed, steps, Severity::Warning));
        self.diagnostics.extend(warnings.collect::<Vec<_>>());
    }

    fn lock(&mut self, runtime: &Runtime) -> Result<Option<Lock>, Exit> {
        match runtime.lock() {
            Ok(lock) => Ok(Some(lock)),
            Err(error @ LockError::Held(_)) => {
                let help = "it runs already; wait for it, or stop it";
                Err(self.fail(Exit::Locked, error.to_string(), Some(help)))
            }
            // The lock only keeps two runs from getting in each other's way, which they would notice. A host without
            // endpoints because of a full /run would be worse.
            Err(error @ LockError::Unavailable(..)) => {
                let help = "give it a writable runtime folder by RUNTIME_DIRECTORY";
                self.diagnostics.push(Diagnostic::warning("no-lock", error.to_string()).help(help));
                Ok(None)
            }
        }
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
        let (result, exit, error) = match verdict {
            Verdict::Unchanged => ("unchanged", Exit::Success, None),
            Verdict::Applied if self.options.rehearse => ("rehearsed", self.success(&steps), None),
            Verdict::Applied => ("applied", self.success(&steps), None),
            Verdict::RolledBack(failure) => {
                let told = failure::tell(&failure, &steps, &self.config, true);
                self.diagnostics.extend(told.diagnostics);
                ("rolled-back", told.exit, Some(told.error))
            }
            Verdict::RollbackIncomplete(failure) => {
                let told = failure::tell(&failure, &steps, &self.config, false);
                self.diagnostics.extend(told.diagnostics);
                ("rollback-incomplete", Exit::Inconsistent, Some(told.error))
            }
        };
        Done { result, tense, steps, before, after, exit, error }
    }

    fn success(&self, steps: &[Step]) -> Exit {
        if self.options.detailed_exitcode && !steps.is_empty() { Exit::Changed } else { Exit::Success }
    }

    fn unreachable(&mut self, unreachable: Unreachable, state: State) -> Result<Done, Exit> {
        let Told { diagnostics, exit, error } = failure::unreachable(&unreachable);
        self.diagnostics.extend(diagnostics);
        if let Unreachable::Kernel(_) = unreachable {
            return Err(exit);
        }
        let (before, after, error) = (state.clone(), state, Some(error));
        Ok(Done { result: "unchanged", tense: Tense::Planned, steps: Vec::new(), before, after, exit, error })
    }

    fn kernel_failed(&mut self, error: &kernel::Error) -> Exit {
        let told = failure::kernel_error(error);
        self.diagnostics.extend(told.diagnostics);
        told.exit
    }

    fn fail(&mut self, exit: Exit, message: String, help: Option<&str>) -> Exit {
        let mut diagnostic = Diagnostic::error("failed", message);
        diagnostic.help = help.map(str::to_owned);
        self.diagnostics.push(diagnostic);
        exit
    }

    fn report(&self, result: &Done) -> io::Result<()> {
        let Done { result: word, tense, steps, before, after, exit: _, error } = result;
        self.output.diagnose(&self.diagnostics, &self.sources);
        let names = if error.is_some() { ["before", "after"] } else { ["current", "desired"] };
        let diff = || yaml::diff(before, after, names).map_err(io::Error::other);
        match self.output.format {
            Format::Json => self.output.print_json(&json_v1::Plan::new(PlanParts {
                result: word,
                steps,
                diagnostics: &self.diagnostics,
                sources: &self.sources,
                before,
                after,
                diff: &diff()?,
                error: error.clone(),
            }))?,
            // What was tried is told by the error; what is left of it matters, also to those who want errors only.
            Format::Text if error.is_some() => self.output.print(&diff()?)?,
            Format::Text if self.output.quiet => {}
            Format::Text => {
                if self.options.diff {
                    self.output.print(&diff()?)?;
                }
                self.output.print(&text::plan(steps, *tense, self.output.style()))?;
            }
        }
        Ok(())
    }
}
