//! One file a verb: a short story that calls the stations.

pub mod check;
pub mod schema;

mod exit;
mod input;
mod output;

pub use exit::Exit;
pub use output::Output;
