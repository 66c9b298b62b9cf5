//! A new `backup` endpoint on an address that live subflows use already: the kernel sets the flag of subflows that it opens
//! from then on, and only SET_FLAGS tells the peers of the others (MP_PRIO). Those are the first subflow of a connection,
//! and subflows of an implicit endpoint.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{Endpoint, Flags, Step};
use crate::system::SubflowSummary;

/// Whether what is live matters to this step.
pub fn concerns(step: &Step) -> bool {
    matches!(step, Step::AddAddr { endpoint, .. } if endpoint.flags.contains(Flags::BACKUP))
}

/// The steps, with additions without `backup` that get it afterwards where live subflows have to hear of it.
pub fn for_live_subflows(steps: Vec<Step>, live: &[SubflowSummary]) -> Vec<Step> {
    let is_removal = |step: &&Step| matches!(step, Step::DelAddr { .. });
    let removed: BTreeSet<IpAddr> =
        steps.iter().filter(is_removal).filter_map(Step::endpoint).map(|row| row.identity.address).collect();
    // What is removed before closes its subflows.
    let used: BTreeSet<IpAddr> = live
        .iter()
        .filter(|subflow| subflow.established && !removed.contains(&subflow.local))
        .map(|subflow| subflow.local)
        .collect();
    let split = |step: Step| match step {
        Step::AddAddr { endpoint, why }
            if endpoint.flags.contains(Flags::BACKUP) && used.contains(&endpoint.identity.address) =>
        {
            let to = endpoint.flags;
            let endpoint = Endpoint { flags: to.without(Flags::BACKUP), ..endpoint };
            vec![Step::AddAddr { endpoint: endpoint.clone(), why }, Step::SetFlags { endpoint, to, why }]
        }
        other => vec![other],
    };
    steps.into_iter().flat_map(split).collect()
}
