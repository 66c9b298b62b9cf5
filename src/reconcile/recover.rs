//! Adding endpoints again, so that live connections get the subflows that they lack. Why that helps stands in
//! [`super::subflows`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Flags, Reason, State, Step};
use crate::system::{Error, Observed, PathManager, SubflowSummary};

use super::failure::Failure;
use super::settle::{STEADY, known, subflows};
use super::transaction::Transaction;

const WHY: Reason = Reason::Renewed;

impl<K: PathManager + ?Sized> Transaction<'_, K> {
    /// Before a removal: waits until live connections have other paths, as long as there is hope. One removal at a time,
    /// so that where limits are tight each makes room for a new path.
    ///
    /// # Errors
    /// When the run is to end before they found any.
    pub fn make_before_break(&mut self, step: &Step) -> Result<(), Failure> {
        let Step::DelAddr { endpoint, .. } = step else { return Ok(()) };
        loop {
            let stranded = self.subflows.left_without_path(self.kernel, endpoint);
            if stranded.is_empty() {
                return Ok(());
            }
            if self.kernel.is_interrupted() {
                return Err(Failure::interrupted());
            }
            let now = self.kernel.observe(self.options.scope).ok();
            if !now.is_some_and(|now| self.renew_for(&stranded, &now.state)) {
                self.subflows.stop_waiting();
                return Ok(());
            }
        }
    }

    /// Before an endpoint is removed to be added again: takes note of the connections that this is done for.
    pub fn note_gains(&mut self, step: &Step, now: &State) {
        if let Step::DelAddr { endpoint, why } = step
            && why.awaits_subflows()
            && endpoint.opens_subflows()
        {
            self.subflows.note_gaining(endpoint, known(self.kernel.lacking(endpoint, now.limits)));
        }
    }

    /// Once the goal is reached: adds endpoints again whose subflows live connections lost. What the kernel shows
    /// afterwards; none when nothing is left to try.
    ///
    /// # Errors
    /// When the kernel cannot be read afterwards.
    pub fn renew(&mut self, now: &State) -> Result<Option<Observed>, Error> {
        let short = self.subflows.find_short(self.kernel, now);
        if short.is_empty() {
            // Looking for what connections may lack takes longer than all else that finds nothing to do.
            return Ok(None);
        }
        if self.renew_for(&short, now) {
            return self.kernel.observe(self.options.scope).map(Some);
        }
        let lost = self.subflows.lacked_by(&short, self.kernel, now);
        self.subflows.give_up(lost);
        Ok(None)
    }

    /// Adds those endpoints again that most of these connections lack. Whether it did so.
    fn renew_for(&mut self, connections: &BTreeSet<u32>, now: &State) -> bool {
        let lacked = self.subflows.lacked_by(connections, self.kernel, now);
        let worth_while =
            !lacked.is_empty() && !self.kernel.is_interrupted() && self.subflows.may_renew(self.kernel);
        if worth_while {
            self.set_backup(now, &lacked);
            lacked.into_iter().for_each(|row| self.add_again(row));
            self.subflows.await_added(self.kernel, connections, now);
            self.restore_lowered();
        }
        worth_while
    }

    /// Makes connections send on one path alone: all others are `backup` until [`Transaction::restore_lowered`].
    fn set_backup(&mut self, now: &State, joining: &[Endpoint]) {
        let mut beside = beside_first_path(now, &subflows(self.kernel), joining);
        // A run that is killed now leaves them lowered. The next one gives back what is declared, and nothing else.
        beside.retain(|row| self.plan.names.endpoints.contains_key(&row.identity));
        for row in beside {
            let (flags, to) = (row.flags, row.flags.union(Flags::BACKUP));
            if self.carry_out(&Step::SetFlags { endpoint: row.clone(), to, why: WHY }, false).is_ok() {
                self.lowered.push((Endpoint { flags: to, ..row }, flags));
            }
        }
        // What was on its way by other paths has to arrive, also by those that were removed just now.
        self.kernel.pause(STEADY);
    }

    /// Gives rows their own flags back.
    pub fn restore_lowered(&mut self) {
        for (row, to) in std::mem::take(&mut self.lowered) {
            if row.flags != to {
                let _ = self.carry_out(&Step::SetFlags { endpoint: row, to, why: WHY }, false);
            }
        }
    }

    /// Removes an endpoint and adds it as `backup`. What a refusal leaves missing is planned again.
    fn add_again(&mut self, row: Endpoint) {
        log::info!("connections have no subflow from {row}: it is removed and added once more");
        let flags = row.flags;
        let lowered = Endpoint { flags: flags.union(Flags::BACKUP), ..row.clone() };
        if self.execute(&Step::DelAddr { endpoint: row, why: WHY }).is_ok()
            && self.execute(&Step::AddAddr { endpoint: lowered.clone(), why: WHY }).is_ok()
        {
            self.is_neutral(2);
            self.lowered.push((lowered, flags));
        }
    }
}

/// The rows by which connections send beside their first path. A path that no row stands for cannot be lowered, and serves
/// as the first one.
fn beside_first_path(now: &State, subflows: &[SubflowSummary], joining: &[Endpoint]) -> Vec<Endpoint> {
    let is_joining = |row: &Endpoint| joining.iter().any(|other| other.identity == row.identity);
    let is_low = |row: &&Endpoint| row.flags.contains(Flags::BACKUP) || is_joining(row);
    let (low, others): (Vec<&Endpoint>, Vec<&Endpoint>) = now.endpoints.iter().partition(is_low);
    let has = |rows: &[&Endpoint], path: IpAddr| rows.iter().any(|row| row.identity.address == path);
    let mut connections: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
    for subflow in subflows.iter().filter(|subflow| subflow.established && !has(&low, subflow.local)) {
        connections.entry(subflow.connection).or_default().insert(subflow.local);
    }
    let mut first: BTreeSet<IpAddr> = BTreeSet::new();
    for paths in connections.values() {
        if paths.is_disjoint(&first) && paths.iter().all(|path| has(&others, *path)) {
            first.extend(paths.first());
        }
    }
    let is_beside = |row: &&Endpoint| {
        let path = row.identity.address;
        !row.is_implicit()
            && !first.contains(&path)
            && connections.values().any(|paths| paths.contains(&path))
    };
    others.into_iter().filter(is_beside).cloned().collect()
}
