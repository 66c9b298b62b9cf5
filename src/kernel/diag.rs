//! Socket diagnostics: the subflows of live MPTCP connections (`inet_diag` with the information of the MPTCP "upper
//! layer protocol", `include/uapi/linux/inet_diag.h` and `mptcp.h`).

use std::fs;
use std::net::IpAddr;

use neli::consts::socket::NlFamily;
use neli::types::Buffer;

use crate::model::canonical;

use super::answers::{attributes, number};
use super::netlink::{DUMP_ATTEMPTS, Netlink, Request};
use super::{Errno, Error, Joins, Subflow};

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `AF_INET`, `AF_INET6`
const FAMILIES: [u8; 2] = [2, 10];
/// `IPPROTO_TCP`
const TCP: u8 = 6;
/// `INET_DIAG_INFO` as a bit. Only with it does the kernel tell of the upper layer protocol.
const INFO: u8 = 1 << 1;
/// `TCP_ESTABLISHED`
const ESTABLISHED: u8 = 1;
/// `TCP_ESTABLISHED`, `TCP_SYN_SENT` and `TCP_SYN_RECV`, as bits
const STATES: u32 = 1 << 1 | 1 << 2 | 1 << 3;

/// The subflows of this thread's network namespace that are established or being opened. None, too, where this kernel
/// does not tell of sockets: whoever asks wants to know what he may lose, and acts without knowing otherwise.
pub fn subflows() -> Result<Vec<Subflow>, Error> {
    if !has_connections() {
        return Ok(Vec::new());
    }
    let mut netlink = Netlink::open(NlFamily::SockOrInetDiag)?;
    let mut subflows = Vec::new();
    for family in FAMILIES {
        subflows.extend(dump(&mut netlink, family)?);
    }
    Ok(subflows)
}

/// The kernel's counters `MPJoinSynAckRx` and `MPJoinSynRx`. 0 where they cannot be read.
pub fn joins() -> Joins {
    let count = |name| counters(&[name]).unwrap_or(0);
    Joins { answered: count("MPJoinSynAckRx"), heard: count("MPJoinSynRx") }
}

/// Whether there may be MPTCP connections: whether any was asked for since this namespace was made. Looking through all
/// TCP sockets of a busy host costs far more. (`/proc/net/protocols` does not count MPTCP sockets.)
fn has_connections() -> bool {
    counters(&["MPCapableSYNTX", "MPCapableSYNRX"]) != Some(0)
}

/// The sum of some of the kernel's MPTCP counters; none where they cannot be read.
fn counters(wanted: &[&str]) -> Option<u64> {
    let all = fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let mut mptcp = all.lines().filter_map(|line| line.strip_prefix("MPTcpExt:"));
    let (names, values) = (mptcp.next()?, mptcp.next()?);
    let pairs = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
    let of_interest = pairs.filter(|(name, _)| wanted.contains(name));
    Some(of_interest.filter_map(|(_, value)| value.parse().ok()).fold(0, u64::saturating_add))
}

fn dump(netlink: &mut Netlink, family: u8) -> Result<Vec<Subflow>, Error> {
    for _ in 0..DUMP_ATTEMPTS {
        match netlink.request(Request::dump(BY_FAMILY, &Buffer::from(request(family)))?)? {
            Ok(replies) => return Ok(replies.iter().filter_map(|reply| subflow(reply)).collect()),
            Err(refusal) if refusal.errno == Errno::EINTR => {}
            Err(refusal) => {
                log::debug!("this kernel does not tell of sockets ({refusal})");
                return Ok(Vec::new());
            }
        }
    }
    Err(Error::Protocol(format!("{DUMP_ATTEMPTS} dumps of the sockets were disturbed")))
}

/// `struct inet_diag_req_v2` without any address.
fn request(family: u8) -> Vec<u8> {
    const LENGTH: usize = 56;
    let mut request = vec![family, TCP, INFO, 0];
    request.extend(STATES.to_ne_bytes());
    request.resize(LENGTH, 0);
    request
}

/// Reads `struct inet_diag_msg` and its attributes; none when the socket is no subflow.
pub fn subflow(reply: &[u8]) -> Option<Subflow> {
    const HEADER: usize = 72;
    const ULP_INFO: u16 = 19;
    const MPTCP: u16 = 3;
    const TOKEN_LOCAL: u16 = 2;
    let (family, state) = (*reply.first()?, *reply.get(1)?);
    let source = reply.get(8..24)?;
    let local = if family == FAMILIES[0] {
        IpAddr::from(<[u8; 4]>::try_from(source.get(..4)?).ok()?)
    } else {
        IpAddr::from(<[u8; 16]>::try_from(source).ok()?)
    };
    let (_, ulp) = attributes(reply.get(HEADER..)?).find(|(kind, _)| *kind == ULP_INFO)?;
    let (_, mptcp) = attributes(ulp).find(|(kind, _)| *kind == MPTCP)?;
    let (_, token) = attributes(mptcp).find(|(kind, _)| *kind == TOKEN_LOCAL)?;
    Some(Subflow { connection: number(token)?, local: canonical(local), established: state == ESTABLISHED })
}
