//! Subflows that live connections should have, and lack.

use crate::model::{Connection, Endpoint, Subflow, code};

use super::endpoints::{renew, trouble};
use super::evidence::Evidence;
use super::finding::Finding;
use super::routes;
use super::stage::subflow_results;

/// How many requests have to go unanswered to be worth a hint by themselves.
const UNANSWERED_MIN: u64 = 4;

/// An endpoint that can be used, and connections that could use it and do not.
pub struct Missing<'a> {
    /// The endpoint.
    pub row: &'a Endpoint,
    /// How many connections lack it.
    pub connections: usize,
    /// How many of them are asking for it, without an answer.
    pub asking: usize,
    /// How many connections this host began.
    pub of: usize,
}

impl Missing<'_> {
    /// In numbers.
    pub fn words(&self) -> String {
        let Missing { row, connections, of, .. } = self;
        let plural = if *of == 1 { "" } else { "s" };
        format!(
            "{connections} of {of} live connection{plural} {} no subflow from {}",
            if *connections == 1 { "has" } else { "have" },
            row.identity.address
        )
    }
}

/// All of them. What is explained by the endpoint's address, interface, route or by the limit is none.
pub fn all(evidence: &Evidence) -> Vec<Missing<'_>> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let limit = state.limits.subflows as usize;
    let begun: Vec<&Connection> = evidence.begun().collect();
    let fine = |row: &&Endpoint| trouble(evidence, row).is_none() && routes::is_fine(evidence, row);
    let missing = |row| {
        let lacking = || begun.iter().filter(|connection| lacks(connection, row, limit));
        let asks = |connection: &&&Connection| connection.subflows.iter().any(|path| is_from(path, row));
        let (connections, asking) = (lacking().count(), lacking().filter(asks).count());
        Missing { row, connections, asking, of: begun.len() }
    };
    evidence.opening().filter(fine).map(missing).filter(|missing| missing.connections > 0).collect()
}

fn is_from(path: &Subflow, row: &Endpoint) -> bool {
    path.local.ip() == row.identity.address
}

fn lacks(connection: &Connection, row: &Endpoint, limit: usize) -> bool {
    let own = || connection.subflows.iter().filter(|path| is_from(path, row));
    // One that is closing was there.
    let had = own().any(|path| !path.is_asking());
    let same_family = |path: &Subflow| path.remote.is_ipv4() == row.identity.address.is_ipv4();
    // A subflow that is being opened takes one of the limit already.
    let has_room = own().next().is_some() || connection.additional() < limit;
    !had && connection.is_fully_established() && connection.subflows.iter().any(same_family) && has_room
}

/// Subflows that nobody asks for any more.
pub fn missing(evidence: &Evidence) -> Vec<Finding> {
    // A probe has a new connection, and tells at which step each subflow stopped.
    if !subflow_results(evidence).is_empty() {
        return Vec::new();
    }
    let counters = ["MPJoinSynTxBindErr", "MPJoinSynTxConnectErr"].map(|name| (name, evidence.counter(name)));
    let all = all(evidence);
    let is_the_path = explains(evidence, &all);
    let finding = |missing: &Missing<'_>| {
        let (words, row) = (missing.words(), missing.row);
        let again = renew(evidence, row, None);
        match counters.iter().find(|(_, count)| *count > 0) {
            _ if missing.asking > 0 => None,
            Some((name, count)) => Some(
                Finding::fault(code::ADDED_TOO_EARLY, format!("{} was added before it could be used", evidence.label(row)))
                    .about(evidence.label(row))
                    .evidence(format!("{words}; {name} is {count}"))
                    .meaning("The kernel tried once, while the address, interface or route was not there, and never tries again on those connections. New ones are fine.")
                    .remedy(format!("{again}\n# `mptcp-apply --watch` sees to it by itself")),
            ),
            // The path is to blame, and `peers` says so.
            None if is_the_path => None,
            None => Some(
                Finding::hint(code::SUBFLOW_MISSING, format!("connections lack a subflow from {}", row.identity.address))
                    .about(evidence.label(row))
                    .evidence(match evidence.counter("MPRstRx") {
                        0 => words,
                        resets => format!("{words}; MPRstRx is {resets}"),
                    })
                    .meaning("Nothing here keeps the kernel from opening it now. A limit that was raised does nothing for connections that exist, and a subflow that was closed or that the peer refused (MPRstRx), for its own limit for instance, is not tried again.")
                    .remedy(format!("{again}\n# on the peer: ip mptcp limits show")),
            ),
        }
    };
    all.iter().filter_map(finding).collect()
}

/// How many requests for subflows got no answer.
pub fn unanswered(evidence: &Evidence) -> u64 {
    evidence.counter("MPJoinSynTx").saturating_sub(evidence.counter("MPJoinSynAckRx"))
}

/// Whether so many requests got none that all that is missing can be due to it. A few that got lost since boot explain
/// little.
pub fn explains(evidence: &Evidence, missing: &[Missing<'_>]) -> bool {
    let lacking: usize = missing.iter().map(|missing| missing.connections).sum();
    lacking > 0 && unanswered(evidence) >= lacking as u64
}

/// Requests for subflows that get no answer.
pub fn joins_unanswered(evidence: &Evidence) -> Vec<Finding> {
    let [asked, answered] = ["MPJoinSynTx", "MPJoinSynAckRx"].map(|name| evidence.counter(name));
    let unanswered = unanswered(evidence);
    let about = |finding: Finding, seen: String| {
        finding
            .evidence(format!("{seen}MPJoinSynTx is {asked}, MPJoinSynAckRx {answered}"))
            .meaning("Requests for subflows (SYN with MP_JOIN) leave and no answer comes: the path leads nowhere, a firewall drops them, or the peer refuses.")
    };
    let too_early = evidence.counter("MPJoinSynTxBindErr") + evidence.counter("MPJoinSynTxConnectErr") > 0;
    let missing = all(evidence);
    let is_the_path = !too_early && explains(evidence, &missing);
    let blamed = missing.iter().filter(|missing| missing.asking > 0 || is_the_path);
    let findings: Vec<Finding> = blamed
        .map(|missing| {
            let address = missing.row.identity.address;
            let finding =
                Finding::fault(code::JOINS_UNANSWERED, format!("nobody answers to subflows from {address}"));
            let asking = match missing.asking {
                0 => String::new(),
                asking => {
                    format!(", and {asking} of these ask{} for one", if asking == 1 { "s" } else { "" })
                }
            };
            let home = evidence.home(missing.row).map_or("DEV", |home| home.name.as_str());
            about(finding, format!("{}{asking}; ", missing.words()))
                .about(evidence.label(missing.row))
                .remedy(format!("ping -I {address} PEER\ntcpdump -ni {home} 'tcp[tcpflags] & tcp-syn != 0'"))
        })
        .collect();
    if !findings.is_empty() || unanswered < UNANSWERED_MIN || unanswered <= answered || !missing.is_empty() {
        return findings;
    }
    let finding = Finding::hint(code::JOINS_UNANSWERED, "most requests for subflows got no answer");
    vec![
        about(finding, String::new())
            .remedy("# run this again while connections are live: it names the endpoint then"),
    ]
}
