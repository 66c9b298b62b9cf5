//! Writes netlink requests: `struct nlmsghdr`, the header of a family, and attributes.
//!
//! All requests are written here. Nothing can fail: they are a few small attributes, and the kernel refuses what makes no
//! sense.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use neli::consts::nl::NlmF;

use crate::linux::netlink::decode::{Ending, HEADER, aligned};

/// `NLA_F_NESTED`, which strict checking asks for.
const NESTED: u16 = 1 << 15;

/// Bytes that most requests fit into.
const BODY_SIZE: usize = 64;

/// One request, ready to be sent.
pub struct Request {
    kind: u16,
    flags: NlmF,
    /// What follows `struct nlmsghdr`.
    pub body: Vec<u8>,
}

impl Request {
    /// A request for one object, which is the only reply. `header` is that of the family, such as `struct genlmsghdr`; its
    /// length is a multiple of 4 bytes.
    pub fn get(kind: impl Into<u16>, header: &[u8]) -> Request {
        Request::with_flags(kind, NlmF::empty(), header)
    }

    /// A request for a change, which the kernel acknowledges.
    pub fn change(kind: impl Into<u16>, flags: NlmF, header: &[u8]) -> Request {
        Request::with_flags(kind, flags | NlmF::ACK, header)
    }

    /// A request for all objects of a kind.
    pub fn dump(kind: impl Into<u16>, header: &[u8]) -> Request {
        Request::with_flags(kind, NlmF::DUMP, header)
    }

    fn with_flags(kind: impl Into<u16>, flags: NlmF, header: &[u8]) -> Request {
        let mut body = Vec::with_capacity(BODY_SIZE);
        body.extend_from_slice(header);
        Request { kind: kind.into(), flags: flags | NlmF::REQUEST, body }
    }

    /// Adds an attribute with these bytes: numbers are in the host's order.
    pub fn put(&mut self, kind: impl Into<u16>, value: impl AsRef<[u8]>) {
        self.attribute(kind.into(), |request| request.body.extend_from_slice(value.as_ref()));
    }

    /// Adds an attribute with a text and a zero byte.
    pub fn put_text(&mut self, kind: impl Into<u16>, text: &str) {
        self.put(kind, [text.as_bytes(), &[0]].concat());
    }

    /// Adds an attribute with the 4 or 16 bytes of an address, in the network's order.
    pub fn put_address(&mut self, kind: impl Into<u16>, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.put(kind, v4.octets()),
            IpAddr::V6(v6) => self.put(kind, v6.octets()),
        }
    }

    /// Adds an attribute that contains those that `inner` adds.
    pub fn nest(&mut self, kind: impl Into<u16>, inner: impl FnOnce(&mut Request)) {
        self.attribute(kind.into() | NESTED, inner);
    }

    /// Writes `struct nlattr`, the value, and padding to a multiple of 4 bytes.
    fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Request)) {
        let start = self.body.len();
        self.body.extend_from_slice(&[0; 2]);
        self.body.extend_from_slice(&kind.to_ne_bytes());
        write(self);
        let length = u16::try_from(self.body.len() - start).unwrap_or(u16::MAX).to_ne_bytes();
        self.body[start..start + length.len()].copy_from_slice(&length);
        self.body.resize(aligned(self.body.len()), 0);
    }

    /// How many bytes [`Request::write`] appends.
    pub fn length(&self) -> usize {
        HEADER + self.body.len()
    }

    /// Appends the message to these bytes.
    pub fn write(&self, sequence: u32, bytes: &mut Vec<u8>) {
        /// `nlmsg_pid`: the kernel fills it in.
        const PORT: [u8; 4] = [0; 4];
        let length = u32::try_from(self.length()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&self.flags.bits().to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&PORT);
        bytes.extend_from_slice(&self.body);
    }

    /// What ends the answer to it.
    pub fn ending(&self) -> Ending {
        match self.flags {
            flags if flags.contains(NlmF::DUMP) => Ending::Done,
            flags if flags.contains(NlmF::ACK) => Ending::Acknowledgement,
            _ => Ending::Reply,
        }
    }
}
