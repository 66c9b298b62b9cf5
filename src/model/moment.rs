//! Moments, for showing alone: the wall clock jumps, so nothing may hang on it.

use std::time::Duration;

/// A moment by the wall clock: the time since 1970 began in UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Moment(pub Duration);
