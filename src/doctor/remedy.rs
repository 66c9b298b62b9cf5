//! Commands in remedies.

use std::path::{Path, PathBuf};

use crate::model::shell_word;

/// The command that applies the files that `paths` name, or those of the standard folders below `root`.
pub fn apply_command(paths: &[PathBuf], root: &Path) -> String {
    let mut words = vec!["mptcp-apply".to_owned()];
    // The folders count only where no file is named.
    if paths.is_empty() && root != Path::new("/") {
        words.extend(["--root-dir".to_owned(), shell_word(&root.to_string_lossy())]);
    }
    words.extend(paths.iter().map(|path| shell_word(&path.to_string_lossy())));
    words.join(" ")
}
