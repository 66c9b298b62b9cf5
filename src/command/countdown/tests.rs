use super::words;
use std::time::Duration;

#[test]
fn the_words_are_right_for_as_long_as_they_say() {
    for (left, expected, pause) in [(2000, "2 s left", 1000), (1999, "2 s left", 999), (1, "1 s left", 1)] {
        let told = words(Duration::from_millis(left));
        assert_eq!(told, (expected.to_owned(), Duration::from_millis(pause)), "{left}");
    }
}
