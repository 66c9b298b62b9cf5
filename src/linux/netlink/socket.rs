//! Netlink transport: several requests in one send, one verdict each.
//!
//! One socket, one buffer, no thread, no timeout: the kernel answers inside `sendmsg`, so that an empty socket with open
//! requests is an error and never a reason to wait.
//!
//! The socket is neli's; `encode` writes what is sent, and `decode` takes apart what comes back.

use std::io::ErrorKind;

use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;

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
/// names. From this size on malloc maps fresh memory, which is zero already.
const BUFFER_SIZE_OF_ROWS: usize = 128 * 1024;

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
    socket: NlSocket,
    /// Whether the kernel was asked for extended acknowledgements.
    explains: bool,
    sequence: u32,
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
        let buffer = vec![0; if family == NlFamily::Generic { BUFFER_SIZE } else { BUFFER_SIZE_OF_ROWS }];
        let socket = socket(family, checking)?;
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
            let enabled = self.socket.enable_ext_ack(true);
            enabled.map_err(|error| Error::Io("ask for extended acknowledgements".into(), error))?;
            self.explains = true;
        }
        Ok(())
    }

    fn send(&mut self, batch: &[Request]) -> Result<u32, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            request.write(self.sequence, &mut bytes);
        }
        log::trace!("netlink: {} requests, {} bytes: {bytes:02x?}", batch.len(), bytes.len());
        loop {
            match self.socket.send(&bytes, Msg::empty()) {
                Ok(_) => return Ok(first),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Io("send to the kernel".into(), error)),
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
            let received = self.socket.recv(&mut self.buffer, Msg::DONTWAIT | Msg::TRUNC);
            let length = match received {
                Ok((length, _)) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(Error::Protocol(format!("{} requests were not answered", replies.open())));
                }
                Err(error) => return Err(Error::Io("receive from the kernel".into(), error)),
            };
            let bytes = self.buffer.get(..length);
            let bytes = bytes.ok_or_else(|| Error::Protocol(format!("an answer of {length} bytes")))?;
            log::trace!("netlink: {length} bytes received: {bytes:02x?}");
            replies.add(bytes)?;
        }
        Ok(replies.into_verdicts())
    }
}

fn socket(family: NlFamily, checking: Checking) -> Result<NlSocket, Error> {
    let socket = NlSocket::new(family).map_err(|error| Error::Io("open a netlink socket".into(), error))?;
    if checking == Checking::Strict
        && let Err(error) = socket.enable_strict_checking(true)
    {
        log::debug!("the kernel does not filter what it lists: {error}");
    }
    Ok(socket)
}
