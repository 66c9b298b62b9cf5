//! Endpoints: rows of the in-kernel path manager's table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};

use super::{Flags, Interface, escaped};

/// The kernel's address id of an endpoint, 1 to 255; it travels on the wire in ADD_ADDR, RM_ADDR and MP_JOIN.
///
/// 0 stands for a connection's first subflow and is never a row of the table: DEL_ADDR without an id, or with id 0,
/// reports success and closes that first subflow instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AddressId(NonZeroU8);

impl AddressId {
    /// The largest address id.
    pub const MAX: u8 = u8::MAX;

    /// The id of that number, none for 0.
    pub fn new(id: u8) -> Option<AddressId> {
        NonZeroU8::new(id).map(AddressId)
    }

    /// The number, 1 to 255.
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for AddressId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What identifies an endpoint (`mptcp_addresses_equal`): its canonical address, and its port if it has one. Id, device
/// and flags are attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// Never an IPv4-mapped IPv6 address; see [`canonical`].
    pub address: IpAddr,
    /// The port on which the kernel listens for this endpoint.
    pub port: Option<NonZeroU16>,
}

impl Identity {
    /// The possible identities of the endpoint of a socket, the more likely first: with the socket's port, or without.
    pub fn candidates(address: IpAddr, port: Option<NonZeroU16>) -> impl Iterator<Item = Identity> {
        let with_port = port.map(|port| Identity { address, port: Some(port) });
        with_port.into_iter().chain([Identity { address, port: None }])
    }

    /// Whether the kernel cannot listen for both at once: a wildcard address listens on all addresses.
    pub fn is_in_the_way_of(&self, other: &Identity) -> bool {
        let wildcard = self.address.is_unspecified() || other.address.is_unspecified();
        self.port.is_some() && self.port == other.port && (wildcard || self.address == other.address)
    }
}

/// Written as `ip mptcp` writes it: `192.0.2.1`, `192.0.2.1 port 8443`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match self.port {
            Some(port) => write!(f, " port {port}"),
            None => Ok(()),
        }
    }
}

/// `::ffff:a.b.c.d` as `a.b.c.d`: the kernel treats the two as equal, but dumps the form that it was given.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The interface to which an endpoint is bound.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Device {
    /// The interface index. The kernel binds an endpoint to this number, not to the name, and keeps it when the interface
    /// is removed.
    pub index: NonZeroU32,
    /// The current name; `None` if no interface has this index any more.
    pub name: Option<String>,
}

/// Devices are equal if their index is; a rename changes nothing.
impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        self.index == other.index
    }
}

impl Eq for Device {}

impl From<&Interface> for Device {
    fn from(interface: &Interface) -> Device {
        Device { index: interface.index, name: Some(interface.name.clone()) }
    }
}

/// The name, or `if7` without one, as `ip` prints it. A name may have any character except slashes and blanks; control
/// characters are escaped.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(&escaped(name)),
            None => write!(f, "if{}", self.index),
        }
    }
}

/// The names that declarations give to endpoints.
pub type EndpointNames = BTreeMap<Identity, String>;

/// Endpoints that this program made, with their ids where these are known. The kernel gives the inode of a namespace that
/// is gone to the next one, so an endpoint that has another id now is not the recorded one.
pub type OwnedEndpoints = BTreeMap<Identity, Option<AddressId>>;

/// A row of the table, as the kernel has it or as it should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Endpoint {
    /// Address and port.
    pub identity: Identity,
    /// `None` if the kernel chooses.
    pub id: Option<AddressId>,
    /// The interface to which its subflows are bound.
    pub dev: Option<Device>,
    /// What the path manager does with the endpoint.
    pub flags: Flags,
}

impl Endpoint {
    /// Whether the kernel created this endpoint itself.
    pub fn is_implicit(&self) -> bool {
        self.flags.contains(Flags::IMPLICIT)
    }

    /// Whether the kernel opens subflows from it to the known addresses of a peer. A `laminar` endpoint waits until the
    /// peer announces an address.
    pub fn opens_subflows(&self) -> bool {
        !self.is_implicit() && self.flags.intersects(Flags::SUBFLOW.union(Flags::FULLMESH))
    }

    /// Whether `row` is the result of adding this endpoint; the kernel chooses an absent id.
    pub fn becomes(&self, row: &Endpoint) -> bool {
        *row == Endpoint { id: self.id.or(row.id), ..self.clone() }
    }
}

/// Written as `ip mptcp endpoint show` writes it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)?;
        if let Some(id) = self.id {
            write!(f, " id {id}")?;
        }
        if self.flags != Flags::default() {
            write!(f, " {}", self.flags)?;
        }
        match &self.dev {
            Some(dev) => write!(f, " dev {dev}"),
            None => Ok(()),
        }
    }
}
