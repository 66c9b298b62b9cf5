//! Reads what the kernel answers to netlink requests. It accepts any bytes and never panics.
//!
//! Not by neli: its decoder subtracts the lengths that a reply claims without checking them, copies every attribute, and
//! its router drops the text of extended acknowledgements.

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

/// What came of a request: its replies, or the kernel's refusal.
pub type Verdict = Result<Payloads, Refusal>;

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

/// Collects the replies to one batch. Separate from the socket, so that tests can give it any bytes.
pub struct Replies {
    first: u32,
    endings: Vec<Ending>,
    payloads: Vec<Payloads>,
    verdicts: Vec<Option<Verdict>>,
    /// Whether a dump was disturbed by a change.
    interrupted: Vec<bool>,
    open: usize,
    bytes: usize,
}

impl Replies {
    /// For requests whose answers end so. `first` is the sequence number of the first one.
    pub fn new(first: u32, endings: Vec<Ending>) -> Replies {
        let count = endings.len();
        let (payloads, verdicts) = (vec![Payloads::new(); count], vec![None; count]);
        Replies { first, endings, payloads, verdicts, interrupted: vec![false; count], open: count, bytes: 0 }
    }

    /// How many requests have no verdict yet.
    pub fn open(&self) -> usize {
        self.open
    }

    /// One verdict for each request that has one, in their order.
    pub fn into_verdicts(self) -> Vec<Verdict> {
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
            self.payloads[index].push(message.payload.to_vec());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux 6.18 answers to a limit of 9: the whole request comes back before the words.
    const LIMIT_9: &str = "5c00000002000002 0200000000000000 eaffffff \
        1c0000001c000500 0200000000000000 05010000 0800030009000000 \
        23000100 6c696d6974206772 6561746572207468 616e206d6178696d 756d20283829 0000 0800020014000000";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
    }

    #[test]
    fn the_kernels_words_are_kept() {
        let mut replies = Replies::new(2, vec![Ending::Acknowledgement]);
        replies.add(&bytes(LIMIT_9)).unwrap();
        let expected = Refusal {
            errno: Errno::EINVAL,
            text: Some("limit greater than maximum (8)".to_owned()),
            attribute: Some(crate::system::ATTR_SUBFLOWS),
        };
        assert_eq!(replies.verdicts, [Some(Err(expected))]);
        assert_eq!(replies.open, 0);
    }

    /// A socket with NETLINK_CAP_ACK gets the request's header only, and then an offset points nowhere.
    #[test]
    fn a_capped_answer_has_its_words_too() {
        let mut answer = bytes(LIMIT_9);
        answer.drain(36..48);
        answer[0] = 0x50;
        answer[7] = 0x03;
        let mut replies = Replies::new(2, vec![Ending::Acknowledgement]);
        replies.add(&answer).unwrap();
        let text = Some("limit greater than maximum (8)".to_owned());
        let expected = Refusal { text, ..Refusal::new(Errno::EINVAL) };
        assert_eq!(replies.verdicts, [Some(Err(expected))]);
    }

    /// A message without a payload.
    fn message(kind: Nlmsg, flags: NlmF, sequence: u32) -> Vec<u8> {
        let mut bytes = 16u32.to_ne_bytes().to_vec();
        bytes.extend(u16::from(kind).to_ne_bytes());
        bytes.extend(flags.bits().to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn a_disturbed_dump_is_read_to_its_end_and_is_no_answer() {
        let data = Nlmsg::UnrecognizedConst(28);
        let mut replies = Replies::new(7, vec![Ending::Done]);
        replies.add(&message(data, NlmF::MULTI | NlmF::DUMP_INTR, 7)).unwrap();
        replies.add(&message(data, NlmF::MULTI, 7)).unwrap();
        assert_eq!(replies.open, 1);
        replies.add(&message(Nlmsg::Done, NlmF::MULTI, 7)).unwrap();
        assert_eq!(replies.verdicts, [Some(Err(Refusal::new(Errno::EINTR)))]);
    }

    #[test]
    fn answers_to_nothing_are_errors() {
        let mut replies = Replies::new(7, vec![Ending::Acknowledgement]);
        assert!(replies.add(&bytes(LIMIT_9)).is_err());
        let mut twice = Replies::new(2, vec![Ending::Acknowledgement]);
        twice.add(&bytes(LIMIT_9)).unwrap();
        assert!(twice.add(&bytes(LIMIT_9)).is_err());
    }

    /// A dump that is acknowledged has not ended, and nothing else is a dump.
    #[test]
    fn answers_end_as_their_request_wants() {
        let done = message(Nlmsg::Done, NlmF::MULTI, 7);
        assert!(Replies::new(7, vec![Ending::Acknowledgement]).add(&done).is_err());
        assert!(Replies::new(7, vec![Ending::Done]).add(&done).is_ok());
        let mut acknowledgement = message(Nlmsg::Error, NlmF::CAPPED, 7);
        acknowledgement[0] = 36;
        acknowledgement.extend([0; 20]);
        assert!(Replies::new(7, vec![Ending::Acknowledgement]).add(&acknowledgement).is_ok());
        assert!(Replies::new(7, vec![Ending::Done]).add(&acknowledgement).is_err());
        assert!(Replies::new(7, vec![Ending::Reply]).add(&acknowledgement).is_err());
        let reply = message(Nlmsg::Overrun, NlmF::empty(), 7);
        let mut replies = Replies::new(7, vec![Ending::Reply]);
        assert!(replies.add(&reply).is_ok() && replies.open() == 0);
        assert!(replies.add(&reply).is_err(), "there is one");
        assert_eq!(replies.into_verdicts().len(), 1);
        // A refusal ends both.
        acknowledgement[16..20].copy_from_slice(&(-1i32).to_ne_bytes());
        let mut refused = Replies::new(7, vec![Ending::Done]);
        refused.add(&acknowledgement).unwrap();
        assert_eq!(refused.into_verdicts(), [Err(Refusal::new(Errno::EPERM))]);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut replies = Replies::new(u32::MAX, vec![Ending::Done; 2]);
        replies.add(&message(Nlmsg::Done, NlmF::MULTI, 0)).unwrap();
        assert_eq!(replies.open(), 1);
        replies.add(&message(Nlmsg::Done, NlmF::MULTI, u32::MAX)).unwrap();
        assert_eq!(replies.open(), 0);
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        let mut padding = message(Nlmsg::Noop, NlmF::empty(), 7);
        padding[..4].copy_from_slice(&(1u32 << 20).to_ne_bytes());
        padding.resize(1 << 20, 0);
        let mut replies = Replies::new(7, vec![Ending::Done]);
        let taken = (0..1000).take_while(|_| replies.add(&padding).is_ok()).count();
        assert_eq!(taken, REPLIES_MAX >> 20);
        assert!(replies.add(&[]).is_err());
        assert!(Replies::new(7, vec![Ending::Done]).add(&[]).is_err());
    }

    /// The kernel cuts no answer, but a buffer could.
    #[test]
    fn an_answer_that_is_cut_is_an_error_wherever_it_is() {
        let answer = bytes(LIMIT_9);
        for length in 0..answer.len() {
            let mut replies = Replies::new(2, vec![Ending::Acknowledgement]);
            assert!(replies.add(&answer[..length]).is_err(), "{length} bytes");
            assert_eq!(replies.open(), 1);
        }
    }
}
