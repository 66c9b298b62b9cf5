use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::yaml;
use super::*;
use crate::model::diagnostic::Diagnostics;

/// Whether the text is of the usual form. Then the whole parser gives the same tree, and finds nothing wrong.
fn is_usual(text: &str) -> bool {
    let Some(tree) = parse(text, SourceId::new(3)) else { return false };
    let mut diagnostics = Diagnostics::default();
    let whole = yaml::parse_any(text, SourceId::new(3), &mut diagnostics);
    let whole = whole.unwrap_or_else(|_| panic!("{text:?} is no YAML: {diagnostics:?}"));
    assert!(diagnostics.is_empty(), "{text:?}: {diagnostics:?}");
    assert_eq!(format!("{:#?}", Some(tree)), format!("{whole:#?}"), "{text:?}");
    true
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The files below a folder of the project.
fn texts(folder: &str) -> Vec<String> {
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
    files(&root.join(folder), &mut found);
    found.sort();
    found.into_iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

fn usual(folder: &str) -> usize {
    texts(folder).into_iter().filter(|text| is_usual(text)).count()
}

#[test]
fn samples_have_the_trees_of_the_whole_parser() {
    for (folder, least) in [("tests/cases", 100), ("examples", 3), ("tests/fuzz/corpus/configuration", 5)] {
        let usual = usual(folder);
        assert!(usual >= least, "only {usual} of {folder} are of the usual form");
    }
}

#[test]
fn what_most_files_are_made_of_is_usual() {
    let texts = [
        "a: b",
        "---\n# é\na: b # é\n\n  \nc: 1 \n",
        "a:\n  b: [x, \"y z\" , 'w', [1], {}]  # c\n  c: {d: e, f: [ ], }\ng: 2001:db8::1/64\n",
        "a:\n- x\n-   \"y\"\n# c\nb:\n    - x\n\n    - [y]\nc: d\n",
        "  a:\n     b: c d#e, [f]\n  g: ./h\n",
    ];
    for text in texts {
        assert!(is_usual(text), "{text:?}");
    }
}

#[test]
fn what_is_not_usual_is_left_to_the_whole_parser() {
    let texts = [
        "",
        "a",
        "a: b: c",
        "a:b",
        "a:",
        "a: &x b",
        "a: *b",
        "a: !b c",
        "a: |\n  b\n",
        "a: b\n  c\n",
        "a: b\na: c\n",
        "a:\n  b: c\n d: e\n",
        "a: [b\n]\n",
        "a: [b -, c]",
        "a: [b #c]",
        "a: [b: c]",
        "a: \"b\\n\"",
        "a: 'b''c'",
        "a: é",
        "a:\tb",
        "a: b\r\n",
        "a:\n- b\n - c\n",
        "a:\n  - b\n  c: d\n",
        "a: b\n...\n",
        "a: b\n--- \n",
        "? a\n",
        "a: [b,, c]",
        "a: {b:c}",
        "\"a\": b",
        "a:\n  - b: c\n",
        "a: b # \u{feff}\n",
    ];
    for text in texts {
        assert!(parse(text, SourceId::new(0)).is_none(), "{text:?}");
    }
    let deep = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    assert!(is_usual(&deep(DEPTH_MAX - 1)) && !is_usual(&deep(DEPTH_MAX)));
}

/// What texts are made of.
const PARTS: [&str; 44] = [
    "a: ", "b: ", "a:", "c:\n", "\n", "\n", "\n  ", "\n    ", "\n ", "  ", "    ", " ", "- ", "-", "x",
    "y z", "x-y", "[", "]", ", ", ",", "{", "}", "\"q\"", "'q'", "'", "\"", "#", " # c", "# é", ":", "::1",
    "1", "~", "null", "*", "&", "!x", "---\n", "\u{feff}", "\t", "\r", "é", "\\",
];

/// One change of a text: what is put in, and how many characters go.
fn damaged(text: &str, changes: &[(prop::sample::Index, usize, &str)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (index, gone, part) in changes {
        let at = index.index(characters.len() + 1);
        let end = (at + gone).min(characters.len());
        characters.splice(at..end, part.chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn any_parts_have_the_tree_of_the_whole_parser(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..16),
    ) {
        is_usual(&parts.concat());
    }

    #[test]
    fn damaged_samples_have_the_tree_of_the_whole_parser(
        text in prop::sample::select(texts("tests/cases/valid")),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..4_usize, prop::sample::select(&PARTS[..])), 1..4),
    ) {
        is_usual(&damaged(&text, &changes));
    }
}
