//! Transactions in random situations.

use mptcp_apply::model::{State, Step};
use mptcp_apply::reconcile::{Cause, Verdict};
use proptest::prelude::*;

use crate::laws::{kept, not_restored, planned};
use crate::model::Faulty;
use crate::model::situation::{Situation, situation};
use crate::support::repeatable;

use super::{ERRNOS, carry_out};

proptest! {
    #![proptest_config(repeatable(400))]

    /// Every situation's goal is reached in one go, unless the kernel does not know a flag; then all is as before.
    #[test]
    fn every_goal_is_reached(situation in situation()) {
        let Some((desired, steps)) = planned(&situation) else { return Ok(()) };
        let mut kernel = Faulty::new(situation.model.clone());
        let outcome = carry_out(&mut kernel, |now| situation.desired(now));
        let outcome = outcome.map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        let dropped = desired.endpoints.iter().any(|row| row.flags != kept(&situation.model, row.flags));
        match outcome.verdict {
            Verdict::Unchanged => prop_assert!(steps.is_empty()),
            Verdict::Applied => prop_assert_eq!(outcome.steps, steps),
            Verdict::RolledBack(failure) | Verdict::RollbackIncomplete(failure) => {
                prop_assert!(matches!(failure.cause, Cause::FlagsDropped(_)), "{:?}", failure.cause);
                prop_assert!(dropped);
                prop_assert_eq!(kernel.kernel.state(), restored(&situation, &steps));
            }
        }
    }

    /// Wherever a plan is stopped, it is taken back.
    #[test]
    fn every_situation_is_restored(
        situation in situation(),
        call in any::<prop::sample::Index>(),
        errno in prop::sample::select(&ERRNOS[..]),
    ) {
        let Some((_, steps)) = planned(&situation) else { return Ok(()) };
        if steps.is_empty() {
            return Ok(());
        }
        let call = call.index(steps.len());
        let mut kernel = Faulty::new(situation.model.clone()).refuse(call, errno);
        let outcome = carry_out(&mut kernel, |now| situation.desired(now));
        let outcome = outcome.map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        let expected = restored(&situation, &steps[..call]);
        prop_assert_eq!(kernel.kernel.state(), expected.clone());
        prop_assert_eq!(&outcome.after, &expected);
        let as_before = expected == situation.current();
        match outcome.verdict {
            Verdict::RolledBack(failure) if as_before => prop_assert_eq!(failure.carried_out, call),
            Verdict::RollbackIncomplete(failure) if !as_before => {
                prop_assert_eq!(failure.not_undone, vec![], "nothing was refused");
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// What is there once some steps have been taken back.
fn restored(situation: &Situation, done: &[Step]) -> State {
    let mut state = situation.current();
    done.iter().for_each(|step| not_restored(step, &mut state));
    state.endpoints.iter_mut().for_each(|row| row.flags = kept(&situation.model, row.flags));
    state
}
