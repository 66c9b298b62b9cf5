//! The interfaces of this network namespace and their addresses, as a plan needs them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::linux::rtnl::{Address, Rtnl};
use crate::model::{Interface, canonical};
use crate::system::{AssignedAddress, Error};

/// The interfaces and their addresses.
pub struct Addresses {
    /// All interfaces.
    pub interfaces: Vec<Interface>,
    /// The addresses that a selector could pick, by interface index and then in the kernel's order.
    pub selectable: Vec<AssignedAddress>,
    /// The addresses that a socket can be bound to.
    pub bindable: Vec<(IpAddr, NonZeroU32)>,
}

impl Addresses {
    /// Reads all of them in two dumps.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn read() -> Result<Addresses, Error> {
        let mut rtnl = Rtnl::open()?;
        let (interfaces, addresses) = (rtnl.links()?, rtnl.addresses()?);
        let up: BTreeSet<NonZeroU32> =
            interfaces.iter().filter(|link| link.up).map(|link| link.index).collect();
        let bindable =
            addresses.iter().filter(|address| address.can_be_bound() && up.contains(&address.index));
        let bindable = bindable.map(|address| (canonical(address.address), address.index)).collect();
        let selectable = addresses.iter().filter(|address| address.is_selectable());
        let mut selectable: Vec<AssignedAddress> = selectable.map(Address::as_assigned).collect();
        // Stable: addresses of one interface stay in the kernel's order.
        selectable.sort_by_key(|address| address.index);
        Ok(Addresses { interfaces, selectable, bindable })
    }
}
