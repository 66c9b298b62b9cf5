//! Who holds the lock of a network namespace.

use super::Moment;

/// A process that keeps other writers out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// Its id.
    pub process: u32,
    /// Its command line, quoted for a shell.
    pub command: String,
    /// The systemd service that it belongs to, without `.service`.
    pub unit: Option<String>,
    /// When it was started, if the kernel tells.
    pub since: Option<Moment>,
    /// What it is there for.
    pub role: KeeperRole,
}

/// What a watch counts in one network namespace, since it was started or the namespace was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounters {
    /// Passes.
    pub passes: u64,
    /// Those that found that another program had changed something.
    pub drift: u64,
    /// Those that failed, or could not start.
    pub failures: u64,
    /// When the last one began.
    pub last: Moment,
}

/// What a process holds the lock for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeeperRole {
    /// It keeps the namespace as declared.
    Watch,
    /// It applies once, or tries a change.
    Run,
}
