//! Socket diagnostics: the subflows of live MPTCP connections (`inet_diag` with the information of the MPTCP "upper
//! layer protocol", `include/uapi/linux/inet_diag.h` and `mptcp.h`), listeners, and the connections at a port. Any user
//! may ask for those of its own network namespace.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use neli::consts::socket::NlFamily;

use crate::linux::mptcp_diag;
use crate::linux::netlink::decode::{attributes, find, number};
use crate::linux::netlink::{Netlink, Request};
use crate::linux::proc_file;
use crate::model::{
    Connection, Counters, Fallback, Family, Listener, Subflow, SubflowFlags, Traffic, UnconfirmedRequest,
    canonical,
};
use crate::system::{Error, Joins, SubflowSummary};

/// The counters of this thread's network namespace.
const NETSTAT: &str = "/proc/thread-self/net/netstat";
/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`, the older request for TCP sockets. It alone lists both families in one walk through the kernel's
/// table, which has room for hundreds of thousands of connections and takes a millisecond.
const BOTH_FAMILIES: u16 = 18;
/// `IPPROTO_TCP`
pub const TCP: u8 = 6;
/// `INET_DIAG_INFO`, as a bit. Without it the kernel leaves the upper layer protocol out.
pub const INFO: u8 = 1 << 1;
/// `TCP_ESTABLISHED`
const ESTABLISHED: u8 = 1;
/// `TCP_ESTABLISHED`, `TCP_SYN_SENT` and `TCP_SYN_RECV`, as bits
const OPEN: u32 = 1 << 1 | 1 << 2 | 1 << 3;
/// `TCP_TIME_WAIT`, as a bit
const TIME_WAIT: u32 = 1 << 6;
/// `TCP_LISTEN`, as a bit
pub const LISTENING: u32 = 1 << 10;
/// `TCP_NEW_SYN_RECV`, as a bit: a connection that the peer has not confirmed yet
const REQUESTED: u32 = 1 << 12;
/// From `TCP_ESTABLISHED` to `TCP_CLOSING`, but not `TCP_TIME_WAIT`, `TCP_CLOSE` and `TCP_LISTEN`
pub const ALIVE: u32 = 0xfff & !(TIME_WAIT | 1 << 7 | LISTENING);
/// The length of `struct inet_diag_msg`
pub const HEADER: usize = 72;
/// Where in it `idiag_retrans`, `idiag_rqueue`, `idiag_wqueue` and `idiag_inode` are
const RETRANS: usize = 3;
const RQUEUE: usize = 56;
const WQUEUE: usize = 60;
const INODE: usize = 68;
/// Where in `struct tcp_info` the fields are. It grows from kernel to kernel, at its end.
const RETRANSMITS: usize = 2;
const BACKOFF: usize = 4;
const LAST_DATA_SENT: usize = 44;
const LAST_DATA_RECV: usize = 52;
const RTT: usize = 68;
const TOTAL_RETRANS: usize = 100;
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;
const BYTES_SENT: usize = 200;
/// `INET_ULP_INFO_MPTCP`
const MPTCP: u16 = 3;
/// `MPTCP_SUBFLOW_ATTR_*`
const TOKEN_REMOTE: u16 = 1;
const TOKEN_LOCAL: u16 = 2;
const MAP_SEQUENCE: u16 = 4;
const FLAGS: u16 = 8;
const ID_REMOTE: u16 = 9;
const ID_LOCAL: u16 = 10;

/// The subflows of this thread's network namespace that are established or being opened. A kernel without socket
/// diagnostics gives none: the caller wants to know what a plan could interrupt, and applies it without knowing too.
///
/// # Errors
/// When the kernel does not answer.
pub fn subflows() -> Result<Vec<SubflowSummary>, Error> {
    if !has_connections() {
        return Ok(Vec::new());
    }
    all(OPEN, subflow)
}

/// All live MPTCP connections of this thread's network namespace, by token; those without one come first, by their ends.
/// The first subflow of each comes first, the others by their address ids: the kernel's own order is that of a hash table
/// and differs each time.
///
/// # Errors
/// When the kernel does not answer.
pub fn connections() -> Result<Vec<Connection>, Error> {
    const NO_TOKEN: u32 = 0;
    // Without a token, each subflow is a connection of its own.
    let mut by_token = BTreeMap::<_, Vec<Subflow>>::new();
    for (token, path) in all(ALIVE, path)? {
        let ends = (token == NO_TOKEN).then_some((path.local, path.remote));
        by_token.entry((token, ends)).or_default().push(path);
    }
    let conditions = if by_token.is_empty() { BTreeMap::new() } else { mptcp_diag::conditions()? };
    let connection = |((token, _), mut subflows): ((u32, _), Vec<Subflow>)| {
        subflows.sort_by_key(|path| (path.flags.is_join(), path.local_id, path.remote_id, path.local));
        let condition = conditions.get(&token).copied();
        let fallback = condition.map_or(Fallback::No, |socket| socket.fallback);
        let closing = condition.is_some_and(|socket| socket.closing) && token != NO_TOKEN;
        let limit = condition.map(|socket| socket.limit);
        let accepted = condition.map(|socket| socket.accepted);
        Connection { token, fallback, closing, limit, accepted, subflows }
    };
    Ok(by_token.into_iter().map(connection).collect())
}

/// How many TCP connections of this thread's network namespace have this address and port at this end. Those in
/// TIME_WAIT count, which ended less than a minute ago; so do IPv4 connections of IPv6 sockets, as a listener has that was
/// made by its IPv4-mapped address.
///
/// # Errors
/// When the kernel does not answer, or has no socket diagnostics (`CONFIG_INET_DIAG`).
pub fn connections_at(end: SocketAddr) -> Result<usize, Error> {
    let mut netlink = Netlink::open(NlFamily::SockOrInetDiag)?;
    let request = of_both_families(0, ALIVE | TIME_WAIT | REQUESTED, end.port());
    let at_end = |reply: &[u8]| local(reply).filter(|local| *local == end);
    Ok(netlink.dump("count the connections at a port", request, at_end)?.len())
}

/// The TCP sockets in these states; none where the kernel has no socket diagnostics.
fn all<T>(states: u32, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
    const ANY_PORT: u16 = 0;
    let mut netlink = Netlink::open(NlFamily::SockOrInetDiag)?;
    match netlink.dump("list the sockets", of_both_families(INFO, states, ANY_PORT), read) {
        Err(Error::Refused(_, refusal)) => {
            log::debug!("this kernel has no socket diagnostics ({refusal})");
            Ok(Vec::new())
        }
        listed => listed,
    }
}

/// The sockets of this thread's network namespace that listen for TCP connections.
///
/// # Errors
/// When the kernel does not answer.
pub fn listeners() -> Result<Vec<Listener>, Error> {
    let mut listeners = all(LISTENING, listener)?;
    listeners.sort_by_key(|listener| listener.local.is_ipv6());
    if !listeners.iter().any(|listener| listener.mptcp) {
        // Up to Linux 6.12, to a user without rights, only the sockets of MPTCP themselves tell.
        let own = mptcp_diag::listening()?;
        listeners.iter_mut().for_each(|listener| listener.mptcp = own.contains(&listener.local));
    }
    Ok(listeners)
}

/// The connections and subflows that peers open here, and whose answer was sent again for want of a confirmation.
///
/// # Errors
/// When the kernel does not answer.
pub fn unconfirmed_requests() -> Result<Vec<UnconfirmedRequest>, Error> {
    all(REQUESTED, unconfirmed_request)
}

/// The kernel's counters `MPJoinSynAckRx` and `MPJoinSynRx`. 0 where they cannot be read.
pub fn joins() -> Joins {
    let counters = counters_named(&["MPJoinSynAckRx", "MPJoinSynRx"]).unwrap_or_default();
    Joins { answered: counters.get("MPJoinSynAckRx"), heard: counters.get("MPJoinSynRx") }
}

/// Whether there can be MPTCP connections: one was requested since this namespace was made, or the counters cannot be
/// read. To list all TCP sockets of a busy host costs far more. (`/proc/net/protocols` does not count MPTCP sockets.)
pub fn has_connections() -> bool {
    let requests = ["MPCapableSYNTX", "MPCapableSYNRX"];
    let none = |counters: Counters| requests.iter().all(|name| counters.get(name) == 0);
    !counters_named(&requests).is_some_and(none)
}

/// The kernel's MPTCP counters of this thread's network namespace; none where they cannot be read.
pub fn counters() -> Option<Counters> {
    Counters::parse(&proc_file::read(NETSTAT).ok()?)
}

/// Those of these names. A pass looks at them several times.
fn counters_named(names: &[&str]) -> Option<Counters> {
    Counters::parse_those(&proc_file::read(NETSTAT).ok()?, |name| names.contains(&name))
}

/// `struct inet_diag_req_v2` without any address. The kernel picks the states, and the port at this end unless that is 0.
pub fn request(family: Family, extensions: u8, states: u32, port: u16) -> Request {
    const LENGTH: usize = 56;
    let mut header = vec![family.number(), TCP, extensions, 0];
    header.extend(states.to_ne_bytes());
    header.extend(port.to_be_bytes());
    header.resize(LENGTH, 0);
    Request::dump(BY_FAMILY, &header)
}

/// `struct inet_diag_req` without any address: the same for TCP sockets of both families.
fn of_both_families(extensions: u8, states: u32, port: u16) -> Request {
    const SOCKET_ID: usize = 48;
    let mut header = vec![0, 0, 0, extensions];
    let id = header.len();
    header.extend(port.to_be_bytes());
    header.resize(id + SOCKET_ID, 0);
    header.extend(states.to_ne_bytes());
    // `idiag_dbs`, which the kernel does not read.
    header.extend([0; 4]);
    Request::dump(BOTH_FAMILIES, &header)
}

/// Reads `struct inet_diag_msg` and its attributes; none when the socket is no subflow.
pub fn subflow(reply: &[u8]) -> Option<SubflowSummary> {
    let state = *reply.get(1)?;
    let connection = number(find(mptcp(reply)?, TOKEN_LOCAL)?)?;
    let info = info(reply).unwrap_or_default();
    let idle = |at: usize| u64::from(small(info, at).unwrap_or(0));
    Some(SubflowSummary {
        connection,
        local: local(reply)?.ip(),
        established: state == ESTABLISHED,
        queued: small(reply, WQUEUE)?,
        unread: small(reply, RQUEUE)?,
        acknowledged: large(info, BYTES_ACKED).unwrap_or(0),
        received: large(info, BYTES_RECEIVED).unwrap_or(0),
        backoff: info.get(BACKOFF).copied().unwrap_or(0),
        idle: Duration::from_millis(idle(LAST_DATA_SENT).min(idle(LAST_DATA_RECV))),
    })
}

/// The same with all details, and the token of the connection.
pub fn path(reply: &[u8]) -> Option<(u32, Subflow)> {
    const INTERFACE: usize = 40;
    let mptcp = find(upper_layer(reply)?, MPTCP)?;
    let raw = |kind: u16| find(attributes(mptcp), kind);
    let value = |kind: u16| raw(kind).and_then(number).unwrap_or(0);
    let map_sequence = raw(MAP_SEQUENCE).and_then(|value| value.first_chunk().copied());
    let path = Subflow {
        local: local(reply)?,
        remote: end(reply, 6, 24)?,
        interface: NonZeroU32::new(u32::from_ne_bytes(*reply.get(INTERFACE..)?.first_chunk()?)),
        state: *reply.get(1)?,
        local_id: value(ID_LOCAL).try_into().unwrap_or(0),
        remote_id: value(ID_REMOTE).try_into().unwrap_or(0),
        flags: SubflowFlags(value(FLAGS)),
        remote_token: value(TOKEN_REMOTE),
        map_sequence: map_sequence.map_or(0, u64::from_ne_bytes),
        traffic: traffic(reply).unwrap_or_default(),
    };
    Some((value(TOKEN_LOCAL), path))
}

/// The address and port at this end. The address is never an IPv4-mapped one.
pub fn local(reply: &[u8]) -> Option<SocketAddr> {
    end(reply, 4, 8)
}

/// The end whose port and address begin at these offsets, both in the network's order.
fn end(reply: &[u8], port: usize, address: usize) -> Option<SocketAddr> {
    let family = Family::from_number((*reply.first()?).into())?;
    let length = usize::from(family.bits()) / 8;
    let address = family.address(reply.get(address..address + length)?)?;
    let port = u16::from_be_bytes(*reply.get(port..)?.first_chunk()?);
    Some((canonical(address), port).into())
}

/// Reads `struct inet_diag_msg` of a socket that listens, of whose "upper layer protocol" the kernel gives only the name.
pub fn listener(reply: &[u8]) -> Option<Listener> {
    const NAME: u16 = 1;
    let name = upper_layer(reply).and_then(|ulp| find(ulp, NAME));
    let mptcp = name.is_some_and(|name| name.starts_with(b"mptcp"));
    Some(Listener { local: local(reply)?, mptcp, inode: small(reply, INODE)? })
}

/// Reads `struct inet_diag_msg` of a request; none when its answer was sent once.
pub fn unconfirmed_request(reply: &[u8]) -> Option<UnconfirmedRequest> {
    let again = *reply.get(RETRANS)? > 0;
    let request = UnconfirmedRequest { local: local(reply)?, remote: end(reply, 6, 24)? };
    again.then_some(request)
}

/// The attributes of the MPTCP "upper layer protocol".
fn mptcp(reply: &[u8]) -> Option<impl Iterator<Item = (u16, &[u8])>> {
    Some(attributes(find(upper_layer(reply)?, MPTCP)?))
}

fn upper_layer(reply: &[u8]) -> Option<impl Iterator<Item = (u16, &[u8])>> {
    const ULP_INFO: u16 = 19;
    Some(attributes(find(attributes(reply.get(HEADER..)?), ULP_INFO)?))
}

fn traffic(reply: &[u8]) -> Option<Traffic> {
    let info = info(reply)?;
    Some(Traffic {
        rtt: Duration::from_micros(small(info, RTT)?.into()),
        retransmitted: small(info, TOTAL_RETRANS)?,
        timeouts: info.get(RETRANSMITS).copied()?,
        sent: large(info, BYTES_SENT).unwrap_or(0),
        acknowledged: large(info, BYTES_ACKED)?,
        received: large(info, BYTES_RECEIVED)?,
    })
}

/// What the protocol of the socket tells: `struct tcp_info`, or `struct mptcp_info` of a whole MPTCP connection.
pub fn info(reply: &[u8]) -> Option<&[u8]> {
    const INFO: u16 = 2;
    attributes(reply.get(HEADER..)?).find(|(kind, _)| *kind == INFO).map(|(_, info)| info)
}

/// The number of 4 bytes that begins there.
pub fn small(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number of 8 bytes that begins there.
pub fn large(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
