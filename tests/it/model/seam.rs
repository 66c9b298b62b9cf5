//! The model in the place of the kernel, with the comparisons that the program makes before it writes.

use std::time::Duration;

use mptcp_apply::model::{
    AddressId, Endpoint, Identity, Limits, Reason, Step, Sysctl, SysctlValue, UPLINK_PROTOCOL,
};
use mptcp_apply::system::{
    DataProgress, Errno, Error, Joins, Observed, PathManager, Refusal, Scope, SubflowSummary,
};

use super::Model;

impl Model {
    /// What the program does before each request that goes by the id alone.
    fn is_still(&self, expected: &Endpoint) -> Result<AddressId, Refusal> {
        let id = expected.id.ok_or_else(Refusal::changed)?;
        let state = self.state();
        let still = state.endpoints.iter().any(|row| row.id == Some(id) && row == expected);
        if still { Ok(id) } else { Err(Refusal::changed()) }
    }

    fn write_sysctl(&mut self, sysctl: Sysctl, to: &SysctlValue) -> Result<(), Refusal> {
        let value = self.sysctls.get_mut(&sysctl).ok_or_else(|| Refusal::new(Errno::ENOENT))?;
        *value = to.clone();
        Ok(())
    }
}

impl PathManager for Model {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Error> {
        let mut state = self.state();
        state.sysctls.retain(|name, _| scope.sysctls.contains(name));
        state.uplinks = state.uplinks.filter(|_| scope.uplinks);
        Ok(Observed { state, capabilities: self.version.capabilities })
    }

    fn check(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::AddAddr { endpoint, .. } => self.can_listen(&endpoint.identity).map_err(Refusal::new),
            _ => Ok(()),
        }
    }

    /// The model has no connections.
    fn connections(&mut self, _: Identity) -> Result<usize, Error> {
        Ok(0)
    }

    fn subflows(&mut self) -> Result<Vec<SubflowSummary>, Error> {
        Ok(Vec::new())
    }

    fn lacking(&mut self, _: &Endpoint, _: Limits) -> Result<Vec<u32>, Error> {
        Ok(Vec::new())
    }

    fn progress(&mut self) -> Result<Vec<DataProgress>, Error> {
        Ok(Vec::new())
    }

    fn joins(&mut self) -> Joins {
        Joins::default()
    }

    fn elapsed(&mut self) -> Duration {
        Duration::ZERO
    }

    fn pause(&mut self, _: Duration) {}

    fn is_interrupted(&self) -> bool {
        false
    }

    fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        let result = match step {
            Step::SetSysctl { sysctl, from: _, to } => self.write_sysctl(*sysctl, to),
            Step::SetLimits { from, to } => self.set_limits(
                (from.subflows != to.subflows).then_some(to.subflows),
                (from.add_addr_accepted != to.add_addr_accepted).then_some(to.add_addr_accepted),
            ),
            Step::SetFlags { endpoint, to, why: _ } => match endpoint.identity.port {
                Some(_) => self.is_still(endpoint).and_then(|id| self.set_flags_by_id(id, *to)),
                None => self.set_flags_by_address(endpoint.identity.address, *to),
            },
            Step::DelAddr { endpoint, why: _ } => self.is_still(endpoint).and_then(|id| self.delete(id)),
            Step::AddAddr { endpoint, why } => {
                let id = endpoint.id.filter(|_| *why != Reason::Adopted);
                self.add(Endpoint { id, ..endpoint.clone() })
            }
            Step::AddRule { rule, why: _ } => self.add_rule(UPLINK_PROTOCOL, rule.clone()),
            Step::DelRule { rule, why: _ } => self.delete_rule(rule),
            Step::SetRoute { from: None, to, why: _ } => self.add_route(UPLINK_PROTOCOL, to.clone()),
            Step::SetRoute { from: Some(_), to, why: _ } => self.replace_route(to.clone()),
            Step::DelRoute { route, why: _ } => self.delete_route(route),
        };
        self.assert_possible();
        result
    }
}
