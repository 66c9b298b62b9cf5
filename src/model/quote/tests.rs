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
