//! The codes of diagnostics and findings, from their table.

use mptcp_apply::model::code::{CODES, CodeRow};

use super::roff::item;

/// The codes of `diagnostics` or `findings` in alphabetical order, each with its levels and its meaning.
pub fn of(kind: &str) -> String {
    assert!(["diagnostics", "findings"].contains(&kind), "there are no codes of {kind}");
    let mut rows: Vec<&CodeRow> = CODES.iter().collect();
    rows.sort_by_key(|row| row.code);
    rows.into_iter().map(|row| entry(row, kind == "findings")).collect()
}

fn entry(row: &CodeRow, findings: bool) -> String {
    let levels = row.levels.iter().filter(|level| level.is_of_findings() == findings);
    let levels: Vec<String> = levels.map(|level| format!("{level:?}").to_lowercase()).collect();
    match levels.is_empty() {
        true => String::new(),
        false => item(row.code.word(), &format!("({}) {}", levels.join(" or "), row.meaning)),
    }
}

#[test]
fn both_kinds_have_codes() {
    for (kind, word, absent) in [("diagnostics", "yaml", "carrier"), ("findings", "carrier", "yaml")] {
        let codes = of(kind);
        assert!(codes.contains(word) && !codes.contains(absent), "{codes}");
    }
}
