//! Adding endpoints anew, so that live connections get the subflows that they lack. What that is good for is said in
//! [`super::paths`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Flags, Reason, State, Step};
use crate::system::{self, PathManager, SubflowSummary};

use super::settle::{STEADY, subflows};
use super::transaction::{Cause, Transaction};

const WHY: Reason = Reason::Renewed;

impl<K: PathManager> Transaction<'_, K> {
    /// Before a removal: lets connections find other paths, as long as there is hope. One at a time, so that where limits
    /// are tight each removal makes room for a new path.
    ///
    /// # Errors
    /// When the run is to end before they found any. What was added is of no use to them, and what is there is.
    pub fn make_before_break(&mut self, step: &Step) -> Result<(), Cause> {
        let Step::DelAddr { endpoint, .. } = step else { return Ok(()) };
        loop {
            let stranded = self.paths.stranded_by(self.kernel, endpoint);
            if stranded.is_empty() {
                return Ok(());
            }
            if self.kernel.is_interrupted() {
                return Err(Cause::Interrupted);
            }
            let now = self.kernel.observe(self.sysctls).ok();
            if !now.is_some_and(|now| self.renew_for(&stranded, &now.state)) {
                self.paths.despair();
                return Ok(());
            }
        }
    }

    /// Once the goal is reached: adds endpoints anew whose subflows live connections lost. The state afterwards; none
    /// when there is nothing to be had.
    pub fn renew(&mut self, now: &State) -> Result<Option<State>, system::Error> {
        let short = self.paths.find_short(self.kernel, now);
        if short.is_empty() {
            // Nobody lacks anything. Looking for what it could be takes longer than all else that finds nothing to do.
            return Ok(None);
        }
        if self.renew_for(&short, now) {
            return self.kernel.observe(self.sysctls).map(|now| Some(now.state));
        }
        let lost = self.paths.lacked_by(&short, self.kernel, now);
        self.paths.give_up(lost);
        Ok(None)
    }

    /// Adds those endpoints anew that most of these connections lack. Whether that was done.
    fn renew_for(&mut self, connections: &BTreeSet<u32>, now: &State) -> bool {
        let lacked = self.paths.lacked_by(connections, self.kernel, now);
        let worth_while =
            !lacked.is_empty() && !self.kernel.is_interrupted() && self.paths.may_renew(self.kernel);
        if worth_while {
            let quiet = self.quieten(now, &lacked);
            let joining = lacked.into_iter().filter_map(|row| self.add_anew(row)).collect::<Vec<_>>();
            self.paths.await_added(self.kernel, connections, now);
            for (row, flags) in quiet.into_iter().chain(joining) {
                self.set_flags(row, flags);
            }
        }
        worth_while
    }

    /// Makes connections send on one path alone. The endpoints that are `backup` for that now, and their own flags.
    fn quieten(&mut self, now: &State, joining: &[Endpoint]) -> Vec<(Endpoint, Flags)> {
        let mut loud = loud(now, &subflows(self.kernel), joining);
        // A run that is killed now leaves them quiet. The next one gives back what is declared, and nothing else.
        loud.retain(|row| self.declared.contains(&row.identity));
        let quieten = |row: Endpoint| {
            let flags = row.flags;
            self.set_flags(row, flags.union(Flags::BACKUP)).map(|row| (row, flags))
        };
        let quiet = loud.into_iter().filter_map(quieten).collect();
        // What was on its way by other paths has to arrive, also by those that were removed just now.
        self.kernel.pause(STEADY);
        quiet
    }

    /// Removes an endpoint and adds it as `backup`. The row, if that went well, and its own flags. What is missing
    /// otherwise is planned anew.
    fn add_anew(&mut self, row: Endpoint) -> Option<(Endpoint, Flags)> {
        log::info!("connections have no subflow from {row}: it is removed and added once more");
        let flags = row.flags;
        let quiet = Endpoint { flags: flags.union(Flags::BACKUP), ..row.clone() };
        self.execute(&Step::DelAddr { endpoint: row, why: WHY }).ok()?;
        self.execute(&Step::AddAddr { endpoint: quiet.clone(), why: WHY }).ok()?;
        Some((quiet, flags))
    }

    /// Gives a row these flags. The row afterwards, unless it was refused.
    fn set_flags(&mut self, row: Endpoint, to: Flags) -> Option<Endpoint> {
        if row.flags != to {
            self.execute(&Step::SetFlags { endpoint: row.clone(), to, why: WHY }).ok()?;
        }
        Some(Endpoint { flags: to, ..row })
    }
}

/// The rows by which connections send beside their first path. A path of no row's cannot be made quiet, and serves as the
/// first one.
fn loud(now: &State, subflows: &[SubflowSummary], joining: &[Endpoint]) -> Vec<Endpoint> {
    let is_joining = |row: &Endpoint| joining.iter().any(|other| other.identity == row.identity);
    let is_quiet = |row: &&Endpoint| row.flags.contains(Flags::BACKUP) || is_joining(row);
    let (quiet, loud): (Vec<&Endpoint>, Vec<&Endpoint>) = now.endpoints.iter().partition(is_quiet);
    let has = |rows: &[&Endpoint], path: IpAddr| rows.iter().any(|row| row.identity.address == path);
    let mut connections: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
    for subflow in subflows.iter().filter(|subflow| subflow.established && !has(&quiet, subflow.local)) {
        connections.entry(subflow.connection).or_default().insert(subflow.local);
    }
    let mut first: BTreeSet<IpAddr> = BTreeSet::new();
    for paths in connections.values() {
        if paths.is_disjoint(&first) && paths.iter().all(|path| has(&loud, *path)) {
            first.extend(paths.first());
        }
    }
    let is_beside = |row: &&Endpoint| {
        let path = row.identity.address;
        !row.is_implicit()
            && !first.contains(&path)
            && connections.values().any(|paths| paths.contains(&path))
    };
    loud.into_iter().filter(is_beside).cloned().collect()
}
