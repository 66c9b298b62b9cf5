use super::*;

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
