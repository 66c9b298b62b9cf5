//! Netlink: `encode` writes requests, `socket` sends them, `decode` reads the replies, which are untrusted input.

pub mod decode;
mod encode;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod socket;

pub use encode::Request;
pub use socket::Netlink;
