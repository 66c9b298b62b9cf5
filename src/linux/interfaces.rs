//! Interface names and indexes.
//!
//! Names of indexes come by ioctl, which takes no lock and costs the same on a host with thousands of interfaces.
//! Indexes of names do not: SIOCGIFINDEX makes the kernel load a module for a name that it does not know, and a module
//! may make interfaces.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::netdevice;

use crate::linux::rtnl::Rtnl;
use crate::system::Error;

/// Looks indexes up in the network namespace in which it is used first, and remembers.
#[derive(Default)]
pub struct Interfaces {
    /// What was looked up since [`Interfaces::forget`]; mostly the names that are asked for afterwards.
    known: BTreeMap<String, NonZeroU32>,
    /// Opened when a name is not among these.
    rtnl: Option<Rtnl>,
}

/// The name of the interface with that index, if there is one, in the network namespace of that socket, for which any
/// serves. A name is any bytes; one that is no UTF-8 is given as `if7`, by which no configuration can mean it.
pub fn name(socket: impl AsFd, index: NonZeroU32) -> Result<Option<String>, Error> {
    match netdevice::index_to_name(socket, index.get()) {
        Ok(name) => Ok(Some(name)),
        Err(Errno::ILSEQ) => Ok(Some(format!("if{index}"))),
        Err(Errno::NODEV | Errno::NXIO) => Ok(None),
        Err(error) => Err(Error::Io(format!("look up interface {index}"), io::Error::from(error))),
    }
}

impl Interfaces {
    /// Forgets what was looked up, for interfaces come and go.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Remembers what [`name`] said. What stands for a name that is no UTF-8 is not one by which it can be looked up.
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
        let rtnl = match self.rtnl.take() {
            Some(rtnl) => rtnl,
            None => Rtnl::open()?,
        };
        let index = self.rtnl.insert(rtnl).index(name)?;
        self.known.extend(index.map(|index| (name.to_owned(), index)));
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_name_is_not_remembered() {
        let mut interfaces = Interfaces::default();
        let seven = NonZeroU32::MIN.saturating_add(6);
        for name in ["if7", "if8", "eth0"] {
            interfaces.remember(name, seven);
        }
        assert_eq!(interfaces.known.keys().collect::<Vec<_>>(), ["eth0", "if8"]);
    }
}
