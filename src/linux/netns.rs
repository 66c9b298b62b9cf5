//! Named network namespaces, as `ip netns` keeps them: files in `/run/netns`.
//!
//! A socket belongs to the namespace in which it was opened; `/proc/thread-self/net` and `/proc/sys/net` show that of the
//! thread that reads them. So one thread enters the namespaces one after the other.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;

use glob::{Pattern, PatternError};
use nix::sched::{CloneFlags, setns};
use rustix::fs::OFlags;

use crate::system::Error;

/// Where `ip netns add` puts the files.
pub const FOLDER: &str = "/run/netns";

/// The namespace of this thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// The namespace in which the program was started.
pub struct Home(File);

impl Home {
    /// The namespace that this thread is in.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn remember() -> Result<Home, Error> {
        let file = File::open(OWN);
        file.map(Home).map_err(|error| failed("open this network namespace", error))
    }

    /// Goes back. That needs no permission when this thread never left.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self) -> Result<(), Error> {
        let is_here = || Ok(fs::metadata(OWN)?.ino() == self.0.metadata()?.ino());
        let back = is_here().and_then(|is_here| if is_here { Ok(()) } else { go(&self.0) });
        back.map_err(|error| failed("go back to the first network namespace", error))
    }
}

/// A name or a glob, as `--netns` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// The namespace of this name, which need not exist.
    One(String),
    /// All namespaces whose names match.
    Matching(Pattern),
}

/// Why a word cannot name a namespace.
#[derive(Debug, thiserror::Error)]
pub enum BadName {
    /// An empty word.
    #[error("a name is missing")]
    Empty,
    /// A path, which could lead to any file.
    #[error("a name as `ip netns` lists them is expected, not a path")]
    Path,
    /// A glob with wrong syntax.
    #[error("not a glob: {0}")]
    Glob(#[from] PatternError),
}

impl FromStr for Names {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Names, BadName> {
        match text {
            "" => Err(BadName::Empty),
            "." | ".." => Err(BadName::Path),
            path if path.contains('/') => Err(BadName::Path),
            glob if glob.contains(['*', '?', '[']) => Ok(Names::Matching(Pattern::new(glob)?)),
            name => Ok(Names::One(name.to_owned())),
        }
    }
}

impl Names {
    /// Whether this name matches.
    pub fn means(&self, name: &str) -> bool {
        match self {
            Names::One(one) => one == name,
            Names::Matching(pattern) => pattern.matches(name),
        }
    }
}

/// As the command line has it.
impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Names::One(name) => f.write_str(name),
            Names::Matching(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

/// Moves this thread to the namespace of that name.
///
/// # Errors
/// When there is none, and without CAP_SYS_ADMIN.
pub fn enter(name: &str) -> Result<(), Error> {
    // A file there need not be a namespace: opening a pipe without a writer would block.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(Path::new(FOLDER).join(name));
    file.and_then(go).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoNamespace(name.to_owned()),
        _ => Error::Enter(name.to_owned(), error),
    })
}

fn go(namespace: impl AsFd) -> io::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}

/// The names that `wanted` stands for, in its order, each once. A name stands for itself, whether it exists or not; a glob
/// stands for the namespaces that exist now and match, in alphabetical order.
///
/// # Errors
/// When the folder cannot be read.
pub fn find(wanted: &[Names]) -> Result<Vec<String>, Error> {
    let is_glob = |names: &Names| matches!(names, Names::Matching(_));
    let all = if wanted.iter().any(is_glob) { list() } else { Ok(Vec::new()) };
    let all = all.map_err(|error| failed(&format!("read {FOLDER}"), error))?;
    let mut found: Vec<String> = Vec::new();
    for names in wanted {
        match names {
            Names::One(name) => found.push(name.clone()),
            Names::Matching(_) => found.extend(all.iter().filter(|name| names.means(name)).cloned()),
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|name| seen.insert(name.clone()));
    Ok(found)
}

/// Device and inode of the file of that name, if there is one. They are equal for two names of one namespace.
pub fn identity(name: &str) -> Option<(u64, u64)> {
    let metadata = fs::metadata(Path::new(FOLDER).join(name)).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The names of all namespaces, in alphabetical order; none without the folder. Names that are not UTF-8 are left out, since
/// the command line cannot give them.
fn list() -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
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
