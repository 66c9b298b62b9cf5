//! Why subflows are, or are not, made: evidence in, findings out. Pure; `kernel::examination` reads the evidence.
//!
//! Counters count since boot, and what they tell of may be mended long ago. So a counter alone makes a hint; it makes a
//! fault only together with what is wrong now, such as a live connection that lacks a subflow.

mod endpoints;
mod evidence;
mod finding;
mod host;
mod limits;
#[cfg(test)]
mod made_up;
mod peers;
mod probe;
mod routes;
mod subflows;

pub use evidence::{Configuration, Declared, Evidence, PathManager, RouteCheck};
pub use finding::{Finding, Severity};
pub use probe::{Stage, Verdict, verdicts};

/// All that may be found. What makes everything else pointless comes first, then what is likely.
const TABLE: &[fn(&Evidence) -> Vec<Finding>] = &[
    host::no_mptcp,
    host::unreadable,
    host::invalid_configuration,
    host::mptcp_disabled,
    host::userspace_path_manager,
    probe::connection,
    routes::no_route,
    endpoints::unusable,
    host::not_applied,
    limits::subflows,
    subflows::missing,
    peers::without_mptcp,
    limits::add_addr_accepted,
    peers::joins_unanswered,
    routes::rp_filter,
    limits::joins_rejected,
    limits::fullmesh,
    host::table_full,
    host::port_held,
    peers::blackhole,
    peers::fallback,
    peers::subflow_on_server,
    peers::private_signal,
    endpoints::deprecated,
    peers::no_application,
    host::other_manager,
];

/// Looks for everything; faults come before hints.
pub fn examine(evidence: &Evidence) -> Vec<Finding> {
    let mut findings: Vec<Finding> = TABLE.iter().flat_map(|look| look(evidence)).collect();
    findings.extend(probe::unexplained(evidence, &findings));
    if let Configuration::Valid(declared) = &evidence.configuration {
        for finding in &mut findings {
            let place = finding.endpoint.as_ref().and_then(|name| declared.places.get(name));
            finding.place = finding.place.or(place.copied());
        }
    }
    // Stable: the order of the table stays.
    findings.sort_by_key(|finding| finding.severity == Severity::Hint);
    findings
}

#[cfg(test)]
mod tests {
    use super::made_up::{codes, count, healthy};
    use super::*;
    use crate::model::{Connection, Sysctl, SysctlValue};

    #[test]
    fn good_health_is_silent() {
        assert_eq!(codes(&healthy()), [""; 0]);
    }

    #[test]
    fn without_mptcp_there_is_nothing_else_to_say() {
        let evidence = Evidence {
            path_manager: PathManager::Missing,
            counters: None,
            connections: Vec::new(),
            ..healthy()
        };
        assert_eq!(codes(&evidence), ["fault no-mptcp"]);
    }

    #[test]
    fn a_table_that_only_root_may_read_is_a_hint() {
        let path_manager = PathManager::Unreadable("cannot read the endpoints: EPERM".to_owned());
        assert_eq!(codes(&Evidence { path_manager, ..healthy() }), ["hint table-unreadable"]);
    }

    /// Each of these would be a false alarm.
    #[test]
    fn what_is_rare_or_long_ago_is_silent() {
        for (name, value) in [
            ("MPJoinSynTxBindErr", 5),
            ("MPJoinSynTxConnectErr", 5),
            ("MPJoinSynTx", 4),
            ("MPCapableFallbackSYNACK", 50),
            ("AddAddr", 7),
            ("MPCapableSYNTXDisabled", 3),
        ] {
            let mut evidence = healthy();
            count(&mut evidence, name, value);
            assert_eq!(codes(&evidence), [""; 0], "{name}");
        }
        let mut evidence = healthy();
        count(&mut evidence, "MPCapableSYNACKRX", 11);
        count(&mut evidence, "DSSCorruptionFallback", 1);
        assert_eq!(codes(&evidence), [""; 0]);
    }

    #[test]
    fn many_fallbacks_are_a_hint() {
        let mut evidence = healthy();
        count(&mut evidence, "MPCapableSYNACKRX", 10);
        count(&mut evidence, "DSSCorruptionFallback", 1);
        assert_eq!(codes(&evidence), ["hint fallback"]);
    }

    #[test]
    fn requests_that_get_lost_are_a_hint_where_nothing_lacks_now() {
        let mut evidence = healthy();
        count(&mut evidence, "MPJoinSynTx", 8);
        assert_eq!(codes(&evidence), ["hint joins-unanswered"]);
        count(&mut evidence, "MPJoinSynAckRx", 4);
        assert_eq!(codes(&evidence), [""; 0]);
    }

    #[test]
    fn a_blackhole_is_a_hint_unless_it_is_switched_off() {
        let mut evidence = healthy();
        count(&mut evidence, "Blackhole", 1);
        let timeout = Sysctl::named("blackhole_timeout").expect("a sysctl");
        for (seconds, expected) in [(3600, &["hint blackhole"][..]), (0, &[])] {
            if let PathManager::Read(state) = &mut evidence.path_manager {
                state.sysctls.insert(timeout, SysctlValue::Number(seconds));
            }
            assert_eq!(codes(&evidence), expected, "{seconds}");
        }
    }

    /// A connection that lacks what nothing is in the way of: the counters tell why.
    #[test]
    fn counters_tell_why_a_subflow_lacks() {
        for (name, expected) in [
            ("MPJoinSynTxBindErr", "fault added-too-early"),
            ("MPJoinSynTxConnectErr", "fault added-too-early"),
            ("MPJoinSynTx", "fault joins-unanswered"),
            ("MPRstRx", "hint subflow-missing"),
        ] {
            let mut evidence = healthy();
            let lacking = |connection: &mut Connection| connection.subflows.truncate(1);
            evidence.connections.iter_mut().for_each(lacking);
            count(&mut evidence, name, 5);
            assert_eq!(codes(&evidence), [expected], "{name}");
        }
    }

    /// Until the peer has acknowledged data, nothing can lack.
    #[test]
    fn a_connection_that_never_said_anything_lacks_nothing() {
        let mut evidence = healthy();
        let quiet = |connection: &mut Connection| {
            connection.subflows.truncate(1);
            connection.subflows[0].flags = crate::model::PathFlags(0b11);
        };
        evidence.connections.iter_mut().for_each(quiet);
        count(&mut evidence, "MPRstRx", 5);
        assert_eq!(codes(&evidence), [""; 0]);
    }

    #[test]
    fn faults_come_first() {
        let mut evidence = healthy();
        count(&mut evidence, "Blackhole", 1);
        count(&mut evidence, "DSSCorruptionFallback", 1);
        evidence.interfaces[0].up = false;
        evidence.connections.clear();
        assert_eq!(codes(&evidence), ["fault interface-down", "hint fallback"]);
    }
}
