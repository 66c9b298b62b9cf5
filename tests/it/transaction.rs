//! Transactions against a model of the kernel with faults at the seam: refusals at every step, refused undos, flags
//! that are dropped, another writer.

use std::collections::BTreeMap;
use std::time::Duration;

use mptcp_apply::apply::{Cause, Goal, Outcome, Terms, Verdict, apply};
use mptcp_apply::kernel::{Errno, Error, Kernel, Refusal, Subflow};
use mptcp_apply::model::{
    AddressId, Capabilities, Endpoint, Flags, Identity, Limits, State, Sysctl, SysctlValue,
};
use mptcp_apply::plan::{Step, plan};

const TERMS: Terms<'_> = Terms { sysctls: &[], patience: Duration::ZERO };

/// A kernel in memory.
struct Model {
    state: State,
    /// Calls of `execute` that are refused, counted from 0.
    refused: BTreeMap<usize, Errno>,
    calls: usize,
    /// Flags that this kernel does not know.
    unknown: Flags,
    /// Rows that another writer adds after the call of that number.
    foreign: BTreeMap<usize, Endpoint>,
    reads: usize,
    /// Reads that fail.
    unreadable_from: usize,
}

impl Model {
    fn new(state: State) -> Model {
        let none = BTreeMap::new();
        Model {
            state,
            refused: none,
            calls: 0,
            unknown: Flags::default(),
            foreign: BTreeMap::new(),
            reads: 0,
            unreadable_from: usize::MAX,
        }
    }

    fn free_id(&self) -> Option<AddressId> {
        let taken = |id: &AddressId| self.state.endpoints.iter().any(|row| row.id == Some(*id));
        (1..=255).filter_map(AddressId::new).find(|id| !taken(id))
    }
}

impl Kernel for Model {
    fn read(&mut self, _: &[Sysctl]) -> Result<State, Error> {
        self.reads += 1;
        if self.reads > self.unreadable_from {
            return Err(Error::Protocol("the model says nothing".into()));
        }
        Ok(self.state.clone())
    }

    fn check(&mut self, _: &Step) -> Result<(), Refusal> {
        Ok(())
    }

    fn connections(&mut self, _: Identity) -> Result<usize, Error> {
        Ok(0)
    }

    fn subflows(&mut self) -> Result<Vec<Subflow>, Error> {
        Ok(Vec::new())
    }

    fn answered_joins(&mut self) -> u64 {
        0
    }

    fn pause(&mut self, _: Duration) {}

    fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        let call = self.calls;
        self.calls += 1;
        if let Some(errno) = self.refused.get(&call) {
            return Err(Refusal::new(*errno));
        }
        let taken = |endpoint: &Endpoint| {
            let id = |row: &Endpoint| endpoint.id.is_some() && row.id == endpoint.id;
            self.state.endpoints.iter().any(|row| row.identity == endpoint.identity || id(row))
        };
        match step {
            Step::AddAddr { endpoint, .. } if taken(endpoint) => return Err(Refusal::new(Errno::EEXIST)),
            Step::DelAddr { endpoint, .. } if self.state.endpoint(endpoint.identity).is_none() => {
                return Err(Refusal::changed());
            }
            _ => step.replay(&mut self.state),
        }
        let free = self.free_id();
        for row in &mut self.state.endpoints {
            row.id = row.id.or(free);
            row.flags = row.flags.without(self.unknown);
        }
        self.state.endpoints.extend(self.foreign.remove(&call));
        self.state.endpoints.sort_by_key(|row| row.id);
        Ok(())
    }
}

fn row(last: u8, id: u8, flags: Flags) -> Endpoint {
    let identity = Identity { address: [10, 0, 0, last].into(), port: None };
    Endpoint { name: None, identity, id: AddressId::new(id), dev: None, flags }
}

fn state(subflows: u32, stale: u64, endpoints: Vec<Endpoint>) -> State {
    let sysctls = Sysctl::named("stale_loss_cnt").map(|name| (name, SysctlValue::Number(stale)));
    State {
        limits: Limits { subflows, add_addr_accepted: 0 },
        sysctls: sysctls.into_iter().collect(),
        endpoints,
    }
}

fn before() -> State {
    state(2, 4, vec![row(1, 1, Flags::SUBFLOW), row(2, 2, Flags::SIGNAL), row(3, 3, Flags::SUBFLOW)])
}

/// Every kind of step: a sysctl, limits, flags, an addition, a replacement, a removal.
fn after() -> State {
    let fullmesh = Flags::SUBFLOW.union(Flags::FULLMESH);
    state(5, 9, vec![row(4, 4, Flags::SUBFLOW), row(1, 1, fullmesh), row(2, 2, Flags::SUBFLOW)])
}

fn goal(now: &State, target: &State) -> Goal {
    let steps = plan(now, target, Capabilities::SMALL).expect("possible");
    Goal { state: target.clone(), steps, warnings: Vec::new() }
}

fn carry_out(model: &mut Model) -> Outcome {
    let (before, target) = (model.state.clone(), after());
    let first = goal(&before, &target);
    apply(model, TERMS, before, first, |_, now| Ok(goal(now, &target)), |_, _| ())
}

#[test]
fn a_goal_is_reached() {
    let mut model = Model::new(before());
    let outcome = carry_out(&mut model);
    assert!(matches!(outcome.verdict, Verdict::Applied));
    assert_eq!(outcome.steps.len(), 7);
    assert!(model.state.agrees_with(&after()));
    let again = carry_out(&mut model);
    assert!(matches!(again.verdict, Verdict::Unchanged));
    assert_eq!(again.steps, []);
}

/// Whichever step is refused, and with whatever error: while nobody else changed the table, everything is as before.
#[test]
fn every_refused_step_is_undone() {
    for call in 0..7 {
        for errno in [
            Errno::EPERM,
            Errno::EINVAL,
            Errno::ERANGE,
            Errno::EADDRNOTAVAIL,
            Errno::EADDRINUSE,
            Errno::EACCES,
            Errno::ENOPROTOOPT,
            Errno::ENOENT,
            Errno::ENOBUFS,
            Errno::EPROTO,
            Errno::EBUSY,
            Errno::EEXIST,
        ] {
            let mut model = Model::new(before());
            model.refused.insert(call, errno);
            let outcome = carry_out(&mut model);
            let Verdict::RolledBack(failure) = outcome.verdict else {
                panic!("{call} {errno}: {:?}", outcome.verdict)
            };
            assert_eq!(failure.step, Some(call));
            assert!(
                matches!(failure.cause, Cause::Refused(Refusal { errno: found, .. }, _) if found == errno)
            );
            assert!(model.state.agrees_with(&before()), "{call} {errno}: {:#?}", model.state);
            assert_eq!(outcome.steps.len(), 7, "the whole plan is told");
        }
    }
}

#[test]
fn a_refused_undo_is_told() {
    let mut model = Model::new(before());
    model.refused.extend([(5, Errno::EADDRNOTAVAIL), (6, Errno::EPERM)]);
    let outcome = carry_out(&mut model);
    let Verdict::RollbackIncomplete(failure) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert_eq!(failure.not_undone.len(), 1);
    assert_eq!(failure.not_undone[0].1.errno, Errno::EPERM);
    assert!(outcome.after.agrees_with(&model.state));
    assert!(!model.state.agrees_with(&before()));
}

#[test]
fn flags_that_the_kernel_drops_are_found_and_taken_back() {
    let mut model = Model::new(before());
    model.unknown = Flags::FULLMESH;
    let outcome = carry_out(&mut model);
    let Verdict::RolledBack(failure) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(matches!(failure.cause, Cause::FlagsDropped(Flags::FULLMESH)), "{:?}", failure.cause);
    let step = failure.step.and_then(|index| outcome.steps.get(index));
    assert!(matches!(step, Some(Step::SetFlags { .. })), "{step:?}");
    assert!(model.state.agrees_with(&before()));
}

/// A flag that is dropped before another step is refused is the reason that can be mended, and no race.
#[test]
fn a_dropped_flag_before_a_refusal_is_no_race() {
    let mut model = Model::new(before());
    model.unknown = Flags::FULLMESH;
    model.refused.insert(6, Errno::EADDRNOTAVAIL);
    let outcome = carry_out(&mut model);
    let Verdict::RolledBack(failure) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(matches!(failure.cause, Cause::FlagsDropped(Flags::FULLMESH)), "{:?}", failure.cause);
    assert!(model.calls < 20, "it went on for {} calls", model.calls);
}

/// The kernel alone makes implicit endpoints; one that had to go cannot be put back.
#[test]
fn a_lost_implicit_endpoint_is_told() {
    let mut rows = before().endpoints;
    rows.push(row(7, 4, Flags::IMPLICIT));
    let mut model = Model::new(state(2, 4, rows));
    let last = goal(&model.state, &after()).steps.len() - 1;
    model.refused.insert(last, Errno::EPERM);
    let outcome = carry_out(&mut model);
    assert!(matches!(outcome.verdict, Verdict::RollbackIncomplete(_)), "{:?}", outcome.verdict);
}

/// Somebody else takes the id or the address that the plan needs: it is planned anew, and both are right.
#[test]
fn another_writer_makes_a_new_plan() {
    let same_address = row(4, 9, Flags::SIGNAL);
    for foreign in [row(9, 4, Flags::SIGNAL), same_address.clone(), row(8, 8, Flags::SIGNAL)] {
        // Once ours is there, the kernel refuses theirs with the same address.
        let calls = if foreign == same_address { 0..3 } else { 0..7 };
        for call in calls {
            let mut model = Model::new(before());
            model.foreign.insert(call, foreign.clone());
            let outcome = carry_out(&mut model);
            assert!(matches!(outcome.verdict, Verdict::Applied), "{call} {foreign}: {:?}", outcome.verdict);
            assert!(model.state.agrees_with(&after()), "{call} {foreign}: {:#?}", model.state);
        }
    }
}

/// The kernel makes implicit endpoints itself, with an id that the plan may need.
#[test]
fn an_implicit_endpoint_makes_a_new_plan() {
    let mut model = Model::new(before());
    model.foreign.insert(2, row(9, 4, Flags::IMPLICIT));
    let outcome = carry_out(&mut model);
    assert!(matches!(outcome.verdict, Verdict::Applied), "{:?}", outcome.verdict);
    assert!(model.state.endpoint(row(4, 4, Flags::SUBFLOW).identity).is_some());
}

#[test]
fn a_writer_that_never_stops_is_given_up_on() {
    let mut model = Model::new(before());
    model.foreign =
        (0u8..100).map(|call| (call.into(), row(100 + call, 100 + call, Flags::SIGNAL))).collect();
    let outcome = carry_out(&mut model);
    let (Verdict::RolledBack(failure) | Verdict::RollbackIncomplete(failure)) = outcome.verdict else {
        panic!("{:?}", outcome.verdict)
    };
    assert!(matches!(failure.cause, Cause::Unstable), "{:?}", failure.cause);
    assert!(model.calls < 100, "it went on for {} calls", model.calls);
}

#[test]
fn a_state_that_cannot_be_read_back_is_not_called_restored() {
    let mut model = Model::new(before());
    model.unreadable_from = 0;
    let outcome = carry_out(&mut model);
    let Verdict::RollbackIncomplete(failure) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(matches!(failure.cause, Cause::Unreadable(_)));
    assert!(model.state.agrees_with(&before()), "it was undone all the same");
}
