//! Sockets that are opened to learn something: whether the kernel makes MPTCP sockets, and whether a port is free.

use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

use crate::system::{Errno, Refusal};

/// Whether the kernel makes MPTCP sockets. Then `net.mptcp.enabled` is 1; the opposite does not follow, since a sandbox
/// (seccomp) can forbid such sockets.
pub fn is_made() -> bool {
    socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)).is_ok()
}

/// Whether a socket can be bound to that address and port now. It is bound without SO_REUSEADDR, as the path manager binds
/// its own, so that connections in TIME_WAIT block it too. None in a sandbox that forbids such sockets: the kernel can
/// still make its own.
pub fn try_bind(address: SocketAddr) -> Option<Result<(), Refusal>> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let refused = |error: rustix::io::Errno| Refusal::new(Errno::from_raw(error.raw_os_error()));
    match socket(family, SocketType::STREAM, Some(ipproto::MPTCP)) {
        Ok(socket) => Some(bind(&socket, &address).map_err(refused)),
        Err(rustix::io::Errno::AFNOSUPPORT) => None,
        Err(error) => Some(Err(refused(error))),
    }
}
