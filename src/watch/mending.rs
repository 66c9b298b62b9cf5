//! What a pass mends that no declaration names: subflows that were lost, and a pause of MPTCP after an outage. When, is said
//! by `healing` and `blackhole`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::linux::LinuxPathManager;
use crate::model::{Endpoint, Identity, Reason, State, Step, Sysctl, counted};
use crate::reconcile::Report;
use crate::system::{HostFacts, PathManager};

use super::healing::{Healing, Lost, can_heal};

/// Writes `blackhole_timeout` again, which ends the pause, whatever the value.
pub fn end_pause(system: &mut LinuxPathManager, report: &mut Report, prefix: &str) {
    let Some(sysctl) = Sysctl::named("blackhole_timeout") else { return };
    let Ok(Some(value)) = system.sysctl(sysctl) else { return };
    let step = Step::SetSysctl { sysctl, from: value.clone(), to: value };
    match system.execute(&step) {
        Ok(()) => {
            log::warn!(
                "{prefix}the outage is over; ending the pause of MPTCP for new connections that it caused"
            );
            report.carried_out(step);
        }
        Err(refusal) => log::warn!("{prefix}cannot end the pause of MPTCP for new connections: {refusal}"),
    }
}

/// The endpoints from which no connection has a subflow though some could have one.
pub fn lost_subflows(
    healing: &mut Healing,
    table: &State,
    now: Duration,
    system: &mut LinuxPathManager,
    prefix: &str,
) -> BTreeMap<Identity, Reason> {
    // On a server, which has many connections, endpoints are often only announced.
    let connections = if can_heal(table) { system.live_connections() } else { Ok(Vec::new()) };
    let connections = connections.unwrap_or_else(|error| {
        log::debug!("{error}");
        Vec::new()
    });
    let reaches = |row: &Endpoint, peer| system.reaches(row, peer);
    let due = healing.due(table, &connections, now, reaches);
    for (identity, Lost { connections, .. }) in &due {
        let connections = counted(*connections, "connection");
        log::warn!("{prefix}{identity} has no subflow, though {connections} could have one; adding it again");
    }
    let why = |Lost { connections, is_first }| Reason::SubflowLost { connections, is_first };
    due.into_iter().map(|(identity, lost)| (identity, why(lost))).collect()
}
