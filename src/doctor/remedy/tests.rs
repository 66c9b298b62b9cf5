use super::shell_word;

#[test]
fn a_word_is_one_word_to_a_shell() {
    for (word, expected) in [
        ("eth0.100", "eth0.100"),
        ("", "''"),
        ("a b", "'a b'"),
        ("x;reboot", "'x;reboot'"),
        ("it's", "'it'\\''s'"),
        ("a\x1b[2J'\\", "$'a\\x1b[2J\\x27\\x5c'"),
    ] {
        assert_eq!(shell_word(word), expected);
    }
}
