//! Reads what the kernel answers to netlink requests. It accepts any bytes and never panics.
//!
//! Not by neli: its decoder subtracts the lengths that a reply claims without checking them, copies every attribute, and
//! its router drops the text of extended acknowledgements.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use neli::consts::nl::{NlmF, Nlmsg};

use crate::model::Family;
use crate::system::{Errno, Error, Refusal};

/// The most bytes of all replies to one batch: 64 MiB.
const REPLIES_MAX: usize = 64 << 20;

/// Length of `struct nlmsghdr`.
pub const HEADER: usize = 16;

/// What follows `struct nlmsghdr` in each of the replies to one request.
pub type Payloads = Vec<Vec<u8>>;

/// What came of a request: its replies, as bytes or as something that was read from them, or the kernel's refusal.
pub type Verdict<T = Vec<u8>> = Result<Vec<T>, Refusal>;

/// Reads a reply; none where it is to be left out.
pub type Parse<'p, T> = &'p dyn Fn(&[u8]) -> Option<T>;

/// What ends the answer to a request, if it is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An acknowledgement.
    Acknowledgement,
    /// The first reply, which is the only one.
    Reply,
    /// NLMSG_DONE. A dump without it can be incomplete.
    Done,
}

/// Collects the replies to one batch, read as they come: a dump can have a million. Separate from the socket, so that
/// tests can give it any bytes.
pub struct Replies<'p, T = Vec<u8>> {
    first: u32,
    endings: Vec<Ending>,
    parse: Parse<'p, T>,
    payloads: Vec<Vec<T>>,
    verdicts: Vec<Option<Verdict<T>>>,
    /// Whether a dump was disturbed by a change.
    interrupted: Vec<bool>,
    open: usize,
    bytes: usize,
}

/// Keeps the bytes of a reply.
pub fn whole(reply: &[u8]) -> Option<Vec<u8>> {
    Some(reply.to_vec())
}

impl Replies<'_> {
    /// The bytes of the replies to requests whose answers end so. `first` is the sequence number of the first one.
    pub fn new(first: u32, endings: Vec<Ending>) -> Replies<'static> {
        Replies::parsed(first, endings, &whole)
    }
}

impl<T> Replies<'_, T> {
    /// The same, with each reply read by `parse`.
    pub fn parsed(first: u32, endings: Vec<Ending>, parse: Parse<'_, T>) -> Replies<'_, T> {
        let open = endings.len();
        let payloads = endings.iter().map(|_| Vec::new()).collect();
        let verdicts = endings.iter().map(|_| None).collect();
        Replies { first, endings, parse, payloads, verdicts, interrupted: vec![false; open], open, bytes: 0 }
    }

    /// How many requests have no verdict yet.
    pub fn open(&self) -> usize {
        self.open
    }

    /// One verdict for each request that has one, in their order.
    pub fn into_verdicts(self) -> Vec<Verdict<T>> {
        self.verdicts.into_iter().flatten().collect()
    }

    /// Takes one datagram.
    ///
    /// # Errors
    /// [`Error::Protocol`] when it is damaged or answers no open request, and when there are too many bytes.
    pub fn add(&mut self, datagram: &[u8]) -> Result<(), Error> {
        if datagram.is_empty() {
            // Any number of them would stay below the limit.
            return Err(Error::Protocol("an empty answer".into()));
        }
        self.bytes = self.bytes.saturating_add(datagram.len());
        if self.bytes > REPLIES_MAX {
            return Err(Error::Protocol("the answer has no end".into()));
        }
        let mut rest = datagram;
        while !rest.is_empty() {
            let (message, after) = Message::split(rest)?;
            self.take(message)?;
            rest = after;
        }
        Ok(())
    }

    fn take(&mut self, message: Message<'_>) -> Result<(), Error> {
        let index = message.sequence.wrapping_sub(self.first) as usize;
        if !matches!(self.verdicts.get(index), Some(None)) {
            return Err(Error::Protocol(format!(
                "an answer to request {} that is not open",
                message.sequence
            )));
        }
        // The kernel sets the flag on one message only, and continues the dump.
        self.interrupted[index] |= message.flags & NlmF::DUMP_INTR.bits() != 0;
        if message.kind == u16::from(Nlmsg::Error) {
            let verdict = acknowledgement(&message)?;
            return self.close(index, Ending::Acknowledgement, verdict);
        }
        if message.kind == u16::from(Nlmsg::Done) {
            let errno = message.payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            let tlvs = message.payload.get(4..).unwrap_or_default();
            return self.close(index, Ending::Done, verdict(errno, || ExtendedAck::parse(tlvs, &[])));
        }
        if message.kind != u16::from(Nlmsg::Noop) {
            self.payloads[index].extend((self.parse)(message.payload));
            if self.endings[index] == Ending::Reply {
                return self.close(index, Ending::Reply, Ok(()));
            }
        }
        Ok(())
    }

    fn close(&mut self, index: usize, by: Ending, verdict: Result<(), Refusal>) -> Result<(), Error> {
        let ending = self.endings[index];
        if verdict.is_ok() && by != ending {
            return Err(Error::Protocol(format!("answers that end in {by:?} where {ending:?} is due")));
        }
        let payloads = std::mem::take(&mut self.payloads[index]);
        let disturbed = self.interrupted[index] && ending == Ending::Done;
        let disturbed = disturbed.then(|| Refusal::new(Errno::EINTR));
        self.verdicts[index] = Some(verdict.and(disturbed.map_or(Ok(payloads), Err)));
        self.open -= 1;
        Ok(())
    }
}

/// One message of a datagram.
pub struct Message<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    flags: u16,
    sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message, and the bytes after it.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the message is not whole.
    pub fn split(bytes: &'a [u8]) -> Result<(Message<'a>, &'a [u8]), Error> {
        let broken =
            || Error::Protocol(format!("a message whose length is not that of its {} bytes", bytes.len()));
        let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or_else(broken)?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let payload = bytes.get(HEADER..length).ok_or_else(broken)?;
        let message = Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        };
        Ok((message, bytes.get(aligned(length)..).unwrap_or_default()))
    }
}

/// Reads NLMSG_ERROR: an error number, the header of the request (all of it unless NLM_F_CAPPED), attributes.
fn acknowledgement(message: &Message<'_>) -> Result<Result<(), Refusal>, Error> {
    let broken = || Error::Protocol("an acknowledgement that is too short".into());
    let (code, echo) = message.payload.split_first_chunk().ok_or_else(broken)?;
    let (length, _) = echo.split_first_chunk().ok_or_else(broken)?;
    let capped = message.flags & NlmF::CAPPED.bits() != 0;
    let echoed = if capped { HEADER } else { aligned(u32::from_ne_bytes(*length) as usize) };
    let tlvs = echo.get(echoed..).unwrap_or_default();
    Ok(verdict(i32::from_ne_bytes(*code), || ExtendedAck::parse(tlvs, echo)))
}

fn verdict(code: i32, words: impl FnOnce() -> ExtendedAck) -> Result<(), Refusal> {
    if code == 0 {
        return Ok(());
    }
    let ExtendedAck { text, attribute } = words();
    Err(Refusal { errno: Errno::from_raw(code.saturating_neg()), text, attribute })
}

/// The attributes of an extended acknowledgement (`enum nlmsgerr_attrs`).
#[derive(Default)]
struct ExtendedAck {
    text: Option<String>,
    attribute: Option<u16>,
}

impl ExtendedAck {
    /// Reads them. An offset counts from the start of the request, which is echoed before them.
    fn parse(tlvs: &[u8], request: &[u8]) -> ExtendedAck {
        const MESSAGE: u16 = 1;
        const OFFSET: u16 = 2;
        const MISSING_TYPE: u16 = 5;
        let mut ack = ExtendedAck::default();
        for (kind, value) in attributes(tlvs) {
            match kind {
                MESSAGE => ack.text = Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()),
                OFFSET => {
                    let at = number(value).and_then(|offset| request.get(offset as usize..));
                    ack.attribute = at.and_then(|rest| attributes(rest).next()).map(|(kind, _)| kind);
                }
                MISSING_TYPE => {
                    let missing = number(value).map(|kind| format!("attribute {kind} is missing"));
                    ack.text = ack.text.or(missing);
                }
                _ => {}
            }
        }
        ack
    }
}

/// The attributes in some bytes, up to the first that is not whole, by type (without its flags) and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    const HEADER: usize = 4;
    const TYPE_MASK: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let ([l0, l1, k0, k1], _) =
            *bytes.split_first_chunk::<HEADER>().map(|(header, rest)| (*header, rest)).as_ref()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = bytes.get(HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & TYPE_MASK, value))
    })
}

/// The value of the first attribute of that type.
pub fn find<'a>(
    mut attributes: impl Iterator<Item = (u16, &'a [u8])>,
    wanted: impl Into<u16>,
) -> Option<&'a [u8]> {
    let wanted = wanted.into();
    attributes.find_map(|(kind, value)| (kind == wanted).then_some(value))
}

/// The number in an attribute of 1, 2 or 4 bytes, in the host's byte order.
pub fn number(value: &[u8]) -> Option<u32> {
    match *value {
        [a] => Some(a.into()),
        [a, b] => Some(u16::from_ne_bytes([a, b]).into()),
        [a, b, c, d] => Some(u32::from_ne_bytes([a, b, c, d])),
        _ => None,
    }
}

/// The address in an attribute of 4 or 16 bytes.
pub fn address(value: &[u8]) -> Option<IpAddr> {
    Family::ALL.into_iter().find_map(|family| family.address(value))
}

/// Netlink pads messages and attributes to four bytes.
pub fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}
