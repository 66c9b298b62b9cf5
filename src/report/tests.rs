use super::snippet::Snippets;
use super::*;
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Location, SourceId, Span};
use crate::source::SourceFile;

/// As findings have it.
const INDENT: usize = 12;

#[test]
fn lines_fit_and_no_word_is_lost() {
    let words = "one two three ".repeat(30) + &"long".repeat(40);
    let lines = wrap(&words, INDENT);
    assert_eq!(lines.join(" "), words);
    let (last, others) = lines.split_last().expect("lines");
    assert_eq!(last.len(), 160);
    assert!(others.iter().all(|line| line.len() <= WIDTH - INDENT));
    // No word would have fitted into the line before it.
    let first = |line: &String| line.split(' ').next().unwrap_or_default().len();
    let is_full = |pair: &[String]| pair[0].len() + 1 + first(&pair[1]) > WIDTH - INDENT;
    assert!(lines.windows(2).all(is_full), "{lines:#?}");
}

/// A mark stays below what it marks: a terminal would break a line that is too long.
#[test]
fn source_lines_fit_on_the_screen() {
    let text =
        "  lte: {dev: \"wwan[1-9]\", family: ipv6, flags: [subflow, backup, fullmesh, laminar, wrong]}\n";
    let sources = [SourceFile { name: "edge.yaml".to_owned(), text: text.to_owned() }];
    for marked in ["wwan[1-9]", "wrong"] {
        let column = text.find(marked).expect("there") + 1;
        let span = Span::new(1, column, marked.len());
        let location = Location { source: SourceId::new(0), span };
        let finding = Diagnostic::warning(code::DEV_MISSING, "it waits").at(location, "");
        for columns in 1..=120 {
            let drawn = Snippets::new(&sources, Style::Plain, Some(columns)).render(&finding);
            let lines: Vec<&str> = drawn.lines().collect();
            let mark = lines.iter().find_map(|line| line.find('^')).expect("a mark");
            let source = lines.iter().find(|line| line.starts_with("1 |")).expect("the line");
            let shown: String = source.chars().skip(mark).take(marked.len()).collect();
            assert_eq!(shown, marked, "{columns}: {drawn}");
            assert!(
                columns < 40 || lines.iter().all(|line| line.chars().count() <= columns),
                "{columns}: {drawn}"
            );
        }
    }
}

#[test]
fn a_diff_has_the_colours_of_the_plan() {
    let coloured = text::diff("--- current\n+++ desired\n@@ -1 +1 @@\n-a\n+b\n c\n", Style::Coloured);
    let lines = "--- current\n+++ desired\n@@ -1 +1 @@\n\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n c\n";
    assert_eq!(coloured, lines);
}

#[test]
fn only_lines_that_are_too_long_are_folded() {
    let text = "\x1b[31m- 10.0.0.1 id 1 subflow\x1b[0m   fiber, not declared\nplan: 0 to add\n".to_owned();
    assert_eq!(folded(text.clone(), None), text);
    assert_eq!(folded(text.clone(), Some(45)), text);
    let lines = "\x1b[31m- 10.0.0.1 id 1 subflow\x1b[0m   fiber, not\n    declared\nplan: 0 to add\n";
    assert_eq!(folded(text.clone(), Some(44)), lines);
    for columns in 1..=60 {
        let narrow = folded(text.clone(), Some(columns));
        assert!(narrow.split_whitespace().eq(text.split_whitespace()), "{narrow}");
        assert!(
            columns < 17 || narrow.lines().all(|line| shown_width(line) <= columns),
            "{columns}: {narrow}"
        );
    }
}
