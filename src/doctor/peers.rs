//! Peers, the way to them, and the applications: what the kernel's counters and connections tell.

use std::net::IpAddr;

use crate::model::{Connection, Endpoint, Flags, Sysctl, SysctlValue, code};

use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};

/// Counters of what a middlebox does to connections that began with MPTCP.
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
/// Less than one connection in this many is nothing to speak of.
const RARE: u64 = 10;

/// What it means that a peer answers without MPTCP.
pub const WITHOUT_MPTCP: &str = "Those connections are plain TCP and have one path. The server has no MPTCP, does not use it for that service, or a proxy or firewall takes the option away.";
/// How to find out why.
pub const ASK_THE_SERVER: &str = "sysctl net.mptcp.enabled   # on the server\nss -lM                     # does its service listen with MPTCP?\nmptcpize run curl https://check.mptcp.dev   # here: is it a middlebox?";

/// Peers that answer without MPTCP.
pub fn without_mptcp(evidence: &Evidence) -> Vec<Finding> {
    let [asked, agreed, plain] =
        ["MPCapableSYNTX", "MPCapableSYNACKRX", "MPCapableFallbackSYNACK"].map(|name| evidence.counter(name));
    let live = evidence.connections.iter().any(Connection::is_plain);
    let all = plain > 0 && agreed == 0;
    let most = plain > agreed && evidence.begun().next().is_none();
    // A probe tells more of one peer than counters do of all.
    if evidence.probe.is_some() || (!all && !most) {
        return Vec::new();
    }
    let title = if all { "no peer so far speaks MPTCP" } else { "most peers do not speak MPTCP" };
    let finding = Finding::fault(code::PEER_WITHOUT_MPTCP, title)
        .of(if all && live { FindingSeverity::Fault } else { FindingSeverity::Hint })
        .evidence(format!(
            "{asked} connections asked for it (MPCapableSYNTX), {agreed} peers agreed (MPCapableSYNACKRX), {plain} \
             answered with plain TCP (MPCapableFallbackSYNACK)"
        ))
        .meaning(WITHOUT_MPTCP)
        .remedy(ASK_THE_SERVER);
    vec![finding]
}

/// SYNs with MPTCP that got lost, and what the kernel made of it.
pub fn blackhole(evidence: &Evidence) -> Vec<Finding> {
    let names = ["Blackhole", "MPCapableSYNTXDrop", "MPCapableSYNTXDisabled", "MPCapableSYNACKRX"];
    let [found, lost, disabled, agreed] = names.map(|name| evidence.counter(name));
    let timeout = Sysctl::named("blackhole_timeout").and_then(|sysctl| evidence.sysctl(sysctl));
    let plain = evidence.connections.iter().filter(|connection| connection.is_plain()).count();
    let live = lost > 0 && agreed == 0 && plain > 0;
    let pause = match timeout {
        Some(SysctlValue::Number(timeout @ 1..)) if found > 0 => Some(timeout),
        _ => None,
    };
    if !live && pause.is_none() {
        return Vec::new();
    }
    let title = match pause {
        Some(_) => "the kernel may be pausing MPTCP after a blackhole",
        None => "SYNs with MPTCP get lost, and those without do not",
    };
    let seconds =
        pause.map_or(String::new(), |timeout| format!("; net.mptcp.blackhole_timeout is {timeout}"));
    let end = pause.map_or(String::new(), |timeout| {
        format!("\n# this ends the pause:\nsysctl -w net.mptcp.blackhole_timeout={timeout}")
    });
    let finding = Finding::fault(code::BLACKHOLE, title)
        .of(if live { FindingSeverity::Fault } else { FindingSeverity::Hint })
        .evidence(format!(
            "Blackhole is {found}, MPCapableSYNTXDrop {lost}, MPCapableSYNTXDisabled {disabled}; live connections that \
             are plain TCP: {plain}{seconds}"
        ))
        .meaning("A SYN with MPTCP got no answer, and one without did. The kernel may then use plain TCP for all new connections for a while, longer each time.")
        .remedy(format!("# find the firewall or middlebox that drops SYNs with TCP option 30{end}"));
    vec![finding]
}

/// Connections that began with MPTCP and lost it.
pub fn fallback(evidence: &Evidence) -> Vec<Finding> {
    let seen = FALLBACKS.iter().map(|name| (name, evidence.counter(name))).filter(|(_, count)| *count > 0);
    let worst = seen.clone().map(|(_, count)| count).max().unwrap_or(0);
    let connections = evidence.counter("MPCapableSYNACKRX") + evidence.counter("MPCapableSYNRX");
    if worst == 0 || worst.saturating_mul(RARE) < connections {
        return Vec::new();
    }
    let counts: Vec<String> = seen.map(|(name, count)| format!("{name} is {count}")).collect();
    let finding = Finding::hint(code::FALLBACK, "connections lost MPTCP on the way")
        .evidence(format!("{}; {connections} connections began with it", counts.join(", ")))
        .meaning("A middlebox takes MPTCP options away or changes data, so those connections went on as plain TCP.")
        .remedy("# try another port, such as 443 with TLS: most middleboxes leave what they cannot read alone");
    vec![finding]
}

/// Endpoints that open subflows, on a host that only listens.
pub fn subflow_on_server(evidence: &Evidence) -> Vec<Finding> {
    let [begun, heard] = ["MPCapableSYNTX", "MPCapableSYNRX"].map(|name| evidence.counter(name));
    let signal = |row: &&Endpoint| row.flags.contains(Flags::SIGNAL);
    let rows: Vec<&Endpoint> = evidence.opening().collect();
    if begun > 0 || heard == 0 || rows.is_empty() || evidence.endpoints().any(|row| signal(&row)) {
        return Vec::new();
    }
    let addresses: Vec<String> = rows.iter().map(|row| row.identity.to_string()).collect();
    let finding = Finding::hint(code::SUBFLOW_ON_SERVER, "subflow endpoints on a host that only listens")
        .evidence(format!("{heard} connections came in (MPCapableSYNRX), none went out (MPCapableSYNTX); subflow: {}", addresses.join(", ")))
        .meaning("Clients seldom accept subflows that the server opens, for they are behind NAT and listen on no port. A server announces its addresses, and clients open subflows to them.")
        .remedy(evidence.mend("flags: [signal]", &delete_and_announce(&rows)));
    vec![finding]
}

fn delete_and_announce(rows: &[&Endpoint]) -> String {
    let commands = rows.iter().map(|row| {
        let id = row.id.map_or(String::new(), |id| format!(" id {id}"));
        format!("ip mptcp endpoint delete{id}\nip mptcp endpoint add {} signal", row.identity)
    });
    commands.collect::<Vec<_>>().join("\n")
}

/// Private addresses that are announced to peers on the Internet.
pub fn private_signal(evidence: &Evidence) -> Vec<Finding> {
    let peers = |row: &Endpoint| {
        let same = |peer: &IpAddr| peer.is_ipv4() == row.identity.address.is_ipv4();
        let remote = evidence.paths().map(|path| path.remote.ip()).filter(same);
        remote.collect::<std::collections::BTreeSet<_>>()
    };
    let finding = |row: &Endpoint| {
        let peers = peers(row);
        let public = peers.iter().find(|peer| !is_private(**peer))?;
        let announced = row.flags.contains(Flags::SIGNAL) && is_private(row.identity.address);
        let finding = Finding::hint(code::PRIVATE_SIGNAL, format!("{} is announced to public peers", row.identity.address))
            .about(evidence.label(row))
            .evidence(format!("{} is a private address; a live connection leads to {public}", row.identity.address))
            .meaning("Peers on the Internet cannot reach it, and may reach another host of that address on their own network.")
            .remedy("# announce a public address, or leave out the flag `signal`");
        announced.then_some(finding)
    };
    evidence.endpoints().filter_map(finding).collect()
}

/// RFC 1918 and 6598, 4193, and what never leaves the link.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || shared || v4.is_link_local() || v4.is_loopback()
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// Endpoints without any application that could use them.
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
        .evidence("MPCapableSYNTX and MPCapableSYNRX are 0: no connection asked for it since boot; no MPTCP socket listens")
        .meaning("An application has to ask for it, by socket(…, IPPROTO_MPTCP); otherwise it gets TCP.")
        .remedy("mptcpize run COMMAND\nGODEBUG=multipathtcp=1 COMMAND   # programs in Go; some have a setting");
    vec![finding]
}
