use std::time::Duration;

use proptest::prelude::*;

use super::{HealthChange, Outage, Streaks};
use crate::model::{CheckOutcome, UplinkHealth};

fn outcome(kind: u8) -> CheckOutcome {
    match kind {
        0 => CheckOutcome::Failed("lost".to_owned()),
        1 => CheckOutcome::NotRun("no".to_owned()),
        _ => CheckOutcome::Passed,
    }
}

/// The health after these results, a second apart.
fn after(kinds: &[u8], limits: (u32, u32)) -> (Streaks, Vec<HealthChange>) {
    let mut streaks = Streaks::new(Duration::ZERO);
    let take =
        |(at, kind): (usize, &u8)| streaks.take(outcome(*kind), limits, Duration::from_secs(at as u64 + 1));
    let changes = kinds.iter().enumerate().map(take).collect();
    (streaks, changes)
}

#[test]
fn an_uplink_falls_and_rises_by_results_in_a_row() {
    let (streaks, changes) = after(&[2, 2, 0, 0, 0, 2, 2], (3, 2));
    let outage = Outage { from: Duration::from_secs(3), to: Duration::from_secs(6) };
    let none = HealthChange::None;
    let expected = vec![
        none.clone(),
        HealthChange::Settled,
        none.clone(),
        none.clone(),
        HealthChange::Fell,
        none,
        HealthChange::Rose(outage),
    ];
    assert_eq!(changes, expected);
    assert_eq!(streaks.health(), UplinkHealth::Up);
    assert_eq!((streaks.since(), streaks.last_error()), (Duration::from_secs(6), Some("lost")));
}

#[test]
fn a_check_that_cannot_be_made_counts_as_passed() {
    let (streaks, _) = after(&[1], (3, 6));
    assert_eq!(streaks.health(), UplinkHealth::NotRun("no".to_owned()));
    let (streaks, _) = after(&[0, 0, 0, 1], (3, 2));
    assert_eq!(streaks.health(), UplinkHealth::Down, "one result does not make it rise");
    let (streaks, _) = after(&[0, 0, 0, 1, 1], (3, 2));
    assert_eq!(streaks.health(), UplinkHealth::NotRun("no".to_owned()));
}

proptest! {
    /// It falls exactly with `fall` failures in a row, rises exactly with `rise` other results in a row, and changes at no
    /// other moment.
    #[test]
    fn only_runs_decide(kinds in prop::collection::vec(0u8..3, 0..60), fall in 1u32..5, rise in 1u32..5) {
        let mut streaks = Streaks::new(Duration::ZERO);
        let (mut failures, mut others, mut is_down) = (0, 0, false);
        for (at, kind) in kinds.iter().enumerate() {
            let change = streaks.take(outcome(*kind), (fall, rise), Duration::from_secs(at as u64));
            (failures, others) = if *kind == 0 { (failures + 1, 0) } else { (0, others + 1) };
            let was_down = is_down;
            is_down = if failures >= fall { true } else if others >= rise { false } else { is_down };
            prop_assert_eq!(streaks.health() == UplinkHealth::Down, is_down);
            prop_assert_eq!(change == HealthChange::Fell, is_down && !was_down);
            prop_assert_eq!(matches!(change, HealthChange::Rose(_)), was_down && !is_down);
        }
    }

    /// Runs that are too short change nothing: an uplink that flaps stays what it was.
    #[test]
    fn flapping_changes_nothing(lengths in prop::collection::vec(1usize..3, 1..40)) {
        let mut kinds = vec![2; 6];
        kinds.extend(lengths.chunks(2).flat_map(|pair| {
            [vec![0; pair[0]], vec![2; pair.get(1).copied().unwrap_or(1)]].concat()
        }));
        let (_, changes) = after(&kinds, (3, 6));
        prop_assert!(changes[6..].iter().all(|change| *change == HealthChange::None));
    }
}
