//! Waiting for subflows: how it looks, and for how long.

use std::time::Duration;

use crate::system::{Error, Joins, PathManager, SubflowSummary};

/// How often to look while something is expected to change.
const POLL: Duration = Duration::from_millis(20);

/// How long a new subflow may take. An announced address needs two round trips, which may go by a satellite.
const OPENING: Duration = Duration::from_secs(2);

/// How long what was hoped for has to last before it is believed. A reset comes one round trip after the subflow.
pub const STEADY: Duration = Duration::from_millis(300);

/// How long it has to look hopeless, since requests of several connections are answered one after the other.
const HOPELESS: Duration = Duration::from_millis(100);

/// How it looks while something is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is there.
    Fulfilled,
    /// It may come.
    Open,
    /// Peers have answered, and nothing came of it.
    Hopeless,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settling {
    /// It is there, and stays.
    #[default]
    Settled,
    /// It came and went, or was refused.
    Refused,
    /// It did not come.
    InVain,
}

/// Waits until something is there, and stays. How long that took.
pub fn wait<K: PathManager + ?Sized>(
    kernel: &mut K,
    progress: impl Fn(&[SubflowSummary], Joins) -> Progress,
) -> (Settling, Duration) {
    let start = kernel.elapsed();
    let (mut fulfilled, mut hopeless) = (None, None);
    loop {
        let subflows = subflows(kernel);
        // To look through many sockets takes time too.
        let waited = kernel.elapsed().saturating_sub(start);
        let lasts = |since: &mut Option<Duration>| waited - *since.get_or_insert(waited);
        match progress(&subflows, kernel.joins()) {
            Progress::Fulfilled if lasts(&mut fulfilled) >= STEADY => return (Settling::Settled, waited),
            Progress::Fulfilled => {}
            _ if fulfilled.is_some() => return (Settling::Refused, waited),
            Progress::Hopeless if lasts(&mut hopeless) >= HOPELESS => return (Settling::Refused, waited),
            _ if waited >= OPENING => return (Settling::InVain, waited),
            Progress::Hopeless => {}
            Progress::Open => hopeless = None,
        }
        kernel.pause(POLL);
    }
}

/// The subflows of live connections, as far as they can be read.
pub fn subflows<K: PathManager + ?Sized>(kernel: &mut K) -> Vec<SubflowSummary> {
    known(kernel.subflows())
}

/// What cannot be asked is not known; the endpoints matter more.
pub fn known<T>(asked: Result<Vec<T>, Error>) -> Vec<T> {
    asked.unwrap_or_else(|error| {
        log::info!("{error}");
        Vec::new()
    })
}
