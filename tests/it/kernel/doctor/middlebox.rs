//! Middleboxes that do not like MPTCP: nft(8) stands for them.

use serde_json::Value;

use crate::kernel::links::{Links, SERVICE};
use crate::peer::Peer;
use crate::support::{Namespace, program_path, run, wait_for};

use super::{findings, found, wait_for_findings};

const CONFIG: &str = "{version: 1, limits: {subflows: 8}, endpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                      two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, \
                      three: {address: 10.1.3.1, dev: c3, flags: [subflow]}}}";

/// What comes in passes this rule first. An empty one takes the middlebox away.
#[track_caller]
fn middlebox(namespace: &Namespace, rule: &str) {
    let table = "table ip box {}\ndelete table ip box\n";
    let hook = "type filter hook prerouting priority -300;";
    let chain = format!("table ip box {{\nchain in {{\n{hook}\n{rule}\n}}\n}}\n");
    let mut nft = namespace.command("nft");
    nft.args(["-f", "-"]);
    run(nft, &format!("{table}{}", if rule.is_empty() { "" } else { &chain })).expect(0);
}

/// What `show --connections` has there.
#[track_caller]
fn connections(namespace: &Namespace) -> Vec<Value> {
    let mut show = namespace.command(program_path());
    show.args(["show", "--connections", "--format", "json"]);
    let document: Value = serde_json::from_str(&run(show, "").expect(0).stdout).expect("a document");
    document["connections"].as_array().expect("a list").clone()
}

/// It lets the handshake pass, and takes the option away from what follows.
#[test]
fn options_are_taken_away_after_the_handshake() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    middlebox(&links.server, "tcp flags & syn == 0 reset tcp option mptcp");
    let peers = links.connect();
    assert_eq!(found(&links.client, CONFIG), ["hint fallback -"]);
    // It spoke MPTCP at first, and has a token. The server's socket is one of plain TCP.
    let connections = connections(&links.client);
    let [connection] = &connections[..] else { panic!("{connections:?}") };
    assert_eq!((&connection["fallback"], connection["token"].is_string()), (&true.into(), true));
    drop(peers);
    middlebox(&links.server, "");
    let _server = Peer::server(&links.server, "10.9.9.9:5001");
    let _client = Peer::client(&links.client, "10.9.9.9:5001");
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    assert_eq!(found(&links.client, CONFIG), [""; 0], "what was is no matter");
}

/// It takes the option away from the first segment already, so that the server seems to have no MPTCP.
#[test]
fn options_are_taken_away_from_the_handshake() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    middlebox(&links.server, "reset tcp option mptcp");
    let peers = links.connect();
    assert_eq!(found(&links.client, CONFIG), ["fault peer-without-mptcp -"]);
    drop(peers);
    // Nothing shows it any more.
    wait_for("the end of the connection", || links.paths().is_empty());
    assert_eq!(found(&links.client, CONFIG), ["hint peer-without-mptcp -"]);
}

/// A firewall that drops what it does not know: the kernel tries twice with MPTCP, then without, and pauses MPTCP.
#[test]
fn a_firewall_drops_requests() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    middlebox(&links.server, "tcp flags & (syn | ack) == syn tcp option mptcp exists drop");
    let _server = Peer::server(&links.server, SERVICE);
    let client = Peer::client(&links.client, SERVICE);
    assert_eq!(found(&links.client, CONFIG), ["fault blackhole -"]);
    let paused = || {
        let evidence = findings(&links.client, CONFIG)[0]["evidence"].as_str().expect("text").to_owned();
        assert!(evidence.contains(" is plain TCP; Blackhole is 1, "), "{evidence}");
        let mut status = links.client.command(program_path());
        status.args(["status", "-"]);
        let page = run(status, CONFIG).expect(0).stdout;
        assert!(page.contains("\nMPTCP is paused: new connections are plain TCP; "), "{page}");
    };
    paused();
    drop(client);
    middlebox(&links.server, "");
    // The pause: no request, though the way is free.
    let client = Peer::client(&links.client, SERVICE);
    paused();
    // Without a request there is no token, and still each is a connection of its own.
    let second = Peer::client(&links.client, SERVICE);
    let connections = connections(&links.client);
    assert_eq!(connections.len(), 2, "{connections:?}");
    let is_told = |it: &Value| it["fallback"] == true && it["token"].is_null() && it["subflows"][1].is_null();
    assert!(connections.iter().all(is_told), "{connections:?}");
    drop((client, second));
    // Its end, as the remedy says.
    super::mend(&links.client, CONFIG, "blackhole", &[]);
    let _client = Peer::client(&links.client, SERVICE);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
}

/// It drops requests for further subflows alone.
#[test]
fn a_firewall_drops_joins() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    middlebox(&links.server, "iifname s3 tcp option mptcp exists drop");
    let _peers = links.connect();
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    wait_for_findings(&links.client, CONFIG, &["fault joins-unanswered three"]);
}
