//! Everything that the doctor looks at, read once. `linux::evidence` reads it.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{
    Capabilities, Connection, Counters, Endpoint, EndpointNames, HostAddress, Interface, Listener, Probe,
    Routing, State, Step, Subflow, Sysctl, SysctlValue,
};

/// What there is on this host.
#[derive(Debug)]
pub struct Evidence {
    /// The path manager's state.
    pub path_manager: Table,
    /// The names that the configuration gives to endpoints.
    pub names: EndpointNames,
    /// What this kernel can hold.
    pub capabilities: Capabilities,
    /// All interfaces; none where they could not be read.
    pub interfaces: Vec<Interface>,
    /// All their addresses.
    pub addresses: Vec<HostAddress>,
    /// Addresses of endpoints that no interface has, and to which sockets can be bound all the same.
    pub bindable: Vec<IpAddr>,
    /// What the kernel said about routes from the addresses of endpoints.
    pub routes: Vec<RouteCheck>,
    /// For remedies.
    pub routing: Routing,
    /// The addresses that connections start from by themselves.
    pub first_addresses: Vec<IpAddr>,
    /// `rp_filter` of the interfaces as it takes effect: the larger one of `all` and the interface's own.
    pub rp_filter: BTreeMap<NonZeroU32, u64>,
    /// The kernel's counters, if they could be read.
    pub counters: Option<Counters>,
    /// Live MPTCP connections that are not brand-new.
    pub connections: Vec<Connection>,
    /// Sockets that listen.
    pub listeners: Vec<Listener>,
    /// Other programs that write to the table and run in this network namespace.
    pub managers: Vec<String>,
    /// What the files say.
    pub configuration: Configuration,
    /// What became of a connection that was opened to be looked at.
    pub probe: Option<Probe>,
}

/// The path manager, as far as it could be read.
#[derive(Debug)]
pub enum Table {
    /// The kernel has none.
    Missing,
    /// It could not be read, for this reason.
    Unreadable(String),
    /// Limits, all sysctls and all endpoints.
    Read(State),
}

/// What the kernel said about the way from an endpoint's address to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCheck {
    /// The address of the endpoint.
    pub source: IpAddr,
    /// Where to.
    pub destination: IpAddr,
    /// Whether a live connection leads there; otherwise it stands for the Internet.
    pub peer: bool,
    /// `ip route get DST from SRC`: the interface that it leaves by, or the kernel's error.
    pub by_source: Result<NonZeroU32, String>,
    /// The same with `oif DEV`, for an endpoint that is bound to an interface.
    pub by_device: Option<Result<NonZeroU32, String>>,
}

impl RouteCheck {
    /// What holds for the endpoint's subflows.
    pub fn taken(&self) -> &Result<NonZeroU32, String> {
        self.by_device.as_ref().unwrap_or(&self.by_source)
    }
}

/// What the files say.
#[derive(Debug)]
pub enum Configuration {
    /// There is none.
    Absent,
    /// It cannot be used: how many errors, and the first of them.
    Invalid(usize, String, Option<Location>),
    /// It can be.
    Valid(Declared),
}

/// A configuration, held against this host.
#[derive(Debug, Default)]
pub struct Declared {
    /// The command that applies it.
    pub command: String,
    /// What it would do now.
    pub steps: Vec<Step>,
    /// What waits, and why.
    pub waiting: Vec<Diagnostic>,
    /// Why it cannot be applied to this kernel.
    pub impossible: Vec<Diagnostic>,
    /// The names of the endpoints, and where they are declared.
    pub places: BTreeMap<String, Location>,
}

impl Evidence {
    /// The state, if it could be read.
    pub fn state(&self) -> Option<&State> {
        match &self.path_manager {
            Table::Read(state) => Some(state),
            Table::Missing | Table::Unreadable(_) => None,
        }
    }

    /// The endpoints that somebody made, implicit ones not included.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.state().into_iter().flat_map(|state| &state.endpoints).filter(|row| !row.is_implicit())
    }

    /// What an endpoint is called: its name, or its address and port where it has none.
    pub fn label(&self, row: &Endpoint) -> String {
        self.names.get(&row.identity).cloned().unwrap_or_else(|| row.identity.to_string())
    }

    /// Those that open subflows.
    pub fn opening(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints().filter(|row| row.opens_subflows())
    }

    /// A sysctl of `net.mptcp`.
    pub fn sysctl(&self, sysctl: Sysctl) -> Option<&SysctlValue> {
        self.state()?.sysctls.get(&sysctl)
    }

    /// The interface of that index.
    pub fn interface(&self, index: NonZeroU32) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    /// The interface that an endpoint's subflows are to leave by: the one that it is bound to, or the one that has its
    /// address.
    pub fn home(&self, row: &Endpoint) -> Option<&Interface> {
        let own = self.addresses.iter().find(|own| own.address == row.identity.address).map(|own| own.index);
        row.dev.as_ref().map(|dev| dev.index).or(own).and_then(|index| self.interface(index))
    }

    /// A counter, 0 where there is none.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.as_ref().map_or(0, |counters| counters.get(name))
    }

    /// All live subflows.
    pub fn paths(&self) -> impl Iterator<Item = &Subflow> {
        self.connections.iter().flat_map(|connection| &connection.subflows)
    }

    /// Whether an established subflow uses the endpoint's address: then it works.
    pub fn is_in_use(&self, row: &Endpoint) -> bool {
        self.paths().any(|path| path.is_established() && path.local.ip() == row.identity.address)
    }

    /// The connections that this host began, and that lead to another one. Within a host there is no other path, and
    /// subflows that are bound to an interface never arrive.
    pub fn begun(&self) -> impl Iterator<Item = &Connection> {
        let own: HashSet<IpAddr> = self.addresses.iter().map(|own| own.address).collect();
        let leaves = move |path: &Subflow| {
            let remote = path.remote.ip();
            !remote.is_loopback() && !own.contains(&remote)
        };
        let connections = self.connections.iter().filter(|connection| connection.is_begun_here());
        connections.filter(move |connection| connection.subflows.iter().any(&leaves))
    }

    /// The name of an interface, or `if7`.
    pub fn name(&self, index: NonZeroU32) -> String {
        self.interface(index).map_or_else(|| format!("if{index}"), |interface| interface.name.clone())
    }

    /// How a setting is mended: in the files if there are any, by a command otherwise.
    pub fn mend(&self, yaml: &str, command: &str) -> String {
        match &self.configuration {
            Configuration::Valid(declared) => {
                format!("{yaml}   # in the configuration, then:\n{}", declared.command)
            }
            Configuration::Absent | Configuration::Invalid(..) => command.to_owned(),
        }
    }
}
