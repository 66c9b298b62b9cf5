//! The generic netlink family `mptcp_pm`, version 1: endpoints and limits to attributes and back.
//!
//! The numbers are those of `include/uapi/linux/mptcp_pm.h`. All values are in the host's byte order, ports included;
//! only addresses are in the network's.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use neli::consts::genl::{CtrlAttr, CtrlAttrMcastGrp, CtrlCmd};
use neli::consts::nl::{GenlId, NlmF};

use crate::linux::netlink::Request;
use crate::linux::netlink::decode::{attributes, find, number};
use crate::model::{
    AddressId, Device, Endpoint, Family, Flags, Identity, Limits, Operation, Token, canonical,
};

/// `MPTCP_PM_NAME`
const FAMILY_NAME: &str = "mptcp_pm";
/// `MPTCP_PM_EV_GRP_NAME`
const EVENTS_NAME: &str = "mptcp_pm_events";
/// `MPTCP_PM_VER`
const FAMILY_VERSION: u8 = 1;

/// `MPTCP_PM_CMD_*`
mod cmd {
    pub const ADD_ADDR: u8 = 1;
    pub const DEL_ADDR: u8 = 2;
    pub const GET_ADDR: u8 = 3;
    pub const SET_LIMITS: u8 = 5;
    pub const GET_LIMITS: u8 = 6;
    pub const SET_FLAGS: u8 = 7;
    pub const ANNOUNCE: u8 = 8;
    pub const REMOVE: u8 = 9;
    pub const SUBFLOW_CREATE: u8 = 10;
    pub const SUBFLOW_DESTROY: u8 = 11;
}

/// `MPTCP_PM_ATTR_*`
mod attr {
    pub const ADDR: u16 = 1;
    pub const RCV_ADD_ADDRS: u16 = 2;
    pub const SUBFLOWS: u16 = crate::system::ATTR_SUBFLOWS;
    pub const TOKEN: u16 = 4;
    pub const LOC_ID: u16 = 5;
    pub const ADDR_REMOTE: u16 = 6;
}

/// `MPTCP_PM_ADDR_ATTR_*`
mod addr {
    pub const FAMILY: u16 = 1;
    pub const ID: u16 = 2;
    pub const ADDR4: u16 = 3;
    pub const ADDR6: u16 = 4;
    pub const PORT: u16 = 5;
    pub const FLAGS: u16 = 6;
    pub const IF_IDX: u16 = 7;
}

/// A request for the description of the family: its number, and those of its multicast groups.
pub fn get_family() -> Request {
    let mut request = Request::get(GenlId::Ctrl, &header(CtrlCmd::Getfamily.into()));
    request.put_text(CtrlAttr::FamilyName, FAMILY_NAME);
    request
}

/// The family's number in the answer to [`get_family`].
pub fn family(reply: &[u8]) -> Option<u16> {
    number(find(genl_attributes(reply), CtrlAttr::FamilyId)?)?.try_into().ok()
}

/// The number of the multicast group of events in that answer.
pub fn events_group(reply: &[u8]) -> Option<u32> {
    let groups = find(genl_attributes(reply), CtrlAttr::McastGroups)?;
    let is_wanted = |group| {
        let name = find(attributes(group), CtrlAttrMcastGrp::Name);
        name.is_some_and(|name| name.strip_suffix(b"\0").unwrap_or(name) == EVENTS_NAME.as_bytes())
    };
    let (_, group) = attributes(groups).find(|(_, group)| is_wanted(group))?;
    number(find(attributes(group), CtrlAttrMcastGrp::Id)?)
}

/// Requests of the generic netlink family with this number.
#[derive(Clone, Copy)]
pub struct GenlFamily(pub u16);

impl GenlFamily {
    /// A request for both limits.
    pub fn get_limits(self) -> Request {
        Request::get(self.0, &header(cmd::GET_LIMITS))
    }

    /// A request for all endpoints.
    pub fn dump_endpoints(self) -> Request {
        Request::dump(self.0, &header(cmd::GET_ADDR))
    }

    /// A request for the endpoint with that id.
    pub fn get_endpoint(self, id: AddressId) -> Request {
        let mut request = Request::get(self.0, &header(cmd::GET_ADDR));
        request.nest(attr::ADDR, |row| row.put(addr::ID, [id.get()]));
        request
    }

    /// Sets the limits that differ. The kernel keeps a limit that is not sent.
    pub fn set_limits(self, from: Limits, to: Limits) -> Request {
        let mut request = self.change(cmd::SET_LIMITS);
        if from.add_addr_accepted != to.add_addr_accepted {
            request.put(attr::RCV_ADD_ADDRS, to.add_addr_accepted.to_ne_bytes());
        }
        if from.subflows != to.subflows {
            request.put(attr::SUBFLOWS, to.subflows.to_ne_bytes());
        }
        request
    }

    /// Adds an endpoint. Without `id` the kernel chooses one, or keeps that of the implicit endpoint that it replaces. An
    /// id of 0 is never sent: some kernels make a row of it that can neither be listed nor deleted.
    pub fn add(self, endpoint: &Endpoint, id: Option<AddressId>) -> Request {
        let dev = endpoint.dev.as_ref().map(|dev| dev.index);
        self.change_row(cmd::ADD_ADDR, |row| put_row(row, &endpoint.identity, id, endpoint.flags, dev))
    }

    /// Removes the endpoint with this id. The kernel looks at nothing else; without an id it would report success and
    /// close first subflows instead.
    pub fn delete(self, id: AddressId, of: &Identity) -> Request {
        self.change_row(cmd::DEL_ADDR, |row| {
            put_identity(row, of);
            row.put(addr::ID, [id.get()]);
        })
    }

    /// Sets `backup` and `fullmesh`, always both.
    ///
    /// The kernel finds the row by its address, which is unique, and by its id where the endpoint has a port: an endpoint
    /// with the same address and no port would match the address too.
    pub fn set_flags(self, endpoint: &Endpoint, flags: Flags) -> Request {
        self.change_row(cmd::SET_FLAGS, |row| {
            match endpoint.id {
                Some(id) if endpoint.identity.port.is_some() => row.put(addr::ID, [id.get()]),
                _ => put_identity(row, &endpoint.identity),
            }
            row.put(addr::FLAGS, flags.bits().to_ne_bytes());
        })
    }

    /// A request for the addresses of a connection under the userspace path manager. Linux 6.1 ignores the token, and lists
    /// all endpoints. No connection has the token 0.
    pub fn dump_addresses(self, token: Token) -> Request {
        let mut request = self.dump_endpoints();
        request.put(attr::TOKEN, token.0.to_ne_bytes());
        request
    }

    /// A request that no kernel carries out: to close a subflow without naming it. The kernel first looks at the connection
    /// and its path manager, so that the refusal tells of them.
    pub fn probe_connection(self, token: Token) -> Request {
        let none = Identity { address: Ipv4Addr::UNSPECIFIED.into(), port: None };
        self.of_subflow(cmd::SUBFLOW_DESTROY, token, &none, |row| put_identity(row, &none))
    }

    /// The request of an operation on a connection. `dev` is the index of the interface that it names.
    pub fn operation(self, token: Token, operation: &Operation, dev: Option<NonZeroU32>) -> Request {
        match operation {
            Operation::Announce { address, id, dev: _ } => {
                let mut request = self.change_row(cmd::ANNOUNCE, |row| {
                    put_row(row, address, Some(*id), Flags::SIGNAL, dev);
                });
                request.put(attr::TOKEN, token.0.to_ne_bytes());
                request
            }
            Operation::Remove { id } => {
                let mut request = self.change(cmd::REMOVE);
                request.put(attr::TOKEN, token.0.to_ne_bytes());
                request.put(attr::LOC_ID, [id.get()]);
                request
            }
            Operation::Create { address, peer, id, priority, dev: _ } => {
                let local = Identity { address: *address, port: None };
                self.of_subflow(cmd::SUBFLOW_CREATE, token, &identity(*peer), |row| {
                    put_row(row, &local, Some(*id), priority.flags(), dev);
                })
            }
            Operation::Destroy { local, peer } => {
                let local = identity(*local);
                self.of_subflow(cmd::SUBFLOW_DESTROY, token, &identity(*peer), |row| {
                    put_identity(row, &local);
                })
            }
            Operation::SetPriority { priority, local, peer } => {
                self.of_subflow(cmd::SET_FLAGS, token, &identity(*peer), |row| {
                    put_row(row, local, None, priority.flags(), None);
                })
            }
        }
    }

    /// A request about the subflow between an address of this host, which `row` writes, and one of the peer.
    fn of_subflow(
        self,
        command: u8,
        token: Token,
        peer: &Identity,
        row: impl FnOnce(&mut Request),
    ) -> Request {
        let mut request = self.change_row(command, row);
        request.put(attr::TOKEN, token.0.to_ne_bytes());
        request.nest(attr::ADDR_REMOTE, |row| put_identity(row, peer));
        request
    }

    fn change_row(self, command: u8, row: impl FnOnce(&mut Request)) -> Request {
        let mut request = self.change(command);
        request.nest(attr::ADDR, row);
        request
    }

    fn change(self, command: u8) -> Request {
        Request::change(self.0, NlmF::empty(), &header(command))
    }
}

/// The limits in the answer to [`GenlFamily::get_limits`].
pub fn limits(reply: &[u8]) -> Option<Limits> {
    let limit = |kind: u16| find(genl_attributes(reply), kind).and_then(number);
    Some(Limits { subflows: limit(attr::SUBFLOWS)?, add_addr_accepted: limit(attr::RCV_ADD_ADDRS)? })
}

/// The endpoint in a reply to [`GenlFamily::dump_endpoints`] or [`GenlFamily::get_endpoint`]; its device has no name yet.
pub fn endpoint(reply: &[u8]) -> Option<Endpoint> {
    let row = find(genl_attributes(reply), attr::ADDR)?;
    let (mut address, mut port, mut id, mut dev, mut flags) = (None, None, None, None, None);
    for (kind, value) in attributes(row) {
        match kind {
            addr::ID => id = number(value).and_then(|id| AddressId::new(id.try_into().ok()?)),
            addr::ADDR4 => address = Family::Ipv4.address(value),
            addr::ADDR6 => address = Family::Ipv6.address(value),
            addr::PORT => port = number(value).and_then(|port| NonZeroU16::new(port.try_into().ok()?)),
            addr::FLAGS => flags = number(value).map(Flags::from_bits),
            addr::IF_IDX => dev = number(value).and_then(NonZeroU32::new),
            _ => {}
        }
    }
    Some(Endpoint {
        identity: Identity { address: canonical(address?), port },
        id: Some(id?),
        dev: dev.map(|index| Device { index, name: None }),
        flags: flags?,
    })
}

/// The attributes behind the four bytes of `struct genlmsghdr`.
pub fn genl_attributes(reply: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(reply.get(4..).unwrap_or_default())
}

fn put_row(
    row: &mut Request,
    identity: &Identity,
    id: Option<AddressId>,
    flags: Flags,
    dev: Option<NonZeroU32>,
) {
    put_identity(row, identity);
    row.put(addr::FLAGS, flags.bits().to_ne_bytes());
    if let Some(index) = dev {
        row.put(addr::IF_IDX, index.get().to_ne_bytes());
    }
    if let Some(id) = id {
        row.put(addr::ID, [id.get()]);
    }
}

fn identity(end: SocketAddr) -> Identity {
    Identity { address: end.ip(), port: NonZeroU16::new(end.port()) }
}

fn put_identity(row: &mut Request, identity: &Identity) {
    let family = Family::of(identity.address);
    row.put(addr::FAMILY, u16::from(family.number()).to_ne_bytes());
    row.put_address(if family == Family::Ipv4 { addr::ADDR4 } else { addr::ADDR6 }, identity.address);
    if let Some(port) = identity.port {
        row.put(addr::PORT, port.get().to_ne_bytes());
    }
}

/// `struct genlmsghdr`
fn header(command: u8) -> [u8; 4] {
    [command, FAMILY_VERSION, 0, 0]
}
