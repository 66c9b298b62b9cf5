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

/// Words of other programs, with blanks between those that mean the same, and what does that here.
const HABITS: [(&str, &str); 18] = [
    ("add set", "write the endpoint to a file in /etc/mptcp-apply, and run `mptcp-apply`"),
    ("apply", "`mptcp-apply` without a verb applies"),
    (
        "clear del delete destroy flush remove reset rm",
        "remove the endpoints from the files, and run `mptcp-apply`; `endpoints: {}` removes all",
    ),
    ("diff", "`mptcp-apply --dry-run --diff` prints the difference"),
    ("disable stop", "`systemctl disable --now mptcp-apply-watch` ends the watch; what is applied stays"),
    ("dump export save", "`mptcp-apply show --format yaml` prints the kernel's state as a configuration"),
    ("edit", "change the files in /etc/mptcp-apply with an editor, and run `mptcp-apply`"),
    ("enable start", "`systemctl enable --now mptcp-apply-watch` applies now and at boot, and keeps running"),
    ("events log logs", "`mptcp-apply monitor` prints events, `mptcp-apply history` lists the last runs"),
    ("generate new", "`mptcp-apply init` prints a first configuration, made from this host"),
    ("lint validate verify", "`mptcp-apply check` judges the files"),
    ("get info list ls", "`mptcp-apply show` lists the kernel's endpoints"),
    ("plan", "`mptcp-apply --dry-run` prints the plan"),
    (
        "reload restart",
        "`mptcp-apply` applies the files again; a watch does on `systemctl reload mptcp-apply-watch`, or SIGHUP",
    ),
    ("rehearse", "`mptcp-apply --rehearse` carries the plan out in a copy of this host"),
    (
        "restore revert rollback undo",
        "`mptcp-apply history 1 --format yaml | mptcp-apply -` goes back before the last run",
    ),
    ("version", "`mptcp-apply --version` prints the version"),
    ("watch", "`mptcp-apply --watch` keeps running, and re-applies after changes"),
];

/// What may be meant by a word that is no file.
pub fn habit(word: &str) -> Option<&'static str> {
    HABITS.iter().find(|(words, _)| words.split(' ').any(|known| known == word)).map(|(_, hint)| *hint)
}
