//! Netlink transport: several requests in one send, one verdict each.
//!
//! One socket, one buffer, no thread, no timeout: the kernel answers inside `sendmsg`, so that an empty socket with open
//! requests is an error and never a reason to wait.
//!
//! `encode` writes what is sent, and `decode` takes apart what comes back. The socket is not neli's, which reads only into
//! bytes that are zero already: for a buffer of this size that costs more than to open the socket.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use neli::consts::socket::NlFamily;
use nix::libc::{self, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK, SOL_NETLINK};
use nix::setsockopt_impl;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SetBool;
use rustix::buffer::spare_capacity;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::linux::netlink::Request;
use crate::linux::netlink::decode::{Ending, Parse, Replies, Verdict, whole};
use crate::system::{Errno, Error};

/// How often a dump is tried that a change disturbs each time.
const DUMP_ATTEMPTS: usize = 5;

/// Requests in one send. More than about 256 acknowledgements overrun a socket's default receive buffer: the requests
/// take effect and the answers are lost.
const BATCH_MAX: usize = 64;

/// Bytes for one datagram of generic netlink. Replies about the path manager are small, and a dump is split.
const BUFFER_SIZE: usize = 16 * 1024;

/// Bytes for one datagram of the other families, which holds at least the largest row, such as an interface with many
/// names: one attribute has at most 64 KiB. For more than 128 KiB malloc would map memory, and unmap it again.
const BUFFER_SIZE_OF_ROWS: usize = 96 * 1024;

// nix and rustix have no names for these options; nix has the macro for such options.
#[derive(Clone, Copy)]
struct ExtendedAcks;
setsockopt_impl!(ExtendedAcks, SOL_NETLINK, NETLINK_EXT_ACK, bool, SetBool);

#[derive(Clone, Copy)]
struct StrictChecking;
setsockopt_impl!(StrictChecking, SOL_NETLINK, NETLINK_GET_STRICT_CHK, bool, SetBool);

/// How the kernel takes requests for all objects of a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checking {
    /// It ignores what they ask for beyond the kind.
    Lenient,
    /// It filters by it (NETLINK_GET_STRICT_CHK).
    Strict,
}

/// A netlink socket.
pub struct Netlink {
    family: NlFamily,
    checking: Checking,
    socket: OwnedFd,
    /// Whether the kernel was asked for extended acknowledgements.
    explains: bool,
    sequence: u32,
    /// Empty, with room for a datagram.
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens a socket, which belongs to the network namespace of this thread from then on.
    ///
    /// # Errors
    /// When the kernel does not open it.
    pub fn open(family: NlFamily) -> Result<Netlink, Error> {
        Netlink::checked(family, Checking::Lenient)
    }

    /// The same, for requests that the kernel is to filter by. A kernel that cannot answers as it answers others.
    ///
    /// # Errors
    /// As [`Netlink::open`].
    pub fn open_strict(family: NlFamily) -> Result<Netlink, Error> {
        Netlink::checked(family, Checking::Strict)
    }

    fn checked(family: NlFamily, checking: Checking) -> Result<Netlink, Error> {
        let size = if family == NlFamily::Generic { BUFFER_SIZE } else { BUFFER_SIZE_OF_ROWS };
        let (socket, buffer) = (socket(family, checking)?, Vec::with_capacity(size));
        Ok(Netlink { family, checking, socket, explains: false, sequence: 0, buffer })
    }

    /// Sends requests, and returns one verdict each, in their order. The kernel carries out all of them, also those after a
    /// refused one.
    ///
    /// # Errors
    /// When an answer is lost or damaged. Which requests were carried out is unknown then.
    pub fn transact(&mut self, requests: &[Request]) -> Result<Vec<Verdict>, Error> {
        self.exchange(requests, &whole)
    }

    fn exchange<T>(&mut self, requests: &[Request], parse: Parse<'_, T>) -> Result<Vec<Verdict<T>>, Error> {
        let mut verdicts = Vec::with_capacity(requests.len());
        if requests.iter().any(|request| request.ending() == Ending::Acknowledgement) {
            self.ask_for_explanations()?;
        }
        for batch in requests.chunks(BATCH_MAX) {
            let answers = self.send(batch).and_then(|first| self.receive(first, batch, parse));
            if answers.is_err() {
                // Late answers would be taken for those to the next requests.
                self.socket = socket(self.family, self.checking)?;
                self.explains = false;
            }
            verdicts.extend(answers?);
        }
        Ok(verdicts)
    }

    /// Sends requests that only read, and repeats them while a change disturbs a dump, or an answer is lost or damaged. To
    /// fail here can mean to undo a plan, which would close subflows for nothing.
    ///
    /// # Errors
    /// When that happened [`DUMP_ATTEMPTS`] times. `what` completes the sentence "cannot ...".
    pub fn read(&mut self, what: &'static str, requests: &[Request]) -> Result<Vec<Verdict>, Error> {
        self.read_by(what, requests, &whole)
    }

    fn read_by<T>(
        &mut self,
        what: &'static str,
        requests: &[Request],
        parse: Parse<'_, T>,
    ) -> Result<Vec<Verdict<T>>, Error> {
        let disturbed =
            |verdict: &Verdict<T>| verdict.as_ref().is_err_and(|refusal| refusal.errno == Errno::EINTR);
        let mut lost = None;
        for _ in 0..DUMP_ATTEMPTS {
            match self.exchange(requests, parse) {
                Ok(verdicts) if verdicts.iter().any(disturbed) => {}
                Ok(verdicts) => return Ok(verdicts),
                Err(error) => lost = Some(error),
            }
        }
        let all_disturbed =
            || Error::Protocol(format!("cannot {what}: {DUMP_ATTEMPTS} dumps were disturbed"));
        Err(lost.unwrap_or_else(all_disturbed))
    }

    /// Sends a request for all objects of a kind. Replies that `parse` does not understand are left out.
    ///
    /// # Errors
    /// As [`Netlink::read`], and [`Error::Refused`].
    pub fn dump<T>(
        &mut self,
        what: &'static str,
        request: Request,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let verdict = self.read_by(what, &[request], &parse)?.pop();
        verdict.unwrap_or_else(|| Ok(Vec::new())).map_err(|refusal| Error::Refused(what, refusal))
    }

    /// Sends one request.
    ///
    /// # Errors
    /// As [`Netlink::transact`].
    pub fn request(&mut self, request: Request) -> Result<Verdict, Error> {
        let verdict = self.transact(std::slice::from_ref(&request))?.pop();
        verdict.ok_or_else(|| Error::Protocol("no verdict".into()))
    }

    /// Makes the kernel explain refusals from now on, as it does once a change was requested. For most requests that only
    /// read, that is not worth a system call.
    ///
    /// # Errors
    /// When the kernel cannot.
    pub fn ask_for_explanations(&mut self) -> Result<(), Error> {
        if !self.explains {
            let enabled = setsockopt(&self.socket, ExtendedAcks, &true);
            enabled.map_err(|error| Error::Io("ask for extended acknowledgements".into(), error.into()))?;
            self.explains = true;
        }
        Ok(())
    }

    fn send(&mut self, batch: &[Request]) -> Result<u32, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(batch.iter().map(Request::length).sum());
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            request.write(self.sequence, &mut bytes);
        }
        log::trace!("netlink: {} requests, {} bytes: {bytes:02x?}", batch.len(), bytes.len());
        loop {
            match send(&self.socket, &bytes, SendFlags::empty()) {
                Ok(_) => return Ok(first),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::Io("send to the kernel".into(), error.into())),
            }
        }
    }

    fn receive<T>(
        &mut self,
        first: u32,
        batch: &[Request],
        parse: Parse<'_, T>,
    ) -> Result<Vec<Verdict<T>>, Error> {
        let mut replies = Replies::parsed(first, batch.iter().map(Request::ending).collect(), parse);
        while replies.open() > 0 {
            self.buffer.clear();
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let length = match recv(&self.socket, spare_capacity(&mut self.buffer), flags) {
                Ok((_, length)) => length,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {
                    return Err(Error::Protocol(format!("{} requests were not answered", replies.open())));
                }
                Err(error) => return Err(Error::Io("receive from the kernel".into(), error.into())),
            };
            let bytes = self.buffer.get(..length);
            let bytes = bytes.ok_or_else(|| Error::Protocol(format!("an answer of {length} bytes")))?;
            log::trace!("netlink: {length} bytes received: {bytes:02x?}");
            replies.add(bytes)?;
        }
        Ok(replies.into_verdicts())
    }
}

/// For ioctls, which need a socket of any kind.
impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket(family: NlFamily, checking: Checking) -> Result<OwnedFd, Error> {
    // NETLINK_ROUTE is 0, which is no protocol for rustix.
    let protocol = u32::try_from(libc::c_int::from(family)).ok().and_then(NonZeroU32::new);
    let protocol = protocol.map(Protocol::from_raw);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .map_err(|error| Error::Io("open a netlink socket".into(), error.into()))?;
    if checking == Checking::Strict
        && let Err(error) = setsockopt(&socket, StrictChecking, &true)
    {
        log::debug!("the kernel does not filter what it lists: {error}");
    }
    Ok(socket)
}
