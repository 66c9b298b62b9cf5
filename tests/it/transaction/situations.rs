//! Transactions in random situations.

use mptcp_apply::model::{State, Step};
use mptcp_apply::reconcile::Verdict;
use proptest::prelude::*;

use crate::laws::{kept, not_restored, planned};
use crate::model::Faulty;
use crate::model::situation::{Situation, situation};
use crate::support::repeatable;

use super::{ERRNOS, carry_out, failed, is_flags_dropped, steps as reported, tries};

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
            Verdict::Applied => prop_assert_eq!(reported(&outcome), steps),
            _ => {
                let failure = outcome.failure.expect("a failure");
                prop_assert!(is_flags_dropped(&failure), "{:?}", failure);
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
        let kernel = Faulty::new(situation.model.clone());
        // Where a flag was dropped before, that is the failure, and the next call is an undo.
        let is_kept = |flags| kept(&situation.model, flags) == flags;
        let is_whole = steps[..call].iter().all(|step| match step {
            Step::AddAddr { endpoint, .. } => is_kept(endpoint.flags),
            Step::SetFlags { to, .. } => is_kept(*to),
            _ => true,
        });
        let tries = if is_whole { tries(&steps[call], errno) } else { 1 };
        let mut kernel = (0..tries).fold(kernel, |kernel, n| kernel.refuse(call + n, errno));
        let outcome = carry_out(&mut kernel, |now| situation.desired(now));
        let outcome = outcome.map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        let expected = restored(&situation, &steps[..call]);
        prop_assert_eq!(kernel.kernel.state(), expected.clone());
        prop_assert_eq!(&outcome.after, &expected);
        let as_before = expected == situation.current();
        let expected = if as_before { Verdict::RolledBack } else { Verdict::RollbackIncomplete };
        prop_assert_eq!(outcome.verdict, expected);
        let failed = failed(outcome, steps.len());
        prop_assert_eq!((failed.carried_out, failed.not_undone), (call, vec![]), "nothing was refused");
    }
}

/// What is there once some steps have been taken back.
fn restored(situation: &Situation, done: &[Step]) -> State {
    let mut state = situation.current();
    done.iter().for_each(|step| not_restored(step, &mut state));
    state.endpoints.iter_mut().for_each(|row| row.flags = kept(&situation.model, row.flags));
    state
}
