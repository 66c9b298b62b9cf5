//! The test connection of `doctor --probe`: whether it speaks MPTCP, and the subflows that it lacks for no other reason.

#[cfg(test)]
mod tests;

use crate::model::code::{self, Code};
use crate::model::{Probe, ProbeOutcome, Protocol};

use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};
use super::stage::{SubflowResult, SubflowStage, subflow_results};
use super::{host, peers};

/// Why there is no test connection, or none with MPTCP.
pub fn connection(evidence: &Evidence) -> Vec<Finding> {
    let Some(Probe { target, outcome }) = &evidence.probe else { return Vec::new() };
    let reported = [host::no_mptcp, host::mptcp_disabled, peers::blackhole];
    let is_fault = |finding: &Finding| finding.severity == FindingSeverity::Fault;
    if reported.iter().any(|find| find(evidence).iter().any(is_fault)) {
        return Vec::new();
    }
    let finding = match outcome {
        ProbeOutcome::Failed(failures) => {
            Finding::fault(code::PROBE_FAILED, format!("cannot connect to {target}"))
                .evidence(failures.join("; "))
                .meaning("Without a TCP connection there is no MPTCP connection either.")
                .remedy(format!("# does plain TCP connect?\ncurl -v telnet://{target}"))
        }
        ProbeOutcome::Connected(watched) => match watched.protocol {
            Protocol::Mptcp => return Vec::new(),
            Protocol::Tcp => {
                Finding::fault(code::PEER_WITHOUT_MPTCP, format!("{target} does not speak MPTCP"))
                    .evidence(format!("the connection to {} is plain TCP", watched.peer))
                    .meaning(peers::WITHOUT_MPTCP)
                    .remedy(peers::ASK_THE_SERVER)
            }
            Protocol::Unknown => {
                Finding::hint(code::PROBE_UNSEEN, "this kernel shows subflows to CAP_NET_ADMIN only")
                    .evidence(format!("connected to {}; its subflows are not shown", watched.peer))
                    .meaning("The subflows of the endpoints cannot be checked.")
                    .remedy(format!("sudo mptcp-apply doctor --probe {target}"))
            }
        },
    };
    vec![finding]
}

/// Endpoints without a subflow that no other fault explains.
pub fn unexplained(evidence: &Evidence, found: &[Finding]) -> Vec<Finding> {
    let Some(Probe { target, outcome: ProbeOutcome::Connected(watched) }) = &evidence.probe else {
        return Vec::new();
    };
    let explained = |result: &SubflowResult<'_>| {
        let name = evidence.label(result.row);
        let about = |finding: &&Finding| {
            finding.endpoint.as_ref() == Some(&name) || EXPLAIN_ALL.contains(&finding.code)
        };
        found.iter().filter(about).any(|finding| finding.severity == FindingSeverity::Fault)
    };
    let finding = |result: &SubflowResult<'_>| {
        let (address, word) = (result.row.identity.address, result.stage.word());
        let seen = format!("the subflow from {address} to {target}: {word}, {}", result.detail);
        let finding = match result.stage {
            SubflowStage::Refused | SubflowStage::Closed => {
                Finding::fault(code::SUBFLOW_REFUSED, format!("{target} refuses subflows from {address}"))
                    .meaning("The peer answers, so the path works. Most peers refuse because of their own limit; a firewall that rejects looks the same.")
                    .remedy("# on the peer:\nip mptcp limits show\nnstat -az 'MPTcpExtMPJoin*'")
            }
            _ => Finding::fault(code::SUBFLOW_MISSING, format!("the test connection has no subflow from {address}"))
                .meaning("Nothing found on this host prevents it.")
                .remedy("mptcp-apply monitor   # shows the kernel's events while this runs again"),
        };
        finding.endpoint(evidence.label(result.row)).evidence(seen)
    };
    let failures = subflow_results(evidence).into_iter().filter(|result| result.is_failure(watched));
    failures.filter(|result| !explained(result)).map(|result| finding(&result)).collect()
}

/// Faults that concern all endpoints, or any of them.
const EXPLAIN_ALL: [Code; 6] = [
    code::MPTCP_DISABLED,
    code::USERSPACE_PATH_MANAGER,
    code::SUBFLOWS_LIMIT_ZERO,
    code::SUBFLOWS_LIMIT_LOW,
    code::FULLMESH_LIMITS,
    code::PEER_WITHOUT_MPTCP,
];
