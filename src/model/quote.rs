//! Text from outside in what the program writes: names of files, network namespaces and interfaces hold whatever their
//! makers put into them. One escaper for a terminal, one quoter for a shell.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::Path;

/// The text in one line, with escapes in place of what a terminal obeys instead of showing it.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, is_obeyed)
}

/// The same for text that may have several lines.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c != '\n' && is_obeyed(c))
}

/// A path for a message.
pub fn escaped_path(path: &Path) -> String {
    escaped(&path.to_string_lossy()).into_owned()
}

fn replaced(text: &str, is_replaced: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_replaced) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if is_replaced(c) { c.escape_debug().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Control characters, and those that turn the direction of what follows or end a line.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One word, quoted for a shell where it has to be, so that a name in a remedy becomes neither a command nor an escape
/// sequence.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(is_obeyed) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let escaped = |byte: u8| match byte {
        b' '..=b'~' if byte != b'\'' && byte != b'\\' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("$'{}'", word.bytes().map(escaped).collect::<String>())
}
