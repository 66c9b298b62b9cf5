//! Named network namespaces, as `ip netns` keeps them: files in `/run/netns`.
//!
//! A socket belongs to the namespace in which it was made, and `/proc/thread-self/net` and `/proc/sys/net` show that of
//! the thread that looks. So this thread goes there, works, and goes on to the next.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use glob::Pattern;
use nix::sched::{CloneFlags, setns};

use super::Error;

/// Where `ip netns add` puts them.
pub const FOLDER: &str = "/run/netns";

/// The namespace in which the program was started.
pub struct Home(OwnedFd);

impl Home {
    /// The namespace that this thread is in.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn remember() -> Result<Home, Error> {
        let file = File::open("/proc/thread-self/ns/net");
        file.map(|file| Home(file.into())).map_err(|error| failed("open this network namespace", error))
    }

    /// Goes back.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason for.
    pub fn enter(&self) -> Result<(), Error> {
        go(&self.0).map_err(|error| failed("go back to the first network namespace", error))
    }
}

/// Moves this thread to the namespace of that name.
///
/// # Errors
/// When there is none, and without CAP_SYS_ADMIN.
pub fn enter(name: &str) -> Result<(), Error> {
    let file = File::open(Path::new(FOLDER).join(name));
    let file = file.map_err(|error| failed(&format!("open network namespace {name}"), error))?;
    go(file).map_err(|error| failed(&format!("enter network namespace {name}"), error))
}

fn go(namespace: impl AsFd) -> io::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}

/// The names that patterns stand for, without repetition: those without wildcards in any case, and of the others, in
/// the order of the patterns and then of the alphabet, those that there are now.
///
/// # Errors
/// When a pattern makes no sense, and when the folder cannot be read.
pub fn find(patterns: &[String]) -> Result<Vec<String>, Error> {
    let mut found: Vec<String> = Vec::new();
    let mut all = None;
    for text in patterns {
        let names = if is_glob(text) {
            let pattern = Pattern::new(text).map_err(|error| {
                Error::Io(
                    format!("understand --netns {text}"),
                    io::Error::new(io::ErrorKind::InvalidInput, error),
                )
            })?;
            let all = match &all {
                Some(all) => all,
                None => all.insert(list().map_err(|error| failed(&format!("read {FOLDER}"), error))?),
            };
            all.iter().filter(|name| pattern.matches(name)).cloned().collect()
        } else {
            vec![text.clone()]
        };
        found.extend(names);
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|name| seen.insert(name.clone()));
    Ok(found)
}

/// Whether there is one of that name.
pub fn exists(name: &str) -> bool {
    Path::new(FOLDER).join(name).exists()
}

/// Whether a name stands for others.
fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// All names there are, in order. Without the folder there was never any.
fn list() -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string()));
    let mut names: Vec<String> =
        names.filter_map(|name| name.map(Result::ok).transpose()).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::Io(what.to_owned(), error)
}
