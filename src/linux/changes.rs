//! Notices of rtnetlink that links, addresses, routes or rules changed.
//!
//! Their content is never read, since notices can be lost: the caller reads all of it again. A lost notice
//! counts as a change.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use crate::linux::wait;
use crate::system::Error;

/// `RTMGRP_LINK`, and for either family `RTMGRP_*_IFADDR`, `RTMGRP_*_ROUTE` and `RTNLGRP_*_RULE`
const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 0x40 | 0x400 | 0x80 | 0x4_0000;

/// A socket that receives the notices of one network namespace.
pub struct Changes {
    socket: OwnedFd,
    since: Instant,
}

impl Changes {
    /// Receives notices from now on, of the network namespace of this thread.
    ///
    /// # Errors
    /// When the kernel does not open such a socket.
    pub fn subscribe() -> Result<Changes, Error> {
        // Protocol 0 is NETLINK_ROUTE.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None);
        let socket = socket.map_err(|error| failed("open a netlink socket", error))?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))
            .map_err(|error| failed("subscribe to changes of links and routes", error))?;
        Ok(Changes { socket, since: Instant::now() })
    }

    /// The time since the subscription.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits for a change, `at_most` that long, and discards all notices that have come. Whether there was one.
    ///
    /// # Errors
    /// When the socket does not work.
    pub fn wait(&mut self, at_most: Duration) -> Result<bool, Error> {
        let waited = wait::readable([self.socket.as_fd()], Some(at_most));
        let ready =
            waited.map_err(|error| Error::Io("wait for changes of links and routes".to_owned(), error))?;
        self.hear()?;
        Ok(ready.contains(&true))
    }

    /// Discards all notices that have come.
    ///
    /// # Errors
    /// As [`Changes::wait`].
    pub fn hear(&self) -> Result<(), Error> {
        let mut notice = [0; 1];
        loop {
            match recv(&self.socket, &mut notice, RecvFlags::TRUNC) {
                // ENOBUFS: more notices came than the socket holds.
                Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::NOBUFS) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(failed("read notices of links and routes", error)),
            }
        }
    }
}

/// Readable when a notice has come.
impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(what: &str, error: rustix::io::Errno) -> Error {
    Error::Io(what.to_owned(), io::Error::from(error))
}
