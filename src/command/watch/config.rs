//! The configuration that is in force, and the status for the service manager.

use crate::cli::{Apply, Common};
use crate::command::load;
use crate::config::{LoadedConfig, NoConfig};
use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{Exit, code, counted};
use crate::watch::namespace::WatchedNamespace;
use crate::watch::story::{Cause, Trigger};

use super::{Refused, Watch, attend};

/// Reads the files that the watch follows.
pub fn read(options: &Apply, common: &Common) -> Result<LoadedConfig, NoConfig> {
    let strictness = load::strictness(options.strict);
    LoadedConfig::load_files(&options.paths, common.root_dir(), strictness, || load::trust(true))
}

/// A file that is being written is not read before it is closed.
pub fn half_written() -> NoConfig {
    let message = "a file is being written; it is read when it is closed";
    NoConfig { diagnostic: Box::new(Diagnostic::error(code::NO_INPUT, message)), exit: Exit::NoInput }
}

/// What reading the files led to.
pub enum Reading {
    /// A new configuration, to be applied, and what changed in the files.
    New(Cause),
    /// None: they mean what they meant.
    Same,
    /// None: they are invalid, or cannot be read.
    Refused,
    /// They may be half written, and are to be read again.
    Postponed,
}

impl Watch<'_> {
    /// Reads the files again.
    pub fn read_files(&mut self) -> Reading {
        // First, so that no change after reading is missed.
        attend(&mut self.events, self.options, self.common, &self.namespaces);
        let events = self.events.file_events();
        let loaded = if self.events.is_writing() { None } else { Some(read(self.options, self.common)) };
        // What was emptied or replaced meanwhile may have been read in part.
        let Some(loaded) = loaded.filter(|_| !self.events.has_changed_since(events)) else {
            log::info!("a file is being written; it is read when it is closed");
            return Reading::Postponed;
        };
        self.accept(loaded)
    }

    /// Puts a configuration in force if it is a new and a valid one.
    fn accept(&mut self, loaded: Result<LoadedConfig, NoConfig>) -> Reading {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(none) => {
                if self.refuse(None, &none.diagnostic) {
                    // As after a pass, the watch continues if this cannot be written.
                    let cause = Cause::from(Trigger::Files);
                    let _ = self.output.absent(none, Some(cause.reported("")));
                }
                return Reading::Refused;
            }
        };
        if self.config.as_ref().is_some_and(|config| loaded.is_same_as(config)) {
            self.recover();
            return Reading::Same;
        }
        let known = self.refused.as_ref().and_then(|refused| refused.config.as_ref());
        if known.is_some_and(|known| known.is_same_as(&loaded)) {
            return Reading::Refused;
        }
        self.output.diagnose(&loaded.diagnostics, &loaded.sources);
        let cause = Cause::files(self.config.as_ref().map_or(&[], |config| &config.sources), &loaded.sources);
        let Some(exit) = loaded.rejection else {
            self.recover();
            log::info!("new configuration");
            self.config = Some(loaded);
            return Reading::New(cause);
        };
        let _ = self.output.rejected(&loaded, exit, Some(cause.reported("")));
        let error = loaded.first_error().cloned();
        let error = error.unwrap_or_else(|| Diagnostic::error(code::FAILED, "it is invalid"));
        self.refuse(Some(loaded), &error);
        Reading::Refused
    }

    /// Logs that an error is over, as the error was.
    fn recover(&mut self) {
        if self.refused.take().is_some() {
            log::warn!("the configuration is valid {}", if self.config.is_some() { "again" } else { "now" });
        }
    }

    /// Keeps the last valid configuration in force. Whether that was logged, which it is once for each error.
    pub fn refuse(&mut self, config: Option<LoadedConfig>, error: &Diagnostic) -> bool {
        let message = match (error.labels.first(), &config) {
            (Some(label), Some(config)) => {
                let Location { source, span } = label.location;
                let file = config.sources.get(source.index()).map_or("", |source| source.name.as_str());
                format!("{file}:{}:{}: {}", span.line(), span.column(), error.message)
            }
            _ => error.message.clone(),
        };
        let is_new = self.refused.as_ref().is_none_or(|refused| refused.message != message);
        if is_new {
            log::warn!("{}: {message}", self.in_force());
        }
        self.refused = Some(Refused { config, message });
        is_new
    }

    /// What the watch does as long as a configuration is refused.
    fn in_force(&self) -> &'static str {
        match self.config {
            Some(_) => "keeping the last good configuration",
            None => "waiting for the first configuration, and touching nothing",
        }
    }

    /// The status in one line.
    pub fn status(&self) -> String {
        let failed = self.namespaces.iter().find_map(|it| Some((&it.name, it.trouble.as_ref()?)));
        if let Some(Refused { message, .. }) = &self.refused {
            return match self.config {
                Some(_) => format!("configuration invalid, keeping the last good one: {message}"),
                None => format!("{}: {message}", self.in_force()),
            };
        }
        if let Some((name, message)) = failed {
            let location = name.as_ref().map_or(String::new(), |name| format!("netns {name}: "));
            return format!("not as declared: {location}{message}");
        }
        let endpoints = counted(self.namespaces.iter().map(WatchedNamespace::endpoints).sum(), "endpoint");
        if self.options.netns.is_empty() {
            return format!("as declared: {endpoints}");
        }
        format!("as declared: {endpoints} in {}", counted(self.namespaces.len(), "network namespace"))
    }
}
