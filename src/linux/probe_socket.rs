//! Sockets that are opened to learn something: whether the kernel makes MPTCP sockets, and whether a port is free.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

use crate::system::{Errno, Error, Refusal};

/// A socket for ioctls, which need one of any kind.
pub struct ProbeSocket {
    socket: OwnedFd,
    is_mptcp: bool,
}

impl ProbeSocket {
    /// Opens an MPTCP socket, or a local one where the kernel makes none of MPTCP.
    ///
    /// # Errors
    /// When neither can be opened.
    pub fn open() -> Result<ProbeSocket, Error> {
        if let Ok(socket) = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)) {
            return Ok(ProbeSocket { socket, is_mptcp: true });
        }
        let socket = UnixDatagram::unbound().map_err(|error| Error::Io("open a socket".into(), error))?;
        Ok(ProbeSocket { socket: socket.into(), is_mptcp: false })
    }

    /// Whether the kernel made an MPTCP socket. Then `net.mptcp.enabled` is 1; the opposite does not follow, since a
    /// sandbox (seccomp) can forbid such sockets.
    pub fn is_mptcp(&self) -> bool {
        self.is_mptcp
    }
}

impl AsFd for ProbeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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
