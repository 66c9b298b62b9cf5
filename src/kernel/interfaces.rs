//! Interface names and indexes, one system call each.
//!
//! Asked of the kernel by ioctl, not by rtnetlink: that takes no lock there, and costs the same on a host with
//! thousands of interfaces.

use std::io;
use std::num::NonZeroU32;
use std::os::unix::net::UnixDatagram;

use rustix::io::Errno;
use rustix::net::netdevice;

use super::Error;

/// Looks names and indexes up in the namespace in which it was opened.
pub struct Interfaces {
    // Any socket serves for these requests; one that is bound to nothing is the cheapest.
    socket: UnixDatagram,
}

impl Interfaces {
    /// Opens the socket for it.
    pub fn open() -> Result<Interfaces, Error> {
        let socket = UnixDatagram::unbound();
        socket.map(|socket| Interfaces { socket }).map_err(|error| Error::Io("open a socket".into(), error))
    }

    /// The index of the interface of that name, if there is one.
    pub fn index(&self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        let index = netdevice::name_to_index(&self.socket, name);
        found(index, || format!("look up interface {name}")).map(|index| index.and_then(NonZeroU32::new))
    }

    /// The name of the interface with that index, if there is one.
    pub fn name(&self, index: NonZeroU32) -> Result<Option<String>, Error> {
        found(netdevice::index_to_name(&self.socket, index.get()), || format!("look up interface {index}"))
    }
}

fn found<T>(result: rustix::io::Result<T>, what: impl FnOnce() -> String) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODEV | Errno::NXIO) => Ok(None),
        Err(error) => Err(Error::Io(what(), io::Error::from(error))),
    }
}
