//! Live connections while endpoints are replaced: their new subflows come before the old ones go, and those that do not
//! come are asked for again.
//!
//! The kernel opens subflows when an endpoint is added, once, and does not look whether they came to be. What decides is
//! the other end. Up to Linux 6.12 it resets a subflow that joins while data has arrived there out of order
//! (`__mptcp_finish_join` in `net/mptcp/protocol.c`), which it does as soon as a connection sends on two paths: 94 of 119
//! joins in trials on 6.1 and 6.12 over links with some delay, whichever order of ADD and DEL, pause (0.3 or 1 s) or id was
//! chosen, and 18 of 24 where nothing was removed at all. Worse, each one that was reset counts towards the peer's limit
//! of subflows as long as the connection lives. None of 60 were lost on idle connections, none of 30 to Linux 7.3. A peer
//! that is at its limit refuses, too, as long as the old subflow is there. Nothing tries again.
//!
//! So what was lost is added again until it stays, and meanwhile connections send on one path alone, since all other
//! endpoints, the new ones too, are `backup` for that moment. `tests/live/run` measures it; `tests/bench/README.md` has
//! figures. The same is done where an endpoint is renewed since connections lack its subflows: on busy connections of 6.1.176
//! with three delays, that brought back 8 of 8 by at most two more requests, and later 3 of 4; adding it once 0 of 8. 6.12.117
//! took 8 of 8 at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Endpoint, Flags, Identity, Reason, State, Step};
use crate::system::{Joins, PathManager, SubflowSummary};

use super::settle::{Progress, Settling, subflows, wait};

/// How long a run may wait for connections in all.
const TOGETHER: Duration = Duration::from_secs(30);

/// How often lost subflows are asked for again. The first time is nearly always enough; each one that is refused costs
/// a place on the other end.
const RENEWALS_MAX: usize = 6;

/// How often what connections had lost before the run: their peers may refuse it for good.
const GAINS_MAX: usize = 2;

/// For how many a renewal counts after which nothing was seen to come: it took longer, and promises less.
const IN_VAIN: usize = 3;

/// What there was on connections, and what became of the endpoints beneath.
#[derive(Debug, Default)]
pub struct Subflows {
    /// The subflows before the first removal.
    before: Option<Vec<SubflowSummary>>,
    /// The connections that were to gain a subflow from an endpoint, and its address.
    gaining: BTreeSet<(u32, IpAddr)>,
    removed: BTreeSet<IpAddr>,
    /// The endpoints that were added.
    added: BTreeSet<Identity>,
    /// Whether any of them is for peers to ask for. The kernel does not show such a subflow while it is being opened.
    announced: bool,
    /// What had been asked for when endpoints were added last.
    joins: Joins,
    /// How long all waiting took.
    waited: Duration,
    renewals: usize,
    /// How the last waiting ended.
    last: Settling,
    /// Whether waiting for other paths was in vain.
    hopeless: bool,
    lost: Vec<Endpoint>,
}

impl Subflows {
    /// Takes note of the connections before the first steps that may cost subflows.
    pub fn begin<K: PathManager + ?Sized>(&mut self, kernel: &mut K, live: &[SubflowSummary]) {
        if self.before.is_none() {
            self.before = Some(live.to_vec());
            self.joins = kernel.joins();
        }
    }

    /// Takes note that these connections are to gain a subflow from an endpoint that is added again.
    pub fn note_gaining(&mut self, endpoint: &Endpoint, connections: Vec<u32>) {
        let address = endpoint.identity.address;
        self.gaining.extend(connections.into_iter().map(|connection| (connection, address)));
    }

    /// Takes note of a step that was carried out.
    pub fn note(&mut self, step: &Step) {
        match step {
            Step::DelAddr { endpoint, .. } => {
                self.removed.insert(endpoint.identity.address);
            }
            // One with a port is never renewed: that would close the port for a minute.
            Step::AddAddr { endpoint, why: _ } if endpoint.identity.port.is_some() => {}
            Step::AddAddr { endpoint: _, why: Reason::Adopted } => {}
            Step::AddAddr { endpoint, why: _ } => {
                self.added.insert(endpoint.identity);
                self.announced |= endpoint.flags.contains(Flags::SIGNAL);
            }
            _ => {}
        }
    }

    /// The connections that would have no path left without this endpoint, though others were added that should have
    /// given them one. Waits for those.
    pub fn left_without_path<K: PathManager + ?Sized>(
        &mut self,
        kernel: &mut K,
        removal: &Endpoint,
    ) -> BTreeSet<u32> {
        let going = removal.identity.address;
        let mut before = self.before.iter().flatten();
        if self.hopeless || self.added.is_empty() || !before.any(|subflow| subflow.local == going) {
            return BTreeSet::new();
        }
        let progress = |subflows: &[SubflowSummary], joins: Joins| {
            let stranded = stranded(subflows, going);
            let opening =
                |subflow: &SubflowSummary| !subflow.established && stranded.contains(&subflow.connection);
            match stranded.is_empty() {
                true => Progress::Fulfilled,
                false if !self.is_refused(joins) || subflows.iter().any(opening) => Progress::Open,
                false => Progress::Hopeless,
            }
        };
        // What was added has yet to last: it may be established, and reset a round trip later.
        let is_new = |local: IpAddr| local != going && self.added.iter().any(|row| row.address == local);
        let mut lasting = subflows(kernel);
        lasting.retain(|subflow| !is_new(subflow.local));
        if stranded(&lasting, going).is_empty() {
            return BTreeSet::new();
        }
        match wait(kernel, progress) {
            (Settling::Settled, _) => BTreeSet::new(),
            (other, waited) => {
                self.take_note(other, waited);
                stranded(&subflows(kernel), going)
            }
        }
    }

    /// The added endpoints that most of these connections lack.
    pub fn lacked_by<K: PathManager + ?Sized>(
        &self,
        connections: &BTreeSet<u32>,
        kernel: &mut K,
        now: &State,
    ) -> Vec<Endpoint> {
        self.lacked(connections, &subflows(kernel), now)
    }

    /// The connections that have fewer subflows than they had or were to gain, if most of them lack an added endpoint. Waits
    /// for these.
    pub fn find_short<K: PathManager + ?Sized>(&mut self, kernel: &mut K, now: &State) -> BTreeSet<u32> {
        let is_short = |subflows: &[SubflowSummary]| !self.short_of_added(subflows, now).is_empty();
        let progress = |subflows: &[SubflowSummary], joins: Joins| self.progress(subflows, joins, is_short);
        if self.gaining.is_empty() && !self.has_closed() {
            return BTreeSet::new();
        }
        match wait(kernel, progress) {
            (Settling::Settled, _) => BTreeSet::new(),
            (other, waited) => {
                self.take_note(other, waited);
                self.short_of_added(&subflows(kernel), now)
            }
        }
    }

    /// Waits until most of these connections have subflows from all added endpoints, or there is no hope.
    pub fn await_added<K: PathManager + ?Sized>(
        &mut self,
        kernel: &mut K,
        connections: &BTreeSet<u32>,
        now: &State,
    ) {
        let is_lacking = |subflows: &[SubflowSummary]| !self.lacked(connections, subflows, now).is_empty();
        let progress = |subflows: &[SubflowSummary], joins: Joins| self.progress(subflows, joins, is_lacking);
        let (last, waited) = wait(kernel, progress);
        self.take_note(last, waited);
    }

    /// How it looks as long as something is missing. What is being opened still may come, and would be stopped by asking
    /// again.
    fn progress(
        &self,
        subflows: &[SubflowSummary],
        joins: Joins,
        is_missing: impl Fn(&[SubflowSummary]) -> bool,
    ) -> Progress {
        if !is_missing(&established(subflows)) {
            Progress::Fulfilled
        } else if !self.is_refused(joins) || !is_missing(subflows) {
            Progress::Open
        } else {
            Progress::Hopeless
        }
    }

    /// Whether peers have answered since endpoints were added; what is not there then was refused.
    fn is_refused(&self, joins: Joins) -> bool {
        !self.announced && joins.answered != self.joins.answered
    }

    fn take_note(&mut self, last: Settling, waited: Duration) {
        self.last = last;
        self.waited += waited;
    }

    /// Whether it is worth while to add endpoints again: not for ever, and not when there was no answer the last time.
    pub fn may_renew<K: PathManager + ?Sized>(&mut self, kernel: &mut K) -> bool {
        let joins = kernel.joins();
        let any = joins != self.joins;
        self.joins = joins;
        self.renewals += if self.last == Settling::InVain { IN_VAIN } else { 1 };
        let most = if self.has_closed() { RENEWALS_MAX } else { GAINS_MAX };
        any && self.renewals <= most && self.waited < TOGETHER
    }

    /// Whether any subflow was closed with its endpoint.
    fn has_closed(&self) -> bool {
        self.before.iter().flatten().any(|subflow| self.removed.contains(&subflow.local))
    }

    /// Takes note that connections find no other paths, so that no removal waits for that again.
    pub fn stop_waiting(&mut self) {
        self.hopeless = true;
    }

    /// Takes note that these endpoints are given up. What was only to be gained from one is not lost.
    pub fn give_up(&mut self, mut lacked: Vec<Endpoint>) {
        let is_gain =
            |row: &Endpoint| self.gaining.iter().any(|(_, address)| *address == row.identity.address);
        lacked.retain(|row| !is_gain(row));
        self.lost = lacked;
    }

    /// The endpoints that were given up.
    pub fn lost(&self) -> &[Endpoint] {
        &self.lost
    }

    fn short_of_added(&self, subflows: &[SubflowSummary], now: &State) -> BTreeSet<u32> {
        let short = self.short_of(subflows, now);
        if self.lacked(&short, subflows, now).is_empty() { BTreeSet::new() } else { short }
    }

    fn lacked(&self, by: &BTreeSet<u32>, subflows: &[SubflowSummary], now: &State) -> Vec<Endpoint> {
        let most_lack = |row: &&Endpoint| {
            let at_row = |subflow: &&SubflowSummary| subflow.local == row.identity.address;
            let having: BTreeSet<u32> =
                subflows.iter().filter(at_row).map(|subflow| subflow.connection).collect();
            by.difference(&having).count() > having.len()
        };
        let added = |row: &&Endpoint| self.added.contains(&row.identity);
        now.endpoints.iter().filter(added).filter(most_lack).cloned().collect()
    }

    /// The connections of before that are still there and have fewer subflows than they had or were to gain, though the limits
    /// allow more.
    fn short_of(&self, subflows: &[SubflowSummary], now: &State) -> BTreeSet<u32> {
        let allowed = 1 + now.limits.subflows as usize;
        let mut had = by_connection(self.before.iter().flatten().filter(|subflow| subflow.established));
        self.gaining.iter().for_each(|(connection, _)| *had.entry(*connection).or_default() += 1);
        let have = by_connection(subflows.iter());
        let is_short =
            |(token, had): &(u32, usize)| have.get(token).is_some_and(|have| *have < (*had).min(allowed));
        had.into_iter().filter(is_short).map(|(token, _)| token).collect()
    }
}

/// Connections all of whose established subflows are on this address.
pub fn stranded(subflows: &[SubflowSummary], going: IpAddr) -> BTreeSet<u32> {
    let (on_it, others): (Vec<&SubflowSummary>, Vec<&SubflowSummary>) =
        subflows.iter().partition(|subflow| subflow.local == going);
    let elsewhere = others.into_iter().filter(|subflow| subflow.established);
    let elsewhere: BTreeSet<u32> = elsewhere.map(|subflow| subflow.connection).collect();
    on_it.into_iter().map(|subflow| subflow.connection).filter(|token| !elsewhere.contains(token)).collect()
}

fn established(subflows: &[SubflowSummary]) -> Vec<SubflowSummary> {
    subflows.iter().filter(|subflow| subflow.established).copied().collect()
}

fn by_connection<'a>(subflows: impl Iterator<Item = &'a SubflowSummary>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for subflow in subflows {
        *counts.entry(subflow.connection).or_default() += 1;
    }
    counts
}
