//! The laws of the decoder: what holds for every netlink answer, whatever its bytes. For tests and fuzzers only.
//!
//! [`judge`] is the one entry to the decoder, which stays private. The fuzzer of `tests/fuzz` calls it, and so do the tests
//! below, with random bytes, with damaged answers of a real kernel, and with the fuzzer's corpus.

use crate::linux::mptcp_events::{self, Received};
use crate::linux::mptcp_pm::{self, GenlFamily};
use crate::linux::netlink::decode::{Ending, Replies, Verdict, attributes};
use crate::linux::{routes, rtnl, sock_diag};
use crate::model::{EventKind, Interface, Limits, canonical};
use crate::report::json_v1::event::EventJson;
use crate::report::text::event::Columns;
use crate::report::{Style, ToldEvent};
use crate::system::Refusal;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The most requests of a trial.
const REQUESTS_MAX: u8 = 8;
/// `IFNAMSIZ`, in bytes of the replacement character.
const NAME_MAX: usize = 16 * 3;

/// Judges what the kernel is made to say: two bytes that decide what was asked, then a datagram.
///
/// # Panics
/// When a law does not hold.
pub fn judge(input: &[u8]) {
    let Some(([before, count], datagram)) = input.split_first_chunk() else { return };
    let sequence =
        datagram.get(8..12).and_then(|bytes| bytes.first_chunk()).map(|raw| u32::from_ne_bytes(*raw));
    let first = sequence.unwrap_or(1).wrapping_sub(u32::from(before % REQUESTS_MAX));
    let messages = messages(datagram);
    let asked = asked(first, count % REQUESTS_MAX, &messages);
    replies(first, &asked, datagram, &messages);
    reply(datagram);
    received(datagram, &messages);
    messages.iter().filter_map(|message| message.get(HEADER..)).for_each(reply);
}

/// The messages of a datagram, padding included, as far as they are whole. Taken apart a second time, since the judge
/// of a decoder should not be the decoder.
fn messages(mut datagram: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(length) = datagram.first_chunk().map(|raw| u32::from_ne_bytes(*raw) as usize) {
        if length < HEADER || length > datagram.len() {
            break;
        }
        let (message, rest) = datagram.split_at(length.next_multiple_of(4).min(datagram.len()));
        messages.push(message);
        datagram = rest;
    }
    messages
}

/// What is taken to have been asked, one request more than `count`: for everything that there is of a kind if the end of a
/// dump is among its answers, for a change if there is an acknowledgement or a refusal, and else for one thing.
fn asked(first: u32, count: u8, messages: &[&[u8]]) -> Vec<Ending> {
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    let ending = |number: u8| {
        let sequence = first.wrapping_add(number.into());
        let is = |kind: u16| {
            let is_it = |message: &&[u8]| {
                message.get(4..6) == Some(&kind.to_ne_bytes())
                    && message.get(8..12) == Some(&sequence.to_ne_bytes())
            };
            messages.iter().any(is_it)
        };
        if is(DONE) {
            Ending::Done
        } else if is(ERROR) {
            Ending::Acknowledgement
        } else {
            Ending::Reply
        }
    };
    (0..=count).map(ending).collect()
}

fn replies(first: u32, asked: &[Ending], datagram: &[u8], messages: &[&[u8]]) {
    let Some(verdicts) = verdicts(first, asked, &[datagram]) else {
        return;
    };
    assert_eq!(messages.concat(), datagram, "an answer that is not whole was taken");
    assert_eq!(self::verdicts(first, asked, messages).as_ref(), Some(&verdicts), "where it is cut matters");
    let replies: usize = verdicts.iter().flatten().flatten().map(Vec::len).sum();
    let words = |refusal: &Refusal| refusal.text.as_ref().map_or(0, String::len);
    let words: usize = verdicts.iter().filter_map(|verdict| verdict.as_ref().err()).map(words).sum();
    // A byte that is no UTF-8 becomes three; the sentence about a missing attribute is longer than that attribute.
    assert!(replies + words <= 8 * datagram.len(), "{replies} and {words} from {}", datagram.len());
}

/// The verdicts after these datagrams, none when one of them was an error.
fn verdicts(first: u32, asked: &[Ending], datagrams: &[&[u8]]) -> Option<Vec<Verdict>> {
    let mut replies = Replies::new(first, asked.to_vec());
    let taken = datagrams.iter().try_for_each(|datagram| replies.add(datagram));
    let open = replies.open();
    let verdicts = replies.into_verdicts();
    assert_eq!(verdicts.len(), asked.len() - open, "a request without a verdict, or with two");
    taken.ok().map(|()| verdicts)
}

/// Reads the datagram as one of events. Each is printed in one line without control characters.
fn received(datagram: &[u8], messages: &[&[u8]]) {
    let family =
        datagram.get(4..6).and_then(|kind| kind.first_chunk()).map_or(0, |kind| u16::from_ne_bytes(*kind));
    let received = mptcp_events::events(datagram, family);
    let of_family = messages.iter().filter(|message| message.get(4..6) == Some(&family.to_ne_bytes()));
    let is_whole = messages.concat().len() == datagram.len();
    assert_eq!(received.len(), of_family.count() + usize::from(!is_whole));
    assert!(is_whole || received.last() == Some(&Received::Lost));
    for received in &received {
        let Received::Event(event) = received else { continue };
        let told = ToldEvent { netns: None, event, endpoint: None };
        let line = Columns::new(Style::Plain, []).event(&told, None);
        assert!(line.strip_suffix('\n').is_some_and(|line| !line.contains(char::is_control)), "{line:?}");
        // The columns have some width without any content.
        assert!(line.len() <= 4 * datagram.len() + 200, "{} from {}", line.len(), datagram.len());
        let json = serde_json::to_string(&EventJson::new(&told)).expect("JSON");
        assert!(!json.contains(char::is_control), "{json:?}");
    }
}

/// Every reader of replies on one reply. What it reads and this program sends again is read as the same.
fn reply(reply: &[u8]) {
    assert!(attributes(reply).map(|(_, value)| value.len() + 4).sum::<usize>() <= reply.len());
    let family = GenlFamily(mptcp_pm::family(reply).unwrap_or_default());
    if let Some(endpoint) = mptcp_pm::endpoint(reply) {
        assert_eq!(canonical(endpoint.identity.address), endpoint.identity.address);
        let request = family.add(&endpoint, endpoint.id);
        assert_eq!(mptcp_pm::endpoint(&request.body).as_ref(), Some(&endpoint));
        assert!(!endpoint.to_string().contains(char::is_control));
    }
    if let Some(event) = mptcp_events::decode::event(reply) {
        let addresses = [event.local.address, event.remote.address];
        assert!(addresses.into_iter().flatten().all(|address| canonical(address) == address));
        assert_eq!(EventKind::from_code(event.kind.code()), event.kind);
        let kept: usize = event.unknown.iter().map(|(_, value)| value.len() + 4).sum();
        assert!(kept <= reply.len());
    }
    if let Some(limits) = mptcp_pm::limits(reply) {
        let others = Limits { subflows: !limits.subflows, add_addr_accepted: !limits.add_addr_accepted };
        let request = family.set_limits(others, limits);
        assert_eq!(mptcp_pm::limits(&request.body), Some(limits));
    }
    // An interface number that is negative to the kernel is never its own, and is not sent.
    if let Some(link) = rtnl::link(reply)
        && link.name.len() <= NAME_MAX
        && i32::try_from(link.index.get()).is_ok()
    {
        let request = rtnl::add_link(&link.name, "dummy", Some(link.index));
        assert_eq!(
            rtnl::link(&request.body),
            Some(Interface { up: false, carrier: false, loopback: false, ..link })
        );
    }
    if let Some(subflow) = sock_diag::subflow(reply) {
        assert_eq!(canonical(subflow.local), subflow.local);
    }
    if let Some(listener) = sock_diag::listener(reply) {
        assert_eq!(canonical(listener.local.ip()), listener.local.ip());
    }
    let _ = (sock_diag::path(reply), routes::route(reply));
    if let Some(address) = rtnl::address(reply) {
        let request = rtnl::add_address(address.index, &address);
        let again = rtnl::address(&request.body).expect("an address");
        let bare = |address: &rtnl::Address| (address.index, address.address, address.prefix_length);
        assert_eq!(bare(&again), bare(&address));
        assert!(again.is_selectable() || !address.is_selectable(), "{again:?} was {address:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// The files of a folder of `tests/fuzz`, by name.
    fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// What Linux 6.18 answered to the requests after which the files are named.
    fn real_answers() -> Vec<(String, Vec<u8>)> {
        let seeds = files("seeds/netlink");
        assert!(seeds.len() >= 12, "only {} answers found", seeds.len());
        seeds
    }

    /// What Linux 6.18 sent, by event.
    fn real_events() -> Vec<(String, Vec<u8>)> {
        let seeds = files("seeds/events");
        assert!(seeds.len() >= 12, "only {} events found", seeds.len());
        seeds
    }

    #[test]
    fn real_events_are_understood() {
        for (name, input) in real_events() {
            judge(&input);
            let kind = u16::from_ne_bytes(input[6..8].try_into().unwrap());
            let received = mptcp_events::events(&input[2..], kind);
            let [Received::Event(event)] = received.as_slice() else { panic!("{name}: {received:?}") };
            let word = name.rsplit('/').next().unwrap();
            assert_eq!(event.kind.word(), word.trim_end_matches("-server"), "{name}");
            assert_eq!(event.unknown, [], "{name}");
            assert_eq!(event.is_server_side().unwrap_or_default(), word.ends_with("-server"), "{name}");
            let has_ends = !["announced", "closed", "removed"].contains(&word);
            assert_eq!(event.local.address.is_some() && event.local.port.is_some(), has_ends, "{name}");
        }
    }

    #[test]
    fn what_the_fuzzer_found_is_judged() {
        let corpus = files("corpus/netlink");
        assert!(corpus.len() >= 50, "only {} inputs found", corpus.len());
        corpus.iter().for_each(|(_, input)| judge(input));
    }

    /// So that the damaged answers below begin with ones that say something.
    #[test]
    fn real_answers_are_understood() {
        for (name, input) in real_answers() {
            judge(&input);
            let first = u32::from_ne_bytes(input[10..14].try_into().unwrap());
            let datagram = &input[2..];
            let asked = asked(first, input[1], &messages(datagram));
            let verdicts = verdicts(first, &asked, &[datagram]).expect(&name);
            assert_eq!(verdicts.len(), usize::from(input[1]) + 1, "{name}");
            let refused = verdicts.iter().any(Result::is_err);
            assert_eq!(refused, name.ends_with("-refused"), "{name}");
            let replies: Vec<&Vec<u8>> = verdicts.iter().flatten().flatten().collect();
            let read = |reply: &&Vec<u8>| match name.rsplit('/').next() {
                Some("family") => {
                    mptcp_pm::family(reply) == Some(28) && mptcp_pm::events_group(reply) == Some(9)
                }
                Some("limits-and-endpoints") => {
                    mptcp_pm::limits(reply).is_some() != mptcp_pm::endpoint(reply).is_some()
                }
                Some("get-endpoint") => mptcp_pm::endpoint(reply).is_some(),
                Some("get-link" | "get-link-dump") => rtnl::link(reply).is_some(),
                Some("subflows-dump") => {
                    sock_diag::subflow(reply).is_some_and(|subflow| subflow.local.is_loopback())
                }
                Some("get-address-dump") => rtnl::address(reply).is_some(),
                _ => false,
            };
            assert!(replies.iter().all(read), "{name}");
            let asked = ["family", "limits", "get", "subflows"]
                .iter()
                .any(|start| name.rsplit('/').next().unwrap().starts_with(start));
            assert_eq!(replies.is_empty(), !asked, "{name}");
        }
    }

    /// Bytes at random have no order that a message could be in; so messages of them, with attributes of them.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let kind = prop_oneof![Just(2u16), Just(3), Just(16), Just(20), Just(28), any::<u16>()];
        let flags = prop_oneof![Just(0u16), Just(2), Just(0x10), Just(0x100), Just(0x300), any::<u16>()];
        let start = prop::collection::vec(any::<u8>(), 0..24);
        let attribute =
            (0u16..16, prop::collection::vec(any::<u8>(), 0..20), prop_oneof![9 => Just(0), 1 => -9i16..9]);
        (kind, flags, 0u32..4, start, prop::collection::vec(attribute, 0..6)).prop_map(
            |(kind, flags, sequence, start, attributes)| {
                let mut body = start;
                for (kind, value, lie) in attributes {
                    body.extend((value.len() as u16 + 4).wrapping_add_signed(lie).to_ne_bytes());
                    body.extend(kind.to_ne_bytes());
                    body.extend(&value);
                    body.resize(body.len().next_multiple_of(4), 0);
                }
                let mut message = (body.len() as u32 + 16).to_ne_bytes().to_vec();
                message.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
                message.extend([sequence.to_ne_bytes(), [0; 4]].concat());
                message.extend(body);
                message
            },
        )
    }

    proptest! {
        // A failure is printed in full, so a file of it is not needed.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_judged(input in prop::collection::vec(any::<u8>(), 0..400)) {
            judge(&input);
        }

        #[test]
        fn any_messages_are_judged(asked: [u8; 2], messages in prop::collection::vec(message(), 0..5)) {
            judge(&[asked.to_vec(), messages.concat()].concat());
        }

        #[test]
        fn a_damaged_answer_is_judged(
            answer in prop::sample::select([real_answers(), real_events()].concat()),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let (_, mut input) = answer;
            for (at, value) in damage {
                let at = at.index(input.len());
                input[at] = value;
            }
            input.truncate(cut.map_or(input.len(), |at| at.index(input.len())));
            judge(&input);
        }
    }
}
