//! Interface names and indexes.
//!
//! The name of an index comes by ioctl (SIOCGIFNAME), which takes no lock and costs the same on a host with thousands of
//! interfaces. The index of a name comes by rtnetlink: SIOCGIFINDEX would make the kernel load a module for a name that
//! it does not know, and a module may make interfaces.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::netdevice;

use crate::linux::kept;
use crate::linux::rtnl::Rtnl;
use crate::system::Error;

/// Looks indexes up in the network namespace in which it is first used, and remembers them.
#[derive(Default)]
pub struct Interfaces {
    /// The indexes that were looked up, or remembered, since [`Interfaces::forget`].
    known: BTreeMap<String, NonZeroU32>,
    /// Opened for the first name that is not known.
    rtnl: Option<Rtnl>,
}

/// The name of the interface with that index, if there is one, in the network namespace of `socket`, which can be a socket
/// of any kind. A name that is not UTF-8 becomes `if7` (with the index), which no configuration can refer to.
///
/// # Errors
/// When the kernel does not answer.
pub fn name(socket: impl AsFd, index: NonZeroU32) -> Result<Option<String>, Error> {
    match netdevice::index_to_name(socket, index.get()) {
        Ok(name) => Ok(Some(name)),
        Err(Errno::ILSEQ) => Ok(Some(format!("if{index}"))),
        Err(Errno::NODEV | Errno::NXIO) => Ok(None),
        Err(error) => Err(Error::Io(format!("look up interface {index}"), io::Error::from(error))),
    }
}

impl Interfaces {
    /// Forgets all indexes, since interfaces come and go.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Remembers a result of [`name`], except an `if7` that stands for a name that is not UTF-8.
    pub fn remember(&mut self, name: &str, index: NonZeroU32) {
        if name.strip_prefix("if").and_then(|number| number.parse().ok()) != Some(index) {
            self.known.insert(name.to_owned(), index);
        }
    }

    /// The index of the interface of that name, if there is one.
    pub fn index(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        if let Some(index) = self.known.get(name) {
            return Ok(Some(*index));
        }
        let index = kept(&mut self.rtnl, Rtnl::open)?.index(name)?;
        self.known.extend(index.map(|index| (name.to_owned(), index)));
        Ok(index)
    }
}
