//! Findings about peers, the paths to them, and applications.

use std::net::IpAddr;

use crate::model::{Connection, Endpoint, Flags, Sysctl, SysctlValue, code};

use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};

/// Counters of connections that began with MPTCP and lost it.
const FALLBACKS: [&str; 8] = [
    "MPCapableFallbackACK",
    "MPCapableDataFallback",
    "DssFallback",
    "DSSCorruptionFallback",
    "DSSCorruptionReset",
    "DataCsumErr",
    "InfiniteMapRx",
    "MPFailRx",
];
/// Less than one connection in this many is no finding.
const RARE: u64 = 10;

/// The meaning where a peer answers without MPTCP.
pub const WITHOUT_MPTCP: &str = "Connections to it are plain TCP and have one path. The server has no MPTCP, its service does not use it, or a proxy or firewall removes the option.";
/// The remedy: how to find out why.
pub const ASK_THE_SERVER: &str = "sysctl net.mptcp.enabled   # on the server\nss -lM                     # does its service listen with MPTCP?\nmptcpize run curl https://check.mptcp.dev   # here: does a middlebox remove it?";

/// Peers that answer without MPTCP.
pub fn without_mptcp(evidence: &Evidence) -> Vec<Finding> {
    let [asked, agreed, plain] =
        ["MPCapableSYNTX", "MPCapableSYNACKRX", "MPCapableFallbackSYNACK"].map(|name| evidence.counter(name));
    let live = evidence.connections.iter().any(Connection::is_plain);
    let all = plain > 0 && agreed == 0;
    let most = plain > agreed && evidence.begun().next().is_none();
    // A test connection shows more about one peer than counters do about all.
    if evidence.probe.is_some() || (!all && !most) {
        return Vec::new();
    }
    let title = if all { "no peer so far speaks MPTCP" } else { "most peers do not speak MPTCP" };
    let finding = Finding::fault(code::PEER_WITHOUT_MPTCP, title)
        .severity(if all && live { FindingSeverity::Fault } else { FindingSeverity::Hint })
        .evidence(format!(
            "MPCapableSYNTX is {asked} (requests), MPCapableSYNACKRX {agreed} (answers with MPTCP), MPCapableFallbackSYNACK \
             {plain} (answers with plain TCP)"
        ))
        .meaning(WITHOUT_MPTCP)
        .remedy(ASK_THE_SERVER);
    vec![finding]
}

/// SYNs with MPTCP are lost, or were, so that the kernel has paused MPTCP.
pub fn blackhole(evidence: &Evidence) -> Vec<Finding> {
    let names = ["Blackhole", "MPCapableSYNTXDrop", "MPCapableSYNACKRX"];
    let [found, lost, agreed] = names.map(|name| evidence.counter(name));
    let plain = evidence.connections.iter().filter(|connection| connection.is_plain()).count();
    if evidence.is_paused {
        let timeout = Sysctl::named("blackhole_timeout").and_then(|sysctl| evidence.sysctl(sysctl));
        let timeout = timeout.map_or("3600".to_owned(), |timeout| timeout.to_string());
        let title = "the kernel has paused MPTCP: new connections are plain TCP";
        let finding = Finding::fault(code::BLACKHOLE, title)
            .evidence(format!(
                "a connection that is opened now is plain TCP; Blackhole is {found}, and \
                 net.mptcp.blackhole_timeout {timeout}"
            ))
            .meaning("SYNs with MPTCP got no answer, and one without it did. Either an uplink was silent for 2 to 3 s while a connection was opened, or a middlebox drops MPTCP. The kernel then uses plain TCP for all new connections, for `blackhole_timeout` and longer each time.")
            .remedy(format!(
                "# this ends the pause:\n\
                 sysctl -w net.mptcp.blackhole_timeout={timeout}\n\
                 # if it comes back: declare `blackhole_timeout: 0` and `syn_retrans_before_tcp_fallback: 128` below \
                 `sysctls`, or find the middlebox that drops SYNs with TCP option 30"
            ));
        return vec![finding];
    }
    if lost == 0 || agreed > 0 || plain == 0 {
        return Vec::new();
    }
    let title = "SYNs with MPTCP are lost, and SYNs without it are not";
    let finding = Finding::fault(code::BLACKHOLE, title)
        .evidence(format!(
            "MPCapableSYNTXDrop is {lost}, MPCapableSYNACKRX 0; live connections that are plain TCP: {plain}"
        ))
        .meaning("A SYN with MPTCP got no answer, and one without it did.")
        .remedy("# find the firewall or middlebox that drops SYNs with TCP option 30");
    vec![finding]
}

/// Connections began with MPTCP and fell back to TCP.
pub fn fallback(evidence: &Evidence) -> Vec<Finding> {
    let seen = FALLBACKS.iter().map(|name| (name, evidence.counter(name))).filter(|(_, count)| *count > 0);
    let worst = seen.clone().map(|(_, count)| count).max().unwrap_or(0);
    let connections = evidence.counter("MPCapableSYNACKRX") + evidence.counter("MPCapableSYNRX");
    if worst == 0 || worst.saturating_mul(RARE) < connections {
        return Vec::new();
    }
    let counts: Vec<String> = seen.map(|(name, count)| format!("{name} is {count}")).collect();
    let finding = Finding::hint(code::FALLBACK, "connections fell back to plain TCP")
        .evidence(format!("{}; connections that began with MPTCP: {connections}", counts.join(", ")))
        .meaning(
            "A middlebox removes MPTCP options or changes data, so those connections continued as plain TCP.",
        )
        .remedy("# try another port, such as 443 with TLS: most middleboxes do not change encrypted data");
    vec![finding]
}

/// Endpoints that open subflows, on a host that only accepts connections.
pub fn subflow_on_server(evidence: &Evidence) -> Vec<Finding> {
    let [begun, accepted] = ["MPCapableSYNTX", "MPCapableSYNRX"].map(|name| evidence.counter(name));
    let signal = |row: &&Endpoint| row.flags.contains(Flags::SIGNAL);
    let rows: Vec<&Endpoint> = evidence.opening().collect();
    if begun > 0 || accepted == 0 || rows.is_empty() || evidence.endpoints().any(|row| signal(&row)) {
        return Vec::new();
    }
    let addresses: Vec<String> = rows.iter().map(|row| row.identity.to_string()).collect();
    let finding = Finding::hint(code::SUBFLOW_ON_SERVER, "subflow endpoints on a host that only accepts connections")
        .evidence(format!("MPCapableSYNRX is {accepted} (accepted connections), MPCapableSYNTX 0 (opened ones); subflow endpoints: {}", addresses.join(", ")))
        .meaning("A server can seldom open subflows to clients, which are behind NAT and do not listen. A server announces its addresses, and clients open subflows to them.")
        .remedy(evidence.fix("flags: [signal]", &delete_and_announce(&rows)));
    vec![finding]
}

fn delete_and_announce(rows: &[&Endpoint]) -> String {
    let commands = rows.iter().map(|row| {
        let id = row.id.map_or(String::new(), |id| format!(" id {id}"));
        format!("ip mptcp endpoint delete{id}\nip mptcp endpoint add {} signal", row.identity)
    });
    commands.collect::<Vec<_>>().join("\n")
}

/// Private addresses that are announced to peers with public addresses.
pub fn private_signal(evidence: &Evidence) -> Vec<Finding> {
    let peers = |row: &Endpoint| {
        let same = |peer: &IpAddr| peer.is_ipv4() == row.identity.address.is_ipv4();
        let remote = evidence.subflows().map(|subflow| subflow.remote.ip()).filter(same);
        remote.collect::<std::collections::BTreeSet<_>>()
    };
    let finding = |row: &Endpoint| {
        let peers = peers(row);
        let public = peers.iter().find(|peer| !is_private(**peer))?;
        let announced = row.flags.contains(Flags::SIGNAL) && is_private(row.identity.address);
        let finding = Finding::hint(code::PRIVATE_SIGNAL, format!("{} is announced to public peers", row.identity.address))
            .endpoint(evidence.label(row))
            .evidence(format!("{} is a private address; the peer of a live connection is {public}", row.identity.address))
            .meaning("Peers on the Internet cannot reach the address, and may reach another host with it on their own network.")
            .remedy("# announce a public address, or leave out the flag `signal`");
        announced.then_some(finding)
    };
    evidence.endpoints().filter_map(finding).collect()
}

/// Private (RFC 1918, 4193), shared (RFC 6598), link-local and loopback addresses.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || shared || v4.is_link_local() || v4.is_loopback()
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// Endpoints, and no application that uses MPTCP.
pub fn no_application(evidence: &Evidence) -> Vec<Finding> {
    let Some(counters) = &evidence.counters else { return Vec::new() };
    let used = ["MPCapableSYNTX", "MPCapableSYNRX", "MPCapableSYNTXDisabled"]
        .iter()
        .any(|name| counters.get(name) > 0);
    let own =
        |port: u16| evidence.endpoints().any(|row| row.identity.port.is_some_and(|own| own.get() == port));
    let listens = evidence.listeners.iter().any(|listener| listener.mptcp && !own(listener.local.port()));
    let enabled = evidence.sysctl(Sysctl::ENABLED) == Some(&SysctlValue::Number(1));
    if used || listens || !enabled || evidence.endpoints().next().is_none() {
        return Vec::new();
    }
    let finding = Finding::hint(code::NO_APPLICATION, "no application uses MPTCP")
        .evidence("MPCapableSYNTX and MPCapableSYNRX are 0 (no connection used MPTCP since boot); no MPTCP socket listens")
        .meaning("An application has to request MPTCP with socket(…, IPPROTO_MPTCP); otherwise it gets TCP.")
        .remedy("mptcpize run COMMAND\nGODEBUG=multipathtcp=1 COMMAND   # programs in Go; others may have a setting");
    vec![finding]
}
