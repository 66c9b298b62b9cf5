//! Laws that hold for every plan, on a model of every kernel.

use std::collections::BTreeMap;

use mptcp_apply::model::{Endpoint, Flags, Reason, State, Step};
use mptcp_apply::plan::{PlanError, plan};
use mptcp_apply::system::PathManager;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::model::Model;
use crate::model::situation::{Situation, situation};
use crate::support::repeatable;

/// Carries a plan out on the model, which refuses what the kernel would, and panics where it does. `desired` is
/// reached at the end, and each step does what the program thinks it does.
#[track_caller]
pub fn carry_out(model: &mut Model, steps: &[Step], desired: &State) {
    let before = model.state();
    let context = |number: usize| format!("step {number} of {steps:#?}\nfrom {before:#?}\nto {desired:#?}");
    let mut expected = before.clone();
    for (number, step) in steps.iter().enumerate() {
        if let Err(refusal) = model.execute(step) {
            panic!("{refusal}\n{}", context(number));
        }
        step.replay(&mut expected);
        expected.endpoints.iter_mut().for_each(|row| row.flags = kept(model, row.flags));
        assert!(model.state().agrees_with(&expected), "{:#?}\n{}", model.state(), context(number));
    }
    let mut goal = desired.clone();
    goal.endpoints.iter_mut().for_each(|row| row.flags = kept(model, row.flags));
    let reached = model.state();
    assert!(reached.agrees_with(&goal), "{reached:#?}\n{}", context(steps.len()));
    for implicit in goal.endpoints.iter().filter(|row| row.is_implicit()) {
        assert_eq!(reached.endpoint(implicit.identity), Some(implicit), "{}", context(steps.len()));
    }
    assert_declared_order(steps, desired);
}

pub fn kept(model: &Model, flags: Flags) -> Flags {
    flags.intersection(model.version().known)
}

/// The kernel prefers endpoints that were added earlier.
fn assert_declared_order(steps: &[Step], desired: &State) {
    let added = steps.iter().filter_map(|step| match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint.identity),
        _ => None,
    });
    let declared = desired.endpoints.iter().map(|row| row.identity);
    let places: Vec<usize> =
        added.map(|added| declared.clone().position(|row| row == added).expect("declared")).collect();
    assert!(places.is_sorted(), "{places:?} {steps:#?}");
}

/// The plan of a situation, and its goal; none when there cannot be one, for a reason that is true.
pub fn planned(situation: &Situation) -> Option<(State, Vec<Step>)> {
    let (current, capabilities) = (situation.current(), situation.model.version().capabilities);
    let desired = situation.desired(&current).ok()?;
    if desired.endpoints.iter().any(|row| is_listened_for(row, &desired)) {
        return None;
    }
    match plan(&current, &desired, capabilities) {
        Ok(steps) => Some((desired, steps)),
        Err(PlanError::TableTooSmall { needed, max }) => {
            assert_eq!((needed, max), (desired.endpoints.len(), capabilities.endpoints_max));
            assert!(needed > max);
            None
        }
        Err(impossible) => panic!("{impossible}: {situation:#?}"),
    }
}

/// Whether a wildcard that stays takes the port of an endpoint: then only the kernel knows better.
pub fn is_listened_for(row: &Endpoint, desired: &State) -> bool {
    let wildcards =
        desired.endpoints.iter().map(|row| row.identity).filter(|other| other.address.is_unspecified());
    row.identity.port.is_some()
        && wildcards.into_iter().any(|other| other != row.identity && other.port == row.identity.port)
}

/// How many operations there have to be at least: a row that is there and must not be is removed, one that is not and
/// must be is added, and one that differs is changed, adopted or replaced.
fn fewest(current: &State, desired: &State) -> usize {
    let settings = desired.sysctls.iter().filter(|(name, value)| current.sysctls.get(name) != Some(value));
    let limits = usize::from(current.limits != desired.limits);
    let wanted = |row: &&Endpoint| desired.endpoint(row.identity).is_none();
    let removed = current.endpoints.iter().filter(wanted).count();
    let there = |wanted: &Endpoint| match current.endpoint(wanted.identity) {
        None => 1,
        Some(row) if row == wanted => 0,
        Some(row) if row.is_implicit() && row.id == wanted.id => 1,
        Some(row) => {
            let fixed = |flags: Flags| flags.without(Flags::CHANGEABLE);
            let in_place =
                row.id == wanted.id && row.dev == wanted.dev && fixed(row.flags) == fixed(wanted.flags);
            if in_place { 1 } else { 2 }
        }
    };
    settings.count() + limits + removed + desired.endpoints.iter().map(there).sum::<usize>()
}

/// Whether a step adds what does the same for connections as a row that goes.
fn may_replace(step: &Step, gone: &Endpoint) -> bool {
    let Step::AddAddr { endpoint, .. } = step else { return false };
    let both = endpoint.flags.intersection(gone.flags);
    endpoint.identity == gone.identity || both.intersects(Flags::SIGNAL.union(Flags::SUBFLOW))
}

/// How many implicit endpoints are adopted at the cost of themselves, because in a full table nothing else goes.
fn without_place(steps: &[Step]) -> usize {
    steps.iter().filter(|step| matches!(step, Step::AddAddr { why: Reason::PlaceNeeded, .. })).count()
}

/// What is left of the state before, where a step's undo cannot lead back to it: the row that an adopted endpoint
/// became stays, and an implicit endpoint that was removed stays away.
pub fn not_restored(step: &Step, state: &mut State) {
    match step {
        Step::AddAddr { endpoint, why: Reason::Adopted } => {
            let row = state.endpoints.iter_mut().find(|row| row.identity == endpoint.identity);
            let row = row.expect("the implicit endpoint");
            assert!(row.is_implicit());
            *row = Endpoint { id: row.id, ..endpoint.clone() };
        }
        Step::DelAddr { endpoint, .. } if endpoint.is_implicit() => {
            state.endpoints.retain(|row| row.identity != endpoint.identity);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(repeatable(400))]

    /// At no step is the table over capacity, an id or identity taken twice, a port taken, or the row another one.
    #[test]
    fn the_kernel_accepts_every_step(situation in situation()) {
        if let Some((desired, steps)) = planned(&situation) {
            carry_out(&mut situation.model.clone(), &steps, &desired);
        }
    }

    /// What is reached needs nothing more, nor does what is wanted as it is.
    #[test]
    fn a_reached_goal_has_no_plan(situation in situation()) {
        let (current, capabilities) = (situation.current(), situation.model.version().capabilities);
        prop_assert_eq!(plan(&current, &current, capabilities), Ok(Vec::new()));
        let Some((desired, steps)) = planned(&situation) else { return Ok(()) };
        prop_assert_eq!(plan(&desired, &desired, capabilities), Ok(Vec::new()));
        let mut reached = Situation { model: situation.model.clone(), ..situation };
        for step in &steps {
            prop_assert_eq!(reached.model.execute(step), Ok(()));
        }
        // Flags that this kernel drops are another matter: see `transaction`.
        if reached.current().agrees_with(&desired) {
            let again = planned(&reached).map(|(_, steps)| steps);
            prop_assert_eq!(again, Some(Vec::new()));
        }
    }

    /// The same input gives the same plan, and the order of the dump decides no more than the order of steps.
    #[test]
    fn a_plan_is_deterministic(situation in situation(), turn in 0usize..8) {
        let Some((desired, steps)) = planned(&situation) else { return Ok(()) };
        prop_assert_eq!(planned(&situation), Some((desired.clone(), steps.clone())));
        let mut shuffled = situation.current();
        shuffled.endpoints.reverse();
        let places = shuffled.endpoints.len().max(1);
        shuffled.endpoints.rotate_left(turn % places);
        let other = plan(&shuffled, &desired, situation.model.version().capabilities);
        let other = other.map_err(|impossible| TestCaseError::fail(impossible.to_string()))?;
        carry_out(&mut situation.model.clone(), &other, &desired);
        prop_assert_eq!(steps.len(), other.len());
        prop_assert!(steps.iter().all(|step| other.contains(step)), "{:#?}\nnot\n{:#?}", other, steps);
    }

    /// One operation for each difference, two where the kernel has no other way. `shortest` shows on small tables that
    /// this is the least.
    #[test]
    fn no_step_is_superfluous(situation in situation()) {
        let Some((desired, steps)) = planned(&situation) else { return Ok(()) };
        let least = fewest(&situation.current(), &desired) + without_place(&steps);
        prop_assert!(without_place(&steps) <= 1, "{:#?}", steps);
        // An implicit endpoint gives its place only when nothing else goes any more.
        let last = steps.iter().rfind(|step| matches!(step, Step::DelAddr { .. }));
        let gave_place = matches!(last, Some(Step::DelAddr { why: Reason::PlaceNeeded, .. }));
        prop_assert!(without_place(&steps) == 0 || gave_place, "{:#?}", steps);
        prop_assert_eq!(steps.len(), least, "{:#?}", steps);
    }

    /// Make before break: an endpoint that an addition may replace goes when the kernel would refuse the next addition
    /// otherwise, or when all additions are done.
    #[test]
    fn nothing_goes_before_it_must(situation in situation()) {
        let Some((_, steps)) = planned(&situation) else { return Ok(()) };
        for (number, step) in steps.iter().enumerate() {
            let Step::DelAddr { endpoint, .. } = step else { continue };
            let next = steps[number..].iter().position(|step| matches!(step, Step::AddAddr { .. }));
            let Some(next) = next.map(|next| number + next) else { break };
            if steps.iter().any(|step| may_replace(step, endpoint)) {
                let mut model = situation.model.clone();
                for earlier in steps[..next].iter().filter(|earlier| *earlier != step) {
                    prop_assert_eq!(model.execute(earlier), Ok(()));
                }
                prop_assert!(model.execute(&steps[next]).is_err(), "{} could wait: {:#?}", step, steps);
            }
        }
    }

    /// Each step is taken back by its undo: limits, sysctls and the dump, ids included, are as before it. What no dump
    /// shows is not restored, by design: the order of the rows and where the search for an id begins.
    #[test]
    fn an_undo_restores_the_state_before_its_step(situation in situation()) {
        let Some((_, steps)) = planned(&situation) else { return Ok(()) };
        let mut model = situation.model.clone();
        for step in &steps {
            let before = model.state();
            prop_assert_eq!(model.execute(step), Ok(()));
            let mut undone = model.clone();
            let mut expected = before.clone();
            match step.undo(&undone.state()) {
                Some(undo) => prop_assert_eq!(undone.execute(&undo), Ok(()), "{}", undo),
                None => not_restored(step, &mut expected),
            }
            expected.endpoints.iter_mut().for_each(|row| row.flags = kept(&undone, row.flags));
            prop_assert_eq!(undone.state(), expected, "{}", step);
        }
    }

    /// Every beginning of a plan is taken back, last step first.
    #[test]
    fn every_prefix_can_be_undone(situation in situation(), cut in 0usize..20) {
        let Some((_, steps)) = planned(&situation) else { return Ok(()) };
        let done = &steps[..cut.min(steps.len())];
        let mut model = situation.model.clone();
        let mut expected = model.state();
        for step in done {
            prop_assert_eq!(model.execute(step), Ok(()));
        }
        let now = model.state();
        for step in done.iter().rev() {
            match step.undo(&now) {
                Some(undo) => prop_assert_eq!(model.execute(&undo), Ok(()), "{}", undo),
                None => not_restored(step, &mut expected),
            }
        }
        expected.endpoints.iter_mut().for_each(|row| row.flags = kept(&model, row.flags));
        prop_assert_eq!(model.state(), expected);
    }
}

/// The situations of these laws are not all of one kind.
#[test]
fn situations_are_of_all_kinds() {
    let mut met = BTreeMap::<String, usize>::new();
    let mut runner = TestRunner::new(repeatable(1));
    for _ in 0..2000 {
        let situation = situation().new_tree(&mut runner).expect("a situation").current();
        let current = situation.current();
        let size = situation.model.version().capabilities.endpoints_max;
        let mut meet = |kind: &str| *met.entry(kind.to_owned()).or_default() += 1;
        let any = |condition: fn(&Endpoint) -> bool| situation.model.dump().iter().any(condition);
        let kinds = [
            ("full", current.endpoints.len() == size),
            ("implicit", any(Endpoint::is_implicit)),
            ("ported", any(|row| row.identity.port.is_some())),
            ("wildcard", any(|row| row.identity.address.is_unspecified())),
            ("mapped", any(|row| row.identity.address.is_ipv6())),
            ("gone", any(|row| row.dev.as_ref().is_some_and(|dev| dev.name.is_none()))),
        ];
        kinds.iter().filter(|(_, is)| *is).for_each(|(kind, _)| meet(kind));
        for step in planned(&situation).map(|(_, steps)| steps).unwrap_or_default() {
            match step {
                Step::SetSysctl { .. } => meet("sysctl"),
                Step::SetLimits { .. } => meet("limits"),
                Step::SetFlags { .. } => meet("in place"),
                Step::DelAddr { why, .. } => meet(&format!("removed: {}", why.words())),
                Step::AddAddr { why, .. } => meet(&format!("added: {}", why.words())),
                other => panic!("{other}"),
            }
        }
    }
    // Nine kinds of rows and settings, eight reasons of additions, seven of removals.
    assert_eq!(met.len(), 9 + 8 + 7, "{met:#?}");
}
