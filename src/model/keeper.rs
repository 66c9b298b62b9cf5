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

/// What a process holds the lock for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeeperRole {
    /// It keeps the namespace as declared.
    Watch,
    /// It applies once, or tries a change.
    Run,
}
