use super::*;

fn rows() -> Vec<Vec<Cell>> {
    let row = |cells: [&str; 4]| cells.map(|cell| Cell::from(cell.to_owned())).into();
    vec![row(["up", "10.0.0.1:1", "ö", "last"]), row(["syn-sent", "10.0.0.22:22", "bb", ""])]
}

#[test]
fn a_narrow_screen_breaks_all_rows_alike() {
    let page = |screen| {
        let mut text = String::new();
        let rows = rows();
        let layout = TableLayout::of(&rows.iter().collect::<Vec<_>>(), 2, Style::Plain, screen);
        rows.iter().for_each(|row| layout.write(&mut text, row));
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
fn the_end_of_a_short_row_may_be_longer_than_its_column() {
    let mut rows = rows();
    rows.push(["-", "none", "a reason of many words"].map(Cell::from).into());
    let page = |screen| {
        let mut text = String::new();
        let layout = TableLayout::of(&rows.iter().collect::<Vec<_>>(), 0, Style::Plain, screen);
        rows.iter().for_each(|row| layout.write(&mut text, row));
        text
    };
    let wide = "up        10.0.0.1:1    ö   last\nsyn-sent  10.0.0.22:22  bb\n\
                -         none          a reason of many words\n";
    assert_eq!(page(None), wide);
    assert_eq!(page(Some(40)), wide.replace("none          a", "none\n          a"));
}

#[test]
fn colour_changes_no_column() {
    let mut rows = rows();
    rows[1][0].colour = Some(Colour::Yellow);
    let [plain, coloured] = [Style::Plain, Style::Coloured].map(|style| {
        let mut text = String::new();
        let layout = TableLayout::of(&rows.iter().collect::<Vec<_>>(), 2, style, Some(80));
        rows.iter().for_each(|row| layout.write(&mut text, row));
        text
    });
    assert_eq!(coloured, plain.replace("syn-sent", "\x1b[33msyn-sent\x1b[0m"));
}

#[test]
fn names_are_aligned_and_words_painted_as_ip_does() {
    let rows = [
        ("10.0.0.1 id 9 subflow dev eth7".to_owned(), Some("fibre")),
        ("2001:db8::1 port 99 id 1 signal and more than that".to_owned(), None),
        ("10.0.0.22 signal".to_owned(), Some("lte")),
    ];
    let [plain, coloured] = [Style::Plain, Style::Coloured].map(|style| {
        let mut text = String::new();
        rows_with_names(&mut text, &rows, style);
        text
    });
    let expected = "\
10.0.0.1 id 9 subflow dev eth7   fibre
2001:db8::1 port 99 id 1 signal and more than that
10.0.0.22 signal                 lte
";
    assert_eq!(plain, expected);
    let painted = expected
        .replace("10.0.0.1 ", "\x1b[35m10.0.0.1\x1b[0m ")
        .replace("10.0.0.22", "\x1b[35m10.0.0.22\x1b[0m")
        .replace("2001:db8::1", "\x1b[34m2001:db8::1\x1b[0m")
        .replace("eth7", "\x1b[36meth7\x1b[0m");
    assert_eq!(coloured, painted);
}
