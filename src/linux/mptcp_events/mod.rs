//! Events of path managers, which the kernel sends to the members of the multicast group `mptcp_pm_events`.
//!
//! The sockets are rustix's, which can be waited for together with others. Those of neli have a bare number only.

pub mod decode;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use neli::consts::socket::NlFamily;
use rustix::event::{PollFd, PollFlags};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt};

use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::Message;
use crate::linux::path_manager::ask_for_family;
use crate::linux::probe_socket::ProbeSocket;
use crate::linux::{interfaces, mptcp_pm, wait};
use crate::model::Event;
use crate::system::Error;

/// Far more than an event has; one that is longer all the same is taken for lost.
const BUFFER_SIZE: usize = 64 * 1024;

/// What the kernel is asked to keep until it is read, as `ip` does. It gives as much as `net.core.rmem_max` allows.
const BACKLOG: usize = 1 << 20;

/// The events of one network namespace.
pub struct Source {
    socket: OwnedFd,
    family: u16,
    /// In the namespace that the events are from.
    any_socket: ProbeSocket,
    /// Whether the kernel had more than it had room for, and it was not told yet.
    overrun: bool,
    /// Whether something was read, and there may be more.
    has_more: bool,
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Box<Event>),
    /// There were more than the kernel keeps, so that some are missing here.
    Lost,
}

impl Source {
    /// Hears all events from now on, in the network namespace of this thread.
    ///
    /// # Errors
    /// [`Error::NoMptcp`] when the kernel has no path manager, and without CAP_NET_ADMIN.
    pub fn open() -> Result<Source, Error> {
        let replies = ask_for_family(&mut Netlink::open(NlFamily::Generic)?)?;
        let family = replies.iter().find_map(|reply| mptcp_pm::family(reply));
        let group = replies.iter().find_map(|reply| mptcp_pm::events_group(reply));
        let (Some(family), Some(group)) = (family, group) else {
            return Err(Error::Protocol("a family without a number, or without events".into()));
        };
        log::debug!("mptcp_pm has number {family}, and its events are those of group {group}");
        // bind(2) joins groups up to number 32. The kernel registers this family when it starts, before those of any module
        // (`inet_init`), and gives out the lowest free numbers: it is 9 in Linux 6.18.
        let bit = group.checked_sub(1).and_then(|bit| 1_u32.checked_shl(bit));
        let bit =
            bit.ok_or_else(|| Error::Protocol(format!("events of group {group}, which is not 1 to 32")))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::GENERIC));
        let socket = socket.map_err(failed("open a socket for"))?;
        sockopt::set_socket_recv_buffer_size(&socket, BACKLOG).map_err(failed("make room for"))?;
        bind(&socket, &SocketAddrNetlink::new(0, bit)).map_err(failed("listen to"))?;
        Ok(Source { socket, family, any_socket: ProbeSocket::open()?, overrun: false, has_more: false })
    }

    /// All that came up to now.
    ///
    /// # Errors
    /// When the socket does not work.
    pub fn drain(&mut self) -> Result<Vec<Heard>, Error> {
        let (mut buffer, mut all) = (vec![0; BUFFER_SIZE], Vec::new());
        while let Some(heard) = self.read(&mut buffer)? {
            all.extend(heard);
        }
        Ok(all)
    }

    /// Reads what came in one piece; none when there is nothing to be read.
    ///
    /// The kernel says that it had no more room before it gives what it had room for, and takes nothing more until all of
    /// that is read. So events are missing where nothing is left to be read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Vec<Heard>>, Error> {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Ok((_, length)) => {
                    self.has_more = true;
                    return self.understand(buffer.get(..length)).map(Some);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::NOBUFS) => {
                    if std::mem::replace(&mut self.overrun, true) {
                        return Ok(Some(vec![Heard::Lost]));
                    }
                }
                Err(rustix::io::Errno::AGAIN) => {
                    self.has_more = false;
                    return Ok(std::mem::take(&mut self.overrun).then(|| vec![Heard::Lost]));
                }
                Err(error) => return Err(failed("receive")(error)),
            }
        }
    }

    /// The events in a datagram, if all of it was received.
    fn understand(&mut self, datagram: Option<&[u8]>) -> Result<Vec<Heard>, Error> {
        let Some(datagram) = datagram else { return Ok(vec![Heard::Lost]) };
        log::trace!("netlink: {} bytes received: {datagram:02x?}", datagram.len());
        events(datagram, self.family).into_iter().map(|heard| self.with_device_name(heard)).collect()
    }

    fn with_device_name(&mut self, mut heard: Heard) -> Result<Heard, Error> {
        if let Heard::Event(event) = &mut heard
            && let Some(dev) = &mut event.dev
        {
            dev.name = interfaces::name(&self.any_socket, dev.index)?;
        }
        Ok(heard)
    }
}

/// The events of that family in a datagram. What is no whole message is lost, with all that follows.
pub fn events(datagram: &[u8], family: u16) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let Ok((message, after)) = Message::split(rest) else {
            heard.push(Heard::Lost);
            break;
        };
        if message.kind == family {
            let event = decode::event(message.payload);
            heard.push(event.map_or(Heard::Lost, |event| Heard::Event(Box::new(event))));
        }
        rest = after;
    }
    heard
}

/// Events of several network namespaces, as they come, for somebody who may go away.
pub struct Stream<'a> {
    sources: Vec<Source>,
    reader: BorrowedFd<'a>,
    /// What was read and not told yet.
    heard: VecDeque<(usize, Heard)>,
    buffer: Vec<u8>,
}

impl<'a> Stream<'a> {
    /// Of these sources, for the reader of what is written to `output`.
    pub fn new(sources: Vec<Source>, output: &'a impl AsFd) -> Stream<'a> {
        let (reader, heard) = (output.as_fd(), VecDeque::new());
        Stream { sources, reader, heard, buffer: vec![0; BUFFER_SIZE] }
    }

    /// Waits for the next, with the number of its source. None when the reader is gone.
    ///
    /// # Errors
    /// When the kernel does not let it wait, or a socket does not work.
    pub fn wait_for_next(&mut self) -> Result<Option<(usize, Heard)>, Error> {
        loop {
            if let Some(next) = self.heard.pop_front() {
                return Ok(Some(next));
            }
            let mut ready = self.wait()?;
            if ready.pop() == Some(true) {
                return Ok(None);
            }
            // One piece of each, so that none has to wait for a loud one.
            for (index, (source, ready)) in self.sources.iter_mut().zip(ready).enumerate() {
                if ready || source.has_more {
                    let heard = source.read(&mut self.buffer)?;
                    self.heard.extend(heard.into_iter().flatten().map(|heard| (index, heard)));
                }
            }
        }
    }

    /// Waits until there is something to do, and not at all while a source has more to read. Which sources can be read;
    /// and, behind them, whether the reader is gone: then a pipe is broken, while a file never is.
    fn wait(&self) -> Result<Vec<bool>, Error> {
        let sources =
            self.sources.iter().map(|source| PollFd::from_borrowed_fd(source.socket.as_fd(), PollFlags::IN));
        let reader = PollFd::from_borrowed_fd(self.reader, PollFlags::empty());
        let mut all: Vec<PollFd<'_>> = sources.chain([reader]).collect();
        let at_most = self.sources.iter().any(|source| source.has_more).then_some(Duration::ZERO);
        let waited = wait::wait(&mut all, at_most);
        waited.map_err(|error| Error::Io("wait for path manager events".into(), error))?;
        Ok(all.iter().map(wait::is_ready).collect())
    }
}

fn failed(what: &str) -> impl FnOnce(rustix::io::Errno) -> Error {
    let what = format!("{what} path manager events");
    move |error| Error::Io(what, io::Error::from(error))
}
