//! Writes netlink requests: `struct nlmsghdr`, the header of a family, and attributes.
//!
//! All requests are written here. Nothing can fail: they are a few small attributes, and the kernel refuses what makes no
//! sense.

use std::net::IpAddr;

use neli::consts::nl::NlmF;

use crate::linux::netlink::decode::{Ending, HEADER, aligned};

/// `NLA_F_NESTED`, which strict checking asks for.
const NESTED: u16 = 1 << 15;

/// One request, ready to be sent.
pub struct Request {
    kind: u16,
    flags: NlmF,
    /// What follows `struct nlmsghdr`.
    pub body: Vec<u8>,
}

/// The value of an attribute.
pub trait Value {
    /// Appends the value in the form that the kernel takes.
    fn write(self, bytes: &mut Vec<u8>);
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
        Request { kind: kind.into(), flags: flags | NlmF::REQUEST, body: header.to_vec() }
    }

    /// Adds an attribute.
    pub fn put(&mut self, kind: u16, value: impl Value) {
        self.attribute(kind, |request| value.write(&mut request.body));
    }

    /// Adds an attribute that contains those that `inner` adds.
    pub fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Request)) {
        self.attribute(kind | NESTED, inner);
    }

    /// Writes `struct nlattr`, the value, and padding to a multiple of 4 bytes.
    fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Request)) {
        let start = self.body.len();
        self.body.extend([[0; 2], kind.to_ne_bytes()].concat());
        write(self);
        let length = u16::try_from(self.body.len() - start).unwrap_or(u16::MAX).to_ne_bytes();
        self.body[start..start + length.len()].copy_from_slice(&length);
        self.body.resize(aligned(self.body.len()), 0);
    }

    /// Appends the message to these bytes.
    pub fn write(&self, sequence: u32, bytes: &mut Vec<u8>) {
        /// `nlmsg_pid`: the kernel fills it in.
        const PORT: [u8; 4] = [0; 4];
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.bits().to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(PORT);
        bytes.extend(&self.body);
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

impl Value for u8 {
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl Value for u16 {
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

impl Value for u32 {
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

impl Value for &[u8] {
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self);
    }
}

/// Followed by a zero byte.
impl Value for &str {
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.as_bytes());
        bytes.push(0);
    }
}

/// 4 or 16 bytes, in the network's order.
impl Value for IpAddr {
    fn write(self, bytes: &mut Vec<u8>) {
        match self {
            IpAddr::V4(v4) => bytes.extend(v4.octets()),
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linux::netlink::decode::{Message, attributes};

    /// `ip mptcp endpoint add 10.0.1.2 id 7 port 8443 signal`, as the kernel takes it.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_message_has_the_kernels_layout() {
        let mut request = Request::change(28u16, NlmF::empty(), &[1, 1, 0, 0]);
        request.nest(1, |row| {
            row.put(1, 2u16);
            row.put(3, IpAddr::from([10, 0, 1, 2]));
            row.put(2, 7u8);
            row.put(6, 1u32);
        });
        let mut bytes = vec![0xff];
        request.write(0x0102_0304, &mut bytes);
        let expected = [
            &[0xff, 56, 0, 0, 0, 28, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0][..],
            &[1, 1, 0, 0, 36, 0, 1, 0x80],
            &[6, 0, 1, 0, 2, 0, 0, 0, 8, 0, 3, 0, 10, 0, 1, 2],
            &[5, 0, 2, 0, 7, 0, 0, 0, 8, 0, 6, 0, 1, 0, 0, 0],
        ];
        assert_eq!(bytes, expected.concat());
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(values in prop::collection::vec((0u16..0x4000, prop::collection::vec(any::<u8>(), 0..20)), 0..8)) {
            let mut request = Request::get(16u16, &[3, 1, 0, 0]);
            request.nest(1, |inner| values.iter().for_each(|(kind, value)| inner.put(*kind, value.as_slice())));
            request.put(2, "eth0");
            let mut bytes = Vec::new();
            request.write(9, &mut bytes);
            let (message, rest) = Message::split(&bytes).expect("a message");
            prop_assert!(rest.is_empty());
            let outer: Vec<(u16, &[u8])> = attributes(&message.payload[4..]).collect();
            prop_assert_eq!((outer.len(), outer[0].0, outer[1]), (2, 1, (2, &b"eth0\0"[..])));
            let inner: Vec<(u16, Vec<u8>)> = attributes(outer[0].1).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(inner, values);
        }
    }
}
