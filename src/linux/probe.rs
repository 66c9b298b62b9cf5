//! `doctor --probe`: opens an MPTCP connection and observes its subflows.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};

use crate::linux::mptcp_events::{EventSocket, Received};
use crate::linux::{sock_diag, wait};
use crate::model::{
    Connection, Event, EventKind, Limits, ObservedSubflow, Probe, ProbeConnection, ProbeOutcome, Protocol,
    Subflow,
};

/// How many addresses of a name are tried.
const ATTEMPTS_MAX: usize = 4;
/// How long an address may take to answer. 7 s after the first SYN the kernel sends one without MPTCP.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the peer may take to send something unasked.
const GREETING: Duration = Duration::from_secs(1);
/// How long subflows are observed after that: two repetitions of a SYN.
const WATCH: Duration = Duration::from_secs(5);
/// How long all wanted subflows have to stay established before the probe ends early.
const STEADY: Duration = Duration::from_millis(500);
/// The time between two observations.
const PAUSE: Duration = Duration::from_millis(50);
/// What is sent to a silent peer, since the kernel opens no further subflow before the peer has acknowledged data. Most
/// protocols ignore an empty line before a request (HTTP: RFC 9112, 2.2).
const EMPTY_LINE: &[u8] = b"\r\n";

/// Opens a connection to the first address that answers, and observes it for at most 6 s; less when there are subflows from
/// all of `wanted`, and to the announced addresses that these limits allow. The connection is closed when the stream that is
/// returned is dropped.
pub fn probe(
    target: String,
    addresses: &[SocketAddr],
    wanted: &[IpAddr],
    limits: Limits,
) -> (Probe, Option<TcpStream>) {
    let mut failures = Vec::new();
    for address in addresses.iter().take(ATTEMPTS_MAX) {
        // Before the connection, so that nothing is missed.
        let events =
            EventSocket::open().inspect_err(|error| log::debug!("events are left out: {error}")).ok();
        match open(*address) {
            Ok(stream) => {
                let watched = Watch::new(&stream, *address, events).until_settled(wanted, limits);
                return (Probe { target, outcome: ProbeOutcome::Connected(watched) }, Some(stream));
            }
            Err(error) => failures.push(format!("{address}: {}", words(&error))),
        }
    }
    (Probe { target, outcome: ProbeOutcome::Failed(failures) }, None)
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => format!("no answer within {} s", ANSWER.as_secs()),
        _ => rustix::io::Errno::from_io_error(error).map_or_else(
            || error.to_string(),
            |errno| crate::system::Errno::from_raw(errno.raw_os_error()).desc().to_owned(),
        ),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::MPTCP))?;
    match connect(&socket, &address) {
        Err(rustix::io::Errno::INPROGRESS) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    if !wait::wait(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(ANSWER))? {
        return Err(ErrorKind::TimedOut.into());
    }
    sockopt::socket_error(&socket)??;
    Ok(TcpStream::from(socket))
}

/// The observations so far.
struct Watch<'a> {
    stream: &'a TcpStream,
    peer: SocketAddr,
    events: Option<EventSocket>,
    received: Vec<Event>,
    /// By their two ends.
    seen: BTreeMap<(SocketAddr, SocketAddr), ObservedSubflow>,
    token: Option<u32>,
    protocol: Protocol,
    ended: bool,
}

impl<'a> Watch<'a> {
    fn new(stream: &'a TcpStream, peer: SocketAddr, events: Option<EventSocket>) -> Watch<'a> {
        let (received, seen) = (Vec::new(), BTreeMap::new());
        Watch { stream, peer, events, received, seen, token: None, protocol: Protocol::Unknown, ended: false }
    }

    fn until_settled(mut self, wanted: &[IpAddr], limits: Limits) -> ProbeConnection {
        let begin = Instant::now();
        let (mut spoken, mut steady) = (None, None);
        loop {
            self.look();
            if self.protocol == Protocol::Tcp || self.ended {
                break;
            }
            let now = begin.elapsed();
            if spoken.is_none() && (self.is_fully_established() || now > GREETING) {
                if !self.is_fully_established() {
                    self.speak();
                }
                spoken = Some(now);
            }
            let complete = !self.is_undecided(limits) && wanted.iter().all(|address| self.is_up(*address));
            steady = if complete { steady.or(Some(now)) } else { None };
            let over = |since: Option<Duration>, time| since.is_some_and(|since| now > since + time);
            if over(spoken, WATCH) || (spoken.is_some() && over(steady, STEADY)) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let token = self.token;
        self.received.retain(|event| event.token.map(|token| token.0) == token);
        ProbeConnection {
            peer: self.peer,
            protocol: self.protocol,
            lasted: begin.elapsed(),
            ended: self.ended,
            subflows: self.seen.into_values().collect(),
            shows_events: self.events.is_some(),
            events: self.received,
        }
    }

    /// Sends the empty line. When that fails, reading shows why.
    fn speak(&mut self) {
        let mut stream = self.stream;
        if let Err(error) = stream.write(EMPTY_LINE) {
            log::debug!("nothing could be sent: {error}");
        }
    }

    fn look(&mut self) {
        let mut buffer = [0; 4096];
        let mut stream = self.stream;
        match stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.ended = true;
            }
            _ => {}
        }
        // Also after the end of the connection, so that its last state is seen.
        if let Some(connection) = self.connection() {
            self.protocol = if connection.is_plain() { Protocol::Tcp } else { Protocol::Mptcp };
            self.token = Some(connection.token);
            self.seen.values_mut().for_each(|observed| observed.is_there = false);
            for subflow in connection.subflows {
                let before = self.seen.get(&(subflow.local, subflow.remote));
                let was_established =
                    subflow.is_established() || before.is_some_and(|before| before.was_established);
                let observed = ObservedSubflow { was_established, is_there: true, subflow };
                self.seen.insert((observed.subflow.local, observed.subflow.remote), observed);
            }
        }
        let event = |received| if let Received::Event(event) = received { Some(*event) } else { None };
        match self.events.as_mut().map(EventSocket::drain) {
            Some(Ok(all)) => self.received.extend(all.into_iter().filter_map(event)),
            Some(Err(error)) => log::debug!("events are left out: {error}"),
            None => {}
        }
    }

    /// The connection as socket diagnostics show it.
    fn connection(&self) -> Option<Connection> {
        let connections = sock_diag::connections().inspect_err(|error| log::debug!("{error}")).ok()?;
        let local = self.stream.local_addr().ok()?;
        // The addresses of a `TcpStream` have a scope id where they are link-local. Those of socket diagnostics have none.
        let same = |one: SocketAddr, other: SocketAddr| (one.ip(), one.port()) == (other.ip(), other.port());
        let is_own = |subflow: &Subflow| same(subflow.local, local) && same(subflow.remote, self.peer);
        let found = |connection: &Connection| match self.token {
            Some(token) => connection.token == token,
            None => connection.subflows.iter().any(is_own),
        };
        connections.into_iter().find(found)
    }

    fn is_fully_established(&self) -> bool {
        self.seen.values().any(|observed| observed.subflow.flags.is_fully_established())
    }

    /// Whether a subflow to an announced address is being opened, or will be.
    fn is_undecided(&self, limits: Limits) -> bool {
        let there = || self.seen.values().filter(|seen| seen.is_there);
        let joins = there().filter(|seen| seen.subflow.flags.is_join()).count();
        let is_told = |kind: EventKind, address: IpAddr| {
            let mut own = self.received.iter().filter(|event| event.token.map(|token| token.0) == self.token);
            own.any(|event| event.kind == kind && event.remote.address == Some(address))
        };
        let is_decided = |address: IpAddr| {
            let joined = |seen: &ObservedSubflow| seen.was_established && seen.subflow.remote.ip() == address;
            is_told(EventKind::SubClosed, address) || self.seen.values().any(joined)
        };
        let mut announced = self.received.iter().filter_map(|event| event.remote.address).filter(|address| {
            address.is_ipv4() == self.peer.is_ipv4() && is_told(EventKind::Announced, *address)
        });
        let accepts = limits.add_addr_accepted > 0 && joins < limits.subflows as usize;
        there().any(|seen| seen.subflow.is_asking())
            || (accepts && announced.any(|address| !is_decided(address)))
    }

    fn is_up(&self, address: IpAddr) -> bool {
        let up = |observed: &ObservedSubflow| {
            observed.is_there && observed.subflow.is_established() && observed.subflow.local.ip() == address
        };
        self.seen.values().any(up)
    }
}
