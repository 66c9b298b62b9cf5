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
