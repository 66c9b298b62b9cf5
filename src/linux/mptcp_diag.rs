//! How far the data of live MPTCP connections has come: `inet_diag` of the MPTCP sockets themselves
//! (`net/mptcp/mptcp_diag.c`), which are not among the sockets of TCP.

use std::collections::{BTreeMap, BTreeSet};

use neli::consts::socket::NlFamily;

use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::attributes;
use crate::linux::sock_diag::{self, ALIVE, HEADER, INFO, large, small};
use crate::model::{Fallback, Family};
use crate::system::{DataProgress, Error};

/// `IPPROTO_MPTCP`
const MPTCP: u32 = 262;
/// `INET_DIAG_REQ_PROTOCOL`, since the protocol does not fit into a byte
const PROTOCOL: u16 = 3;
/// `INET_DIAG_SKMEMINFO`, an attribute of the reply, and one more than its bit in the request
const SKMEMINFO: u16 = 7;
/// Where in `struct mptcp_info` the limit of subflows, the flags and the token are
const SUBFLOWS_MAX: usize = 3;
const FLAGS: usize = 8;
const TOKEN: usize = 12;

/// The connections of this thread's network namespace. None where this kernel does not tell of them
/// (`CONFIG_INET_MPTCP_DIAG`).
pub fn progress() -> Result<Vec<DataProgress>, Error> {
    if !sock_diag::has_connections() {
        return Ok(Vec::new());
    }
    all(INFO | 1 << (SKMEMINFO - 1), data)
}

/// The tokens of the live connections that fell back to plain TCP, at whatever moment. None where this kernel does not
/// tell.
pub fn fallbacks() -> Result<BTreeMap<u32, Fallback>, Error> {
    Ok(all(INFO, fallback)?.into_iter().collect())
}

/// The tokens of the live connections for which the kernel names no limit of subflows (`mptcpi_subflows_max`). Where the limit
/// is not 0, they are under the userspace path manager, which obeys none.
pub fn without_limit() -> Result<BTreeSet<u32>, Error> {
    let token = |reply: &[u8]| {
        let info = sock_diag::info(reply)?;
        info.get(SUBFLOWS_MAX).filter(|max| **max == 0).and_then(|_| small(info, TOKEN))
    };
    Ok(all(INFO, token)?.into_iter().collect())
}

fn all<T>(extensions: u8, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
    let mut netlink = Netlink::open(NlFamily::SockOrInetDiag)?;
    let mut found = Vec::new();
    for family in Family::ALL {
        let mut request = sock_diag::request(family, extensions, ALIVE, 0);
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

/// Reads the token of a connection that fell back, and when (`MPTCP_INFO_FLAG_FALLBACK` in `struct mptcp_info`, and
/// `MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED`).
fn fallback(reply: &[u8]) -> Option<(u32, Fallback)> {
    const FALLBACK: u32 = 1 << 0;
    const REMOTE_KEY_RECEIVED: u32 = 1 << 1;
    let info = sock_diag::info(reply)?;
    let flags = small(info, FLAGS).filter(|flags| flags & FALLBACK != 0)?;
    let fallback = if flags & REMOTE_KEY_RECEIVED != 0 { Fallback::Later } else { Fallback::AtOnce };
    Some((small(info, TOKEN)?, fallback))
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
