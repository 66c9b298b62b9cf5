//! A host in memory, for what resolves and plans without a kernel.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use mptcp_apply::model::{AddressState, Interface, Sysctl, SysctlValue};
use mptcp_apply::system::{AssignedAddress, Error, HostFacts};

/// A host with interfaces eth0 to eth9, and these addresses.
pub struct Host {
    interfaces: Vec<Interface>,
    addresses: Vec<AssignedAddress>,
}

impl Host {
    /// As described.
    pub fn new() -> Host {
        let index = |number: u32| NonZeroU32::new(number + 2).expect("not zero");
        let address = |number: u32, address: &str| AssignedAddress {
            address: address.parse().expect("an address"),
            index: index(number),
            state: AddressState::Settled,
        };
        let interface = |number: u32| Interface {
            index: index(number),
            name: format!("eth{number}"),
            altnames: Vec::new(),
            up: true,
            carrier: true,
            loopback: false,
        };
        let addresses = vec![
            address(0, "192.0.2.10"),
            address(0, "2001:db8::10"),
            address(1, "192.0.2.11"),
            address(1, "10.1.1.1"),
            address(2, "2001:db8::12"),
        ];
        Host { interfaces: (0..10).map(interface).collect(), addresses }
    }

    /// Gives the interface of that number an address in this state.
    pub fn assign(&mut self, number: u32, address: &str, state: AddressState) {
        let address = AssignedAddress {
            address: address.parse().expect("an address"),
            index: NonZeroU32::new(number + 2).expect("not zero"),
            state,
        };
        self.addresses.push(address);
        self.addresses.sort_by_key(|address| address.index);
    }

    /// Takes an address away.
    pub fn remove(&mut self, address: &str) {
        self.addresses.retain(|there| there.address.to_string() != address);
    }

    /// Changes an interface.
    pub fn interface_mut(&mut self, number: usize) -> &mut Interface {
        &mut self.interfaces[number]
    }
}

impl HostFacts for Host {
    fn interface(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        let found = self.interfaces.iter().find(|interface| interface.names().any(|known| known == name));
        Ok(found.map(|interface| interface.index))
    }

    fn interfaces(&mut self) -> Result<&[Interface], Error> {
        Ok(&self.interfaces)
    }

    fn addresses(&mut self) -> Result<&[AssignedAddress], Error> {
        Ok(&self.addresses)
    }

    fn has_address(&mut self, address: IpAddr, on: Option<NonZeroU32>) -> Result<bool, Error> {
        let is_up = |index| self.interfaces.iter().any(|interface| interface.index == index && interface.up);
        let has = |there: &AssignedAddress| {
            there.address == address && on.is_none_or(|on| on == there.index) && is_up(there.index)
        };
        Ok(self.addresses.iter().any(has))
    }

    fn await_change(&mut self, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    fn schedulers(&mut self) -> Result<Option<Vec<String>>, Error> {
        Ok(Some(vec!["default".into(), "redundant".into()]))
    }

    fn sysctl(&mut self, _: Sysctl) -> Result<Option<SysctlValue>, Error> {
        Ok(None)
    }
}
