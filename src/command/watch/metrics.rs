//! `--metrics`: what `status --format openmetrics` prints, and what the watch counts, in a file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::status;
use crate::config::LoadedConfig;
use crate::report::status::{NamespaceStatus, metrics};
use crate::watch::MetricsFile;
use crate::watch::namespace::WatchedNamespace;

/// The file, and the last look at each network namespace.
pub struct Metrics {
    file: MetricsFile,
    seen: BTreeMap<Option<String>, NamespaceStatus>,
}

impl Metrics {
    /// For the file at that path.
    pub fn new(path: &Path) -> Metrics {
        Metrics { file: MetricsFile::new(path), seen: BTreeMap::new() }
    }

    /// Looks at a network namespace that this thread is in.
    pub fn look(&mut self, namespace: &WatchedNamespace, config: &LoadedConfig) {
        let name = namespace.name.as_deref();
        if namespace.changes().is_some() {
            match status::look(name, config) {
                Ok(status) => drop(self.seen.insert(namespace.name.clone(), status)),
                Err(failure) => {
                    let why = failure.diagnostics.first().map_or("", |found| &found.message);
                    log::warn!("the metrics are those of before: {why}");
                }
            }
        }
        if let Some(status) = self.seen.get_mut(&namespace.name) {
            status.watch = Some(namespace.counters);
        }
    }

    /// Writes the file, without namespaces that are gone.
    pub fn write(&mut self, namespaces: &[WatchedNamespace]) {
        self.seen.retain(|name, _| namespaces.iter().any(|it| it.name == *name));
        self.file.write(&metrics::page(self.seen.values()));
    }
}
