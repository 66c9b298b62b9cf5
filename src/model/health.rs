//! Whether an uplink leads anywhere, as far as the checks of a watch have found out.

/// What is known of the uplink that an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UplinkHealth {
    /// This run checks nothing.
    Unwatched,
    /// Too few results in a row.
    Undecided,
    /// So many checks in a row passed.
    Up,
    /// So many checks in a row failed.
    Down,
    /// The check cannot be made, for this reason. It counts as passed.
    NotRun(String),
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The uplink leads somewhere.
    Passed,
    /// It does not, for this reason.
    Failed(String),
    /// That cannot be found out, for this reason.
    NotRun(String),
}

impl UplinkHealth {
    /// The word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            UplinkHealth::Unwatched => "unwatched",
            UplinkHealth::Undecided => "undecided",
            UplinkHealth::Up => "up",
            UplinkHealth::Down => "down",
            UplinkHealth::NotRun(_) => "not-run",
        }
    }
}

/// What is known of one interface of an uplink that is checked, for reports and other processes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UplinkStatus {
    /// The name of the uplink.
    pub uplink: String,
    /// The interface.
    pub dev: String,
    /// [`UplinkHealth::word`]
    pub state: String,
    /// Since when, in seconds since boot, as `/proc/uptime` counts them.
    pub since: u64,
    /// Why the last check that did not pass did not.
    pub error: Option<String>,
}

impl UplinkStatus {
    /// The health that it tells of; none for a word of another version.
    pub fn health(&self) -> Option<UplinkHealth> {
        let why = self.error.clone().unwrap_or_default();
        let all = [UplinkHealth::Undecided, UplinkHealth::Up, UplinkHealth::Down, UplinkHealth::NotRun(why)];
        all.into_iter().find(|health| health.word() == self.state)
    }
}
