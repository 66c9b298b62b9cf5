use super::*;

#[test]
fn comments_are_broken_and_commands_are_not() {
    let words = "word ".repeat(20).trim_end().to_owned();
    let lines = remedy(&format!("{words}\n# {words}\n#"));
    assert_eq!((lines[0].as_str(), lines[3].as_str(), lines.len()), (words.as_str(), "#", 4));
    assert!(lines[1..3].iter().all(|line| line.starts_with("# word") && line.len() <= 80 - INDENT));
    assert_eq!(lines[1..3].join(" ").replace("# ", ""), words);
}
