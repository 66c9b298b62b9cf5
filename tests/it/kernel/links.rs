//! Two hosts with three links between them, and a live connection over them.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::support::{Namespace, run};

/// How long a subflow may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the server listens: on its loopback, so that every link leads there.
pub const SERVICE: &str = "10.9.9.9:5000";

/// Client and server. Each of the client's addresses goes by its own link: 10.1.N.1 and 10.1.N.11 on cN.
pub struct Links {
    /// Where the program under test runs.
    pub client: Namespace,
    /// The other end.
    pub server: Namespace,
}

impl Links {
    /// Three links, addresses, and a source rule for each, with generous limits on the server.
    #[track_caller]
    pub fn new() -> Links {
        let client = Namespace::new();
        let server = client.beside();
        server.ip("address add 10.9.9.9/32 dev lo");
        for n in 1..=3 {
            client.ip(&format!("link add c{n} type veth peer name s{n} netns {}", server.pid()));
            for host in [1, 11] {
                client.ip(&format!("address add 10.1.{n}.{host}/24 dev c{n}"));
            }
            server.ip(&format!("address add 10.1.{n}.2/24 dev s{n}"));
            server.ip(&format!("link set s{n} up"));
            client.ip(&format!("link set c{n} up"));
            client.ip(&format!("route add 10.9.9.9 via 10.1.{n}.2 dev c{n} metric {n}"));
            client.ip(&format!("rule add from 10.1.{n}.0/24 table 10{n}"));
            client.ip(&format!("route add 10.9.9.9 via 10.1.{n}.2 dev c{n} table 10{n}"));
        }
        server.ip("mptcp limits set subflows 8 add_addr_accepted 8");
        Links { client, server }
    }

    /// A connection on which bytes move all the time.
    #[track_caller]
    pub fn connect(&self) -> (Peer, Peer) {
        (Peer::server(&self.server, SERVICE), Peer::client(&self.client, SERVICE))
    }

    /// The client's addresses that subflows are established from, sorted.
    #[track_caller]
    pub fn paths(&self) -> Vec<String> {
        // A socket that is bound to its interface is written as 10.1.2.1%c2:40000.
        let address = |pair: &String| pair.split(['%', ':']).next().unwrap_or_default().to_owned();
        subflows(&self.client).iter().map(address).collect()
    }

    /// Waits until the connection has just these paths.
    #[track_caller]
    pub fn wait_for_paths(&self, expected: &[&str]) {
        let start = Instant::now();
        while self.paths() != expected {
            assert!(start.elapsed() < PATIENCE, "{:?} where {expected:?} should be", self.paths());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The bytes that each established subflow has sent and received, by its local address, as `ss` tells.
#[track_caller]
pub fn bytes(namespace: &Namespace) -> BTreeMap<String, [String; 2]> {
    let mut command = namespace.command("ss");
    command.args(["-HtinO", "state", "established"]);
    let listed = run(command, "").expect(0).stdout;
    let row = |line: &str| {
        let local = line.split_whitespace().nth(2).and_then(|end| end.split(['%', ':']).next());
        let counter = |name: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            value.unwrap_or("0").to_owned()
        };
        (local.unwrap_or_default().to_owned(), ["bytes_sent:", "bytes_received:"].map(counter))
    };
    listed.lines().map(row).collect()
}

/// The local and remote ends of the established subflows, as `ss` tells, sorted.
#[track_caller]
pub fn subflows(namespace: &Namespace) -> Vec<String> {
    let mut command = namespace.command("ss");
    command.args(["-Htn", "state", "established"]);
    let listed = run(command, "").expect(0).stdout;
    let pair = |line: &str| line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(" ");
    let mut pairs: Vec<String> = listed.lines().map(pair).collect();
    pairs.sort();
    pairs
}

/// Resets the server's end of what came from this address.
#[track_caller]
pub fn reset(links: &Links, from: &str) {
    let mut ss = links.server.command("ss");
    ss.args(["-Ktn", "dst", from]);
    run(ss, "").expect(0);
}
