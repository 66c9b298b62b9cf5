//! Renewing endpoints by hand: each is removed and added again, so that the kernel opens its subflows on live connections.
//! Pure.
//!
//! Removing an endpoint closes the subflows that it has. [`RenewalEffect`] tells beforehand which of them come back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::diagnostic::Diagnostic;
use crate::model::{
    Connection, DeclaredNames, Endpoint, EndpointNames, Identity, Limits, Reason, State, Step, UplinkNames,
};
use crate::plan::{self, Plan};
use crate::system::{Observed, Scope, System};

use super::failure::Failure;
use super::observe::Target;

const WHY: Reason = Reason::AskedFor;

/// What renewing an endpoint does to live connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenewalEffect {
    /// How many connections have subflows from it, which are closed.
    pub closed: usize,
    /// How many of these can get them back.
    pub returning: usize,
    /// How many connections have none, and could have one.
    pub gaining: usize,
}

impl RenewalEffect {
    /// What renewing `row` does under these limits. `reaches` tells whether packets from it find a way to a peer.
    pub fn of(
        row: &Endpoint,
        limits: Limits,
        connections: &[Connection],
        mut reaches: impl FnMut(&Endpoint, IpAddr) -> bool,
    ) -> RenewalEffect {
        let address = row.identity.address;
        // A port stays closed for a minute, and where an endpoint only announces, opening is the peer's.
        let opens = row.opens_subflows() && row.identity.port.is_none();
        let mut effect = RenewalEffect::default();
        for connection in connections {
            let (own, others): (Vec<_>, Vec<_>) =
                connection.subflows.iter().cloned().partition(|path| path.local.ip() == address);
            let rest = Connection { token: connection.token, subflows: others };
            let peer = rest.could_join(address, limits).filter(|_| opens);
            let comes = peer.is_some_and(|peer| reaches(row, peer));
            let is_closed = own.iter().any(|path| path.is_established());
            effect.closed += usize::from(is_closed);
            effect.returning += usize::from(is_closed && comes);
            effect.gaining += usize::from(!is_closed && comes);
        }
        effect
    }

    /// Whether every connection has what it had when the endpoint is there again.
    pub fn is_harmless(&self) -> bool {
        self.closed == self.returning
    }

    /// How many connections have a subflow from the endpoint when all goes well.
    pub fn expected(&self) -> usize {
        self.returning + self.gaining
    }
}

/// The target of a pass that renews these rows and changes nothing else.
#[derive(Debug)]
pub struct Renewal {
    /// The rows.
    pub rows: Vec<Endpoint>,
    /// Their names.
    pub names: EndpointNames,
    /// What is said of it beforehand.
    pub warnings: Vec<Diagnostic>,
}

impl Target for Renewal {
    fn scope(&self) -> Scope {
        Scope::default()
    }

    fn plan(
        &self,
        now: &Observed,
        _: &BTreeSet<Identity>,
        removed: &BTreeSet<Identity>,
        _: &mut dyn System,
    ) -> Result<Plan, Failure> {
        let mut target: State = now.state.clone();
        let missing: Vec<&Endpoint> =
            self.rows.iter().filter(|row| target.endpoint(row.identity).is_none()).collect();
        // A row that another program removed in between is not this run's to add.
        let missing: Vec<Endpoint> =
            missing.into_iter().filter(|row| removed.contains(&row.identity)).cloned().collect();
        let mut steps = Vec::new();
        let left = self.rows.iter().map(|row| row.identity).filter(|identity| !removed.contains(identity));
        let left: BTreeMap<Identity, Reason> = left.map(|identity| (identity, WHY)).collect();
        plan::renew(&mut steps, &target, &left);
        steps.extend(missing.iter().map(|row| Step::AddAddr { endpoint: row.clone(), why: WHY }));
        target.endpoints.extend(missing);
        let names = DeclaredNames { endpoints: self.names.clone(), uplinks: UplinkNames::default() };
        Ok(Plan { target, names, steps, warnings: self.warnings.clone() })
    }
}
