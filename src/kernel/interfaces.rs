//! Interface names and indexes.
//!
//! Names of indexes come by ioctl, which takes no lock and costs the same on a host with thousands of interfaces.
//! Indexes of names do not: SIOCGIFINDEX makes the kernel load a module for a name that it does not know, and a module
//! may make interfaces.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::os::unix::net::UnixDatagram;

use rustix::io::Errno;
use rustix::net::netdevice;

use super::Error;
use super::rtnl::Rtnl;

/// Looks names and indexes up in the network namespace in which it is used first; many a table names no interface.
#[derive(Default)]
pub struct Interfaces {
    /// Any socket serves for these requests; one that is bound to nothing is the cheapest.
    socket: Option<UnixDatagram>,
    /// What was looked up since [`Interfaces::forget`]; mostly the names that are asked for afterwards.
    known: BTreeMap<String, NonZeroU32>,
    /// Opened when a name is not among these.
    rtnl: Option<Rtnl>,
}

impl Interfaces {
    /// Those of this thread's network namespace, wherever it goes before it looks something up.
    pub fn of_this_namespace() -> Result<Interfaces, Error> {
        Ok(Interfaces { socket: Some(open_socket()?), ..Interfaces::default() })
    }

    /// Forgets what was looked up, for interfaces come and go.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The name of the interface with that index, if there is one. A name is any bytes; one that is no UTF-8 is given
    /// as `if7`, by which no configuration can mean it.
    pub fn name(&mut self, index: NonZeroU32) -> Result<Option<String>, Error> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open_socket()?,
        };
        match netdevice::index_to_name(self.socket.insert(socket), index.get()) {
            Ok(name) => {
                self.known.insert(name.clone(), index);
                Ok(Some(name))
            }
            Err(Errno::ILSEQ) => Ok(Some(format!("if{index}"))),
            Err(Errno::NODEV | Errno::NXIO) => Ok(None),
            Err(error) => Err(Error::Io(format!("look up interface {index}"), io::Error::from(error))),
        }
    }

    /// The index of the interface of that name, if there is one.
    pub fn index(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        if let Some(index) = self.known.get(name) {
            return Ok(Some(*index));
        }
        let rtnl = match self.rtnl.take() {
            Some(rtnl) => rtnl,
            None => Rtnl::open()?,
        };
        let index = self.rtnl.insert(rtnl).index(name)?;
        self.known.extend(index.map(|index| (name.to_owned(), index)));
        Ok(index)
    }
}

fn open_socket() -> Result<UnixDatagram, Error> {
    UnixDatagram::unbound().map_err(|error| Error::Io("open a socket".into(), error))
}
