//! The kernel's path manager in memory: what one network namespace's table, limits and sysctls become under each
//! operation, and what the kernel refuses, in its own order and words.
//!
//! It is judged by the real kernel: `kernel::model` sends the same operations to both. What it leaves out: privileges,
//! and connections with what they leave behind, implicit endpoints excepted, which [`Model::make_implicit`] makes.

mod faulty;
pub mod routing;
mod seam;
pub mod situation;
mod version;

pub use faulty::{Faulty, Moment};
pub use version::Version;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mptcp_apply::model::{
    AddressId, Device, Endpoint, Flags, Identity, Limits, State, Sysctl, SysctlValue, UPLINK_PROTOCOL,
    canonical,
};
use mptcp_apply::system::{Errno, Refusal};

use routing::Routing;
use version::refusal;

/// One network namespace's path manager.
#[derive(Clone, Debug)]
pub struct Model {
    version: Version,
    limits: Limits,
    sysctls: BTreeMap<Sysctl, SysctlValue>,
    /// In the kernel's own order: new ones come last, those with a port first. An address is in the form in which it
    /// was given. Every row has an id.
    rows: Vec<Endpoint>,
    /// Where the search for a free id begins (`next_id`).
    next_id: u8,
    /// The addresses that a socket can be bound to, beside loopback ones and wildcards.
    local: BTreeSet<IpAddr>,
    /// The interfaces that there are, by index.
    links: BTreeMap<u32, String>,
    routing: Routing,
}

impl Model {
    /// A new namespace.
    pub fn new(version: Version) -> Model {
        Model {
            version,
            limits: Limits { subflows: 2, add_addr_accepted: 0 },
            sysctls: BTreeMap::from([
                (Sysctl::ENABLED, SysctlValue::Number(1)),
                (Sysctl::named("stale_loss_cnt").expect("a sysctl"), SysctlValue::Number(4)),
            ]),
            rows: Vec::new(),
            next_id: 1,
            local: BTreeSet::new(),
            links: BTreeMap::new(),
            routing: Routing::default(),
        }
    }

    /// A namespace in this state, reached by additions in the order of the rows. Every address is one of its own.
    pub fn holding(version: Version, state: &State) -> Model {
        let mut model = Model::new(version);
        model.limits = state.limits;
        model.sysctls = state.sysctls.clone();
        for row in &state.endpoints {
            model.local.insert(canonical(row.identity.address));
            model.links.extend(row.dev.as_ref().and_then(|dev| Some((dev.index.get(), dev.name.clone()?))));
            let id = row.id.expect("every row of the kernel's has an id").get();
            model.next_id = model.next_id.max(id);
            model.insert(row.clone());
        }
        let uplinks = state.uplinks().clone();
        for route in uplinks.routes {
            let dev = route.dev.as_ref().and_then(|dev| Some((dev.index.get(), dev.name.clone()?)));
            model.links.extend(dev);
            model.add_route(UPLINK_PROTOCOL, route).expect("one route a key");
        }
        for rule in uplinks.rules {
            model.add_rule(UPLINK_PROTOCOL, rule).expect("no rule twice");
        }
        model
    }

    /// What kernel this is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Gives the namespace an address.
    pub fn assign(&mut self, address: IpAddr) {
        self.local.insert(canonical(address));
    }

    /// Gives the namespace an interface.
    pub fn link(&mut self, index: u32, name: &str) {
        self.links.insert(index, name.to_owned());
    }

    /// The table as it is dumped, each address in the form in which it was given.
    pub fn dump(&self) -> Vec<Endpoint> {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| row.id);
        for Device { index, name } in rows.iter_mut().filter_map(|row| row.dev.as_mut()) {
            *name = self.links.get(&index.get()).cloned();
        }
        rows
    }

    /// The table in the order in which the kernel uses it, which no dump shows.
    pub fn in_order(&self) -> &[Endpoint] {
        &self.rows
    }

    /// The state, with every sysctl that there is.
    pub fn state(&self) -> State {
        let mut endpoints = self.dump();
        endpoints.iter_mut().for_each(|row| row.identity.address = canonical(row.identity.address));
        let uplinks = Some(self.routing.own());
        State { limits: self.limits, sysctls: self.sysctls.clone(), endpoints, uplinks }
    }

    /// Where the search for the next free id begins, which no dump shows.
    pub fn next_id(&self) -> u8 {
        self.next_id
    }

    /// ADD_ADDR (KERNEL: `mptcp_pm_nl_add_addr_doit`). Without an id the kernel chooses.
    pub fn add(&mut self, mut row: Endpoint) -> Result<(), Refusal> {
        row.flags = row.flags.intersection(self.version.known);
        let flags = row.flags;
        if row.identity.port.is_some() && !uses_port(flags) {
            let words = "flags must have signal and not subflow when using port";
            return Err(refusal(Errno::EINVAL, words));
        }
        if flags.contains(Flags::SIGNAL.union(Flags::FULLMESH)) {
            return Err(refusal(Errno::EINVAL, "flags mustn't have both signal and fullmesh"));
        }
        if flags.contains(Flags::IMPLICIT) {
            return Err(refusal(Errno::EINVAL, "can't create IMPLICIT endpoint"));
        }
        self.can_listen(&row.identity).map_err(|errno| self.version.not_listening(errno))?;
        self.append(row).map_err(|errno| self.version.no_place(errno))
    }

    /// DEL_ADDR: the id decides alone.
    pub fn delete(&mut self, id: AddressId) -> Result<(), Refusal> {
        let found = self.rows.iter().position(|row| row.id == Some(id));
        let index = found.ok_or_else(|| refusal(Errno::EINVAL, "address not found"))?;
        self.rows.remove(index);
        Ok(())
    }

    /// SET_FLAGS of the row with this id.
    pub fn set_flags_by_id(&mut self, id: AddressId, flags: Flags) -> Result<(), Refusal> {
        let index = self.rows.iter().position(|row| row.id == Some(id));
        self.set_flags(index, flags)
    }

    /// SET_FLAGS by address and no port: a row with a port is never meant.
    pub fn set_flags_by_address(&mut self, address: IpAddr, flags: Flags) -> Result<(), Refusal> {
        let wanted = Identity { address: canonical(address), port: None };
        let index = self.rows.iter().position(|row| identity(row) == wanted);
        self.set_flags(index, flags)
    }

    /// SET_LIMITS: both or none; one that is not sent stays.
    pub fn set_limits(
        &mut self,
        subflows: Option<u32>,
        add_addr_accepted: Option<u32>,
    ) -> Result<(), Refusal> {
        let max = self.version.capabilities.limits_max;
        if [subflows, add_addr_accepted].into_iter().flatten().any(|limit| limit > max) {
            return Err(self.version.limit_too_large());
        }
        self.limits.subflows = subflows.unwrap_or(self.limits.subflows);
        self.limits.add_addr_accepted = add_addr_accepted.unwrap_or(self.limits.add_addr_accepted);
        Ok(())
    }

    /// What a connection does that joins at an address without an endpoint. Quietly nothing in a full table.
    pub fn make_implicit(&mut self, address: IpAddr) {
        let identity = Identity { address, port: None };
        let row = Endpoint { identity, id: None, dev: None, flags: Flags::IMPLICIT };
        if !self.rows.iter().any(|row| self::identity(row) == identity) {
            let _ = self.append(row);
        }
    }

    /// `mptcp_pm_nl_append_new_local_addr`
    fn append(&mut self, mut row: Endpoint) -> Result<(), Errno> {
        if self.next_id == AddressId::MAX {
            self.next_id = 1;
        }
        if self.rows.len() >= self.version.capabilities.endpoints_max {
            return Err(Errno::ERANGE);
        }
        if self.rows.iter().any(|there| row.id.is_some() && there.id == row.id) {
            return Err(Errno::EBUSY);
        }
        if let Some(index) = self.rows.iter().position(|there| identity(there) == identity(&row)) {
            if !self.rows[index].is_implicit() {
                return Err(Errno::EEXIST);
            }
            if row.id.is_some() {
                return Err(Errno::EINVAL);
            }
            row.id = self.rows.remove(index).id;
        }
        if row.id.is_none() {
            row.id = Some(self.free_id().ok_or(Errno::EINVAL)?);
        }
        self.next_id = self.next_id.max(row.id.map_or(0, AddressId::get));
        self.insert(row);
        Ok(())
    }

    fn insert(&mut self, row: Endpoint) {
        let place = if row.identity.port.is_some() { 0 } else { self.rows.len() };
        self.rows.insert(place, row);
    }

    fn free_id(&mut self) -> Option<AddressId> {
        let taken: BTreeSet<Option<AddressId>> = self.rows.iter().map(|row| row.id).collect();
        let free_from =
            |first: u8| (first..=AddressId::MAX).map(AddressId::new).find(|id| !taken.contains(id)).flatten();
        free_from(self.next_id).or_else(|| {
            self.next_id = 1;
            free_from(1)
        })
    }

    fn set_flags(&mut self, index: Option<usize>, flags: Flags) -> Result<(), Refusal> {
        let (version, flags) = (self.version, flags.intersection(self.version.known));
        let row = index.and_then(|index| self.rows.get_mut(index));
        let row = row.ok_or_else(|| version.flags_refused("address not found"))?;
        if flags.contains(Flags::FULLMESH) && row.flags.intersects(Flags::SIGNAL.union(Flags::IMPLICIT)) {
            return Err(version.flags_refused("invalid addr flags"));
        }
        let changeable = flags.intersection(Flags::CHANGEABLE);
        row.flags = row.flags.without(Flags::CHANGEABLE).union(changeable);
        Ok(())
    }

    /// Whether the kernel can make a socket listen there, without SO_REUSEADDR.
    pub fn can_listen(&self, wanted: &Identity) -> Result<(), Errno> {
        if wanted.port.is_none() {
            return Ok(());
        }
        if self.sysctls.get(&Sysctl::ENABLED) == Some(&SysctlValue::Number(0)) {
            return Err(Errno::ENOPROTOOPT);
        }
        let address = canonical(wanted.address);
        if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            return Err(Errno::EINVAL);
        }
        if !address.is_unspecified() && !address.is_loopback() && !self.local.contains(&address) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let overlaps = |row: &&Endpoint| {
            let other = canonical(row.identity.address);
            row.identity.port == wanted.port
                && (address == other || covers(address, other) || covers(other, address))
        };
        if self.rows.iter().any(|row| overlaps(&row)) { Err(Errno::EADDRINUSE) } else { Ok(()) }
    }

    /// What no table can be.
    pub fn assert_possible(&self) {
        let identities: BTreeSet<Identity> = self.rows.iter().map(identity).collect();
        let ids: BTreeSet<AddressId> = self.rows.iter().filter_map(|row| row.id).collect();
        let rows = self.rows.len();
        assert_eq!((identities.len(), ids.len()), (rows, rows), "{:#?}", self.rows);
        assert!(rows <= self.version.capabilities.endpoints_max, "{:#?}", self.rows);
    }
}

/// What the kernel compares: the port is there only where it counts.
fn identity(row: &Endpoint) -> Identity {
    Identity { address: canonical(row.identity.address), port: row.identity.port }
}

/// `address_use_port`
fn uses_port(flags: Flags) -> bool {
    flags.contains(Flags::SIGNAL) && !flags.contains(Flags::SUBFLOW)
}

/// Whether a socket on a wildcard listens on an address too: `::` takes both families.
fn covers(wildcard: IpAddr, address: IpAddr) -> bool {
    wildcard.is_unspecified() && (wildcard.is_ipv6() || address.is_ipv4() || address.is_unspecified())
}
