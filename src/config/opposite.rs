//! Words that say the opposite of a known one: `no-backup`, `checksum_disabled`, `deny_join_initial_addr_port`. The known
//! word that looks most like them means the contrary.

use super::decode::nearest;

/// What negates the word behind it.
const BEFORE: [&str; 15] = [
    "disabled", "disable", "without", "never", "deny", "skip", "non", "not", "no", "un", "off", "!", "^",
    "~", "-",
];
/// What negates the word before it.
const BEHIND: [&str; 4] = ["disabled", "disable", "denied", "off"];
/// The first and last parts of a word that say that it is on, or that it is about MPTCP.
const ON: [&str; 6] = ["allow", "allowed", "enable", "enabled", "on", "mptcp"];
/// Opposites without a common part.
const PAIRS: [(&str, &str); 1] = [("optional", "required")];
/// The least length of a misspelt word; a shorter one is near to too many.
const MISSPELT_MIN: usize = 4;

/// The known word of which a word says the opposite, even if it is misspelt.
pub fn opposite<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = parts(word);
    if let Some((_, other)) = PAIRS.iter().find(|(opposite, _)| *opposite == word) {
        return known.iter().copied().find(|known| known == other);
    }
    let before = BEFORE.iter().filter_map(|mark| word.strip_prefix(mark));
    let behind = BEHIND.iter().filter_map(|mark| word.strip_suffix(mark));
    let rests: Vec<&str> = before.chain(behind).map(|rest| bare(rest.trim_matches('-'))).collect();
    let all: Vec<String> = known.iter().map(|known| parts(known)).collect();
    let all: Vec<&str> = all.iter().map(|known| bare(known)).collect();
    let exact = rests.iter().find_map(|rest| all.iter().position(|known| known == rest));
    let misspelt = || {
        let long = rests.iter().filter(|rest| rest.len() >= MISSPELT_MIN);
        let near = long.filter_map(|rest| nearest(rest, &all)).next()?;
        all.iter().position(|known| *known == near)
    };
    exact.or_else(misspelt).map(|index| known[index])
}

/// In lower case, with `-` between its parts.
fn parts(word: &str) -> String {
    word.trim().to_lowercase().replace(['_', ' '], "-")
}

/// Without the parts that say that it is on.
fn bare(word: &str) -> &str {
    let is_on = |part: &str| ON.contains(&part);
    let (first, rest) = word.split_once('-').unwrap_or((word, ""));
    if is_on(first) {
        return bare(rest);
    }
    let (rest, last) = word.rsplit_once('-').unwrap_or(("", word));
    if is_on(last) { bare(rest) } else { word }
}
