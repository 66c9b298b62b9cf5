//! Named network namespaces, as `ip netns` keeps them: files in `/run/netns`.
//!
//! A socket belongs to the namespace in which it was made, and `/proc/thread-self/net` and `/proc/sys/net` show that of
//! the thread that looks. So this thread goes there, works, and goes on to the next.

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

/// Where `ip netns add` puts them.
pub const FOLDER: &str = "/run/netns";

/// Which one a thread is in.
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

    /// Goes back. Who never left needs no permission for that.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self) -> Result<(), Error> {
        let is_here = || Ok(fs::metadata(OWN)?.ino() == self.0.metadata()?.ino());
        let back = is_here().and_then(|is_here| if is_here { Ok(()) } else { go(&self.0) });
        back.map_err(|error| failed("go back to the first network namespace", error))
    }
}

/// What the command line calls namespaces by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// The one of this name, which need not be there.
    One(String),
    /// All whose names match.
    Matching(Pattern),
}

/// Why a word names no namespace. A path could lead to any file, and a name with a slash is never found.
#[derive(Debug, thiserror::Error)]
pub enum BadName {
    /// An empty word.
    #[error("a name is missing")]
    Empty,
    /// A path.
    #[error("a name as `ip netns` lists them is expected, not a path")]
    Path,
    /// A glob that makes no sense.
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
    /// Whether this name is meant.
    pub fn means(&self, name: &str) -> bool {
        match self {
            Names::One(one) => one == name,
            Names::Matching(pattern) => pattern.matches(name),
        }
    }
}

/// As it was written.
impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Names::One(name) => f.write_str(name),
            Names::Matching(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

/// One that was entered by its name.
#[derive(Clone, Copy, Debug)]
pub struct Entered<'a> {
    /// The name.
    pub name: &'a str,
    /// Its inode, by which all names of a namespace are one.
    pub inode: u64,
}

/// Moves this thread to the namespace of that name.
///
/// # Errors
/// When there is none, and without CAP_SYS_ADMIN.
pub fn enter(name: &str) -> Result<Entered<'_>, Error> {
    // Something else than a namespace may lie there, such as a pipe, whose other end nobody ever opens.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(Path::new(FOLDER).join(name));
    let metadata = file.and_then(|file| go(&file).and_then(|()| file.metadata()));
    metadata.map(|metadata| Entered { name, inode: metadata.ino() }).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoNamespace(name.to_owned()),
        _ => Error::Enter(name.to_owned(), error),
    })
}

fn go(namespace: impl AsFd) -> io::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}

/// The names that are meant, each once: those without wildcards in any case, and of the others, in the order in which
/// they are asked for and then of the alphabet, those that there are now.
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

/// What tells the file of that name from all others, if there is one: two names may lead to one namespace.
pub fn identity(name: &str) -> Option<(u64, u64)> {
    let metadata = fs::metadata(Path::new(FOLDER).join(name)).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// All names there are, in order. Without the folder there was never any. What is no UTF-8 cannot be asked for.
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
