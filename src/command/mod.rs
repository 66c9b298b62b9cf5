//! The verbs, one file each: load the configuration, reconcile or observe, report.

pub mod apply;
pub mod check;
pub mod connection;
pub mod doctor;
pub mod guard;
pub mod history;
pub mod init;
pub mod monitor;
pub mod renew;
pub mod schema;
pub mod show;
pub mod status;
pub mod trial;

mod countdown;
mod installed;
mod load;
mod netns;
mod output;
mod watch;

pub use output::Output;
