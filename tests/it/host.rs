//! A host in memory, for what resolves and plans without a kernel.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use mptcp_apply::model::{Sysctl, SysctlValue};
use mptcp_apply::system::{Error, HostFacts, UsableAddress};

/// A host with interfaces eth0 to eth9, and these addresses.
pub struct Host(Vec<UsableAddress>);

impl Host {
    /// As described.
    pub fn new() -> Host {
        let address = |number: u32, address: &str| UsableAddress {
            address: address.parse().expect("an address"),
            index: NonZeroU32::new(number + 2).expect("not zero"),
            interface: format!("eth{number}"),
        };
        Host(vec![
            address(0, "192.0.2.10"),
            address(0, "2001:db8::10"),
            address(1, "192.0.2.11"),
            address(1, "10.1.1.1"),
            address(2, "2001:db8::12"),
        ])
    }
}

impl HostFacts for Host {
    fn interface(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        let number = name.strip_prefix("eth").and_then(|number| number.parse::<u32>().ok());
        Ok(number.filter(|number| *number < 10).and_then(|number| NonZeroU32::new(number + 2)))
    }

    fn addresses(&mut self) -> Result<&[UsableAddress], Error> {
        Ok(&self.0)
    }

    fn has_address(&mut self, address: IpAddr, on: Option<NonZeroU32>) -> Result<bool, Error> {
        let has =
            |usable: &UsableAddress| usable.address == address && on.is_none_or(|on| on == usable.index);
        Ok(self.0.iter().any(has))
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
