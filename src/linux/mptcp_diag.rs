//! How far the data of live MPTCP connections has come: `inet_diag` of the MPTCP sockets themselves
//! (`net/mptcp/mptcp_diag.c`), which are not among the sockets of TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use neli::consts::socket::NlFamily;

use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::attributes;
use crate::linux::sock_diag::{self, ALIVE, HEADER, INFO, LISTENING, large, small};
use crate::model::{Fallback, Family};
use crate::system::{DataProgress, Error};

/// `IPPROTO_MPTCP`
const MPTCP: u32 = 262;
/// `INET_DIAG_REQ_PROTOCOL`, since the protocol does not fit into a byte
const PROTOCOL: u16 = 3;
/// `INET_DIAG_SKMEMINFO`, an attribute of the reply, and one more than its bit in the request
const SKMEMINFO: u16 = 7;
/// Where in `struct mptcp_info` the number of accepted addresses, the limit of subflows, the flags and the token are
const ADD_ADDR_ACCEPTED: usize = 2;
const SUBFLOWS_MAX: usize = 3;
const FLAGS: usize = 8;
const TOKEN: usize = 12;

/// What the socket of a connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketCondition {
    /// Whether, and when, it fell back to plain TCP.
    pub fallback: Fallback,
    /// Whether an end has closed it, so that only what is on its way is still delivered.
    pub closing: bool,
    /// The limit of subflows beside the first (`mptcpi_subflows_max`): 0 under the userspace path manager too.
    pub limit: u8,
    /// How many announced addresses the kernel has asked for a subflow (`mptcpi_add_addr_accepted`).
    pub accepted: u8,
}

/// The connections of this thread's network namespace. None where this kernel does not tell of them
/// (`CONFIG_INET_MPTCP_DIAG`).
pub fn progress() -> Result<Vec<DataProgress>, Error> {
    if !sock_diag::has_connections() {
        return Ok(Vec::new());
    }
    all(INFO | 1 << (SKMEMINFO - 1), data)
}

/// What the sockets of the live connections tell beside their subflows, by their tokens. None where this kernel does not
/// tell.
pub fn conditions() -> Result<BTreeMap<u32, SocketCondition>, Error> {
    Ok(all(INFO, condition)?.into_iter().collect())
}

/// Where MPTCP sockets listen. Nowhere where this kernel does not tell.
pub fn listening() -> Result<BTreeSet<SocketAddr>, Error> {
    Ok(in_states(LISTENING, INFO, sock_diag::local)?.into_iter().collect())
}

fn all<T>(extensions: u8, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
    in_states(ALIVE, extensions, read)
}

fn in_states<T>(states: u32, extensions: u8, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
    let mut netlink = Netlink::open(NlFamily::SockOrInetDiag)?;
    let mut found = Vec::new();
    for family in Family::ALL {
        let mut request = sock_diag::request(family, extensions, states, 0);
        request.put(PROTOCOL, MPTCP.to_ne_bytes());
        match netlink.dump("list the connections", request, &read) {
            Ok(connections) => found.extend(connections),
            Err(Error::Refused(_, refusal)) => {
                log::debug!("this kernel does not tell of MPTCP connections ({refusal})");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Reads the token of a connection, whether it fell back, and when (`MPTCP_INFO_FLAG_FALLBACK` in `struct mptcp_info`, and
/// `MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED`), whether it is being closed, its limit, and the number of accepted addresses.
fn condition(reply: &[u8]) -> Option<(u32, SocketCondition)> {
    const ESTABLISHED: u8 = 1;
    const FALLBACK: u32 = 1 << 0;
    const REMOTE_KEY_RECEIVED: u32 = 1 << 1;
    let info = sock_diag::info(reply)?;
    let flags = small(info, FLAGS)?;
    let fallback = match (flags & FALLBACK != 0, flags & REMOTE_KEY_RECEIVED != 0) {
        (false, _) => Fallback::No,
        (true, true) => Fallback::Later,
        (true, false) => Fallback::AtOnce,
    };
    let closing = reply.get(1) != Some(&ESTABLISHED);
    let (accepted, limit) = (*info.get(ADD_ADDR_ACCEPTED)?, *info.get(SUBFLOWS_MAX)?);
    Some((small(info, TOKEN)?, SocketCondition { fallback, closing, limit, accepted }))
}

/// Reads `struct mptcp_info` and the memory of the socket.
pub fn data(reply: &[u8]) -> Option<DataProgress> {
    let info = sock_diag::info(reply)?;
    let (_, memory) = attributes(reply.get(HEADER..)?).find(|(kind, _)| *kind == SKMEMINFO)?;
    Some(DataProgress {
        connection: small(info, TOKEN)?,
        write_seq: large(info, 16)?,
        snd_una: large(info, 24)?,
        rcv_nxt: large(info, 32)?,
        rmem_alloc: small(memory, 0)?,
        rcvbuf: small(memory, 4)?,
        wmem_queued: small(memory, 20)?,
    })
}
