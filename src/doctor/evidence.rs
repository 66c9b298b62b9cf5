//! The evidence: all that the findings are made from. `linux::evidence` reads it once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::model::diagnostic::{Diagnostic, Location};
use crate::model::{
    Capabilities, Connection, Counters, Endpoint, EndpointNames, HostAddress, Interface, Listener, Probe,
    ProbeConnection, ProbeOutcome, Routing, State, Subflow, Sysctl, SysctlValue, UnconfirmedRequest,
    UplinkHealth, UplinkStatus, code,
};
use crate::reconcile::LiveData;
use crate::system::Error;

use super::declared::{Configuration, Declared};

/// The state of this host, its configuration, and a test connection if there is one.
#[derive(Debug)]
pub struct Evidence {
    /// The name of the network namespace, if `--netns` named it.
    pub netns: Option<String>,
    /// The words by which remedies start this program.
    pub program: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The path manager's state.
    pub path_manager: Table,
    /// The names that the configuration gives to endpoints.
    pub names: EndpointNames,
    /// How many endpoints and which limits this kernel supports.
    pub capabilities: Capabilities,
    /// All interfaces; empty if they could not be read.
    pub interfaces: Vec<Interface>,
    /// The addresses of all interfaces.
    pub addresses: Vec<HostAddress>,
    /// Addresses of endpoints that no interface has, and to which sockets can be bound nevertheless.
    pub bindable: Vec<IpAddr>,
    /// The kernel's routes from the addresses of endpoints.
    pub routes: Vec<RouteCheck>,
    /// The addresses of [`candidates`](super::candidates) by whose interface the kernel finds a way to a live peer.
    pub ways_out: BTreeSet<IpAddr>,
    /// The addresses that the peer of the test connection announced and to which there is no route, with the kernel's error.
    pub unreachable: BTreeMap<IpAddr, String>,
    /// Routing tables; empty unless a remedy needs them.
    pub routing: Routing,
    /// The source addresses that the kernel chooses for first subflows.
    pub first_addresses: Vec<IpAddr>,
    /// `rp_filter` of the interfaces as it takes effect: the larger one of `all` and the interface's own.
    pub rp_filter: BTreeMap<NonZeroU32, u64>,
    /// The kernel's counters, if they could be read.
    pub counters: Option<Counters>,
    /// Whether the kernel has paused MPTCP for new connections.
    pub is_paused: bool,
    /// Live MPTCP connections that are older than half a second.
    pub connections: Vec<Connection>,
    /// The data of live connections, and again half a second later; nothing where it moves.
    pub data: [LiveData; 2],
    /// What peers open here and do not confirm.
    pub unconfirmed: Vec<UnconfirmedRequest>,
    /// The kernel's routes for the answers to subflows that peers open.
    pub answers: Vec<RouteCheck>,
    /// Listening TCP sockets.
    pub listeners: Vec<Listener>,
    /// The names of the programs that hold those of plain TCP, by their inodes, as far as this user may know them.
    pub programs: BTreeMap<u32, String>,
    /// Other programs in this network namespace that manage endpoints.
    pub managers: Vec<String>,
    /// The configuration files.
    pub configuration: Configuration,
    /// What the checks of a watch have found out.
    pub checks: Vec<UplinkStatus>,
    /// The test connection of `--probe`.
    pub probe: Option<Probe>,
}

/// The path manager's table.
#[derive(Debug)]
pub enum Table {
    /// The kernel has no MPTCP.
    Missing,
    /// The kernel refused to show it, for this reason.
    Unreadable(String),
    /// Limits, all sysctls and all endpoints.
    Read(State),
}

/// The kernel's route from an endpoint's address to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCheck {
    /// The address of the endpoint.
    pub source: IpAddr,
    /// A peer, or a public address.
    pub destination: IpAddr,
    /// Whether a live connection has this destination; otherwise it stands for the Internet.
    pub peer: bool,
    /// `ip route get DST from SRC`: the interface that it leaves by, or the kernel's error.
    pub by_source: Result<NonZeroU32, String>,
    /// The same with `oif DEV`, for an endpoint that is bound to an interface.
    pub by_device: Option<Result<NonZeroU32, String>>,
    /// Whether it would leave by the interface that has the address if it were bound to that, and is not.
    pub needs_device: bool,
    /// Whether some packets between the two may leave by the interface that has the address although these answers do not: some
    /// rule chooses by a mark that leads there, or by a user, protocol or port; or the route that was found refuses, and a socket
    /// of IPv6 that is bound to the interface skips it.
    pub may_differ: bool,
    /// The next hop, if it did not answer on the link when it was last asked.
    pub silent: Option<IpAddr>,
}

impl RouteCheck {
    /// What is known of an endpoint, or an address, that is bound to no interface.
    pub fn of(
        source: IpAddr,
        destination: IpAddr,
        peer: bool,
        by_source: Result<NonZeroU32, String>,
    ) -> RouteCheck {
        RouteCheck {
            source,
            destination,
            peer,
            by_source,
            by_device: None,
            needs_device: false,
            may_differ: false,
            silent: None,
        }
    }

    /// The route of the endpoint's subflows.
    pub fn taken(&self) -> &Result<NonZeroU32, String> {
        self.by_device.as_ref().unwrap_or(&self.by_source)
    }
}

impl Table {
    /// The state, if it could be read.
    pub fn state(&self) -> Option<&State> {
        match self {
            Table::Read(state) => Some(state),
            Table::Missing | Table::Unreadable(_) => None,
        }
    }
}

impl From<Error> for Table {
    fn from(error: Error) -> Table {
        match error {
            Error::NoMptcp => Table::Missing,
            error => Table::Unreadable(error.to_string()),
        }
    }
}

impl Evidence {
    /// The state, if it could be read.
    pub fn state(&self) -> Option<&State> {
        self.path_manager.state()
    }

    /// The endpoints, without implicit ones.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.state().into_iter().flat_map(|state| &state.endpoints).filter(|row| !row.is_implicit())
    }

    /// The valid configuration, compared with this host.
    pub fn declared(&self) -> Option<&Declared> {
        match &self.configuration {
            Configuration::Valid(declared) => Some(declared),
            Configuration::Absent | Configuration::Invalid(..) => None,
        }
    }

    /// The name of an endpoint, with its address where a selector gave the name to others too; the address and port of one
    /// without a name.
    pub fn label(&self, row: &Endpoint) -> String {
        let Some(name) = self.names.get(&row.identity) else { return row.identity.to_string() };
        let is_shared = self.names.values().filter(|other| *other == name).nth(1).is_some();
        if is_shared { format!("{name} ({})", row.identity) } else { name.clone() }
    }

    /// The label of the endpoint of that address, if there is one.
    pub fn label_of(&self, address: IpAddr) -> Option<String> {
        self.endpoints().find(|row| row.identity.address == address).map(|row| self.label(row))
    }

    /// Where the endpoint of that label is declared.
    pub fn location(&self, label: &str) -> Option<Location> {
        // No name has a blank.
        self.declared()?.locations.get(label.split(' ').next()?).copied()
    }

    /// Whether new connections get the userspace path manager, which obeys neither endpoints nor limits.
    pub fn is_userspace(&self) -> bool {
        match [Sysctl::PATH_MANAGER, Sysctl::PM_TYPE].map(|sysctl| self.sysctl(sysctl)) {
            [Some(SysctlValue::Word(word)), _] => word == "userspace",
            [_, pm_type] => pm_type == Some(&SysctlValue::Number(1)),
        }
    }

    /// Whether the userspace path manager has that connection, be it that new ones get the kernel's. With a limit of 0 the
    /// kernel does not tell.
    pub fn is_of_userspace(&self, connection: &Connection) -> bool {
        connection.limit == Some(0) && self.state().is_some_and(|state| state.limits.subflows > 0)
    }

    /// The endpoints that open subflows.
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

    /// The interface by which an endpoint's subflows should leave: the one that it is bound to, or the one that has its
    /// address.
    pub fn home(&self, row: &Endpoint) -> Option<&Interface> {
        let own = self.addresses.iter().find(|own| own.address == row.identity.address).map(|own| own.index);
        row.dev.as_ref().map(|dev| dev.index).or(own).and_then(|index| self.interface(index))
    }

    /// The interface that has an address, unless it is the loopback interface.
    pub fn interface_of(&self, address: IpAddr) -> Option<&Interface> {
        let own = self.addresses.iter().find(|own| own.address == address)?;
        self.interface(own.index).filter(|interface| !interface.loopback)
    }

    /// All live subflows.
    pub fn subflows(&self) -> impl Iterator<Item = &Subflow> {
        self.connections.iter().flat_map(|connection| &connection.subflows)
    }

    /// Whether an established subflow uses the endpoint's address, which proves that it works.
    pub fn is_in_use(&self, row: &Endpoint) -> bool {
        self.subflows().any(|subflow| subflow.is_established() && subflow.local.ip() == row.identity.address)
    }

    /// The listening sockets of programs, without those that the kernel opens for the ports of endpoints.
    pub fn services(&self) -> impl Iterator<Item = &Listener> {
        let own =
            |port: u16| self.endpoints().any(|row| row.identity.port.is_some_and(|own| own.get() == port));
        self.listeners.iter().filter(move |listener| !own(listener.local.port()))
    }

    /// The connections that this host opened to another host.
    pub fn begun(&self) -> impl Iterator<Item = &Connection> {
        self.leaving().filter(|connection| connection.is_begun_here())
    }

    /// The MPTCP connections that another host opened to this one.
    pub fn accepted(&self) -> impl Iterator<Item = &Connection> {
        self.leaving().filter(|connection| !connection.is_begun_here() && !connection.is_plain())
    }

    /// Whether this host is a server: it has accepted connections, or a service speaks MPTCP.
    pub fn is_server(&self) -> bool {
        self.accepted().next().is_some()
            || self.services().any(|listener| listener.mptcp)
            || self.counter("MPCapableSYNRX") > 0
    }

    /// The connections with another host. Within a host there is no other path, and subflows that are bound to an
    /// interface never arrive.
    fn leaving(&self) -> impl Iterator<Item = &Connection> {
        let own: HashSet<IpAddr> = self.addresses.iter().map(|own| own.address).collect();
        let leaves = move |subflow: &Subflow| {
            let remote = subflow.remote.ip();
            !remote.is_loopback() && !own.contains(&remote)
        };
        self.connections.iter().filter(move |connection| connection.subflows.iter().any(&leaves))
    }

    /// The test connection, if it was opened.
    pub fn watched(&self) -> Option<&ProbeConnection> {
        match &self.probe.as_ref()?.outcome {
            ProbeOutcome::Connected(watched) => Some(watched),
            ProbeOutcome::Failed(_) => None,
        }
    }

    /// The uplinks that are down, as the checks of a watch have found out.
    pub fn failing(&self) -> impl Iterator<Item = &UplinkStatus> {
        self.checks.iter().filter(|status| status.health() == Some(UplinkHealth::Down))
    }

    /// Whether an uplink is declared for the interface.
    pub fn is_uplink(&self, interface: &Interface) -> bool {
        self.declared().is_some_and(|declared| declared.uplinks.iter().any(|dev| dev.matches(interface)))
    }

    /// Whether a declared uplink waits for its gateway.
    pub fn lacks_gateway(&self) -> bool {
        let is_it = |found: &Diagnostic| found.code == code::GATEWAY_UNKNOWN;
        self.declared().is_some_and(|declared| declared.of_uplinks.iter().any(is_it))
    }

    /// The name of an interface, or `if7`.
    pub fn name(&self, index: NonZeroU32) -> String {
        self.interface(index).map_or_else(|| format!("if{index}"), |interface| interface.name.clone())
    }

    /// How to correct a declared endpoint: these keys of it in the configuration, or a command for one that is not declared.
    pub fn fix_endpoint(&self, row: &Endpoint, keys: &str, command: &str) -> String {
        match self.names.get(&row.identity) {
            Some(name) => self.fix(&format!("endpoints: {{{name}: {{{keys}}}}}"), command),
            None => command.to_owned(),
        }
    }

    /// How to correct a setting: in the configuration if it is valid, with a command otherwise.
    pub fn fix(&self, yaml: &str, command: &str) -> String {
        match self.declared() {
            Some(declared) => format!("{yaml}   # in the configuration, then:\n{}", declared.command),
            None => command.to_owned(),
        }
    }
}
