//! A host in memory, for what resolves and plans without a kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use mptcp_apply::model::{AddressState, Family, Interface, Sysctl, SysctlValue, UplinkHealth, UplinkRoute};
use mptcp_apply::system::{AssignedAddress, Errno, Error, HostFacts, MainDefault, Refusal};

/// A host with interfaces eth0 to eth9, and these addresses.
pub struct Host {
    interfaces: Vec<Interface>,
    addresses: Vec<AssignedAddress>,
    sources: Vec<(IpAddr, NonZeroU32)>,
    /// The routers that are not on their link.
    pub off_link: Vec<IpAddr>,
    /// Whether systemd-networkd removes rules that it did not make.
    pub has_networkd: bool,
    /// What checks have found out, by the number of the interface; absent: nothing is checked.
    pub health: BTreeMap<u32, UplinkHealth>,
    defaults: BTreeMap<(Family, NonZeroU32), Vec<MainDefault>>,
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
            routerless: false,
            below: None,
        };
        let addresses = vec![
            address(0, "192.0.2.10"),
            address(0, "2001:db8::10"),
            address(1, "192.0.2.11"),
            address(1, "10.1.1.1"),
            address(2, "2001:db8::12"),
        ];
        Host {
            interfaces: (0..10).map(interface).collect(),
            addresses,
            sources: Vec::new(),
            off_link: Vec::new(),
            has_networkd: false,
            health: BTreeMap::new(),
            defaults: BTreeMap::new(),
        }
    }

    /// Gives the interface of that number a default route in the main table, in the place of those of that family.
    pub fn route(&mut self, number: u32, gateway: &str, metric: u32) {
        let gateway: IpAddr = gateway.parse().expect("an address");
        let index = NonZeroU32::new(number + 2).expect("not zero");
        let default = MainDefault { metric, gateway: Some(gateway) };
        self.defaults.insert((Family::of(gateway), index), vec![default]);
    }

    /// Takes the default routes of that interface away.
    pub fn unroute(&mut self, number: u32) {
        self.defaults.retain(|(_, index), _| index.get() != number + 2);
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

    fn source_addresses(&mut self) -> Result<&[(IpAddr, NonZeroU32)], Error> {
        let usable = |there: &&AssignedAddress| {
            matches!(there.state, AddressState::Settled | AddressState::Deprecated)
                && self.interfaces.iter().any(|on| on.index == there.index && on.up)
        };
        self.sources =
            self.addresses.iter().filter(usable).map(|there| (there.address, there.index)).collect();
        Ok(&self.sources)
    }

    fn default_routes(&mut self, family: Family, out_of: NonZeroU32) -> Result<Vec<MainDefault>, Error> {
        Ok(self.defaults.get(&(family, out_of)).cloned().unwrap_or_default())
    }

    fn has_address(&mut self, address: IpAddr, on: Option<NonZeroU32>) -> Result<bool, Error> {
        let is_up = |index| self.interfaces.iter().any(|interface| interface.index == index && interface.up);
        let has = |there: &AssignedAddress| {
            there.address == address && on.is_none_or(|on| on == there.index) && is_up(there.index)
        };
        Ok(self.addresses.iter().any(has))
    }

    fn uplink_health(&mut self, index: NonZeroU32) -> UplinkHealth {
        self.health.get(&(index.get() - 2)).cloned().unwrap_or(UplinkHealth::Unwatched)
    }

    fn check_route(&mut self, route: &UplinkRoute) -> Result<(), Refusal> {
        let is_refused = route.gateway.is_some_and(|gateway| self.off_link.contains(&gateway));
        if is_refused { Err(Refusal::new(Errno::ENETUNREACH)) } else { Ok(()) }
    }

    fn has_foreign_routing_removed(&mut self) -> bool {
        self.has_networkd
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
