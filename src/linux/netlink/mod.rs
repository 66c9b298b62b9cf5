//! Netlink: requests out, verdicts back. Replies are untrusted input.

pub mod decode;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod socket;

pub use socket::{DUMP_ATTEMPTS, Netlink, Request, encode};
