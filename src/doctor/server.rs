//! Findings about subflows that peers open to this host and that are not completed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::model::{
    Connection, Endpoint, Flags, Interface, Sysctl, SysctlValue, UnconfirmedRequest, code, counted,
};

use super::evidence::{Evidence, RouteCheck};
use super::finding::{Finding, FindingSeverity};
use super::peers::listed;
use super::routes::{self, STRICT};

/// Fewer subflows that were not completed are no hint by themselves.
const INCOMPLETE_MIN: u64 = 4;

/// How many subflows peers opened since boot, how many they completed, and how many came to nothing for no reason that
/// another counter gives.
struct Joins {
    opened: u64,
    completed: u64,
    incomplete: u64,
}

impl Joins {
    fn of(evidence: &Evidence) -> Joins {
        let names = ["MPJoinSynRx", "MPJoinAckRx", "MPJoinRejected", "MPJoinAckHMacFailure"];
        let [opened, completed, rejected, forged] = names.map(|name| evidence.counter(name));
        Joins { opened, completed, incomplete: opened.saturating_sub(completed + rejected + forged) }
    }

    fn words(&self) -> String {
        format!("MPJoinSynRx is {}, MPJoinAckRx {}", self.opened, self.completed)
    }
}

/// `allow_join_initial_addr_port` is 0, and no other address is announced.
pub fn joins_denied(evidence: &Evidence) -> Vec<Finding> {
    let sysctl = Sysctl::named("allow_join_initial_addr_port").and_then(|sysctl| evidence.sysctl(sysctl));
    let serves = evidence.accepted().next().is_some() || evidence.services().any(|listener| listener.mptcp);
    let announces = evidence.endpoints().any(|row| row.flags.contains(Flags::SIGNAL));
    if sysctl != Some(&SysctlValue::Number(0)) || announces || !serves {
        return Vec::new();
    }
    let finding = Finding::hint(code::JOINS_DENIED, "no peer can open a second subflow to this host")
        .evidence("sysctl net.mptcp.allow_join_initial_addr_port is 0; no endpoint has the flag signal")
        .meaning("Peers open no subflow to the address that they connected to, and know no other one. The sysctl is for servers behind a load balancer, which announce an address of their own.")
        .remedy(evidence.fix(
            "sysctls: {allow_join_initial_addr_port: true}",
            "sysctl -w net.mptcp.allow_join_initial_addr_port=1",
        ));
    vec![finding]
}

/// Announcements of addresses that no client ever confirmed: something on the way removes them.
pub fn announcements_lost(evidence: &Evidence) -> Vec<Finding> {
    // Sent, and sent again twice at least.
    const SENT_MIN: u64 = 3;
    let [sent, confirmed] = ["AddAddrTx", "EchoAdd"].map(|name| evidence.counter(name));
    let open = evidence.accepted().filter(|connection| connection.has_one_path()).count();
    if sent < SENT_MIN || confirmed > 0 || open == 0 || evidence.is_userspace() {
        return Vec::new();
    }
    let finding = Finding::hint(code::ANNOUNCEMENTS_LOST, "no client has confirmed an announced address")
        .evidence(format!(
            "AddAddrTx is {sent} (announcements), EchoAdd 0 (confirmations, which MPTCP demands); {} with one subflow",
            counted(open, "accepted live connection")
        ))
        .meaning("Clients do not learn of the address, and open no subflow to it: a firewall or middlebox removes the option (ADD_ADDR).")
        .remedy("# at both ends: where is the option lost?\ntcpdump -nvi any 'tcp[tcpflags] & tcp-ack != 0' | grep add-addr");
    vec![finding]
}

/// Announced addresses on which no service listens: the subflows that peers open there are refused.
pub fn not_served(evidence: &Evidence) -> Vec<Finding> {
    let is_announced = |row: &&Endpoint| row.flags.contains(Flags::SIGNAL) && row.identity.port.is_none();
    let rows = evidence.endpoints().filter(is_announced);
    rows.filter(|row| evidence.interface_of(row.identity.address).is_some())
        .filter_map(|row| unserved(evidence, row))
        .collect()
}

fn unserved(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    let address = row.identity.address;
    let services = || evidence.services().filter(|listener| listener.mptcp);
    let is_served = |port: &u16| services().any(|listener| listener.covers((address, *port).into()));
    // An established subflow there proves that something accepts it, though only at its own port.
    let is_proven = |port: &u16| {
        evidence.subflows().any(|path| path.is_established() && path.local == (address, *port).into())
    };
    // Peers open subflows to the port that they connected to.
    let first = |connection: &Connection| {
        connection.subflows.iter().find(|path| !path.flags.is_join()).map(|path| path.local.port())
    };
    let live: BTreeSet<u16> = evidence.accepted().filter_map(first).collect();
    let reachable = services().filter(|listener| !listener.local.ip().is_loopback());
    let ports: BTreeSet<u16> = reachable.map(|listener| listener.local.port()).collect();
    let (severity, ports): (_, Vec<u16>) = if live.is_empty() {
        if evidence.is_in_use(row) || ports.iter().any(is_served) {
            return None;
        }
        (FindingSeverity::Hint, ports.into_iter().collect())
    } else {
        let is_refused = |port: &u16| !is_served(port) && !is_proven(port);
        (FindingSeverity::Fault, live.into_iter().filter(is_refused).collect())
    };
    let is_plain = |port: &u16| evidence.services().any(|listener| listener.covers((address, *port).into()));
    let (plain, closed): (Vec<u16>, Vec<u16>) = ports.into_iter().partition(is_plain);
    let at: Vec<String> = services().map(|listener| listener.local.to_string()).collect();
    let at = if at.is_empty() { "nowhere".to_owned() } else { format!("on {}", at.join(", ")) };
    let (mut seen, mut remedies) = (Vec::new(), Vec::new());
    let place = |port: u16| SocketAddr::from((address, port));
    if let Some(first) = closed.first() {
        seen.push(format!("`ss -ltn`: port {} is not open on {address}", listed(&closed)));
        remedies.push(format!("# have the service listen on all addresses, or on {} too", place(*first)));
    }
    if let Some(first) = plain.first() {
        seen.push(format!("`ss -ltn`: port {} is open on {address}, without MPTCP", listed(&plain)));
        remedies.push(format!(
            "# have what listens on {} do so with MPTCP: `mptcpize run`, or its own setting",
            place(*first)
        ));
    }
    if seen.is_empty() {
        return None;
    }
    let title = match closed.is_empty() {
        true => format!("no service listens with MPTCP on {address}, which is announced"),
        false => format!("no service listens on {address}, which is announced"),
    };
    let finding = Finding::fault(code::ANNOUNCED_UNSERVED, title)
        .severity(severity)
        .endpoint(evidence.label(row))
        .evidence(format!("{}; MPTCP sockets listen {at}", seen.join("; ")))
        .meaning("Peers open subflows to the announced address at the port that they connected to, and this host refuses them (RST).")
        .remedy(format!(
            "{}\n# or have the kernel listen there, on a port of its own: `port: PORT` for this endpoint",
            remedies.join("\n")
        ));
    Some(finding)
}

fn waiting(evidence: &Evidence, address: IpAddr) -> impl Iterator<Item = &UnconfirmedRequest> {
    evidence.unconfirmed.iter().filter(move |request| request.local.ip() == address)
}

/// Addresses whose answers to peers have no route, or leave by another interface. What an established subflow proves is
/// not denied.
pub fn answers_astray(evidence: &Evidence) -> Vec<Finding> {
    let addresses: BTreeSet<IpAddr> = evidence.answers.iter().map(|check| check.source).collect();
    addresses.into_iter().filter_map(|address| astray(evidence, address)).collect()
}

fn is_astray(home: &Interface, check: &RouteCheck) -> bool {
    check.by_source.as_ref().ok() != Some(&home.index)
}

fn astray(evidence: &Evidence, address: IpAddr) -> Option<Finding> {
    let home = evidence.interface_of(address)?;
    let astray = || evidence.answers.iter().filter(|check| check.source == address && is_astray(home, check));
    let asks = |check: &&RouteCheck| {
        waiting(evidence, address).any(|request| request.remote.ip() == check.destination)
    };
    let own = || evidence.subflows().filter(|path| path.is_established() && path.local.ip() == address);
    // What is bound to an interface leaves by that one.
    let shares = |check: &&RouteCheck| {
        let mut paths =
            own().filter(|path| path.remote.ip() == check.destination && path.interface.is_none());
        check.by_source.is_ok() && !check.may_differ && paths.next().is_some()
    };
    let joins = Joins::of(evidence);
    let strict = address.is_ipv4() && evidence.rp_filter.get(&home.index) == Some(&STRICT);
    let mut is_shared = false;
    let (check, severity) = match astray().find(asks) {
        Some(check) => (check, FindingSeverity::Fault),
        None if own().next().is_some() => {
            is_shared = true;
            (astray().find(shares)?, FindingSeverity::Hint)
        }
        None => match astray().find(|check| check.by_source.is_err()) {
            Some(check) => (check, FindingSeverity::Fault),
            None if joins.incomplete > 0 || strict => (astray().next()?, FindingSeverity::Hint),
            None => return None,
        },
    };
    let destination = check.destination;
    let (title, taken) = match &check.by_source {
        Ok(index) => {
            let taken = evidence.name(*index);
            (format!("answers from {address} leave by {taken}, not by {}", home.name), format!("dev {taken}"))
        }
        Err(error) => (format!("answers from {address} have no route"), error.clone()),
    };
    let unconfirmed = match waiting(evidence, address).count() {
        0 => String::new(),
        count => format!("; {} for it now", counted(count, "unconfirmed request")),
    };
    let filtered = if strict { format!("; rp_filter of {} is 1", home.name) } else { String::new() };
    let finding = Finding::fault(code::ANSWERS_ASTRAY, title)
        .severity(severity)
        .evidence(format!(
            "`ip route get {destination} from {address}`: {taken}; {}{unconfirmed}{filtered}",
            joins.words()
        ))
        .meaning(match is_shared {
            true => "Subflows that peers opened to this address are established, and what this host sends on them shares the path of another interface.",
            false => "Peers open subflows to this address, and the answers (SYN-ACK) do not leave where it is: the next router drops them, and no subflow comes up. The `dev` of an endpoint does not change that for subflows that peers open.",
        })
        .remedy(routes::rule(evidence, address, home));
    Some(evidence.label_of(address).into_iter().fold(finding, Finding::endpoint))
}

/// Subflows that peers open and do not complete, though the answers leave where they should.
pub fn joins_incomplete(evidence: &Evidence) -> Vec<Finding> {
    let joins = Joins::of(evidence);
    if joins.incomplete <= joins.completed || !answers_astray(evidence).is_empty() {
        return Vec::new();
    }
    let finding = |severity, title: String, seen: String, dev: &str| {
        Finding::fault(code::JOINS_INCOMPLETE, title)
            .severity(severity)
            .evidence(format!("{seen}{}", joins.words()))
            .meaning("Peers open subflows (SYN with MP_JOIN), this host answers, and no confirmation arrives: the way back is broken, or a firewall or middlebox drops the answers.")
            .remedy(format!("tcpdump -ni {dev} 'tcp[tcpflags] & tcp-syn != 0'   # here, and on the peer"))
    };
    let addresses: BTreeSet<IpAddr> = evidence.unconfirmed.iter().map(|request| request.local.ip()).collect();
    let now = |address: IpAddr| {
        let count = waiting(evidence, address).count();
        // Scanners of ports leave such requests too.
        if count as u64 > joins.incomplete {
            return None;
        }
        let dev = evidence.interface_of(address)?.name.as_str();
        let seen = format!("{} for {address} now; ", counted(count, "unconfirmed request"));
        let title = format!("subflows that peers open to {address} are not completed");
        let found = finding(FindingSeverity::Fault, title, seen, dev);
        Some(evidence.label_of(address).into_iter().fold(found, Finding::endpoint))
    };
    let has_peers = evidence.accepted().next().is_some();
    let faults: Vec<Finding> = addresses.into_iter().filter(|_| has_peers).filter_map(now).collect();
    if !faults.is_empty() || joins.incomplete < INCOMPLETE_MIN {
        return faults;
    }
    let title = "most subflows that peers opened were not completed".to_owned();
    vec![finding(FindingSeverity::Hint, title, String::new(), "any")]
}
