//! What has to be known of this thread's network namespace beside the path manager's state.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::{LinuxPathManager, PAUSE_MAX, is_set};
use crate::linux::routes::Routes;
use crate::linux::{Changes, kept, networkd, probe_socket, sysctl};
use crate::model::{Endpoint, Family, Interface, Sysctl, SysctlValue, UplinkHealth, UplinkRoute};
use crate::system::{AssignedAddress, Error, HostFacts, MainDefault, Refusal};

impl LinuxPathManager {
    /// Whether packets of a subflow from this endpoint find a way to a peer.
    pub fn reaches(&mut self, endpoint: &Endpoint, peer: IpAddr) -> bool {
        let (from, dev) = (endpoint.identity.address, endpoint.dev.as_ref().map(|dev| dev.index));
        let is_here = self.has_address(from, dev).unwrap_or(false);
        // IPv4 takes any peer for a neighbour on a link without routers.
        let interfaces = self.interfaces().unwrap_or_default();
        if is_here && from.is_ipv4() && interfaces.iter().any(|on| Some(on.index) == dev && on.routerless) {
            return true;
        }
        let routes = kept(&mut self.routes, Routes::open);
        is_here && routes.is_ok_and(|routes| matches!(routes.get(peer, Some(from), dev), Ok(Ok(_))))
    }
}

impl HostFacts for LinuxPathManager {
    fn interface(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        // Where they were listed, that says it without another request for each.
        if let Some(listed) = self.addresses.as_ref().filter(|_| !self.interfaces.knows(name)) {
            self.interfaces.complete(&listed.interfaces);
        }
        self.interfaces.index(name)
    }

    fn interfaces(&mut self) -> Result<&[Interface], Error> {
        Ok(&self.read_addresses()?.interfaces)
    }

    fn addresses(&mut self) -> Result<&[AssignedAddress], Error> {
        Ok(&self.read_addresses()?.selectable)
    }

    fn check_route(&mut self, route: &UplinkRoute) -> Result<(), Refusal> {
        if !route.raw.is_empty() {
            return Ok(());
        }
        kept(&mut self.routes, Routes::open)?.check_route(route)
    }

    fn source_addresses(&mut self) -> Result<&[(IpAddr, NonZeroU32)], Error> {
        Ok(&self.read_addresses()?.sources)
    }

    fn default_routes(&mut self, family: Family, out_of: NonZeroU32) -> Result<Vec<MainDefault>, Error> {
        kept(&mut self.routes, Routes::open)?.main_defaults(family, out_of)
    }

    fn has_address(&mut self, wanted: IpAddr, on: Option<NonZeroU32>) -> Result<bool, Error> {
        let is_there = self.read_addresses()?.has(wanted, on);
        // Local routes and sysctls make more addresses usable than interfaces have.
        Ok(is_there || (on.is_none() && matches!(probe_socket::try_bind((wanted, 0).into()), Some(Ok(())))))
    }

    fn has_foreign_routing_removed(&mut self) -> bool {
        networkd::removes_foreign_routing()
    }

    fn uplink_health(&mut self, index: NonZeroU32) -> UplinkHealth {
        match &self.health {
            None => UplinkHealth::Unwatched,
            Some(health) => health.get(&index).cloned().unwrap_or(UplinkHealth::Undecided),
        }
    }

    fn await_change(&mut self, at_most: Duration) -> Result<(), Error> {
        let start = Instant::now();
        let Some(changes) = &mut self.changes else {
            self.changes = Some(Changes::subscribe()?);
            return Ok(());
        };
        loop {
            let left = at_most.saturating_sub(start.elapsed());
            if changes.wait(left.min(PAUSE_MAX))? || left.is_zero() || is_set(&self.hurry) {
                return Ok(());
            }
        }
    }

    fn schedulers(&mut self) -> Result<Option<Vec<String>>, Error> {
        sysctl::available_schedulers()
    }

    fn sysctl(&mut self, name: Sysctl) -> Result<Option<SysctlValue>, Error> {
        // It is 1 where an MPTCP socket can be opened, which costs the same however many network namespaces there are.
        if name == Sysctl::ENABLED && probe_socket::is_made() {
            return Ok(Some(SysctlValue::Number(1)));
        }
        sysctl::read(name)
    }
}
