//! A host that is not there: what a configuration means on it, without a kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use mptcp_apply::config::{self, Config};
use mptcp_apply::desired::{self, Unreachable};
use mptcp_apply::diagnostic::Diagnostics;
use mptcp_apply::kernel::{Error, Facts, UsableAddress};
use mptcp_apply::model::{Capabilities, Identity, Limits, State, Sysctl, SysctlValue};

/// A host with interfaces eth0 to eth9, whose indexes begin at 2, and these addresses.
struct Host(Vec<UsableAddress>);

impl Host {
    fn new() -> Host {
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

impl Facts for Host {
    fn interface(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        let number = name.strip_prefix("eth").and_then(|number| number.parse::<u32>().ok());
        Ok(number.filter(|number| *number < 10).and_then(|number| NonZeroU32::new(number + 2)))
    }

    fn addresses(&mut self) -> Result<&[UsableAddress], Error> {
        Ok(&self.0)
    }

    fn schedulers(&mut self) -> Result<Option<Vec<String>>, Error> {
        Ok(Some(vec!["default".into(), "redundant".into()]))
    }

    fn sysctl(&mut self, _: Sysctl) -> Result<Option<SysctlValue>, Error> {
        Ok(None)
    }
}

/// What a new namespace has.
pub fn initial() -> State {
    let sysctls = BTreeMap::from([
        (Sysctl::ENABLED, SysctlValue::Number(1)),
        (Sysctl::SCHEDULER, SysctlValue::Word("default".into())),
    ]);
    State { limits: Limits { subflows: 2, add_addr_accepted: 0 }, sysctls, endpoints: Vec::new() }
}

/// A configuration without errors.
#[track_caller]
pub fn parse(text: &str) -> Config {
    let mut diagnostics = Diagnostics::default();
    let config = config::parse([text], &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{:?}\n{text}", diagnostics.iter().next());
    config
}

/// What it means on this host.
pub fn resolve(
    config: &Config,
    current: &State,
    capabilities: Capabilities,
    owned: &BTreeSet<Identity>,
) -> Result<State, Unreachable> {
    desired::resolve(config, current, capabilities, owned, &mut Host::new()).map(|desired| desired.state)
}
