//! rtnetlink: links and addresses (`include/uapi/linux/if_link.h` and `if_addr.h`).

use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifa, IfaF, Iff, Ifla, IflaInfo, RtScope, Rtm};
use neli::consts::socket::NlFamily;

use crate::config::INTERFACE_NAME_MAX;
use crate::linux::netlink::decode::{self, Verdict, attributes, find, number};
use crate::linux::netlink::{Netlink, Request};
use crate::model::{AddressState, Family, HostAddress, Interface, canonical};
use crate::system::{AssignedAddress, Errno, Error};

/// The length of `struct ifinfomsg`
const LINK_HEADER: usize = 16;
/// The length of `struct ifaddrmsg`
const ADDRESS_HEADER: usize = 8;
/// `RTM_NEWLINKPROP` of `include/uapi/linux/rtnetlink.h`
const NEW_LINK_PROPERTY: u16 = 108;
/// `RTEXT_FILTER_SKIP_STATS`: collecting statistics takes the kernel as long as all else that it says of an interface.
const SKIP_STATS: u32 = 1 << 3;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub index: NonZeroU32,
    /// The local address.
    pub address: IpAddr,
    /// Bits of its network, 0 to 32 or 128.
    pub prefix_length: u8,
    /// `RT_SCOPE_*`
    scope: u8,
    /// Flags up to `IFA_F_PERMANENT`.
    flags: IfaF,
}

/// What an interface is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkMake {
    /// The interface.
    pub index: NonZeroU32,
    /// `IFLA_INFO_KIND`, such as `bridge` or `veth`; empty for hardware.
    pub kind: String,
    /// The bridge, bond or team that it is a part of.
    pub master: Option<NonZeroU32>,
}

/// `struct ifa_cacheinfo` with a preferred lifetime of 0 seconds and an unlimited valid one.
const DEPRECATED_FOREVER: [u8; 16] = [0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0];

impl Address {
    /// A global address whose network is itself.
    pub fn single(index: NonZeroU32, address: IpAddr) -> Address {
        Address {
            index,
            address,
            prefix_length: Family::of(address).bits(),
            scope: RtScope::Universe.into(),
            flags: IfaF::empty(),
        }
    }

    /// Whether the kernel prefers it as a source address: it is neither deprecated nor temporary.
    fn is_preferred(&self) -> bool {
        !self.is_temporary() && !self.flags.contains(IfaF::DEPRECATED)
    }

    /// For IPv4 the same bit is `IFA_F_SECONDARY`, which does not matter.
    fn is_temporary(&self) -> bool {
        self.address.is_ipv6() && self.flags.contains(IfaF::TEMPORARY)
    }

    /// Whether a socket can be bound to it: duplicate address detection has succeeded, or is optimistic (RFC 4429).
    pub fn can_be_bound(&self) -> bool {
        let tentative = self.flags.contains(IfaF::TENTATIVE) && !self.flags.contains(IfaF::OPTIMISTIC);
        !tentative && !self.flags.contains(IfaF::DADFAILED)
    }

    /// The address as the doctor looks at it.
    pub fn as_found(&self) -> HostAddress {
        HostAddress { address: canonical(self.address), index: self.index, state: self.state() }
    }

    /// Whether it can be used now.
    fn state(&self) -> AddressState {
        if self.flags.contains(IfaF::DADFAILED) {
            AddressState::DadFailed
        } else if !self.can_be_bound() {
            AddressState::Tentative
        } else if self.flags.contains(IfaF::DEPRECATED) {
            AddressState::Deprecated
        } else {
            AddressState::Settled
        }
    }

    /// The address as selectors look at it. They take no optimistic address.
    pub fn as_assigned(&self) -> AssignedAddress {
        let is_tentative = self.flags.contains(IfaF::TENTATIVE);
        let state = if is_tentative { AddressState::Tentative } else { self.state() };
        AssignedAddress { address: canonical(self.address), index: self.index, state }
    }

    /// Whether it stays until it is removed; otherwise it has a lifetime.
    pub fn is_permanent(&self) -> bool {
        self.flags.contains(IfaF::PERMANENT)
    }

    /// Whether a selector may pick it once it is settled. Loopback and link-local addresses are excluded by themselves
    /// too, since an administrator can give them global scope.
    pub fn is_selectable(&self) -> bool {
        self.is_global() && !self.is_temporary()
    }

    /// Whether packets with it can leave the link.
    pub fn is_global(&self) -> bool {
        let link_local = match self.address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let special = link_local || self.address.is_loopback() || self.address.is_multicast();
        self.scope == u8::from(RtScope::Universe) && !special
    }
}

/// rtnetlink in one network namespace.
pub struct Rtnl {
    netlink: Netlink,
}

impl Rtnl {
    /// Opens a socket for the network namespace of this thread.
    ///
    /// # Errors
    /// When the kernel does not open it.
    pub fn open() -> Result<Rtnl, Error> {
        Ok(Rtnl { netlink: Netlink::open(NlFamily::Route)? })
    }

    /// All interfaces, in the kernel's order.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn links(&mut self) -> Result<Vec<Interface>, Error> {
        let mut request = Request::dump(Rtm::Getlink, &link_header(None, Iff::empty()));
        request.put(Ifla::ExtMask, SKIP_STATS.to_ne_bytes());
        self.netlink.dump("list the interfaces", request, link)
    }

    /// What each interface is made of, in the kernel's order.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn link_makes(&mut self) -> Result<Vec<LinkMake>, Error> {
        let mut request = Request::dump(Rtm::Getlink, &link_header(None, Iff::empty()));
        request.put(Ifla::ExtMask, SKIP_STATS.to_ne_bytes());
        self.netlink.dump("list the interfaces", request, link_make)
    }

    /// The index of the interface of that name, if there is one.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn index(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error> {
        let mut request = Request::get(Rtm::Getlink, &link_header(None, Iff::empty()));
        // An alternative name may be longer than a name, and is found by either attribute otherwise.
        let is_long = name.len() > INTERFACE_NAME_MAX;
        request.put_text(if is_long { Ifla::AltIfname } else { Ifla::Ifname }, name);
        request.put(Ifla::ExtMask, SKIP_STATS.to_ne_bytes());
        match self.netlink.request(request)? {
            Ok(replies) => Ok(replies.iter().find_map(|reply| link(reply)).map(|link| link.index)),
            Err(refusal) if refusal.errno == Errno::ENODEV => Ok(None),
            Err(refusal) => Err(Error::Refused("look up an interface", refusal)),
        }
    }

    /// All addresses, in the kernel's order.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        let request = Request::dump(Rtm::Getaddr, &[0; ADDRESS_HEADER]);
        self.netlink.dump("list the addresses", request, address)
    }

    /// Sends several requests at once; one verdict each.
    ///
    /// # Errors
    /// When an answer is lost or damaged.
    pub fn transact(&mut self, requests: &[Request]) -> Result<Vec<Verdict>, Error> {
        self.netlink.transact(requests)
    }
}

/// Makes an interface of a kind that needs no other interface, such as `dummy`. The kernel refuses an `index` that is in
/// use.
pub fn add_link(name: &str, kind: &str, index: Option<NonZeroU32>) -> Request {
    let mut request =
        Request::change(Rtm::Newlink, NlmF::CREATE | NlmF::EXCL, &link_header(index, Iff::empty()));
    request.put_text(Ifla::Ifname, name);
    request.nest(Ifla::Linkinfo, |info| info.put_text(IflaInfo::Kind, kind));
    request
}

/// Gives an interface an alternative name.
pub fn add_altname(index: NonZeroU32, name: &str) -> Request {
    let flags = NlmF::CREATE | NlmF::EXCL | NlmF::APPEND;
    let mut request = Request::change(NEW_LINK_PROPERTY, flags, &link_header(Some(index), Iff::empty()));
    request.nest(Ifla::PropList, |list| list.put_text(Ifla::AltIfname, name));
    request
}

/// Sets an interface up, and these flags.
pub fn set_up(index: NonZeroU32, flags: Iff) -> Request {
    Request::change(Rtm::Newlink, NlmF::empty(), &link_header(Some(index), Iff::UP | flags))
}

/// Gives an interface an address, without duplicate address detection, so that it is usable at once. A temporary address
/// becomes a deprecated one: only the kernel makes temporary addresses, and selectors pick neither.
pub fn add_address(index: NonZeroU32, address: &Address) -> Request {
    let family = Family::of(address.address).number();
    let mut header = vec![family, address.prefix_length, IfaF::NODAD.bits(), address.scope];
    header.extend(index.get().to_ne_bytes());
    let mut request = Request::change(Rtm::Newaddr, NlmF::CREATE | NlmF::EXCL, &header);
    request.put_address(Ifa::Local, address.address);
    request.put_address(Ifa::Address, address.address);
    if !address.is_preferred() {
        request.put(Ifa::Cacheinfo, DEPRECATED_FOREVER);
    }
    request
}

/// `struct ifinfomsg`: the interface, and the flags that are to be set.
fn link_header(index: Option<NonZeroU32>, flags: Iff) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    let fields = [index.map_or(0, NonZeroU32::get), flags.bits(), flags.bits()];
    for (field, place) in fields.iter().zip(header[4..].chunks_exact_mut(4)) {
        place.copy_from_slice(&field.to_ne_bytes());
    }
    header
}

/// Reads `struct ifinfomsg` and its attributes.
pub fn link(reply: &[u8]) -> Option<Interface> {
    let field = |at: usize| reply.get(at..at + 4).and_then(number);
    let (index, flags) = (NonZeroU32::new(field(4)?)?, field(8)?);
    let (mut name, mut altnames, mut below, mut is_elsewhere) = (None, Vec::new(), None, false);
    for (kind, value) in attributes(reply.get(LINK_HEADER..)?) {
        match Ifla::from(kind) {
            Ifla::Ifname => name = Some(text(value)),
            Ifla::Link => below = number(value).and_then(NonZeroU32::new),
            // The number of another namespace, which that index is of.
            Ifla::LinkNetnsid => is_elsewhere = true,
            Ifla::PropList => {
                let names = attributes(value).filter(|(kind, _)| Ifla::from(*kind) == Ifla::AltIfname);
                altnames.extend(names.map(|(_, name)| text(name)));
            }
            _ => {}
        }
    }
    let is = |flag| Iff::from(flags).contains(flag);
    Some(Interface {
        index,
        name: name?,
        altnames,
        up: is(Iff::UP),
        carrier: is(Iff::LOWERUP),
        loopback: is(Iff::LOOPBACK),
        routerless: is(Iff::POINTOPOINT) || is(Iff::NOARP),
        below: below.filter(|_| !is_elsewhere),
    })
}

/// Reads the kind of an interface, and what it is a part of.
pub fn link_make(reply: &[u8]) -> Option<LinkMake> {
    let index = NonZeroU32::new(reply.get(4..8).and_then(number)?)?;
    let found = || attributes(reply.get(LINK_HEADER..).unwrap_or_default());
    let kind = find(found(), Ifla::Linkinfo).and_then(|info| find(attributes(info), IflaInfo::Kind));
    let master = find(found(), Ifla::Master).and_then(number).and_then(NonZeroU32::new);
    Some(LinkMake { index, kind: kind.map_or(String::new(), text), master })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Reads `struct ifaddrmsg` and its attributes. IFA_LOCAL is the host's own address. Without it IFA_ADDRESS is, which is
/// the peer's on a point-to-point link.
pub fn address(reply: &[u8]) -> Option<Address> {
    let index = NonZeroU32::new(reply.get(4..8).and_then(number)?)?;
    let (mut own, mut any, mut flags) = (None, None, *reply.get(2)?);
    for (kind, value) in attributes(reply.get(ADDRESS_HEADER..)?) {
        match Ifa::from(kind) {
            Ifa::Address => any = decode::address(value),
            Ifa::Local => own = decode::address(value),
            // 32 bits; the header has the lowest 8 of them.
            Ifa::Flags => [flags, ..] = number(value)?.to_le_bytes(),
            _ => {}
        }
    }
    Some(Address {
        index,
        address: own.or(any)?,
        prefix_length: *reply.get(1)?,
        scope: *reply.get(3)?,
        flags: flags.into(),
    })
}
