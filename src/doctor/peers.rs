//! Findings about peers and the paths to them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::model::{Connection, Endpoint, Fallback, Flags, Protocol, Subflow, Sysctl, code, counted};

use super::endpoints;
use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};

/// The meaning where a peer answers without MPTCP.
pub const WITHOUT_MPTCP: &str = "Connections to it are plain TCP and have one path. The server has no MPTCP, its service does not use it, or a proxy or firewall removes the option.";
/// The remedy: how to find out why.
pub const ASK_THE_SERVER: &str = "sysctl net.mptcp.enabled   # on the server\nss -lM                     # does its service listen with MPTCP?\nmptcpize run curl https://check.mptcp.dev   # here: does a middlebox remove it?";

/// The services of peers to which connections lead, once each.
fn services<'a>(connections: impl Iterator<Item = &'a Connection>) -> BTreeSet<SocketAddr> {
    connections.flat_map(|connection| &connection.subflows).map(|subflow| subflow.remote).collect()
}

/// Addresses, services or ports, in one line.
pub fn listed(all: impl IntoIterator<Item: ToString>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// Peers that answer without MPTCP: those of live connections, or all that this host ever asked.
pub fn without_mptcp(evidence: &Evidence) -> Vec<Finding> {
    let [asked, agreed, plain] =
        ["MPCapableSYNTX", "MPCapableSYNACKRX", "MPCapableFallbackSYNACK"].map(|name| evidence.counter(name));
    // A test connection shows more about one peer than others do about all.
    if evidence.probe.is_some() || evidence.is_paused || plain == 0 {
        return Vec::new();
    }
    // One service of a host may speak it, and another one not.
    let speaking = services(evidence.begun().filter(|connection| !connection.is_plain()));
    let refused = services(evidence.connections.iter().filter(|connection| connection.asked_in_vain()));
    let refused = &refused - &speaking;
    if refused.is_empty() && agreed > 0 {
        return Vec::new();
    }
    let (title, live) = if refused.is_empty() {
        ("no peer so far speaks MPTCP".to_owned(), String::new())
    } else {
        let all = listed(&refused);
        (format!("no MPTCP with {all}"), format!("live connections to {all} are plain TCP; "))
    };
    let finding = Finding::fault(code::PEER_WITHOUT_MPTCP, title)
        .severity(if refused.is_empty() || !speaking.is_empty() {
            FindingSeverity::Hint
        } else {
            FindingSeverity::Fault
        })
        .evidence(format!(
            "{live}MPCapableSYNTX is {asked} (requests), MPCapableSYNACKRX {agreed} (answers with MPTCP), \
             MPCapableFallbackSYNACK {plain} (answers with plain TCP)"
        ))
        .meaning(WITHOUT_MPTCP)
        .remedy(ASK_THE_SERVER);
    vec![finding]
}

/// SYNs with MPTCP are lost, or were, so that the kernel has paused MPTCP.
pub fn blackhole(evidence: &Evidence) -> Vec<Finding> {
    let names = ["Blackhole", "MPCapableSYNTXDrop", "MPCapableSYNACKRX"];
    let [found, lost, agreed] = names.map(|name| evidence.counter(name));
    let is_plain = |connection: &&Connection| {
        connection.is_plain() && connection.subflows.iter().any(Subflow::is_established)
    };
    let plain = evidence.connections.iter().filter(is_plain).count();
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

/// Whether the test connection began with MPTCP and fell back to TCP.
pub fn probe_fell_back(evidence: &Evidence) -> bool {
    let Some(watched) = evidence.watched() else { return false };
    let is_it = |subflow: &Subflow| subflow.remote.ip() == watched.peer.ip();
    watched.protocol == Protocol::Tcp
        && fallen(evidence).any(|connection| connection.subflows.iter().any(is_it))
}

fn fallen(evidence: &Evidence) -> impl Iterator<Item = &Connection> {
    evidence.connections.iter().filter(|connection| connection.fallback == Fallback::Later)
}

/// Live connections that began with MPTCP and fell back to TCP.
pub fn fallback(evidence: &Evidence) -> Vec<Finding> {
    let peers = listed(services(fallen(evidence)));
    if peers.is_empty() {
        return Vec::new();
    }
    // That of a test connection is a new one.
    let severity = if probe_fell_back(evidence) { FindingSeverity::Fault } else { FindingSeverity::Hint };
    let finding = Finding::fault(code::FALLBACK, format!("connections with {peers} fell back to plain TCP"))
        .severity(severity)
        .evidence(format!(
            "{} began with MPTCP, and the kernel says that it fell back",
            counted(fallen(evidence).count(), "live connection")
        ))
        .meaning(
            "A middlebox removes MPTCP options or changes data, so those connections continued as plain TCP.",
        )
        .remedy("# try another port, such as 443 with TLS: most middleboxes do not change encrypted data");
    vec![finding]
}

/// Endpoints that open subflows, on a host that has only accepted connections so far. It may be a client another time, so what
/// they have stays.
pub fn subflow_on_server(evidence: &Evidence) -> Vec<Finding> {
    let [begun, accepted] = ["MPCapableSYNTX", "MPCapableSYNRX"].map(|name| evidence.counter(name));
    let signal = |row: &&Endpoint| row.flags.contains(Flags::SIGNAL);
    let rows: Vec<&Endpoint> = evidence.opening().collect();
    if begun > 0 || accepted == 0 || rows.is_empty() || evidence.endpoints().any(|row| signal(&row)) {
        return Vec::new();
    }
    let addresses: Vec<String> = rows.iter().map(|row| row.identity.to_string()).collect();
    // The kernel takes no `fullmesh` with `signal`.
    let flags =
        |row: &Endpoint| row.flags.without(Flags::FULLMESH).union(Flags::SUBFLOW).union(Flags::SIGNAL);
    let named = |row: &&Endpoint| Some((evidence.names.get(&row.identity)?, flags(row)));
    let named: BTreeMap<&String, Flags> = rows.iter().filter_map(named).collect();
    let yaml = |(name, flags): (&String, Flags)| format!("{name}: {{{}}}", endpoints::flags_key(flags));
    let yaml: Vec<String> = named.into_iter().map(yaml).collect();
    let commands: Vec<String> = rows.iter().map(|row| endpoints::readd(row, flags(row), None)).collect();
    let commands = commands.join("\n");
    let finding = Finding::hint(code::SUBFLOW_ON_SERVER, "subflow endpoints on a host that has only accepted connections")
        .evidence(format!("MPCapableSYNRX is {accepted} (accepted connections), MPCapableSYNTX 0 (opened ones); subflow endpoints: {}", addresses.join(", ")))
        .meaning("A host can seldom open subflows to its clients, which are behind NAT and do not listen. A server announces its addresses, and clients open subflows to them.")
        .remedy(match yaml.is_empty() {
            true => commands,
            false => evidence.fix(&format!("endpoints: {{{}}}", yaml.join(", ")), &commands),
        });
    vec![finding]
}

/// Private addresses that are announced to peers with public addresses.
pub fn private_signal(evidence: &Evidence) -> Vec<Finding> {
    let peers = |row: &Endpoint| {
        let same = |peer: &IpAddr| peer.is_ipv4() == row.identity.address.is_ipv4();
        let remote = evidence.subflows().map(|subflow| subflow.remote.ip()).filter(same);
        remote.collect::<BTreeSet<_>>()
    };
    let finding = |row: &Endpoint| {
        let peers = peers(row);
        let public = peers.iter().find(|peer| !is_private(**peer))?;
        let announced = row.flags.contains(Flags::SIGNAL) && is_private(row.identity.address);
        let is_only_client = !row.flags.intersects(Flags::OPENING) && !evidence.is_server();
        let finding = Finding::hint(code::PRIVATE_SIGNAL, format!("{} is announced to public peers", row.identity.address))
            .endpoint(evidence.label(row))
            .evidence(format!("{} is a private address; the peer of a live connection is {public}", row.identity.address))
            .meaning("Peers on the Internet cannot reach the address, and may reach another host with it on their own network.")
            .remedy(match is_only_client {
                // The endpoint would be left without any flag, and do nothing.
                true => {
                    let flags = endpoints::opening(row);
                    evidence.fix_endpoint(row, &endpoints::flags_key(flags), &endpoints::readd(row, flags, None))
                }
                false => "# announce a public address, or leave out the flag `signal`".to_owned(),
            });
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
