//! `RLIMIT_NOFILE`: how many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard limit. The usual soft limit of 1024 exists for `select(2)`, which this program does
/// not use.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => log::debug!("up to {maximum:?} files instead of {current:?}"),
        Err(error) => log::debug!("cannot raise the limit of open files: {error}"),
    }
}
