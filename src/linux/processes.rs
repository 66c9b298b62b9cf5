//! The programs that run in this network namespace, by `/proc`.

use std::fs;
use std::path::Path;

/// Those of the named programs that run in this thread's network namespace, in alphabetical order. A process whose
/// namespace this user may not read does not count: it may belong to a container.
pub fn running(names: &[&str]) -> Vec<String> {
    let Ok(own) = fs::read_link("/proc/thread-self/ns/net") else { return Vec::new() };
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let name = |process: &Path| {
        let comm = fs::read_to_string(process.join("comm")).ok()?;
        let known = names.contains(&comm.trim_end());
        let here = known && fs::read_link(process.join("ns/net")).is_ok_and(|other| other == own);
        here.then(|| comm.trim_end().to_owned())
    };
    let is_number = |path: &Path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
    };
    let paths = processes.filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<String> =
        paths.filter(|path| is_number(path)).filter_map(|path| name(&path)).collect();
    found.sort();
    found.dedup();
    found
}
