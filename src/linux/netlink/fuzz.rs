//! The laws of the decoder: what holds for every netlink answer, whatever its bytes. For tests and fuzzers only.
//!
//! [`judge`] is the one entry to the decoder, which stays private. The fuzzer of `tests/fuzz` calls it, and so do the tests
//! below, with random bytes, with damaged answers of a real kernel, and with the fuzzer's corpus.

#[cfg(test)]
mod tests;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;

use crate::linux::mptcp_events::{self, Received};
use crate::linux::mptcp_pm::{self, GenlFamily};
use crate::linux::netlink::decode::{Ending, Replies, Verdict, attributes};
use crate::linux::rtmsg::Route;
use crate::linux::{iproute, mptcp_diag, rtmsg, rtnl, sock_diag, uplinks};
use crate::model::{EventKind, Family, Interface, Limits, canonical};
use crate::report::json_v1::event::EventJson;
use crate::report::text::event::Columns;
use crate::report::{EventLine, Style};
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
        let shown = EventLine { time: crate::model::Moment::default(), netns: None, event, endpoint: None };
        let line = Columns::new(Style::Plain, tz::TimeZone::utc(), []).event(&shown, None);
        assert!(line.strip_suffix('\n').is_some_and(|line| !line.contains(char::is_control)), "{line:?}");
        // The columns have some width without any content.
        assert!(line.len() <= 4 * datagram.len() + 200, "{} from {}", line.len(), datagram.len());
        let json = serde_json::to_string(&EventJson::new(&shown)).expect("JSON");
        assert!(!json.contains(char::is_control), "{json:?}");
    }
}

/// Every reader of replies on one reply. What it reads and this program sends again is read as the same.
fn reply(reply: &[u8]) {
    routing(reply);
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
        let (index, name) = (link.index, link.name);
        let made = Interface { up: false, carrier: false, ..Interface::working(index, &name) };
        assert_eq!(rtnl::link(&request.body), Some(made));
    }
    if let Some(subflow) = sock_diag::subflow(reply) {
        assert_eq!(canonical(subflow.local), subflow.local);
    }
    if let Some(listener) = sock_diag::listener(reply) {
        assert_eq!(canonical(listener.local.ip()), listener.local.ip());
    }
    if let Some(request) = sock_diag::unconfirmed_request(reply) {
        assert_eq!(canonical(request.remote.ip()), request.remote.ip());
    }
    let _ = (sock_diag::path(reply), mptcp_diag::data(reply), rtmsg::nexthop(reply), rtnl::link_make(reply));
    if let Some(address) = rtnl::address(reply) {
        let request = rtnl::add_address(address.index, &address);
        let again = rtnl::address(&request.body).expect("an address");
        let bare = |address: &rtnl::Address| (address.index, address.address, address.prefix_length);
        assert_eq!(bare(&again), bare(&address));
        assert!(again.is_selectable() || !address.is_selectable(), "{again:?} was {address:?}");
    }
}

/// Routes and rules, and what makes them again.
fn routing(reply: &[u8]) {
    let (new, flags) = (Rtm::Newroute, NlmF::empty());
    assert!(!iproute::rule(reply).unwrap_or_default().contains(char::is_control));
    if let Some(mut route) = rtmsg::route(reply) {
        let _ = iproute::default_route(reply, &route, &route.hops, |index| index.to_string());
        assert!(route.destination.is_none_or(|to| Family::of(to) == route.family));
        // What leads nowhere is not sent.
        route.hops.retain(|hop| hop.interface.is_some() || hop.gateway.is_some());
        let again = rtmsg::route(&route.request(new, flags, 0).body).expect("a route");
        let Route { scope, preference, source, nexthop, .. } = route;
        assert_eq!(Route { scope, preference, source, nexthop, ..again }, route);
    }
    if let Some(route) = uplinks::uplink_route(reply) {
        let again = uplinks::uplink_route(&uplinks::route_request(new, flags, &route).body);
        let again = again.expect("a route of this program's protocol");
        assert_eq!((again.key(), again.raw.len()), (route.key(), route.raw.len()));
        assert!(route.raw.len() <= reply.len());
        assert!(!route.raw.is_empty() || again == route, "{again:?} was {route:?}");
        assert!(!route.to_string().contains(char::is_control));
    }
    if let Some(rule) = uplinks::uplink_rule(reply) {
        let again = uplinks::uplink_rule(&uplinks::rule_request(new, flags, &rule.rule).body);
        assert_eq!(again.as_ref(), Some(&rule));
        // A priority that is not mentioned is.
        assert!(rule.rule.raw.len() <= reply.len() + 8);
        assert!(!rule.rule.to_string().contains(char::is_control));
    }
}
