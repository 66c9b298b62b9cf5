use super::*;

fn rows() -> Vec<Vec<Cell>> {
    let row = |cells: [&str; 4]| cells.map(|cell| Cell::from(cell.to_owned())).into();
    vec![row(["up", "10.0.0.1:1", "ö", "last"]), row(["syn-sent", "10.0.0.22:22", "bb", ""])]
}

#[test]
fn a_narrow_screen_breaks_all_rows_alike() {
    let page = |screen| {
        let mut text = String::new();
        table(&mut text, &rows(), Style::Plain, screen);
        text
    };
    let wide = "  up        10.0.0.1:1    ö   last\n  syn-sent  10.0.0.22:22  bb\n";
    assert_eq!((page(None).as_str(), page(Some(34)).as_str()), (wide, wide));
    let narrow = "  up        10.0.0.1:1    ö\n            last\n  syn-sent  10.0.0.22:22  bb\n";
    assert_eq!(page(Some(33)), narrow);
    let narrowest =
        "  up        10.0.0.1:1\n            ö\n            last\n  syn-sent  10.0.0.22:22\n            bb\n";
    assert_eq!(page(Some(1)), narrowest);
}

#[test]
fn colour_changes_no_column() {
    let mut rows = rows();
    rows[1][0].colour = Some(Colour::Yellow);
    let [plain, coloured] = [Style::Plain, Style::Coloured].map(|style| {
        let mut text = String::new();
        table(&mut text, &rows, style, Some(80));
        text
    });
    assert_eq!(coloured, plain.replace("syn-sent", "\x1b[33msyn-sent\x1b[0m"));
}

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
