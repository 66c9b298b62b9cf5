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
    /// The addresses that a socket can be bound to, sorted.
    bindable: Vec<(IpAddr, NonZeroU32)>,
    /// Those of them that can leave the link, by interface index and then in the kernel's order.
    pub sources: Vec<(IpAddr, NonZeroU32)>,
}

impl Addresses {
    /// Reads all of them in two dumps.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn read(rtnl: &mut Rtnl) -> Result<Addresses, Error> {
        let (interfaces, addresses) = (rtnl.links()?, rtnl.addresses()?);
        let up: BTreeSet<NonZeroU32> =
            interfaces.iter().filter(|link| link.up).map(|link| link.index).collect();
        let usable = || addresses.iter().filter(|on| on.can_be_bound() && up.contains(&on.index));
        let place = |on: &Address| (canonical(on.address), on.index);
        let mut bindable: Vec<_> = usable().map(place).collect();
        // The kernel's order is nearly that, which this takes advantage of.
        bindable.sort();
        let mut sources: Vec<_> = usable().filter(|on| on.is_global()).map(place).collect();
        let selectable = addresses.iter().filter(|address| address.is_selectable());
        let mut selectable: Vec<AssignedAddress> = selectable.map(Address::as_assigned).collect();
        // Stable: addresses of one interface stay in the kernel's order.
        selectable.sort_by_key(|address| address.index);
        sources.sort_by_key(|(_, index)| *index);
        Ok(Addresses { interfaces, selectable, bindable, sources })
    }

    /// Whether a socket can be bound to an address, which is `on` that interface if there is one.
    pub fn has(&self, address: IpAddr, on: Option<NonZeroU32>) -> bool {
        let first = self.bindable.partition_point(|place| *place < (address, on.unwrap_or(NonZeroU32::MIN)));
        let found = self.bindable.get(first);
        found.is_some_and(|(its, index)| *its == address && on.is_none_or(|on| on == *index))
    }
}
