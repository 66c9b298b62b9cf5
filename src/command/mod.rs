//! One file a verb: a short story that calls the stations.

pub mod apply;
pub mod check;
pub mod doctor;
pub mod guard;
pub mod monitor;
pub mod resolver;
pub mod schema;
pub mod show;
pub mod trial;

mod countdown;

mod failure;
mod input;
mod installed;
mod job;
mod netns;
mod output;
mod ownership;
mod places;
mod sight;
mod waiting;
mod watch;

pub use output::Output;
