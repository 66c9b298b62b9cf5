//! Sockets and ports: whether the kernel makes the one and could listen on the other.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

use crate::system::{Errno, Error, Refusal};

/// A socket that is there for being one.
pub struct ProbeSocket {
    socket: OwnedFd,
    is_mptcp: bool,
}

impl ProbeSocket {
    /// One of MPTCP where the kernel makes that, which is then known too, and else one that is bound to nothing.
    pub fn open() -> Result<ProbeSocket, Error> {
        if let Ok(socket) = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)) {
            return Ok(ProbeSocket { socket, is_mptcp: true });
        }
        let socket = UnixDatagram::unbound().map_err(|error| Error::Io("open a socket".into(), error))?;
        Ok(ProbeSocket { socket: socket.into(), is_mptcp: false })
    }

    /// Whether the kernel makes MPTCP sockets, which it does where `net.mptcp.enabled` is 1. In a sandbox it may not even
    /// then.
    pub fn is_mptcp(&self) -> bool {
        self.is_mptcp
    }
}

impl AsFd for ProbeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Binds a socket there and lets it go again: without SO_REUSEADDR, as the path manager binds its own, so that
/// connections in TIME_WAIT are in the way here too. None where this process may make no such sockets, as in a sandbox:
/// the kernel makes its own all the same.
pub fn try_bind(address: SocketAddr) -> Option<Result<(), Refusal>> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let refused = |error: rustix::io::Errno| Refusal::new(Errno::from_raw(error.raw_os_error()));
    match socket(family, SocketType::STREAM, Some(ipproto::MPTCP)) {
        Ok(socket) => Some(bind(&socket, &address).map_err(refused)),
        Err(rustix::io::Errno::AFNOSUPPORT) => None,
        Err(error) => Some(Err(refused(error))),
    }
}
