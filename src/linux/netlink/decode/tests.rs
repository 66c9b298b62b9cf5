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
