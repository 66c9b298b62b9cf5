//! Another program changes the table between what is read and what is written: the goal is reached all the same, and
//! no row is removed that is another one than the plan means.

use mptcp_apply::model::Reason;
use proptest::prelude::*;

use crate::laws::{is_listened_for, planned};
use crate::model::Moment;
use crate::model::situation::{Situation, event, situation};
use crate::support::repeatable;

use super::*;

type Meddling = fn(&mut Model);

/// What another writer, or the kernel itself, may do. What is refused does not happen.
const MEDDLING: [(&str, Meddling); 13] = [
    ("adds a row", |model| drop(model.add(row(8, 8, Flags::SIGNAL)))),
    ("takes an id that is needed", |model| drop(model.add(row(9, 4, Flags::SIGNAL)))),
    ("takes an address that is needed", |model| drop(model.add(row(4, 9, Flags::SIGNAL)))),
    ("adds what is needed", |model| drop(model.add(row(4, 4, Flags::SUBFLOW)))),
    ("fills the table", |model| (100..120).for_each(|n| drop(model.add(row(n, n, Flags::SIGNAL))))),
    ("removes what changes", |model| drop(model.delete(id(1)))),
    ("removes what is replaced", |model| drop(model.delete(id(2)))),
    ("removes what goes", |model| drop(model.delete(id(3)))),
    ("makes another row of an id", |model| {
        if model.delete(id(3)).is_ok() {
            drop(model.add(row(8, 3, Flags::SIGNAL)));
        }
    }),
    ("changes flags of what goes", |model| drop(model.set_flags_by_id(id(3), Flags::BACKUP))),
    ("changes flags of what is replaced", |model| drop(model.set_flags_by_id(id(2), Flags::BACKUP))),
    ("changes limits", |model| drop(model.set_limits(Some(7), Some(7)))),
    ("joins at an address without an endpoint", |model| model.make_implicit([10, 0, 0, 9].into())),
];

fn id(id: u8) -> AddressId {
    AddressId::new(id).expect("not zero")
}

/// The removals that were carried out meant the rows that they hit.
#[track_caller]
fn assert_no_wrong_row_removed(kernel: &Faulty<Model>) {
    for (step, before) in &kernel.carried_out {
        if let Step::DelAddr { endpoint, .. } = step {
            let hit = before.endpoints.iter().find(|row| row.id == endpoint.id).expect("a row");
            assert!(hit == endpoint, "{hit} is not {endpoint}");
        }
    }
}

#[test]
fn another_writer_makes_a_new_plan() {
    for version in Version::ALL {
        for (what, meddle) in MEDDLING {
            for call in 0..STEPS {
                let mut kernel = host(version).meddle(Moment::BeforeWrite(call), meddle);
                let outcome = reach_after(&mut kernel);
                let context = format!("{what} before call {call} on {version:?}: {:#?}", outcome.verdict);
                assert!(matches!(outcome.verdict, Verdict::Applied), "{context}");
                let now = kernel.kernel.state();
                assert!(now.agrees_with(&after()), "{context}\n{now:#?}");
                assert_no_wrong_row_removed(&kernel);
            }
        }
    }
}

/// Between the last step and the look at what came of it.
#[test]
fn a_change_after_the_last_step_is_found() {
    for (what, meddle) in MEDDLING {
        let mut kernel = host(Version::V6_18).meddle(Moment::BeforeRead(0), meddle);
        let outcome = reach_after(&mut kernel);
        assert!(matches!(outcome.verdict, Verdict::Applied), "{what}: {:#?}", outcome.verdict);
        assert!(kernel.kernel.state().agrees_with(&after()), "{what}");
        assert_no_wrong_row_removed(&kernel);
    }
}

#[test]
fn a_writer_that_never_stops_is_given_up_on() {
    let mut kernel = host(Version::V6_18);
    for call in 0u8..100 {
        let foreign = row(100 + call, 100 + call, Flags::SIGNAL);
        kernel = kernel.meddle(Moment::BeforeWrite(call.into()), move |model| drop(model.add(foreign)));
    }
    let outcome = reach_after(&mut kernel);
    assert_eq!(outcome.failure.map(|failure| failure.kind), Some(FailureKind::Unstable));
    assert!(kernel.calls < 100, "it went on for {} calls", kernel.calls);
    assert_no_wrong_row_removed(&kernel);
}

/// A row that takes an id or an address, and is gone again when the table is read.
#[test]
fn what_comes_and_goes_is_no_reason_to_fail() {
    for version in Version::ALL {
        for (id, last) in [(4, 9), (9, 4)] {
            for (call, gone) in (0..STEPS).flat_map(|call| [(call, 0), (call, 1)]) {
                let mut kernel = host(version)
                    .meddle(Moment::BeforeWrite(call), move |model| {
                        drop(model.add(row(last, id, Flags::SIGNAL)))
                    })
                    .meddle(Moment::BeforeRead(gone), move |model| drop(model.delete(self::id(id))));
                let outcome = reach_after(&mut kernel);
                let context = format!("{id} before {call} on {version:?}: {outcome:#?}");
                assert!(matches!(outcome.verdict, Verdict::Applied), "{context}");
                assert!(kernel.kernel.state().agrees_with(&after()), "{context}");
            }
        }
    }
}

/// What came of a situation in which another program acted.
fn judge(situation: &Situation, kernel: &Faulty<Model>, outcome: &Report) -> Result<(), TestCaseError> {
    let now = kernel.kernel.state();
    prop_assert_eq!(&outcome.after, &now);
    let Some(failure) = &outcome.failure else {
        prop_assert!(matches!(outcome.verdict, Verdict::Applied | Verdict::Unchanged));
        let desired = situation.desired(&now).map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        let again = plan(&now, &desired, situation.model.version().capabilities);
        prop_assert_eq!(again, Ok(Vec::new()), "reached, they said");
        return Ok(());
    };
    if is_flags_dropped(failure) {
        let step = failure.step.and_then(|index| outcome.steps.get(index)).expect("a step");
        let sent = match &step.step {
            Step::SetFlags { to, .. } => *to,
            step => step.endpoint().expect("an endpoint").flags,
        };
        prop_assert!(!situation.model.version().known.contains(sent));
    } else if let Some(errno) = failure.errno {
        let taken = errno == Errno::EADDRINUSE && {
            let desired = situation.desired(&now).expect("a goal");
            desired.endpoints.iter().any(|row| is_listened_for(row, &desired))
        };
        prop_assert!(taken, "{:?}", failure);
    } else {
        // The other one's endpoint is not to be removed, and is in the way.
        prop_assert!(
            matches!(failure.kind, FailureKind::Conflict | FailureKind::Unsupported),
            "{:?}",
            failure
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(repeatable(600))]

    /// Whatever happens at whatever moment, the goal is reached, or there is a reason why it cannot be. With
    /// `prune: false` what the other one made is there at the end.
    #[test]
    fn whatever_happens_meanwhile(
        situation in situation(),
        events in prop::collection::vec((0usize..8, event()), 1..4),
    ) {
        let Some((_, steps)) = planned(&situation) else { return Ok(()) };
        let mut kernel = Faulty::new(situation.model.clone());
        for (call, event) in events {
            let moment = if call < steps.len() { Moment::BeforeWrite(call) } else { Moment::BeforeRead(0) };
            kernel = kernel.meddle(moment, move |model| event.happen(model));
        }
        let outcome = carry_out(&mut kernel, |now| situation.desired(now));
        let outcome = outcome.map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        judge(&situation, &kernel, &outcome)?;
        assert_no_wrong_row_removed(&kernel);
        for (step, _) in &kernel.carried_out {
            if let Step::DelAddr { endpoint, why: Reason::NotDeclared } = step {
                let own = situation.owned.contains(&endpoint.identity);
                prop_assert!(situation.config.prune || own, "{}", step);
            }
        }
    }

    /// Nobody's row is lost when another writer only adds some and the files leave those alone.
    #[test]
    fn what_another_writer_adds_is_left_alone(situation in situation(), call in 0usize..4, last in 200u8..210) {
        let Some((_, steps)) = planned(&situation) else { return Ok(()) };
        if situation.config.prune || call >= steps.len() {
            return Ok(());
        }
        let foreign = Endpoint { id: None, ..row(last, 1, Flags::SIGNAL) };
        let mut kernel = Faulty::new(situation.model.clone());
        let added = std::rc::Rc::new(std::cell::Cell::new(None));
        let seen = added.clone();
        let theirs = foreign.clone();
        kernel = kernel.meddle(Moment::BeforeWrite(call), move |model| {
            seen.set(model.add(theirs.clone()).ok().and_then(|()| model.state().endpoint(theirs.identity)?.id));
        });
        let outcome = carry_out(&mut kernel, |now| situation.desired(now));
        let outcome = outcome.map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        judge(&situation, &kernel, &outcome)?;
        let there = kernel.kernel.state().endpoint(foreign.identity).and_then(|row| row.id);
        prop_assert_eq!(there, added.get());
    }
}
