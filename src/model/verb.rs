//! The verbs of the command line, and the words that people try in their place.

/// All verbs that are documented. A test compares them with the command line.
pub const VERBS: [&str; 12] = [
    "check",
    "connection",
    "doctor",
    "help",
    "history",
    "init",
    "monitor",
    "renew",
    "schema",
    "show",
    "status",
    "try",
];

/// Words of other programs, and what does that here.
const HABITS: [(&str, &str); 10] = [
    ("apply", "`mptcp-apply` without a verb applies"),
    ("diff", "`mptcp-apply --dry-run --diff` prints the difference"),
    ("list", "`mptcp-apply show` lists the kernel's endpoints"),
    ("plan", "`mptcp-apply --dry-run` prints the plan"),
    ("revert", "`mptcp-apply history 1 --format yaml | mptcp-apply -` goes back before the last run"),
    ("undo", "`mptcp-apply history 1 --format yaml | mptcp-apply -` goes back before the last run"),
    ("validate", "`mptcp-apply check` judges the files"),
    ("version", "`mptcp-apply --version` prints the version"),
    ("watch", "`mptcp-apply --watch` keeps running, and re-applies after changes"),
    ("rehearse", "`mptcp-apply --rehearse` carries the plan out in a copy of this host"),
];

/// What may be meant by a word that is no file.
pub fn habit(word: &str) -> Option<&'static str> {
    HABITS.iter().find(|(known, _)| *known == word).map(|(_, hint)| *hint)
}
