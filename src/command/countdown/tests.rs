use super::seconds;
use std::time::Duration;

#[test]
fn the_seconds_are_right_for_as_long_as_they_say() {
    for (left, expected, pause) in [(2000, "2 s left", 1000), (1999, "2 s left", 999), (1, "1 s left", 1)] {
        let shown = seconds(Duration::from_millis(left));
        assert_eq!(shown, (expected.to_owned(), Duration::from_millis(pause)), "{left}");
    }
}
