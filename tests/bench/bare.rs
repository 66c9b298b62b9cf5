//! `floor.c` once more, in plain Rust: what the language, its standard library and this project's way of building cost
//! before mptcp-apply does anything. It has no command line parser, no YAML and no netlink crate, and like the floor it
//! compares, locks, verifies, undoes and reports nothing.
//!
//! ```text
//! bare read | add SUBFLOWS ADD_ADDR_ACCEPTED ROW... | flags ROW | replace ROW...
//! ```
//!
//! The words mean what they mean to `floor.c`.

use std::error::Error;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// `NLMSG_ERROR` and `NLMSG_DONE`
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST`, and with it `NLM_F_ACK` or `NLM_F_DUMP`
const ACK: u16 = 1 | 4;
const DUMP: u16 = 1 | 0x300;
/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY`, `CTRL_ATTR_FAMILY_NAME`, `CTRL_ATTR_FAMILY_ID`
const CTRL: (u16, u8, u16, u16) = (16, 3, 2, 1);
/// `MPTCP_PM_CMD_*`
const ADD_ADDR: u8 = 1;
const DEL_ADDR: u8 = 2;
const GET_ADDR: u8 = 3;
const SET_LIMITS: u8 = 5;
const GET_LIMITS: u8 = 6;
const SET_FLAGS: u8 = 7;
/// `NLA_F_NESTED`
const NESTED: u16 = 1 << 15;
/// The kernel answers each request with a buffer of its own; a few hundred of them would be lost.
const REQUESTS_MAX: usize = 64;
/// `struct nlmsghdr` and `struct genlmsghdr`
const HEADERS: usize = 16 + 4;

struct Netlink {
    socket: OwnedFd,
    family: u16,
    requests: Vec<u8>,
    pending: usize,
}

impl Netlink {
    fn open() -> Result<Netlink> {
        let generic = Some(net::netlink::GENERIC);
        let socket =
            net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, generic)?;
        let mut netlink = Netlink { socket, family: CTRL.0, requests: Vec::new(), pending: 0 };
        netlink.request(ACK, CTRL.1, &attribute(CTRL.2, b"mptcp_pm\0"))?;
        let mut family = None;
        netlink.exchange(|body| {
            let id = attributes(body).find(|(kind, _)| *kind == CTRL.3);
            family = id.and_then(|(_, value)| Some(u16::from_ne_bytes(value.try_into().ok()?)));
        })?;
        netlink.family = family.ok_or("no family `mptcp_pm`")?;
        Ok(netlink)
    }

    fn request(&mut self, flags: u16, command: u8, body: &[u8]) -> Result<()> {
        if self.pending == REQUESTS_MAX {
            self.exchange(|_| ())?;
        }
        let length = u32::try_from(HEADERS + body.len())?;
        self.requests.extend(length.to_ne_bytes());
        self.requests.extend(self.family.to_ne_bytes());
        self.requests.extend(flags.to_ne_bytes());
        self.requests.extend([0; 8]);
        self.requests.extend([command, 1, 0, 0]);
        self.requests.extend(body);
        self.pending += 1;
        Ok(())
    }

    /// Sends what was collected, and hands over the rows of the answers.
    fn exchange(&mut self, mut row: impl FnMut(&[u8])) -> Result<()> {
        net::send(&self.socket, &self.requests, SendFlags::empty())?;
        self.requests.clear();
        let mut buffer = vec![0; 32768];
        while self.pending > 0 {
            let (length, _) = net::recv(&self.socket, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some((kind, body, next)) = message(rest) {
                match kind {
                    ERROR if body.starts_with(&[0; 4]) => self.pending -= 1,
                    ERROR => return Err(format!("the kernel refused: {body:?}").into()),
                    DONE => self.pending -= 1,
                    _ => row(body.get(4..).unwrap_or_default()),
                }
                rest = next;
            }
        }
        Ok(())
    }

    /// A row is `ADDRESS,ID,FLAGS,IFINDEX`.
    fn write(&mut self, command: u8, rows: &[String]) -> Result<()> {
        for row in rows {
            let words: Vec<&str> = row.split(',').collect();
            let [address, id, flags, index] = words[..] else { return Err(format!("no row: {row}").into()) };
            let mut body = match address.parse()? {
                IpAddr::V4(v4) => [attribute(1, &2u16.to_ne_bytes()), attribute(3, &v4.octets())].concat(),
                IpAddr::V6(v6) => [attribute(1, &10u16.to_ne_bytes()), attribute(4, &v6.octets())].concat(),
            };
            body.extend(attribute(2, &[id.parse()?]));
            body.extend(attribute(6, &flags.parse::<u32>()?.to_ne_bytes()));
            if index != "0" {
                body.extend(attribute(7, &index.parse::<i32>()?.to_ne_bytes()));
            }
            self.request(ACK, command, &attribute(1 | NESTED, &body))?;
        }
        Ok(())
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + value.len() + 3);
    bytes.extend((4 + value.len() as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first message's type, what is behind its `struct nlmsghdr`, and what comes after it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, bytes.get(16..length)?, next))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut netlink = Netlink::open()?;
    match arguments.split_first().map(|(what, rest)| (what.as_str(), rest)) {
        Some(("read", [])) => {
            netlink.request(ACK, GET_LIMITS, &[])?;
            netlink.request(DUMP, GET_ADDR, &[])?;
            let mut rows = 0;
            netlink.exchange(|_| rows += 1)?;
            println!("{rows}");
            return Ok(());
        }
        Some(("add", [subflows, add_addr_accepted, rows @ ..])) => {
            let [subflows, accepted] = [subflows, add_addr_accepted].map(|word| word.parse::<u32>());
            let limits = [attribute(2, &accepted?.to_ne_bytes()), attribute(3, &subflows?.to_ne_bytes())];
            netlink.request(ACK, SET_LIMITS, &limits.concat())?;
            netlink.write(ADD_ADDR, rows)?;
        }
        Some(("flags", rows)) => netlink.write(SET_FLAGS, rows)?,
        Some(("replace", rows)) => {
            netlink.write(DEL_ADDR, rows)?;
            netlink.write(ADD_ADDR, rows)?;
        }
        _ => {
            return Err(
                "usage: bare read | add SUBFLOWS ADD_ADDR_ACCEPTED ROW... | flags ROW | replace ROW..."
                    .into(),
            );
        }
    }
    netlink.exchange(|_| ())
}
