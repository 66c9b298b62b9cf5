//! The file of `--metrics`, for the textfile collector of node_exporter.

use std::fs;
use std::path::{Path, PathBuf};

use crate::linux::replace::replace;
use crate::model::escaped_path;
use crate::source::SourceFile;

/// The file, and what keeps it from being written.
pub struct MetricsFile {
    path: PathBuf,
    /// The last error, which was logged.
    trouble: Option<String>,
}

impl MetricsFile {
    /// The file at that path, which is not written yet.
    pub fn new(path: &Path) -> MetricsFile {
        MetricsFile { path: path.to_owned(), trouble: None }
    }

    /// Why the file must not be replaced: it is a device, a folder or a link, or part of the configuration.
    pub fn objection(path: &Path, sources: &[SourceFile]) -> Option<String> {
        let is_odd = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
        let own = fs::canonicalize(path).ok();
        let is_same = |source: &SourceFile| own.is_some() && fs::canonicalize(&source.name).ok() == own;
        match sources.iter().any(is_same) {
            true => Some("it is a file of the configuration".to_owned()),
            false => is_odd.then(|| "it is not a regular file".to_owned()),
        }
    }

    /// Replaces the file. An error is logged once, and so is its end.
    pub fn write(&mut self, page: &str) {
        // The collector reads only names that end with `.prom`.
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let trouble = MetricsFile::objection(&self.path, &[])
            .or_else(|| replace(&self.path, Path::new(&new), page).err().map(|error| error.to_string()));
        if trouble == self.trouble {
            return;
        }
        let path = escaped_path(&self.path);
        match &trouble {
            Some(error) => {
                log::warn!("cannot write the metrics to {path}: {error}; the watch goes on without")
            }
            None => log::warn!("the metrics are written to {path} again"),
        }
        self.trouble = trouble;
    }
}
