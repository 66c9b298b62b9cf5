//! What `--version` says of a build: the commit and its day, and the target, which only a build script knows.

use std::path::Path;
use std::process::Command;

/// Names the commit where git cannot be asked, such as in the root of another system: `abc1234 2026-11-28`.
const GIVEN: &str = "MPTCP_APPLY_COMMIT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={GIVEN}");
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // A build for development is not told apart by its commit, so that a commit compiles nothing again.
    let commit = match variable("PROFILE").as_deref() {
        Some("release") => variable(GIVEN).or_else(commit),
        _ => None,
    };
    let target = variable("TARGET").unwrap_or_default();
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    let build = commit.into_iter().chain([target]).collect::<Vec<_>>().join(", ");
    println!("cargo::rustc-env=MPTCP_APPLY_VERSION={version} ({build})");
}

/// The commit of this folder and its day. It is cut here, since git prints more digits in a larger clone, and the same
/// commit is to give the same program. None where the folder is no checkout, such as that of a tarball.
fn commit() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    let commit = git(&["log", "-1", "--format=%H %cs"])?;
    let (hash, day) = commit.split_once(' ')?;
    Some(format!("{} {day}", hash.get(..7)?))
}

/// What git prints; none where it is missing or fails, as in the folder of another user.
fn git(arguments: &[&str]) -> Option<String> {
    let ran = Command::new("git").args(arguments).output().ok().filter(|ran| ran.status.success())?;
    Some(String::from_utf8(ran.stdout).ok()?.trim().to_owned())
}
