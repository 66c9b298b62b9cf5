//! Where results and diagnostics go.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use ::log::Level;

use crate::cli::{Color, Common, Format};
use crate::log;
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::report::Style;
use crate::report::snippet::Snippets;
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

    /// Writes diagnostics to standard error; warnings not when quiet. Where that cannot be written nobody can be told,
    /// and the exit code is all that is left to say.
    pub fn diagnose(&self, diagnostics: &Diagnostics, sources: &[SourceFile]) {
        self.diagnose_in(None, diagnostics, sources);
    }

    /// The same under the name of a network namespace.
    pub fn diagnose_in(&self, netns: Option<&str>, diagnostics: &Diagnostics, sources: &[SourceFile]) {
        let wanted = |severity| severity == Severity::Error || !self.quiet;
        let mut wanted = diagnostics.iter().filter(|diagnostic| wanted(diagnostic.severity)).peekable();
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
            };
            let words = format!("{blank_line}{heading}{}\n", snippets.render(diagnostic));
            text.push_str(&log::marked(level, &words));
        }
        if diagnostics.dropped() > 0 {
            text.push_str(&format!("\nand {} more\n", diagnostics.dropped()));
        }
        let _ = stderr.lock().write_all(text.as_bytes());
    }

    /// Writes an error that has no place in a file.
    pub fn error(&self, message: &str, help: Option<&str>) {
        let mut diagnostic = Diagnostic::error(code::FAILED, message);
        diagnostic.help = help.map(str::to_owned);
        self.tell(diagnostic);
    }

    /// Writes one diagnostic that has no place in a file.
    pub fn tell(&self, diagnostic: Diagnostic) {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(diagnostic);
        self.diagnose(&diagnostics, &[]);
    }
}

/// Whoever closed the pipe has seen enough; what the run found out still decides its exit code.
fn quietly(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}
