//! Live connections while endpoints are replaced: their new subflows come before the old ones go, and those that do not
//! come are asked for again.
//!
//! The kernel opens subflows when an endpoint is added, once, and asks nobody whether they came to be. What decides is
//! the other end. Up to Linux 6.12 it resets most subflows that join while data is in flight: 94 of 119 in trials on 6.1
//! and 6.12 over links with some delay, whichever order of ADD and DEL, pause (0.3 or 1 s) or id was chosen, and 18 of 24
//! where nothing was removed at all. None of 60 were lost on idle connections, none of 30 to Linux 7.3. A peer that is
//! at its limit of subflows refuses, too, as long as the old one is there. Nothing tries again. So what was lost is added
//! anew until it stays. With one endpoint replaced, 0 of 24 were lost then, where `ip` lost 14 of 24 by deleting and
//! adding; with all of them, 7 of 108 on 6.1 and 0 of 24 on 6.12. Only when a connection has no path at all, and so is
//! idle, does it lose none; but that is what is to be avoided. `cargo test what_replacing_costs` measures it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::kernel::{Joins, Kernel, Subflow};
use crate::model::{Endpoint, Flags, Identity, State};
use crate::plan::{Reason, Step};

/// How often to look while something is expected to change.
const POLL: Duration = Duration::from_millis(20);

/// How long a new subflow may take. An announced address needs two round trips, which may go by a satellite.
const OPENING: Duration = Duration::from_secs(2);

/// How long what was hoped for has to last before it is believed. A reset comes one round trip after the subflow.
const STEADY: Duration = Duration::from_millis(300);

/// How long it has to look hopeless, since requests of several connections are answered one after the other.
const HOPELESS: Duration = Duration::from_millis(100);

/// How long a run may wait for connections in all.
const TOGETHER: Duration = Duration::from_secs(30);

/// How often lost subflows are asked for again. In trials with Linux 6.1 they came within 5 tries or not within 100: it
/// looks as if each one that is refused counted towards the peer's limit for good.
const RENEWALS_MAX: usize = 10;

/// For how many a renewal counts after which nothing was seen to come: it took longer, and promises less.
const IN_VAIN: usize = 3;

/// How it looks while something is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// It is there.
    Fulfilled,
    /// It may come.
    Open,
    /// Peers have answered, and nothing came of it.
    Hopeless,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    /// It is there, and stays.
    #[default]
    Settled,
    /// It came and went, or was refused.
    Refused,
    /// It did not come.
    InVain,
}

/// What there was on connections, and what became of the endpoints beneath.
#[derive(Debug, Default)]
pub struct Paths {
    /// The subflows before the first removal.
    before: Option<Vec<Subflow>>,
    removed: BTreeSet<IpAddr>,
    /// The endpoints that were added, and their names.
    added: BTreeMap<Identity, Option<String>>,
    /// Whether any of them is for peers to ask for. The kernel does not show such a subflow while it is being opened.
    announced: bool,
    /// What had been asked for when endpoints were added last.
    joins: Joins,
    /// How long all waiting took.
    waited: Duration,
    renewals: usize,
    /// How the last waiting ended.
    last: Wait,
    /// Whether waiting for other paths was in vain.
    hopeless: bool,
    lost: Vec<Endpoint>,
}

impl Paths {
    /// Looks at the connections before the first steps that may cost subflows.
    pub fn begin<K: Kernel>(&mut self, kernel: &mut K, steps: &[Step]) {
        let removes = steps.iter().any(|step| matches!(step, Step::DelAddr { .. }));
        if removes && self.before.is_none() {
            self.before = Some(subflows(kernel));
            self.joins = kernel.joins();
        }
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
                self.added.insert(endpoint.identity, endpoint.name.clone());
                self.announced |= endpoint.flags.contains(Flags::SIGNAL);
            }
            Step::SetSysctl { .. } | Step::SetLimits { .. } | Step::SetFlags { .. } => {}
        }
    }

    /// The connections that would have no path left without this endpoint, though others were added that should have
    /// given them one. Waits for those.
    pub fn stranded_by<K: Kernel>(&mut self, kernel: &mut K, removal: &Endpoint) -> BTreeSet<u32> {
        let going = removal.identity.address;
        let mut before = self.before.iter().flatten();
        if self.hopeless || self.added.is_empty() || !before.any(|subflow| subflow.local == going) {
            return BTreeSet::new();
        }
        let outlook = |subflows: &[Subflow], joins: Joins| {
            let stranded = stranded(subflows, going);
            let opening = |subflow: &Subflow| !subflow.established && stranded.contains(&subflow.connection);
            match stranded.is_empty() {
                true => Outlook::Fulfilled,
                false if !self.is_refused(joins) || subflows.iter().any(opening) => Outlook::Open,
                false => Outlook::Hopeless,
            }
        };
        if stranded(&subflows(kernel), going).is_empty() {
            return BTreeSet::new();
        }
        match wait(kernel, outlook) {
            (Wait::Settled, _) => BTreeSet::new(),
            (other, waited) => {
                self.take_note(other, waited);
                stranded(&subflows(kernel), going)
            }
        }
    }

    /// The added endpoints that most of these connections lack.
    pub fn lacked_by<K: Kernel>(
        &self,
        connections: &BTreeSet<u32>,
        kernel: &mut K,
        now: &State,
    ) -> Vec<Endpoint> {
        self.lacked(connections, &subflows(kernel), now)
    }

    /// The added endpoints that most connections lack which have fewer subflows than before. Waits for these.
    pub fn find_lost<K: Kernel>(&mut self, kernel: &mut K, now: &State) -> Vec<Endpoint> {
        let touched = self.before.iter().flatten().any(|subflow| self.removed.contains(&subflow.local));
        // What is being opened still may come, and would be stopped by asking again.
        let outlook = |subflows: &[Subflow], joins: Joins| {
            if self.lacking(&established(subflows), now).is_empty() {
                Outlook::Fulfilled
            } else if !self.is_refused(joins) || self.lacking(subflows, now).is_empty() {
                Outlook::Open
            } else {
                Outlook::Hopeless
            }
        };
        if !touched {
            return Vec::new();
        }
        match wait(kernel, outlook) {
            (Wait::Settled, _) => Vec::new(),
            (other, waited) => {
                self.take_note(other, waited);
                self.lacking(&subflows(kernel), now)
            }
        }
    }

    /// Whether peers have answered since endpoints were added; what is not there then was refused.
    fn is_refused(&self, joins: Joins) -> bool {
        !self.announced && joins.answered != self.joins.answered
    }

    fn take_note(&mut self, last: Wait, waited: Duration) {
        self.last = last;
        self.waited += waited;
    }

    /// Whether it is worth while to add endpoints anew: not for ever, and not when nobody answered the last time.
    pub fn may_renew<K: Kernel>(&mut self, kernel: &mut K) -> bool {
        let joins = kernel.joins();
        let any = joins != self.joins;
        self.joins = joins;
        self.renewals += if self.last == Wait::InVain { IN_VAIN } else { 1 };
        any && self.renewals <= RENEWALS_MAX && self.waited < TOGETHER
    }

    /// Takes note that connections find no other paths, so that no removal waits for that again.
    pub fn despair(&mut self) {
        self.hopeless = true;
    }

    /// Takes note that these endpoints are given up.
    pub fn give_up(&mut self, lost: Vec<Endpoint>) {
        self.lost = lost;
    }

    /// The endpoints that were given up.
    pub fn lost(&self) -> &[Endpoint] {
        &self.lost
    }

    fn lacking(&self, subflows: &[Subflow], now: &State) -> Vec<Endpoint> {
        self.lacked(&self.short_of(subflows, now), subflows, now)
    }

    fn lacked(&self, by: &BTreeSet<u32>, subflows: &[Subflow], now: &State) -> Vec<Endpoint> {
        let most_lack = |row: &&Endpoint| {
            let at_row = |subflow: &&Subflow| subflow.local == row.identity.address;
            let having: BTreeSet<u32> =
                subflows.iter().filter(at_row).map(|subflow| subflow.connection).collect();
            by.difference(&having).count() > having.len()
        };
        let added = |row: &Endpoint| {
            let name = self.added.get(&row.identity)?.clone();
            Some(Endpoint { name, ..row.clone() })
        };
        now.endpoints.iter().filter(most_lack).filter_map(added).collect()
    }

    /// The connections of before that are still there and have fewer subflows, though the limits allow more.
    fn short_of(&self, subflows: &[Subflow], now: &State) -> BTreeSet<u32> {
        let allowed = 1 + now.limits.subflows as usize;
        let had = by_connection(self.before.iter().flatten().filter(|subflow| subflow.established));
        let have = by_connection(subflows.iter());
        let is_short =
            |(token, had): &(u32, usize)| have.get(token).is_some_and(|have| *have < (*had).min(allowed));
        had.into_iter().filter(is_short).map(|(token, _)| token).collect()
    }
}

/// Waits until something is there, and stays. How long that took.
fn wait<K: Kernel>(kernel: &mut K, outlook: impl Fn(&[Subflow], Joins) -> Outlook) -> (Wait, Duration) {
    let start = kernel.elapsed();
    let (mut fulfilled, mut hopeless) = (None, None);
    loop {
        let subflows = subflows(kernel);
        // To look through many sockets takes time too.
        let waited = kernel.elapsed().saturating_sub(start);
        let lasts = |since: &mut Option<Duration>| waited - *since.get_or_insert(waited);
        match outlook(&subflows, kernel.joins()) {
            Outlook::Fulfilled if lasts(&mut fulfilled) >= STEADY => return (Wait::Settled, waited),
            Outlook::Fulfilled => {}
            _ if fulfilled.is_some() => return (Wait::Refused, waited),
            Outlook::Hopeless if lasts(&mut hopeless) >= HOPELESS => return (Wait::Refused, waited),
            _ if waited >= OPENING => return (Wait::InVain, waited),
            Outlook::Hopeless => {}
            Outlook::Open => hopeless = None,
        }
        kernel.pause(POLL);
    }
}

/// Connections all of whose established subflows are on this address.
fn stranded(subflows: &[Subflow], going: IpAddr) -> BTreeSet<u32> {
    let (on_it, others): (Vec<&Subflow>, Vec<&Subflow>) =
        subflows.iter().partition(|subflow| subflow.local == going);
    let elsewhere = others.into_iter().filter(|subflow| subflow.established);
    let elsewhere: BTreeSet<u32> = elsewhere.map(|subflow| subflow.connection).collect();
    on_it.into_iter().map(|subflow| subflow.connection).filter(|token| !elsewhere.contains(token)).collect()
}

fn established(subflows: &[Subflow]) -> Vec<Subflow> {
    subflows.iter().filter(|subflow| subflow.established).copied().collect()
}

fn by_connection<'a>(subflows: impl Iterator<Item = &'a Subflow>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for subflow in subflows {
        *counts.entry(subflow.connection).or_default() += 1;
    }
    counts
}

/// What cannot be asked is not known; the endpoints matter more.
fn subflows<K: Kernel>(kernel: &mut K) -> Vec<Subflow> {
    kernel.subflows().unwrap_or_else(|error| {
        log::info!("{error}");
        Vec::new()
    })
}
