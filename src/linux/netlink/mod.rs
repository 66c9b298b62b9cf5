//! Netlink: requests out, verdicts back. Replies are untrusted input.

pub mod decode;
mod encode;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod socket;

pub use encode::Request;
pub use socket::Netlink;
