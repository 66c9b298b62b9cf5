//! Commands in remedies.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::shell_word;

use super::finding::Finding;

/// The command by which `program` applies the files that `paths` name, or those of the standard folders below `root`.
pub fn apply_command(program: String, paths: &[PathBuf], root: &Path) -> String {
    let mut words = vec![program];
    // The folders count only where no file is named.
    if paths.is_empty() && root != Path::new("/") {
        words.extend(["--root-dir".to_owned(), shell_word(&root.to_string_lossy())]);
    }
    words.extend(paths.iter().map(|path| shell_word(&path.to_string_lossy())));
    words.join(" ")
}

/// How the YAML of uplinks begins in remedies.
const UPLINKS: &str = "# in the configuration: uplinks: {";

/// A file has the key `uplinks` once, so each remedy that names uplinks gets those of all.
pub fn join_uplinks(findings: &mut [Finding]) {
    let own = |line: &str| Some(line.strip_prefix(UPLINKS)?.strip_suffix('}')?.to_owned());
    let all: BTreeSet<String> =
        findings.iter().flat_map(|finding| finding.remedy.lines().filter_map(own)).collect();
    let all = all.into_iter().collect::<Vec<_>>().join(", ");
    for finding in findings {
        let line = |line: &str| own(line).map_or(line.to_owned(), |_| format!("{UPLINKS}{all}}}"));
        finding.remedy = finding.remedy.split('\n').map(line).collect::<Vec<_>>().join("\n");
    }
}

/// The commands of other programs in remedies that act on the network namespace in which they are started.
const OF_A_NAMESPACE: [&str; 7] = ["curl", "ip", "mptcpize", "ping", "ss", "sysctl", "tcpdump"];

/// A remedy for the namespace of this name: its commands are started in there, but for those on other hosts.
pub fn in_namespace(remedy: &str, netns: &str) -> String {
    let mut is_elsewhere = false;
    let line = |line: &str| {
        is_elsewhere = match line.split_once('#') {
            Some((_, comment)) if comment.starts_with(" on the ") => true,
            Some((_, comment)) if comment.starts_with(" here") || comment.starts_with(" on this ") => false,
            Some(("", _)) => false,
            _ => is_elsewhere,
        };
        match line.split(' ').next() {
            Some(command) if OF_A_NAMESPACE.contains(&command) && !is_elsewhere => {
                format!("ip netns exec {} {line}", shell_word(netns))
            }
            _ => line.to_owned(),
        }
    };
    remedy.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
