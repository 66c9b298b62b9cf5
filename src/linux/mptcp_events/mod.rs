//! Events of path managers, which the kernel sends to the members of the multicast group `mptcp_pm_events`.
//!
//! The sockets are rustix's, since those of neli cannot be borrowed as descriptors, which `wait` needs.

pub mod decode;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use neli::consts::socket::NlFamily;
use rustix::event::{PollFd, PollFlags};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt};

use crate::linux::family::ask_for_family;
use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::Message;
use crate::linux::{clock, interfaces, mptcp_pm, wait};
use crate::model::{Event, Moment};
use crate::system::Error;

/// Bytes for one datagram, far more than an event has. A longer one counts as lost.
const BUFFER_SIZE: usize = 64 * 1024;

/// Bytes that the kernel is asked to keep until they are read, as `ip` does. `net.core.rmem_max` bounds them.
const BACKLOG: usize = 1 << 20;

/// Receives the events of one network namespace.
pub struct EventSocket {
    socket: OwnedFd,
    family: u16,
    /// Whether the kernel dropped events, and [`Received::Lost`] does not say so yet.
    overrun: bool,
    /// Whether something was read, and there may be more.
    has_more: bool,
}

/// An event, or the mark of a gap.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// An event.
    Event(Box<Event>),
    /// Events are missing here: the kernel had no room for them, or a datagram was damaged.
    Lost,
}

impl EventSocket {
    /// Receives all events from now on, of the network namespace of this thread.
    ///
    /// # Errors
    /// [`Error::NoMptcp`] when the kernel has no path manager; [`Error::Io`] without CAP_NET_ADMIN.
    pub fn open() -> Result<EventSocket, Error> {
        let (family, group) = numbers()?;
        log::debug!("mptcp_pm has number {family}, and its events are those of group {group}");
        // bind(2) joins groups up to number 32. The kernel registers this family when it starts (`inet_init`), before those
        // of all modules, and assigns the lowest free numbers: 9 in Linux 6.18.
        let bit = group.checked_sub(1).and_then(|bit| 1_u32.checked_shl(bit));
        let bit =
            bit.ok_or_else(|| Error::Protocol(format!("events of group {group}, which is not 1 to 32")))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::GENERIC));
        let socket = socket.map_err(failed("open a socket for"))?;
        sockopt::set_socket_recv_buffer_size(&socket, BACKLOG).map_err(failed("make room for"))?;
        bind(&socket, &SocketAddrNetlink::new(0, bit)).map_err(failed("listen to"))?;
        Ok(EventSocket { socket, family, overrun: false, has_more: false })
    }

    /// All events that have come, without waiting.
    ///
    /// # Errors
    /// When reading fails.
    pub fn drain(&mut self) -> Result<Vec<Received>, Error> {
        let (mut buffer, mut all) = (vec![0; BUFFER_SIZE], Vec::new());
        while let Some(received) = self.read(&mut buffer)? {
            all.extend(received);
        }
        Ok(all)
    }

    /// The same, after waiting for an event, `at_most` that long.
    ///
    /// # Errors
    /// When waiting or reading fails.
    pub fn wait(&mut self, at_most: Duration) -> Result<Vec<Received>, Error> {
        wait::readable([self.socket.as_fd()], Some(at_most)).map_err(cannot_wait)?;
        self.drain()
    }

    /// Reads one datagram; none when there is none.
    ///
    /// After an overrun the kernel first reports it (ENOBUFS), then delivers what it has kept, and keeps nothing more until
    /// all of that is read. So the gap is where nothing is left to be read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Vec<Received>>, Error> {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Ok((_, length)) => {
                    self.has_more = true;
                    return self.understand(buffer.get(..length)).map(Some);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::NOBUFS) => {
                    if std::mem::replace(&mut self.overrun, true) {
                        return Ok(Some(vec![Received::Lost]));
                    }
                }
                Err(rustix::io::Errno::AGAIN) => {
                    self.has_more = false;
                    return Ok(std::mem::take(&mut self.overrun).then(|| vec![Received::Lost]));
                }
                Err(error) => return Err(failed("receive")(error)),
            }
        }
    }

    /// The events in a datagram; none is given when it was too long.
    fn understand(&mut self, datagram: Option<&[u8]>) -> Result<Vec<Received>, Error> {
        let Some(datagram) = datagram else { return Ok(vec![Received::Lost]) };
        log::trace!("netlink: {} bytes received: {datagram:02x?}", datagram.len());
        let mut all = events(datagram, self.family);
        for received in &mut all {
            if let Received::Event(event) = received
                && let Some(dev) = &mut event.dev
            {
                dev.name = interfaces::name(&self.socket, dev.index)?;
            }
        }
        Ok(all)
    }
}

/// The numbers of the path manager's family and of its multicast group of events.
///
/// # Errors
/// As [`ask_for_family`].
pub fn numbers() -> Result<(u16, u32), Error> {
    let replies = ask_for_family(&mut Netlink::open(NlFamily::Generic)?)?;
    let family = replies.iter().find_map(|reply| mptcp_pm::family(reply));
    let group = replies.iter().find_map(|reply| mptcp_pm::events_group(reply));
    let lacking = || Error::Protocol("a family without a number, or without events".into());
    family.zip(group).ok_or_else(lacking)
}

/// The events of that family in a datagram. A message that is not whole is lost, with all that follows it.
pub fn events(datagram: &[u8], family: u16) -> Vec<Received> {
    let mut received = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let Ok((message, after)) = Message::split(rest) else {
            received.push(Received::Lost);
            break;
        };
        if message.kind == family {
            let event = decode::event(message.payload);
            received.push(event.map_or(Received::Lost, |event| Received::Event(Box::new(event))));
        }
        rest = after;
    }
    received
}

/// An event of one of several network namespaces.
pub struct Arrival {
    /// The number of its socket.
    pub socket: usize,
    /// When it was read; the kernel sends no times.
    pub time: Moment,
    /// What was read.
    pub received: Received,
}

/// The events of several network namespaces as they come, for as long as the output has a reader.
pub struct EventStream<'a> {
    sockets: Vec<EventSocket>,
    reader: BorrowedFd<'a>,
    /// What was read and is still to be returned.
    received: VecDeque<Arrival>,
    buffer: Vec<u8>,
}

impl<'a> EventStream<'a> {
    /// Receives from these sockets until the reader of `output` is gone.
    pub fn new(sockets: Vec<EventSocket>, output: &'a impl AsFd) -> EventStream<'a> {
        let (reader, received) = (output.as_fd(), VecDeque::new());
        EventStream { sockets, reader, received, buffer: vec![0; BUFFER_SIZE] }
    }

    /// Waits for the next event. None when the reader is gone.
    ///
    /// # Errors
    /// When waiting or reading fails.
    pub fn wait_for_next(&mut self) -> Result<Option<Arrival>, Error> {
        loop {
            if let Some(next) = self.received.pop_front() {
                return Ok(Some(next));
            }
            let mut ready = self.wait()?;
            if ready.pop() == Some(true) {
                return Ok(None);
            }
            // One datagram of each, so that a busy one delays no other.
            for (number, (socket, ready)) in self.sockets.iter_mut().zip(ready).enumerate() {
                if ready || socket.has_more {
                    let all = socket.read(&mut self.buffer)?.into_iter().flatten();
                    let time = clock::now();
                    self.received.extend(all.map(|received| Arrival { socket: number, time, received }));
                }
            }
        }
    }

    /// Waits until a socket can be read or the reader is gone; does not wait while a socket has more. The answer says which
    /// sockets can be read and, last, whether the reader is gone: poll(2) reports an error for its pipe. For a file it never
    /// does.
    fn wait(&self) -> Result<Vec<bool>, Error> {
        let sockets =
            self.sockets.iter().map(|socket| PollFd::from_borrowed_fd(socket.socket.as_fd(), PollFlags::IN));
        let reader = PollFd::from_borrowed_fd(self.reader, PollFlags::empty());
        let mut all: Vec<PollFd<'_>> = sockets.chain([reader]).collect();
        let at_most = self.sockets.iter().any(|socket| socket.has_more).then_some(Duration::ZERO);
        let waited = wait::wait(&mut all, at_most);
        waited.map_err(cannot_wait)?;
        Ok(all.iter().map(wait::is_ready).collect())
    }
}

fn cannot_wait(error: io::Error) -> Error {
    Error::Io("wait for path manager events".into(), error)
}

fn failed(what: &str) -> impl FnOnce(rustix::io::Errno) -> Error {
    let what = format!("{what} path manager events");
    move |error| Error::Io(what, io::Error::from(error))
}
