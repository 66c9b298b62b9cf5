//! rtnetlink: neighbours, the hosts on a link with their link-layer addresses; `struct ndmsg` of
//! `include/uapi/linux/neighbour.h`.

use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;

use crate::linux::netlink::decode::number;
use crate::linux::netlink::{Netlink, Request};
use crate::model::Family;
use crate::system::{Errno, Error};

/// `NDA_DST`
const DESTINATION: u16 = 1;

/// `NUD_*`, the states of an entry.
pub mod nud {
    pub const INCOMPLETE: u16 = 0x01;
    pub const REACHABLE: u16 = 0x02;
    pub const STALE: u16 = 0x04;
    pub const DELAY: u16 = 0x08;
    pub const PROBE: u16 = 0x10;
    pub const FAILED: u16 = 0x20;
    pub const NOARP: u16 = 0x40;
    pub const PERMANENT: u16 = 0x80;
    /// `NUD_VALID`: the link-layer address is known.
    pub const VALID: u16 = PERMANENT | NOARP | REACHABLE | PROBE | STALE | DELAY;
}

/// An address on the link of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The interface.
    pub index: NonZeroU32,
    /// The address.
    pub address: IpAddr,
}

impl Neighbour {
    /// The state of its entry (`NUD_*`), if there is one.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn state(self, netlink: &mut Netlink) -> Result<Option<u16>, Error> {
        let request = self.put_into(Request::get(Rtm::Getneigh, &self.header(0, 0)));
        match netlink.request(request)? {
            Ok(replies) => Ok(replies.iter().find_map(|reply| state(reply))),
            Err(refusal) if refusal.errno == Errno::ENOENT => Ok(None),
            Err(refusal) => Err(Error::Refused("read a neighbour", refusal)),
        }
    }

    /// Whether its link-layer address is known.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn is_known(self, netlink: &mut Netlink) -> Result<bool, Error> {
        Ok(self.state(netlink)?.is_some_and(|state| state & nud::VALID != 0))
    }

    /// Whether it was asked for its link-layer address and did not answer.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn is_silent(self, netlink: &mut Netlink) -> Result<bool, Error> {
        Ok(self.state(netlink)?.is_some_and(|state| state & (nud::INCOMPLETE | nud::FAILED) != 0))
    }

    /// A request that gives its entry this state and these flags (`NTF_*`), and makes the entry if there is none.
    pub fn set(self, state: u16, flags: u8) -> Request {
        let change = NlmF::CREATE | NlmF::REPLACE;
        self.put_into(Request::change(Rtm::Newneigh, change, &self.header(state, flags)))
    }

    fn header(self, state: u16, flags: u8) -> Vec<u8> {
        let mut header = vec![Family::of(self.address).number(), 0, 0, 0];
        header.extend(self.index.get().to_ne_bytes());
        header.extend(state.to_ne_bytes());
        header.extend([flags, 0]);
        header
    }

    fn put_into(self, mut request: Request) -> Request {
        request.put_address(DESTINATION, self.address);
        request
    }
}

/// `ndm_state` of a reply.
fn state(reply: &[u8]) -> Option<u16> {
    let bytes: [u8; 4] = reply.get(8..12)?.try_into().ok()?;
    let [low, high, ..] = number(&bytes)?.to_ne_bytes();
    Some(u16::from_ne_bytes([low, high]))
}
