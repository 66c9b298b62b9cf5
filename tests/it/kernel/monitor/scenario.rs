//! Every event that the kernel has, brought about by two hosts, and the same as `ip mptcp monitor` tells them.

use std::net::SocketAddr;

use nix::errno::Errno;
use serde_json::Value;

use crate::kernel::links::{Links, SERVICE};
use crate::peer::Peer;
use crate::support::{Namespace, kernel_release};

use super::Both;

/// What Linux calls its event, by the word of `ip`.
const WORDS: [(&str, &str); 10] = [
    ("CREATED", "created"),
    ("ESTABLISHED", "established"),
    ("CLOSED", "closed"),
    ("ANNOUNCED", "announced"),
    ("REMOVED", "removed"),
    ("SF_ESTABLISHED", "sub-established"),
    ("SF_CLOSED", "sub-closed"),
    ("SF_PRIO", "sub-priority"),
    ("LISTENER_CREATED", "listener-created"),
    ("LISTENER_CLOSED", "listener-closed"),
];

/// Takes a line of `ip mptcp monitor` apart and finds all of it in the event.
#[track_caller]
pub fn assert_same(ours: &Value, theirs: &str) {
    let (kind, attributes) = theirs.trim_start_matches('[').split_once(']').expect("an event in brackets");
    let kind = kind.trim();
    // An older `ip` knows less: it says the number and nothing else.
    if let Some(code) = kind.strip_prefix("UNKNOWN ") {
        assert_eq!(ours["code"].to_string(), code, "{ours}");
        return;
    }
    let word = WORDS.iter().find(|(word, _)| *word == kind).map(|(_, word)| *word);
    assert_eq!(ours["event"].as_str(), word, "{theirs}");
    let mut told = 0;
    for attribute in attributes.split_whitespace() {
        let (key, value) = attribute.split_once('=').expect("a key and a value");
        assert_eq!(as_ip_writes(ours, key), value, "{key} in\n{theirs}\n{ours}");
        told += usize::from(!["reset_reason", "reset_flags", "server_side"].contains(&key));
    }
    // Nor is there more than that, but for what an older `ip` leaves out.
    let parts =
        |end: &Value| end.as_str().map_or(0, |end| 1 + usize::from(end.parse::<SocketAddr>().is_ok()));
    let ends = parts(&ours["local"]) + parts(&ours["remote"]);
    let keys = ["token", "local-id", "remote-id", "backup", "error", "flags", "timeout", "ifindex"];
    let ours_told = keys.iter().filter(|key| !ours[**key].is_null()).count() + ends;
    assert_eq!(ours_told, told, "{theirs}\n{ours}");
}

fn as_ip_writes(ours: &Value, key: &str) -> String {
    let number = |key: &str| ours[key].to_string();
    let text = |key: &str| ours[key].as_str().unwrap_or_default().to_owned();
    let end = |key: &str| ours[key].as_str().and_then(|end| end.parse::<SocketAddr>().ok()).expect("an end");
    match key {
        "token" => text("token"),
        "remid" => number("remote-id"),
        "locid" => number("local-id"),
        "saddr4" | "saddr6" => end("local").ip().to_string(),
        "daddr4" | "daddr6" => end("remote").ip().to_string(),
        "sport" => end("local").port().to_string(),
        "dport" => end("remote").port().to_string(),
        "backup" => u8::from(ours["backup"] == true).to_string(),
        "error" => {
            let named = |number: &i32| format!("{:?}", Errno::from_raw(*number)) == text("error");
            (1..256).find(named).expect("a known error").to_string()
        }
        "flags" => {
            let flags = ours["flags"].as_array().expect("flags");
            let bit = |word: &str, bit: u32| if flags.iter().any(|flag| flag == word) { bit } else { 0 };
            format!("{:x}", bit("deny-join-id0", 1) | bit("server-side", 2))
        }
        "timeout" => number("timeout"),
        "ifindex" => number("ifindex"),
        "reset_reason" => ours["reset"]["reason"].to_string(),
        "reset_flags" => format!("{:#x}", ours["reset"]["flags"].as_u64().expect("flags")),
        "server_side" => u8::from(ours["server-side"] == true).to_string(),
        other => panic!("ip tells more than this test knows: {other}"),
    }
}

/// The same as [`Both::wait_for`], of whatever has that value.
#[track_caller]
fn wait(both: &Both, word: &str, key: &str, value: impl Into<Value>) {
    let value = value.into();
    both.wait_for(word, |event| event[key] == value);
}

#[test]
fn every_event_is_told_as_ip_tells_it() {
    let has_listeners = kernel_release() >= (6, 2);
    let links = Links::new();
    links.client.ip("mptcp limits set subflows 8 add_addr_accepted 8");
    let (client, server) = (Both::start(&links.client, &[]), Both::start(&links.server, &[]));

    let listening = Peer::server(&links.server, SERVICE);
    let connection = Peer::quiet_client(&links.client, SERVICE);
    wait(&client, "established", "remote", SERVICE);
    wait(&server, "established", "local", SERVICE);

    links.client.ip("mptcp endpoint add 10.1.2.1 id 5 subflow dev c2");
    wait(&client, "sub-established", "dev", "c2");
    wait(&server, "sub-established", "remote-id", 5);
    links.client.ip("mptcp endpoint change id 5 backup");
    wait(&server, "sub-priority", "backup", true);
    links.client.ip("mptcp endpoint change id 5 nobackup");
    wait(&server, "sub-priority", "backup", false);

    // Nothing listens there, so that the subflow is refused.
    links.server.ip("mptcp endpoint add 10.1.3.2 id 7 signal");
    wait(&client, "announced", "remote-id", 7);
    wait(&client, "sub-closed", "error", "ECONNREFUSED");
    links.server.ip("mptcp endpoint add 10.1.3.2 port 6000 id 8 signal");
    wait(&client, "announced", "remote", "10.1.3.2:6000");
    wait(&client, "sub-established", "remote", "10.1.3.2:6000");
    wait(&server, "sub-established", "local", "10.1.3.2:6000");

    links.client.ip("mptcp endpoint delete id 5");
    wait(&client, "sub-closed", "local-id", 5);
    wait(&server, "removed", "remote-id", 5);
    wait(&server, "sub-closed", "remote-id", 5);
    links.server.ip("mptcp endpoint delete id 7");
    wait(&client, "removed", "remote-id", 7);
    links.server.ip("mptcp endpoint delete id 8");
    wait(&client, "removed", "remote-id", 8);

    drop(connection);
    let token = client.ours.runs()[0]["token"].clone();
    wait(&client, "closed", "token", token);
    server.wait_for("closed", |_| true);
    drop(listening);
    if has_listeners {
        wait(&server, "listener-created", "local", SERVICE);
        wait(&server, "listener-created", "local", "10.1.3.2:6000");
        wait(&server, "listener-closed", "local", "10.1.3.2:6000");
        wait(&server, "listener-closed", "local", SERVICE);
    }
    let seen = [client.words(), server.words()].concat();
    for (_, word) in &WORDS[..if has_listeners { 10 } else { 8 }] {
        assert!(seen.iter().any(|seen| seen == word), "no {word} among {seen:?}");
    }
    client.agree();
    server.agree();
    let sides = |both: &Both| {
        both.ours
            .runs()
            .iter()
            .find(|event| event["event"] == "created")
            .map(|event| event["server-side"] == true)
    };
    assert_eq!((sides(&client), sides(&server)), (Some(false), Some(true)));
}

#[test]
fn ipv6_is_told_as_ip_tells_it() {
    let namespace = Namespace::new();
    for address in ["2001:db8::1", "2001:db8::2"] {
        namespace.ip(&format!("address add {address}/128 dev lo nodad"));
    }
    let both = Both::start(&namespace, &[]);
    let service = "[2001:db8::1]:5000";
    let _server = Peer::server(&namespace, service);
    let connection = Peer::quiet_client(&namespace, service);
    both.wait_for("established", |event| event["remote"] == service && event["family"] == "ipv6");
    namespace.ip("mptcp endpoint add 2001:db8::2 id 3 subflow");
    both.wait_for("sub-established", |event| {
        event["local-id"] == 3
            && event["local"].as_str().is_some_and(|local| local.starts_with("[2001:db8::2]:"))
    });
    drop(connection);
    both.wait_for("closed", |_| true);
    wait_for_both_ends(&both);
    both.agree();
}

/// Both ends of the connection are in one namespace.
#[track_caller]
fn wait_for_both_ends(both: &Both) {
    crate::support::wait_for("both ends closed", || {
        both.words().iter().filter(|word| *word == "closed").count() == 2
    });
}
