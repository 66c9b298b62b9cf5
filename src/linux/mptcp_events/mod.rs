//! Events of path managers, as the kernel tells them to whoever joins the multicast group `mptcp_pm_events`.
//!
//! The sockets are neli's, since nothing else here can join a group of any number, and neli's can be waited for by their
//! numbers alone. That is what mio does, which watches files for `notify` already.

pub mod decode;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;

use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::Message;
use crate::linux::path_manager::ask_for_family;
use crate::linux::probe_socket::ProbeSocket;
use crate::linux::{interfaces, mptcp_pm};
use crate::model::Event;
use crate::system::{Errno, Error};

/// Far more than an event has; one that is longer all the same is taken for lost.
const BUFFER_SIZE: usize = 64 * 1024;

/// What the kernel is asked to keep until it is read, as `ip` does. It gives as much as `net.core.rmem_max` allows.
const BACKLOG: usize = 1 << 20;

/// Stands for the reader in [`Poll`]; sources have their index.
const READER: Token = Token(usize::MAX);

/// The events of one network namespace.
pub struct Source {
    socket: NlSocket,
    family: u16,
    /// In the namespace that the events are from.
    any_socket: ProbeSocket,
    /// Whether the kernel had more than it had room for, and it was not told yet.
    overrun: bool,
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
        let failed = |what: &str| {
            let what = format!("{what} path manager events");
            move |error| Error::Io(what, error)
        };
        let socket = NlSocket::connect(NlFamily::Generic, None, Groups::empty());
        let socket = socket.map_err(failed("open a socket for"))?;
        socket.set_recv_buffer_size(BACKLOG).map_err(failed("make room for"))?;
        socket.add_mcast_membership(Groups::new_groups(&[group])).map_err(failed("listen to"))?;
        Ok(Source { socket, family, any_socket: ProbeSocket::open()?, overrun: false })
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
            match self.socket.recv(&mut *buffer, Msg::DONTWAIT | Msg::TRUNC) {
                Ok((length, _)) => return self.understand(buffer.get(..length)).map(Some),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    if std::mem::replace(&mut self.overrun, true) {
                        return Ok(Some(vec![Heard::Lost]));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(std::mem::take(&mut self.overrun).then(|| vec![Heard::Lost]));
                }
                Err(error) => return Err(Error::Io("receive path manager events".into(), error)),
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
pub struct Stream {
    poll: Poll,
    sources: Vec<Source>,
    /// The sources that may have something to read, in turn.
    ready: VecDeque<usize>,
    /// What was read and not told yet.
    heard: VecDeque<(usize, Heard)>,
    reader_is_gone: bool,
    buffer: Vec<u8>,
}

impl Stream {
    /// Of these sources, for whoever reads what is written there.
    ///
    /// # Errors
    /// When the kernel has nothing to wait with.
    pub fn new(sources: Vec<Source>, reader: &impl AsRawFd) -> Result<Stream, Error> {
        let poll = Poll::new().map_err(cannot_wait)?;
        for (index, source) in sources.iter().enumerate() {
            let fd = source.socket.as_raw_fd();
            let registered = poll.registry().register(&mut SourceFd(&fd), Token(index), Interest::READABLE);
            registered.map_err(cannot_wait)?;
        }
        let registered =
            poll.registry().register(&mut SourceFd(&reader.as_raw_fd()), READER, Interest::WRITABLE);
        if let Err(error) = registered {
            // A file; nobody is to go away there.
            log::debug!("the output cannot be watched: {error}");
        }
        let ready = (0..sources.len()).collect();
        let (heard, buffer) = (VecDeque::new(), vec![0; BUFFER_SIZE]);
        Ok(Stream { poll, sources, ready, heard, reader_is_gone: false, buffer })
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
            self.learn_who_is_ready()?;
            if self.reader_is_gone {
                return Ok(None);
            }
            if let Some(index) = self.ready.pop_front()
                && let Some(source) = self.sources.get_mut(index)
                && let Some(heard) = source.read(&mut self.buffer)?
            {
                self.heard.extend(heard.into_iter().map(|heard| (index, heard)));
                self.ready.push_back(index);
            }
        }
    }

    /// Learns who is ready; waits only when nobody is known to be. What is ready is told once, until it has been read to
    /// its end.
    fn learn_who_is_ready(&mut self) -> Result<(), Error> {
        let timeout = if self.ready.is_empty() { None } else { Some(Duration::ZERO) };
        let mut happenings = mio::Events::with_capacity(64);
        match self.poll.poll(&mut happenings, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(cannot_wait(error)),
            _ => {}
        }
        for happening in &happenings {
            match happening.token() {
                READER => self.reader_is_gone |= happening.is_error() || happening.is_write_closed(),
                Token(index) if !self.ready.contains(&index) => self.ready.push_back(index),
                Token(_) => {}
            }
        }
        Ok(())
    }
}

fn cannot_wait(error: io::Error) -> Error {
    Error::Io("wait for path manager events".into(), error)
}
