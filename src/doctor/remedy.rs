//! Commands in remedies.

use std::path::{Path, PathBuf};

use crate::model::shell_word;

/// The command by which `program` applies the files that `paths` name, or those of the standard folders below `root`.
pub fn apply_command(program: String, paths: &[PathBuf], root: &Path) -> String {
    let mut words = vec![program];
    // The folders count only where no file is named.
    if paths.is_empty() && root != Path::new("/") {
        words.extend(["--root-dir".to_owned(), shell_word(&root.to_string_lossy())]);
    }
    words.extend(paths.iter().map(|path| shell_word(&path.to_string_lossy())));
    words.join(" ")
}
