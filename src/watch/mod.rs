//! Waits for anything that calls for another pass: changes of files, links, addresses, routes and rules, and signals.
//!
//! A wakeup only says where to look. There can be too many or too few: the caller reads everything again, and does so from
//! time to time anyway.

mod blackhole;
pub mod checks;
mod debounce;
pub mod drift;
mod early;
mod events;
mod files;
mod healing;
mod mending;
mod metrics_file;
pub mod namespace;
mod namespace_checks;
mod settling;
pub mod story;
mod systemd;
mod warned;
mod watch_set;

pub use debounce::{Debounce, Edge};
pub use events::{EventSources, Wakeup};
pub use files::{FileChange, FileNews};
pub use metrics_file::MetricsFile;
pub use namespace_checks::CheckNews;
pub use systemd::Systemd;
