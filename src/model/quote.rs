//! Text from outside in what the program writes: names of files, network namespaces and interfaces hold whatever their
//! makers put into them. One escaper for a terminal, one quoter for a shell.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, expected) in [
            ("eth0.100", "eth0.100"),
            ("", "''"),
            ("a b", "'a b'"),
            ("x;reboot", "'x;reboot'"),
            ("it's", "'it'\\''s'"),
            ("a\x1b[2J'\\", "$'a\\x1b[2J\\x27\\x5c'"),
            ("a\u{202e}", "$'a\\xe2\\x80\\xae'"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        let hostile = "a\x1b[31m\u{9b}1m\x7f\r\nforged\u{202e}ü";
        assert_eq!(escaped(hostile), "a\\u{1b}[31m\\u{9b}1m\\u{7f}\\r\\nforged\\u{202e}ü");
        assert_eq!(escaped_lines("a\x1b\nb"), "a\\u{1b}\nb");
    }
}
