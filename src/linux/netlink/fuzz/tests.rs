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
            Some("family") => mptcp_pm::family(reply) == Some(28) && mptcp_pm::events_group(reply) == Some(9),
            Some("limits-and-endpoints") => {
                mptcp_pm::limits(reply).is_some() != mptcp_pm::endpoint(reply).is_some()
            }
            Some("get-endpoint") => mptcp_pm::endpoint(reply).is_some(),
            Some("get-link" | "get-link-dump") => rtnl::link(reply).is_some(),
            Some("subflows-dump") => {
                sock_diag::subflow(reply).is_some_and(|subflow| subflow.local.is_loopback())
            }
            Some("connections-dump") => mptcp_diag::data(reply).is_some_and(|data| data.rcvbuf > 0),
            Some("get-address-dump") => rtnl::address(reply).is_some(),
            // Two families of rules have no Internet addresses.
            Some("get-rule-dump") => crate::linux::rulemsg::rule(reply).is_some() || reply[0] >= 128,
            Some("get-route-dump") => {
                rtmsg::route(reply).is_some_and(|route| !route.hops.is_empty() || reply[7] == 6)
            }
            Some("get-nexthop" | "get-nexthop-group") => rtmsg::nexthop(reply).is_some(),
            _ => false,
        };
        assert!(replies.iter().all(read), "{name}");
        let asked = ["family", "limits", "get", "subflows", "connections"]
            .iter()
            .any(|start| name.rsplit('/').next().unwrap().starts_with(start));
        assert_eq!(replies.is_empty(), !asked, "{name}");
    }
}

/// What the rules and routes of the samples are to this program.
#[test]
fn real_rules_and_routes_of_uplinks_are_told_from_odd_ones() {
    let read = |name: &str| {
        let answers = real_answers();
        let (_, input) = answers.iter().find(|(path, _)| path.ends_with(name)).expect("an answer");
        messages(&input[2..]).iter().map(|message| message[HEADER..].to_vec()).collect::<Vec<_>>()
    };
    let rules = read("/get-rule-dump");
    let rules: Vec<String> = rules
        .iter()
        .filter_map(|rule| uplinks::uplink_rule(rule))
        .map(|rule| format!("{}{}", rule.rule, if rule.rule.raw.is_empty() { "" } else { ", odd" }))
        .collect();
    assert_eq!(
        rules,
        [
            "rule from 10.1.1.1 lookup main suppress_prefixlength 0",
            "rule from 10.1.1.1 lookup 868400003",
            "rule from 10.1.1.2 lookup 868400003 priority 8685, odd",
            "rule lookup 0 priority 8686, odd",
            "rule from 10.1.1.1 lookup 868400003 priority 8690, odd",
            "rule from fd01::1 lookup 868400003",
        ]
    );
    let routes = read("/get-route-dump");
    let routes: Vec<String> = routes
        .iter()
        .filter_map(|route| uplinks::uplink_route(route))
        .map(|route| format!("{route}{}", if route.raw.is_empty() { "" } else { ", odd" }))
        .collect();
    assert_eq!(
        routes,
        [
            "route default via fe80::1 dev if3 table 868400002",
            "route default via 10.1.1.254 dev if3 table 868400003",
            "route table 868400003, odd",
            "route 10.9.0.0/16 via 10.1.1.254 dev if3 table 868400003, odd",
            "route via 10.1.1.254 dev if3 table 868400004, odd",
            "route via 10.1.1.9 dev if3 table 868400005, odd",
            "route default via fd01::fe dev if3 table 868400003",
            "route via fd01::fd dev if3 table 868400004, odd",
        ]
    );
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
