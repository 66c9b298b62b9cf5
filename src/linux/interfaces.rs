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
use crate::model::Interface;
use crate::system::Error;

/// Looks indexes up in the network namespace in which it is first used, and remembers them.
#[derive(Default)]
pub struct Interfaces {
    /// The indexes that were looked up, or remembered, since [`Interfaces::forget`].
    known: BTreeMap<String, NonZeroU32>,
    /// The names that were looked up since then.
    names: BTreeMap<NonZeroU32, Option<String>>,
    /// Whether those of all interfaces are known.
    is_complete: bool,
    /// Opened when it is first needed.
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
        self.names.clear();
        self.is_complete = false;
    }

    /// Remembers all interfaces, which were listed since [`Interfaces::forget`].
    pub fn complete(&mut self, all: &[Interface]) {
        if !std::mem::replace(&mut self.is_complete, true) {
            let names = all.iter().flat_map(|one| one.names().map(|name| (name.to_owned(), one.index)));
            self.known.extend(names);
        }
    }

    /// The same as [`name`], which is asked once for each index: many rows may name one interface.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn name(&mut self, socket: impl AsFd, index: NonZeroU32) -> Result<Option<String>, Error> {
        if let Some(known) = self.names.get(&index) {
            return Ok(known.clone());
        }
        let name = name(socket, index)?;
        name.iter().for_each(|name| self.remember(name, index));
        self.names.insert(index, name.clone());
        Ok(name)
    }

    /// Remembers a result of [`name`], except an `if7` that stands for a name that is not UTF-8.
    fn remember(&mut self, name: &str, index: NonZeroU32) {
        if name.strip_prefix("if").and_then(|number| number.parse().ok()) != Some(index) {
            self.known.insert(name.to_owned(), index);
        }
    }

    /// Whether the index of that name is known.
    pub fn knows(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// The index of the interface of that name, if there is one.
    pub fn index(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        if let Some(index) = self.known.get(name) {
            return Ok(Some(*index));
        }
        let index = self.rtnl()?.index(name)?;
        self.known.extend(index.map(|index| (name.to_owned(), index)));
        Ok(index)
    }

    /// rtnetlink in that network namespace.
    pub fn rtnl(&mut self) -> Result<&mut Rtnl, Error> {
        kept(&mut self.rtnl, Rtnl::open)
    }
}
