//! What the checks of a watch have found out, for other processes: one line of JSON in the runtime folder.
//!
//! The file is there as long as the watch is. One that was killed leaves it behind: who holds the lock of the namespace is
//! still there.

use std::io;

use crate::model::UplinkStatus;

use super::RunDir;

/// The kind of the file.
const KIND: &str = "uplinks";

impl RunDir {
    /// Writes them for other processes; none remove the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish_uplinks(&self, statuses: &[UplinkStatus]) -> io::Result<()> {
        if statuses.is_empty() {
            return match std::fs::remove_file(self.file(KIND)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        self.replace(KIND, &(serde_json::to_string(statuses)? + "\n"))
    }

    /// What a watch has written; none where it checks nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of this program's.
    pub fn uplink_statuses(&self) -> io::Result<Vec<UplinkStatus>> {
        match self.read(KIND, RunDir::is_own_or_roots)? {
            None => Ok(Vec::new()),
            Some(text) => Ok(serde_json::from_str(&text)?),
        }
    }
}
