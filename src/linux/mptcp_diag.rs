//! How far the data of live MPTCP connections has come: `inet_diag` of the MPTCP sockets themselves
//! (`net/mptcp/mptcp_diag.c`), which are not among the sockets of TCP.

use neli::consts::socket::NlFamily;

use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::attributes;
use crate::linux::sock_diag::{self, ALIVE, HEADER, INFO, large, small};
use crate::model::Family;
use crate::system::{DataProgress, Error};

/// `IPPROTO_MPTCP`
const MPTCP: u32 = 262;
/// `INET_DIAG_REQ_PROTOCOL`, since the protocol does not fit into a byte
const PROTOCOL: u16 = 3;
/// `INET_DIAG_SKMEMINFO`, an attribute of the reply, and one more than its bit in the request
const SKMEMINFO: u16 = 7;

/// The connections of this thread's network namespace. None where this kernel does not tell of them
/// (`CONFIG_INET_MPTCP_DIAG`).
pub fn progress() -> Result<Vec<DataProgress>, Error> {
    if !sock_diag::has_connections() {
        return Ok(Vec::new());
    }
    let mut netlink = Netlink::open(NlFamily::SockOrInetDiag)?;
    let mut found = Vec::new();
    for family in Family::ALL {
        let mut request = sock_diag::request(family, INFO | 1 << (SKMEMINFO - 1), ALIVE, 0);
        request.put(PROTOCOL, MPTCP.to_ne_bytes());
        match netlink.dump("list the connections", request, data) {
            Ok(connections) => found.extend(connections),
            Err(Error::Refused(_, refusal)) => {
                log::debug!("this kernel does not tell of MPTCP connections ({refusal})");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Reads `struct mptcp_info` and the memory of the socket.
pub fn data(reply: &[u8]) -> Option<DataProgress> {
    let info = sock_diag::info(reply)?;
    let (_, memory) = attributes(reply.get(HEADER..)?).find(|(kind, _)| *kind == SKMEMINFO)?;
    Some(DataProgress {
        connection: small(info, 12)?,
        write_seq: large(info, 16)?,
        snd_una: large(info, 24)?,
        rcv_nxt: large(info, 32)?,
        rmem_alloc: small(memory, 0)?,
        rcvbuf: small(memory, 4)?,
        wmem_queued: small(memory, 20)?,
    })
}
