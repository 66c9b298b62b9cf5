//! Commands in remedies.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

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

/// One word, quoted for a shell where it has to be. The name of an interface or a file must not become a command in a
/// remedy, nor an escape sequence on a terminal.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let escaped = |byte: u8| match byte {
        b' '..=b'~' if byte != b'\'' && byte != b'\\' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("$'{}'", word.bytes().map(escaped).collect::<String>())
}
