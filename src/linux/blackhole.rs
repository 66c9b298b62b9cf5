//! Whether the kernel has paused MPTCP for new connections, since it takes SYNs with MPTCP for lost.

use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};

use super::sock_diag;

/// The counter of blackholes (`MPTCP_MIB_BLACKHOLE`).
const FOUND: &str = "Blackhole";

/// How often the kernel has found a blackhole in this thread's network namespace. 0 before Linux
/// 6.12, which has no such pause.
pub fn count() -> u64 {
    sock_diag::counters().unwrap_or_default().get(FOUND)
}

/// Whether a connection that a program opens now is plain TCP for that reason.
///
/// The kernel decides when a socket connects, before it looks for a route, and counts it (`mptcp_connect` in
/// `net/mptcp/protocol.c`, `mptcp_active_should_disable`). No TCP connection leads to the broadcast address, so that this
/// one ends there, and no packet is sent.
pub fn is_paused() -> bool {
    const DISCARD: u16 = 9;
    const DISABLED: &str = "MPCapableSYNTXDisabled";
    let before = sock_diag::counters().unwrap_or_default();
    if before.get(FOUND) == 0 {
        return false;
    }
    let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
    if let Ok(socket) = socket_with(family, SocketType::STREAM, flags, Some(ipproto::MPTCP)) {
        let _ = connect(&socket, &SocketAddrV4::new(Ipv4Addr::BROADCAST, DISCARD));
    }
    // If other programs connected meanwhile, they met the same.
    sock_diag::counters().unwrap_or_default().get(DISABLED) > before.get(DISABLED)
}
