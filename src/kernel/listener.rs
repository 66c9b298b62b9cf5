//! Whether the kernel could listen on an address and port.

use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

use super::{Errno, Refusal};

/// Binds a socket there and lets it go again: without SO_REUSEADDR, as the path manager binds its own, so that
/// connections in TIME_WAIT are in the way here too.
pub fn can_bind(address: SocketAddr) -> Result<(), Refusal> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let refused = |error: rustix::io::Errno| Refusal::new(Errno::from_raw(error.raw_os_error()));
    let socket = socket(family, SocketType::STREAM, Some(ipproto::MPTCP)).map_err(refused)?;
    bind(&socket, &address).map_err(refused)
}
