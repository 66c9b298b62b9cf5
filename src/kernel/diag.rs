//! Socket diagnostics: the subflows of live MPTCP connections (`inet_diag` with the information of the MPTCP "upper
//! layer protocol", `include/uapi/linux/inet_diag.h` and `mptcp.h`).

use std::fs;

use neli::consts::socket::NlFamily;
use neli::types::Buffer;

use crate::model::canonical;

use super::answers::{attributes, number};
use super::netlink::{DUMP_ATTEMPTS, Netlink, Request};
use super::rtnl::ip;
use super::{Error, Joins, Subflow};

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
    let [answered, heard] = counters(["MPJoinSynAckRx", "MPJoinSynRx"]).unwrap_or_default();
    Joins { answered, heard }
}

/// Whether there may be MPTCP connections: whether any was asked for since this namespace was made. Looking through all
/// TCP sockets of a busy host costs far more. (`/proc/net/protocols` does not count MPTCP sockets.)
fn has_connections() -> bool {
    counters(["MPCapableSYNTX", "MPCapableSYNRX"]) != Some([0, 0])
}

/// Two of the kernel's MPTCP counters, 0 where there is none of that name; none where they cannot be read.
fn counters(wanted: [&str; 2]) -> Option<[u64; 2]> {
    let all = fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let mut mptcp = all.lines().filter_map(|line| line.strip_prefix("MPTcpExt:"));
    let (names, values) = (mptcp.next()?, mptcp.next()?);
    let pairs = || names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
    let value = |name| pairs().find(|(other, _)| *other == name).and_then(|(_, value)| value.parse().ok());
    Some(wanted.map(|name| value(name).unwrap_or(0)))
}

fn dump(netlink: &mut Netlink, family: u8) -> Result<Vec<Subflow>, Error> {
    let request = Request::dump(BY_FAMILY, &Buffer::from(request(family)))?;
    let disturbed = || Error::Protocol(format!("{DUMP_ATTEMPTS} dumps of the sockets were disturbed"));
    let mut subflows = Vec::new();
    for verdict in netlink.read(std::slice::from_ref(&request))?.ok_or_else(disturbed)? {
        match verdict {
            Ok(replies) => subflows.extend(replies.iter().filter_map(|reply| subflow(reply))),
            Err(refusal) => log::debug!("this kernel does not tell of sockets ({refusal})"),
        }
    }
    Ok(subflows)
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
    let local = ip(if family == FAMILIES[0] { source.get(..4)? } else { source })?;
    let (_, ulp) = attributes(reply.get(HEADER..)?).find(|(kind, _)| *kind == ULP_INFO)?;
    let (_, mptcp) = attributes(ulp).find(|(kind, _)| *kind == MPTCP)?;
    let (_, token) = attributes(mptcp).find(|(kind, _)| *kind == TOKEN_LOCAL)?;
    Some(Subflow { connection: number(token)?, local: canonical(local), established: state == ESTABLISHED })
}
