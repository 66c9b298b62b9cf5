//! Findings about the programs that could use MPTCP.

use std::collections::BTreeMap;

use crate::model::{Sysctl, SysctlValue, code};

use super::evidence::Evidence;
use super::finding::Finding;

/// Programs that listen, as the kernel names them, and what makes their sockets speak MPTCP.
const SWITCHES: &[(&str, &str)] = &[
    ("apache2", APACHE),
    ("httpd", APACHE),
    ("envoy", "\"enable_mptcp\": true in the listener   # Envoy 1.21 or later"),
    ("haproxy", "bind mptcp4@:PORT, or mptcp6@:PORT   # HAProxy 3.1 or later"),
    ("iperf3", "iperf3 --server --mptcp   # iperf 3.19 or later"),
    (
        "lighttpd",
        "server.feature-flags = (\"server.network-mptcp\" => \"enable\")   # lighttpd 1.4.76 or later",
    ),
    ("nginx", "listen PORT multipath;   # freenginx 1.27.5 or later"),
    ("sing-box", "\"tcp_multi_path\": true in the inbound   # sing-box 1.4 or later"),
    ("ssserver", "ssserver --mptcp   # shadowsocks-rust 1.16 or later"),
    ("systemd", "SocketProtocol=mptcp in [Socket] of the unit   # systemd 257 or later"),
    ("traffic_server", "server_ports: PORT mptcp   # Traffic Server 9.2.4 or later"),
    ("valkey-server", "mptcp yes   # Valkey 8.2 or later"),
];
const APACHE: &str = "Listen PORT options=multipathtcp   # Apache HTTP Server 2.5.1 or later";
/// How many programs are named.
const NAMED_MAX: usize = 5;

/// Endpoints, and no application that uses MPTCP.
pub fn none(evidence: &Evidence) -> Vec<Finding> {
    let Some(counters) = &evidence.counters else { return Vec::new() };
    let used = ["MPCapableSYNTX", "MPCapableSYNRX", "MPCapableSYNTXDisabled"]
        .iter()
        .any(|name| counters.get(name) > 0);
    let enabled = evidence.sysctl(Sysctl::ENABLED) == Some(&SysctlValue::Number(1));
    let speaks = evidence.services().any(|listener| listener.mptcp);
    if used || speaks || !enabled || evidence.endpoints().next().is_none() {
        return Vec::new();
    }
    let plain = plain(evidence);
    let named: Vec<String> = plain.iter().map(|(name, at)| format!("{name} ({})", at.join(", "))).collect();
    let plain_too =
        if named.is_empty() { String::new() } else { format!("; plain TCP: {}", named.join(", ")) };
    let switch = |(name, _): (&String, &Vec<String>)| {
        let known = SWITCHES.iter().find(|(program, _)| program == name);
        format!("# {name}: {}\n", known.map_or("mptcpize enable UNIT", |(_, switch)| switch))
    };
    let switches: String = plain.iter().map(switch).collect();
    let finding = Finding::hint(code::NO_APPLICATION, "no application uses MPTCP")
        .evidence(format!(
            "MPCapableSYNTX and MPCapableSYNRX are 0 (no connection used MPTCP since boot); no MPTCP socket listens{plain_too}"
        ))
        .meaning("An application has to request MPTCP with socket(…, IPPROTO_MPTCP); otherwise it gets TCP.")
        .remedy(format!(
            "{switches}mptcpize run COMMAND\nGODEBUG=multipathtcp=1 COMMAND   # programs in Go; from 1.24 they listen with MPTCP\ncurl --mptcp URL   # curl 8.9 or later"
        ));
    vec![finding]
}

/// The programs whose sockets of plain TCP other hosts can reach, with their ports.
fn plain(evidence: &Evidence) -> BTreeMap<String, Vec<String>> {
    let mut plain: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listener in evidence.services().filter(|listener| !listener.local.ip().is_loopback()) {
        let Some(program) = evidence.programs.get(&listener.inode) else { continue };
        if plain.len() < NAMED_MAX || plain.contains_key(program) {
            let port = listener.local.port().to_string();
            let ports = plain.entry(program.clone()).or_default();
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    plain
}
