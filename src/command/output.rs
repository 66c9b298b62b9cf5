//! Writes results to standard output and diagnostics to standard error.

use std::cell::Cell;
use std::io::{self, IsTerminal};

use ::log::Level;
use rustix::fd::AsFd;

use crate::cli::{Color, Common, Format};
use crate::config::{LoadedConfig, NoConfig};
use crate::linux::stream::{self, Stream};
use crate::log;
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::{Exit, code, escaped};
use crate::reconcile::{Failure, FailureKind, Report};
use crate::report::alike::grouped;
use crate::report::json_v1::{FailureJson, PlanJson};
use crate::report::snippet::Snippets;
use crate::report::{PassCause, ReportContext, Style, folded, text, yaml};
use crate::source::SourceFile;

/// The format of results; `show` also knows YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The two streams, with the options that concern them.
#[derive(Debug)]
pub struct Output {
    /// The format of results.
    pub format: OutputFormat,
    /// Whether only errors are written.
    pub quiet: bool,
    color: Color,
    diagnosed: Cell<bool>,
}

impl Output {
    /// With the options of the command line.
    pub fn new(common: &Common) -> Output {
        Output {
            format: if common.format() == Format::Json { OutputFormat::Json } else { OutputFormat::Text },
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

    /// The width of the terminal in columns, if standard output is one.
    pub fn screen(&self) -> Option<usize> {
        columns(io::stdout())
    }

    /// Writes a result.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self, text: &str) -> io::Result<()> {
        quietly(stream::write(Stream::Output, text))
    }

    /// Writes a result as one line of JSON.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn print_json(&self, document: &impl serde::Serialize) -> io::Result<()> {
        let mut line = serde_json::to_string(document)?;
        if line.contains(char::is_control) {
            // They are parts of strings, and JSON itself lets some of them stand.
            let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
            line = line.chars().map(escape).collect();
        }
        line.push('\n');
        self.print(&line)
    }

    /// Writes a result, under the name of its network namespace if there is one.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn print_in(&self, netns: Option<&str>, text: &str) -> io::Result<()> {
        match netns {
            Some(name) => self.print(&format!("netns {}\n{text}", escaped(name))),
            None => self.print(text),
        }
    }

    /// Writes diagnostics to standard error; only errors and their notes when quiet. If that fails,
    /// only the exit code is left.
    pub fn diagnose(&self, diagnostics: &Diagnostics, sources: &[SourceFile]) {
        self.diagnose_in(None, diagnostics.iter(), sources);
        if diagnostics.dropped() > 0 {
            let _ = stream::write(Stream::Error, &format!("\nand {} more\n", diagnostics.dropped()));
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
        let wanted = grouped(wanted);
        if wanted.is_empty() {
            return;
        }
        let snippets = Snippets::new(sources, self.style_of(&io::stderr()), columns(io::stderr()));
        let mut text = String::new();
        let mut heading = netns.map_or(String::new(), |name| format!("netns {}\n", escaped(name)));
        for diagnostic in wanted {
            // A blank line separates diagnostics, also those of several calls.
            let blank_line = if self.diagnosed.replace(true) { "\n" } else { "" };
            let heading = std::mem::take(&mut heading);
            let level = match diagnostic.severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warn,
                Severity::Note => Level::Info,
            };
            let words = format!("{blank_line}{heading}{}\n", snippets.render(&diagnostic));
            text.push_str(&log::marked(level, &words));
        }
        let _ = stream::write(Stream::Error, &text);
    }

    /// Writes the report of a pass, and returns its exit code. `acts` says whether the kernel may have been changed: then the
    /// exit code is that of the pass, even if the report cannot be written.
    ///
    /// # Errors
    /// When the report cannot be written, and nothing else failed.
    pub fn report(
        &self,
        context: &ReportContext<'_>,
        result: &Result<Report, Failure>,
        acts: bool,
        diff: bool,
    ) -> io::Result<Exit> {
        let (exit, diagnostics, failed) = match result {
            Ok(report) => (report.exit(), &report.diagnostics, report.failure.is_some()),
            Err(failure) => (failure.kind.exit(), &failure.diagnostics, true),
        };
        self.diagnose_in(context.netns, diagnostics, context.sources());
        let written = match result {
            Ok(report) => self.write(context, report, diff),
            Err(failure) => self.not_started(context, failure),
        };
        match written {
            Err(error) if acts || failed => {
                self.error(&format!("cannot write the report: {error}"), None);
                Ok(exit)
            }
            written => written.map(|()| exit),
        }
    }

    fn not_started(&self, context: &ReportContext<'_>, failure: &Failure) -> io::Result<()> {
        match self.format {
            OutputFormat::Json => self.print_json(&PlanJson::not_started(context, failure)),
            OutputFormat::Text => Ok(()),
        }
    }

    fn write(&self, context: &ReportContext<'_>, report: &Report, wants_diff: bool) -> io::Result<()> {
        let failed = report.failure.is_some();
        let titles = if failed { ["before", "after"] } else { ["current", "desired"] };
        let Report { before, after, names, .. } = report;
        let diff = || yaml::diff(before, after, names, titles).map_err(io::Error::other);
        let heading = context.cause.map_or("", |cause| cause.heading);
        match self.format {
            OutputFormat::Json => self.print_json(&PlanJson::new(context, report, &diff()?)),
            // The error names the step; the diff shows what is left of the others, also with `--quiet`.
            OutputFormat::Text if failed => {
                self.print_in(context.netns, &(heading.to_owned() + &text::diff(&diff()?, self.style())))
            }
            OutputFormat::Text if self.quiet => Ok(()),
            OutputFormat::Text => {
                let diff = if wants_diff { diff()? } else { String::new() };
                // Without steps nothing is coloured and nothing is long, which saves system calls.
                let (style, screen) = if report.steps.is_empty() {
                    (Style::Plain, None)
                } else {
                    (self.style(), self.screen())
                };
                let plan = folded(text::plan(report.steps(), names, report.verdict, style), screen);
                self.print_in(context.netns, &[heading, &text::diff(&diff, style), &plan].concat())
            }
        }
    }

    /// Writes the document of a configuration that must not be applied, after its diagnostics. `cause` is why a watch read
    /// it.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn rejected(
        &self,
        loaded: &LoadedConfig,
        exit: Exit,
        cause: Option<PassCause<'_>>,
    ) -> io::Result<Exit> {
        let kind = if exit == Exit::NotPermitted { FailureKind::NotPermitted } else { FailureKind::Invalid };
        let failure = Failure::new(kind, loaded.first_error().into_iter().cloned().collect());
        let context = ReportContext { loaded: Some(loaded), netns: None, cause, checks: &[] };
        self.not_started(&context, &failure)?;
        Ok(exit)
    }

    /// Reports that there is no configuration.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn no_config(&self, none: NoConfig) -> io::Result<Exit> {
        self.diagnose_in(None, [&*none.diagnostic], &[]);
        self.absent(none, None)
    }

    /// Writes the document of a configuration that is not there, after its diagnostic. `cause` is why a watch read it.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn absent(&self, none: NoConfig, cause: Option<PassCause<'_>>) -> io::Result<Exit> {
        let exit = none.exit;
        self.not_started(&ReportContext { loaded: None, netns: None, cause, checks: &[] }, &none.into())?;
        Ok(exit)
    }

    /// Reports what keeps a verb that changes nothing from being done, and returns the exit code.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn refuse(&self, netns: Option<&str>, failure: Failure) -> io::Result<Exit> {
        self.refuse_with(failure.kind.exit(), netns, &failure)
    }

    /// The same where there is nothing to read.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn refuse_without_config(&self, none: NoConfig) -> io::Result<Exit> {
        self.refuse_with(none.exit, None, &none.into())
    }

    fn refuse_with(&self, exit: Exit, netns: Option<&str>, failure: &Failure) -> io::Result<Exit> {
        self.diagnose_in(netns, &failure.diagnostics, &[]);
        if self.format == OutputFormat::Json {
            self.print_json(&FailureJson::new(netns, failure))?;
        }
        Ok(exit)
    }

    /// Writes an error without a location.
    pub fn error(&self, message: &str, help: Option<&str>) {
        let mut diagnostic = Diagnostic::error(code::FAILED, message);
        diagnostic.help = help.map(|help| help.to_owned().into());
        self.diagnose_one(diagnostic);
    }

    /// Writes one diagnostic without a location.
    pub fn diagnose_one(&self, diagnostic: Diagnostic) {
        self.diagnose_in(None, [&diagnostic], &[]);
    }
}

/// The width of a terminal in columns.
fn columns(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// A closed pipe is no error: the reader has seen enough, and the run decides the exit code.
fn quietly(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}
