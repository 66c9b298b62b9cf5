//! The configuration that is in force, and what is said of it.

use crate::command::input::{self, Input};
use crate::model::code;
use crate::model::diagnostic::{self, Diagnostic, Severity};

use super::place::Place;
use super::{Refused, Watch, origins};

impl Watch<'_> {
    /// Reads the files again. Whether there is a new configuration to carry out.
    pub fn read_files(&mut self) -> bool {
        // First, so that nothing changes unnoticed after it was read.
        self.ears.attend(&origins(self.options, self.common));
        let mut input = match input::read(&self.options.paths, self.common.root_dir()) {
            Ok(input) => input,
            Err(nothing) => {
                self.refuse(None, *nothing.diagnostic);
                return false;
            }
        };
        if input.reads_like(&self.input) {
            self.refused = None;
            return false;
        }
        let known = self.refused.as_ref().and_then(|refused| refused.input.as_ref());
        if known.is_some_and(|known| known.reads_like(&input)) {
            return false;
        }
        let judged = input.judge(self.options);
        self.output.diagnose(&input.diagnostics, &input.sources);
        if judged.is_ok() {
            log::info!("there is a new configuration");
            (self.input, self.refused) = (input, None);
            return true;
        }
        let error =
            input.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error).cloned();
        let error = error.unwrap_or_else(|| Diagnostic::error(code::FAILED, "it is not valid"));
        self.refuse(Some(input), error);
        false
    }

    /// The last good configuration stays in force.
    fn refuse(&mut self, input: Option<Input>, error: Diagnostic) {
        let message = match (error.labels.first(), &input) {
            (Some(label), Some(input)) => {
                let diagnostic::Location { source, span } = label.location;
                let file = input.sources.get(source.0).map_or("", |source| source.name.as_str());
                format!("{file}:{}:{}: {}", span.line, span.column, error.message)
            }
            _ => error.message,
        };
        if self.refused.as_ref().is_none_or(|refused| refused.message != message) {
            log::warn!("keeping the last good configuration: {message}");
        }
        self.refused = Some(Refused { input, message });
    }

    /// How it is, in a line.
    pub fn status(&self) -> String {
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let trouble = self.places.iter().find_map(|place| Some((&place.name, place.trouble.as_ref()?)));
        if let Some(Refused { message, .. }) = &self.refused {
            return format!("configuration invalid, keeping the last good one: {message}");
        }
        if let Some((name, message)) = trouble {
            let place = name.as_ref().map_or(String::new(), |name| format!("netns {name}: "));
            return format!("not as declared: {place}{message}");
        }
        let endpoints = count(self.places.iter().map(Place::endpoints).sum(), "endpoint");
        match self.options.netns.is_empty() {
            true => format!("as declared: {endpoints}"),
            false => format!("as declared: {endpoints} in {}", count(self.places.len(), "network namespace")),
        }
    }
}
