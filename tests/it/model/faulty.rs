//! Faults at the seam between the program and a kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use mptcp_apply::model::{Endpoint, Identity, Limits, State, Step};
use mptcp_apply::system::{
    DataProgress, Errno, Error, Joins, Observed, PathManager, Refusal, Scope, SubflowSummary,
};

/// When another program acts. Calls of `execute` and `read` are counted from 0, each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before this call of `execute`: the first one follows the read that the plan was made from.
    BeforeWrite(usize),
    /// Before this call of `observe`.
    BeforeRead(usize),
}

type Meddling<K> = Box<dyn FnOnce(&mut K)>;

/// A kernel that refuses, falls silent, or is changed by another program.
pub struct Faulty<K> {
    /// The kernel behind it.
    pub kernel: K,
    /// The steps that it carried out, each with the state before it.
    pub carried_out: Vec<(Step, State)>,
    /// How often it was asked to carry out a step.
    pub calls: usize,
    refused: BTreeMap<usize, Errno>,
    refused_from: Option<(usize, Errno)>,
    unreadable: BTreeMap<usize, Errno>,
    unreadable_from: usize,
    meddling: BTreeMap<Moment, Meddling<K>>,
    reads: usize,
}

impl<K: PathManager> Faulty<K> {
    /// No fault yet.
    pub fn new(kernel: K) -> Faulty<K> {
        Faulty {
            kernel,
            carried_out: Vec::new(),
            calls: 0,
            refused: BTreeMap::new(),
            refused_from: None,
            unreadable: BTreeMap::new(),
            unreadable_from: usize::MAX,
            meddling: BTreeMap::new(),
            reads: 0,
        }
    }

    /// Refuses one call of `execute`.
    pub fn refuse(mut self, call: usize, errno: Errno) -> Faulty<K> {
        self.refused.insert(call, errno);
        self
    }

    /// Refuses this call of `execute` and all later ones.
    pub fn refuse_from(mut self, call: usize, errno: Errno) -> Faulty<K> {
        self.refused_from = Some((call, errno));
        self
    }

    /// Fails one call of `observe`.
    pub fn unreadable(mut self, read: usize, errno: Errno) -> Faulty<K> {
        self.unreadable.insert(read, errno);
        self
    }

    /// Fails this call of `observe` and all later ones.
    pub fn unreadable_from(mut self, read: usize) -> Faulty<K> {
        self.unreadable_from = read;
        self
    }

    /// Lets another program act, once.
    pub fn meddle(mut self, moment: Moment, act: impl FnOnce(&mut K) + 'static) -> Faulty<K> {
        self.meddling.insert(moment, Box::new(act));
        self
    }

    fn let_others_act(&mut self, moment: Moment) {
        if let Some(act) = self.meddling.remove(&moment) {
            act(&mut self.kernel);
        }
    }
}

impl<K: PathManager> PathManager for Faulty<K> {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Error> {
        let read = self.reads;
        self.reads += 1;
        self.let_others_act(Moment::BeforeRead(read));
        if let Some(errno) = self.unreadable.get(&read) {
            return Err(Error::Refused("read the endpoints", Refusal::new(*errno)));
        }
        if read >= self.unreadable_from {
            return Err(Error::Protocol("the kernel says nothing".into()));
        }
        self.kernel.observe(scope)
    }

    fn check(&mut self, step: &Step) -> Result<(), Refusal> {
        self.kernel.check(step)
    }

    fn connections(&mut self, endpoint: Identity) -> Result<usize, Error> {
        self.kernel.connections(endpoint)
    }

    fn subflows(&mut self) -> Result<Vec<SubflowSummary>, Error> {
        self.kernel.subflows()
    }

    fn lacking(&mut self, endpoint: &Endpoint, limits: Limits) -> Result<Vec<u32>, Error> {
        self.kernel.lacking(endpoint, limits)
    }

    fn progress(&mut self) -> Result<Vec<DataProgress>, Error> {
        self.kernel.progress()
    }

    fn joins(&mut self) -> Joins {
        self.kernel.joins()
    }

    fn elapsed(&mut self) -> Duration {
        self.kernel.elapsed()
    }

    fn pause(&mut self, duration: Duration) {
        self.kernel.pause(duration);
    }

    fn is_interrupted(&self) -> bool {
        self.kernel.is_interrupted()
    }

    fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        let call = self.calls;
        self.calls += 1;
        self.let_others_act(Moment::BeforeWrite(call));
        let late = self.refused_from.filter(|(from, _)| call >= *from).map(|(_, errno)| errno);
        if let Some(errno) = self.refused.get(&call).copied().or(late) {
            return Err(Refusal::new(errno));
        }
        let before = self.kernel.observe(&Scope::default()).map_err(Refusal::from)?.state;
        self.kernel.execute(step)?;
        self.carried_out.push((step.clone(), before));
        Ok(())
    }
}
