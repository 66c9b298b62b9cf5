//! Where results and diagnostics go.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use ::log::Level;

use crate::cli::{Color, Common, Format};
use crate::config::{LoadedConfig, NoConfig};
use crate::log;
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::{Exit, code};
use crate::reconcile::{Failure, FailureKind, Report};
use crate::report::json_v1::PlanJson;
use crate::report::snippet::Snippets;
use crate::report::{About, Style, text, yaml};
use crate::source::SourceFile;

/// How most results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Results to standard output, diagnostics to standard error, as the options want them.
#[derive(Debug)]
pub struct Output {
    /// How results are written.
    pub form: Form,
    /// Only errors are wanted.
    pub quiet: bool,
    color: Color,
    diagnosed: Cell<bool>,
}

impl Output {
    /// As the command line says.
    pub fn new(common: &Common) -> Output {
        Output {
            form: if common.format() == Format::Json { Form::Json } else { Form::Text },
            quiet: common.quiet,
            color: common.color(),
            diagnosed: Cell::new(false),
        }
    }

    /// The style for standard output.
    pub fn style(&self) -> Style {
        self.style_of(&io::stdout())
    }

    fn style_of(&self, stream: &impl IsTerminal) -> Style {
        let no_color = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self.color {
            Color::Always => Style::Coloured,
            Color::Auto if stream.is_terminal() && !no_color() => Style::Coloured,
            Color::Auto | Color::Never => Style::Plain,
        }
    }

    /// How many columns the terminal has, if standard output is one.
    pub fn screen(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    /// Writes a result.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        quietly(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
    }

    /// Writes a result as one line of JSON.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn print_json(&self, document: &impl serde::Serialize) -> io::Result<()> {
        let mut line = serde_json::to_string(document)?;
        line.push('\n');
        self.print(&line)
    }

    /// Writes a result, under the name of its network namespace if there is one.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn print_in(&self, netns: Option<&str>, text: &str) -> io::Result<()> {
        match netns {
            Some(name) => self.print(&format!("netns {name}\n{text}")),
            None => self.print(text),
        }
    }

    /// Writes diagnostics to standard error; only errors and their notes when quiet. Where that cannot be written nobody can be told,
    /// and the exit code is all that is left to say.
    pub fn diagnose(&self, diagnostics: &Diagnostics, sources: &[SourceFile]) {
        self.diagnose_in(None, diagnostics.iter(), sources);
        if diagnostics.dropped() > 0 {
            let _ = io::stderr().write_all(format!("\nand {} more\n", diagnostics.dropped()).as_bytes());
        }
    }

    /// The same under the name of a network namespace.
    pub fn diagnose_in<'d>(
        &self,
        netns: Option<&str>,
        diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
        sources: &[SourceFile],
    ) {
        // A note belongs to what it follows.
        let mut is_wanted = !self.quiet;
        let wanted = diagnostics.into_iter().filter(|diagnostic| {
            if diagnostic.severity != Severity::Note {
                is_wanted = diagnostic.severity == Severity::Error || !self.quiet;
            }
            is_wanted
        });
        let mut wanted = wanted.peekable();
        if wanted.peek().is_none() {
            return;
        }
        let stderr = io::stderr();
        let snippets = Snippets::new(sources, self.style_of(&stderr));
        let mut text = String::new();
        let mut heading = netns.map_or(String::new(), |name| format!("netns {name}\n"));
        for diagnostic in wanted {
            // Between several there is a blank line, those of earlier calls included.
            let blank_line = if self.diagnosed.replace(true) { "\n" } else { "" };
            let heading = std::mem::take(&mut heading);
            let level = match diagnostic.severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warn,
                Severity::Note => Level::Info,
            };
            let words = format!("{blank_line}{heading}{}\n", snippets.render(diagnostic));
            text.push_str(&log::marked(level, &words));
        }
        let _ = stderr.lock().write_all(text.as_bytes());
    }

    /// Writes what became of a pass, and returns its exit code. `acts` tells whether the kernel may have been changed: then the
    /// exit code says what became of the kernel, and not of the report.
    ///
    /// # Errors
    /// When the report cannot be written, and that is all that went wrong.
    pub fn report(
        &self,
        about: &About<'_>,
        result: &Result<Report, Failure>,
        acts: bool,
        diff: bool,
    ) -> io::Result<Exit> {
        let (exit, diagnostics, failed) = match result {
            Ok(report) => (report.exit(), &report.diagnostics, report.failure.is_some()),
            Err(failure) => (failure.kind.exit(), &failure.diagnostics, true),
        };
        self.diagnose_in(about.netns, diagnostics, about.sources());
        let written = match result {
            Ok(report) => self.write(about, report, diff),
            Err(failure) => self.not_started(about, failure),
        };
        match written {
            Err(error) if acts || failed => {
                self.error(&format!("cannot write the report: {error}"), None);
                Ok(exit)
            }
            written => written.map(|()| exit),
        }
    }

    fn not_started(&self, about: &About<'_>, failure: &Failure) -> io::Result<()> {
        match self.form {
            Form::Json => self.print_json(&PlanJson::not_started(about, failure)),
            Form::Text => Ok(()),
        }
    }

    fn write(&self, about: &About<'_>, report: &Report, wants_diff: bool) -> io::Result<()> {
        let failed = report.failure.is_some();
        let titles = if failed { ["before", "after"] } else { ["current", "desired"] };
        let Report { before, after, names, .. } = report;
        let diff = |wanted: bool| match wanted {
            true => yaml::diff(before, after, names, titles).map_err(io::Error::other),
            false => Ok(String::new()),
        };
        match self.form {
            Form::Json => self.print_json(&PlanJson::new(about, report, &diff(true)?)),
            // The error says what was tried; what is left of it matters, also with `--quiet`.
            Form::Text if failed => self.print_in(about.netns, &diff(true)?),
            Form::Text if self.quiet => Ok(()),
            Form::Text => {
                let diff = diff(wants_diff)?;
                // Nothing is coloured where there is no step, so the terminal need not be asked.
                let style = if report.steps.is_empty() { Style::Plain } else { self.style() };
                let plan = text::plan(report.steps(), names, report.verdict, style);
                self.print_in(about.netns, &(diff + &plan))
            }
        }
    }

    /// Says that a configuration may not be carried out; its diagnostics were written before.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn rejected(&self, loaded: &LoadedConfig, exit: Exit) -> io::Result<Exit> {
        let kind = if exit == Exit::NotPermitted { FailureKind::NotPermitted } else { FailureKind::Invalid };
        let failure = Failure::new(kind, loaded.first_error().into_iter().cloned().collect());
        let about = About { loaded: Some(loaded), netns: None, trigger: None };
        self.not_started(&about, &failure)?;
        Ok(exit)
    }

    /// Says that there is no configuration.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn no_config(&self, none: NoConfig) -> io::Result<Exit> {
        let NoConfig { diagnostic, exit } = none;
        self.diagnose_in(None, [&*diagnostic], &[]);
        let failure = Failure::new(FailureKind::Unreadable, vec![*diagnostic]);
        self.not_started(&About { loaded: None, netns: None, trigger: None }, &failure)?;
        Ok(exit)
    }

    /// Writes an error that has no place in a file.
    pub fn error(&self, message: &str, help: Option<&str>) {
        let mut diagnostic = Diagnostic::error(code::FAILED, message);
        diagnostic.help = help.map(str::to_owned);
        self.tell(diagnostic);
    }

    /// Writes one diagnostic that has no place in a file.
    pub fn tell(&self, diagnostic: Diagnostic) {
        self.diagnose_in(None, [&diagnostic], &[]);
    }
}

/// Whoever closed the pipe has seen enough; what the run found out still decides its exit code.
fn quietly(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}
