use super::*;

#[test]
fn short_times_have_more_digits() {
    let cases = [
        (0, "rtt -"),
        (57, "rtt 0.06 ms"),
        (999, "rtt 1.00 ms"),
        (1000, "rtt 1.0 ms"),
        (20_340, "rtt 20.3 ms"),
    ];
    for (micros, text) in cases {
        assert_eq!(rtt(Duration::from_micros(micros)), text);
    }
}

#[test]
fn bytes_have_three_digits_at_most() {
    let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_940, "99.9 kB"), (99_960, "100 kB")];
    for (count, text) in
        cases.into_iter().chain([(999_499, "999 kB"), (999_600, "1.0 MB"), (u64::MAX, "18446744 TB")])
    {
        assert_eq!(bytes(count), text);
    }
}
