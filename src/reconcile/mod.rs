//! One pass over one network namespace.

mod ports;
mod recover;
pub mod refusal;
mod settle;
mod subflows;
mod transaction;
mod verify;

pub use ports::{Closing, RETRY, closing, is_closed, patience_for, taken};
pub use transaction::{Cause, Failure, Goal, Outcome, Terms, Verdict, apply};
