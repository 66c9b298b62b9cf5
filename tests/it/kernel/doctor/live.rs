//! What is wrong with live connections.

use crate::kernel::links::{Links, SERVICE};
use crate::peer::Peer;
use crate::support::{Namespace, kernel_release, run, table_size, wait_for};

use super::{doctor, doctor_without_rights, findings, found, mend, sh, wait_for_findings};

const CONFIG: &str = "{version: 1, limits: {subflows: 8}, endpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                      two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, \
                      three: {address: 10.1.3.1, dev: c3, flags: [subflow]}}}";
const ALL: [&str; 3] = ["10.1.1.1", "10.1.2.1", "10.1.3.1"];

/// One of the kernel's counters; none where this kernel has none of that name.
fn counter(namespace: &Namespace, name: &str) -> Option<u64> {
    let mut cat = namespace.command("cat");
    cat.arg("/proc/net/netstat");
    let text = run(cat, "").expect(0).stdout;
    let mut lines = text.lines().filter(|line| line.starts_with("MPTcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs.find(|(other, _)| *other == name).and_then(|(_, value)| value.parse().ok())
}

#[test]
fn healthy_ends_are_left_in_peace() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    // Announced, and not followed by the client: it has subflows enough.
    links.server.ip("mptcp endpoint add 10.1.2.2 signal");
    let _peers = (Peer::server(&links.server, "0.0.0.0:5000"), Peer::client(&links.client, SERVICE));
    links.wait_for_paths(&ALL);
    let ran = doctor(&links.client, CONFIG, &[]).expect(0);
    assert_eq!(ran.stdout, "no problems found; checked 3 endpoints and 1 live connection\n");
    assert_eq!(doctor_without_rights(&links.client, CONFIG), ran);
    assert_eq!(found(&links.client, ""), [""; 0]);
    assert_eq!(found(&links.server, ""), [""; 0]);
}

#[test]
fn an_endpoint_was_added_too_early() {
    let links = Links::new();
    links.client.ip("address delete 10.1.3.1/24 dev c3");
    links.client.apply(CONFIG, &[]).expect(0);
    let _peers = links.connect();
    links.wait_for_paths(&ALL[..2]);
    assert_eq!(found(&links.client, CONFIG), ["fault address-missing three"]);
    links
        .client
        .ip_batch("address add 10.1.3.1/24 dev c3\nroute replace 10.9.9.9 via 10.1.3.2 dev c3 table 103\n");
    let known = counter(&links.client, "MPJoinSynTxBindErr").is_some();
    let expected = if known { "fault added-too-early three" } else { "hint subflow-missing three" };
    assert_eq!(found(&links.client, CONFIG), [expected]);
    mend(&links.client, CONFIG, expected.split(' ').nth(1).expect("a code"), &[]);
    links.wait_for_paths(&ALL);
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
    // The counter is old when a peer refuses.
    links.server.ip("mptcp limits set subflows 0");
    let _refused = Peer::client(&links.client, SERVICE);
    wait_for_findings(&links.client, CONFIG, &["hint subflow-missing two", "hint subflow-missing three"]);
}

/// A connection keeps the path manager that it began with, and a daemon may leave it as it is.
#[test]
fn the_connection_is_under_the_userspace_path_manager() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    sh(&links.client, "echo 1 > /proc/sys/net/mptcp/pm_type");
    let _peers = links.connect();
    sh(&links.client, "echo 0 > /proc/sys/net/mptcp/pm_type");
    links.wait_for_paths(&ALL[..1]);
    assert_eq!(found(&links.client, CONFIG), ["hint userspace-path-manager -"]);
}

/// Raising it does nothing for connections that exist.
#[test]
fn the_limit_was_raised_later() {
    let links = Links::new();
    links.client.apply(&CONFIG.replace("subflows: 8", "subflows: 1"), &[]).expect(0);
    let _peers = links.connect();
    links.wait_for_paths(&ALL[..2]);
    assert_eq!(found(&links.client, ""), ["fault subflows-limit-low -"]);
    links.client.apply(CONFIG, &[]).expect(0);
    assert_eq!(found(&links.client, CONFIG), ["hint subflow-missing three"]);
    mend(&links.client, CONFIG, "subflow-missing", &[]);
    links.wait_for_paths(&ALL);
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
}

#[test]
fn the_peer_cannot_be_reached_from_one_address() {
    let links = Links::new();
    // Without a route the kernel takes the peer for a neighbour, and the peer would answer for its other address.
    sh(&links.server, "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore");
    links.client.ip_batch(
        "rule delete from 10.1.3.0/24\nroute delete 10.9.9.9 dev c3 metric 3\nroute flush table 103\n",
    );
    links.client.apply(CONFIG, &[]).expect(0);
    let _peers = links.connect();
    links.wait_for_paths(&ALL[..2]);
    assert_eq!(found(&links.client, CONFIG), ["fault no-route three"]);
    let finding = &findings(&links.client, CONFIG)[0];
    assert!(
        finding["evidence"].as_str().expect("text").contains("10.9.9.9 from 10.1.3.1 oif c3"),
        "{finding:#}"
    );
    mend(&links.client, CONFIG, "no-route", &[("via GATEWAY", "via 10.1.3.2")]);
    let _new = Peer::client(&links.client, SERVICE);
    links.client.ip_batch("mptcp endpoint delete id 3\nmptcp endpoint add 10.1.3.1 id 3 subflow dev c3\n");
    wait_for_findings(&links.client, CONFIG, &[]);
}

/// A path on which requests get lost, as behind a firewall.
#[test]
fn nobody_answers() {
    let links = Links::new();
    links.server.ip("rule add to 10.1.3.1 blackhole");
    links.client.apply(CONFIG, &[]).expect(0);
    let _peers = links.connect();
    links.wait_for_paths(&ALL[..2]);
    wait_for_findings(&links.client, CONFIG, &["fault joins-unanswered three"]);
    links.server.ip("rule delete to 10.1.3.1 blackhole");
    links.wait_for_paths(&ALL);
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
}

#[test]
fn the_other_end_refuses() {
    let links = Links::new();
    links.server.ip("mptcp limits set subflows 1");
    links.client.apply(CONFIG, &[]).expect(0);
    let _peers = links.connect();
    wait_for("a refusal", || links.paths().len() == 2 && counter(&links.server, "MPJoinRejected") != Some(0));
    wait_for_findings(&links.client, CONFIG, &["hint subflow-missing three"]);
    if counter(&links.client, "MPRstRx").is_some_and(|resets| resets > 0) {
        let finding = &findings(&links.client, CONFIG)[0];
        assert!(finding["evidence"].as_str().expect("text").contains("MPRstRx is"), "{finding:#}");
    }
    let known = counter(&links.server, "MPJoinRejected").is_some();
    let expected: &[&str] = if known { &["fault joins-rejected -"] } else { &[] };
    assert_eq!(found(&links.server, ""), expected);
    if known {
        mend(&links.server, "", "joins-rejected", &[]);
        assert_eq!(found(&links.server, ""), [""; 0], "what was is no matter");
    }
}

#[test]
fn announcements_are_ignored() {
    let links = Links::new();
    links.server.ip("mptcp endpoint add 10.1.2.2 signal");
    // An announced address has no port of its own, so the service has to listen there too.
    let _server = Peer::server(&links.server, "0.0.0.0:5000");
    let first = Peer::client(&links.client, SERVICE);
    wait_for("an announcement", || counter(&links.client, "AddAddr") != Some(0));
    assert_eq!(found(&links.client, ""), ["fault add-addr-accepted-zero -"]);
    mend(&links.client, "", "add-addr-accepted-zero", &[]);
    drop(first);
    let _client = Peer::client(&links.client, SERVICE);
    wait_for("two paths", || links.paths().len() == 2);
    assert_eq!(found(&links.client, ""), [""; 0]);
}

#[test]
fn the_peer_has_no_mptcp() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let plain = Peer::plain_server(&links.server, SERVICE);
    let client = Peer::client(&links.client, SERVICE);
    assert_eq!(found(&links.client, CONFIG), ["fault peer-without-mptcp -"]);
    drop((client, plain));
    wait_for("the end of the connection", || links.paths().is_empty());
    assert_eq!(found(&links.client, CONFIG), ["hint peer-without-mptcp -"], "it may be long ago");
    let _peers = (Peer::server(&links.server, "10.9.9.9:5001"), Peer::client(&links.client, "10.9.9.9:5001"));
    links.wait_for_paths(&ALL);
    assert_eq!(found(&links.client, CONFIG), [""; 0], "some have it");
}

#[test]
fn the_mesh_is_cut() {
    let links = Links::new();
    links.server.ip("address add 10.9.9.8/32 dev lo");
    links.server.ip("mptcp endpoint add 10.9.9.8 signal");
    for n in 1..=3 {
        links.client.ip(&format!("route add 10.9.9.8 via 10.1.{n}.2 dev c{n} metric {n}"));
        links.client.ip(&format!("route add 10.9.9.8 via 10.1.{n}.2 dev c{n} table 10{n}"));
    }
    let config = CONFIG.replace("[subflow]", "[subflow, fullmesh]");
    let tight = config.replace("subflows: 8", "subflows: 3, add-addr-accepted: 2");
    links.client.apply(&tight, &[]).expect(0);
    let _server = Peer::server(&links.server, "0.0.0.0:5000");
    let first = Peer::client(&links.client, SERVICE);
    wait_for("four paths", || links.paths().len() == 4);
    assert_eq!(found(&links.client, &tight), ["fault fullmesh-limits -"]);
    drop(first);
    let wide = config.replace("subflows: 8", "subflows: 8, add-addr-accepted: 2");
    links.client.apply(&wide, &[]).expect(0);
    let _client = Peer::client(&links.client, SERVICE);
    wait_for("six paths", || links.paths().len() == 6);
    assert_eq!(found(&links.client, &wide), [""; 0]);
}

#[test]
fn a_server_opens_subflows() {
    let links = Links::new();
    links.server.ip("mptcp endpoint add 10.1.2.2 subflow");
    let _peers = (Peer::server(&links.server, "0.0.0.0:5000"), Peer::client(&links.client, SERVICE));
    assert_eq!(found(&links.server, ""), ["hint subflow-on-server -"]);
    mend(&links.server, "", "subflow-on-server", &[]);
    assert_eq!(found(&links.server, ""), [""; 0]);
}

#[test]
fn a_private_address_is_announced_to_the_internet() {
    let links = Links::new();
    links.server.ip("mptcp endpoint add 10.1.2.2 signal");
    links.client.ip_batch("address add 203.0.113.5/32 dev c1\nroute replace 10.9.9.9 via 10.1.1.2 dev c1 metric 1 src 203.0.113.5\n");
    links.server.ip("route add 203.0.113.5 via 10.1.1.1 dev s1");
    let _peers = (Peer::server(&links.server, "0.0.0.0:5000"), Peer::client(&links.client, SERVICE));
    assert_eq!(found(&links.server, ""), ["hint private-signal 10.1.2.2"]);
}

/// Endpoints that the kernel made itself fill the table.
#[test]
fn implicit_endpoints_fill_the_table() {
    let links = Links::new();
    links.client.ip("mptcp limits set add_addr_accepted 2");
    links.server.ip("mptcp endpoint add 10.1.2.2 signal");
    // An announced address has no port of its own, so the service has to listen there too.
    let server = Peer::server(&links.server, "0.0.0.0:5000");
    let peers = (server, Peer::client(&links.client, SERVICE));
    wait_for("two paths", || links.paths().len() == 2);
    wait_for("an implicit endpoint", || links.client.endpoints().iter().any(|row| row.contains("implicit")));
    assert_eq!(found(&links.client, ""), [""; 0]);
    let row = |number: usize| {
        format!(
            "address add 10.8.{0}.{1}/32 dev c1\nmptcp endpoint add 10.8.{0}.{1} signal\n",
            number / 200,
            number % 200 + 1
        )
    };
    links.client.ip_batch(&(1..table_size()).map(row).collect::<String>());
    assert_eq!(found(&links.client, ""), ["hint table-full -"]);
    let remedy = findings(&links.client, "")[0]["remedy"].as_str().expect("text").to_owned();
    assert!(!remedy.contains("delete"), "a connection needs it: {remedy}");
    drop(peers);
    wait_for("the end of the connection", || links.paths().is_empty());
    mend(&links.client, "", "table-full", &[]);
    assert_eq!(found(&links.client, ""), [""; 0]);
}

/// SYNs with MPTCP get lost until the kernel sends one without.
#[test]
fn requests_for_mptcp_get_lost() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    if counter(&links.client, "MPCapableSYNTXDrop").is_none() {
        assert!(kernel_release() < (6, 14), "this kernel should count lost requests");
        return;
    }
    links.client.ip("neighbour replace 10.1.1.2 lladdr 02:00:00:00:00:99 dev c1 nud permanent");
    let server = Peer::server(&links.server, SERVICE);
    let client = std::thread::scope(|scope| {
        let client = scope.spawn(|| Peer::client(&links.client, SERVICE));
        wait_for("a SYN without MPTCP", || counter(&links.client, "MPCapableSYNTXDrop") != Some(0));
        links.client.ip("neighbour delete 10.1.1.2 dev c1");
        client.join().expect("a client")
    });
    assert_eq!(found(&links.client, CONFIG), ["fault blackhole -"]);
    drop(client);
    let _client = Peer::client(&links.client, SERVICE);
    links.wait_for_paths(&ALL);
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
    drop(server);
}

/// Within a host there is one path, and subflows that are bound to an interface never arrive.
#[test]
fn a_connection_within_the_host_lacks_nothing() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.client, "127.0.0.1:5000");
    let _client = Peer::client(&links.client, "127.0.0.1:5000");
    wait_for("requests for subflows", || counter(&links.client, "MPJoinSynTx") != Some(0));
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
}

/// Only when something was said does the kernel open more subflows.
#[test]
fn a_silent_connection_lacks_nothing() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let _client = Peer::silent_client(&links.client, SERVICE);
    links.wait_for_paths(&ALL[..1]);
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
}

/// TCP goes on trying for a quarter of an hour.
#[test]
fn a_link_dies_beneath_live_subflows() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _peers = links.connect();
    links.wait_for_paths(&ALL);
    assert_eq!(found(&links.client, CONFIG), [""; 0]);
    links.server.ip("link set s3 down");
    assert_eq!(found(&links.client, CONFIG), ["fault no-carrier three"]);
    links.client.ip("link set c2 down");
    assert_eq!(found(&links.client, CONFIG), ["fault interface-down two", "fault no-carrier three"]);
    links.client.ip("link delete c3");
    assert_eq!(found(&links.client, ""), ["fault interface-down 10.1.2.1", "fault dev-gone 10.1.3.1"]);
}
