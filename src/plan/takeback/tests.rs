use super::*;

fn state(subflows: u32, rows: &[(u8, u8, Flags)]) -> State {
    let row = |(last, id, flags): &(u8, u8, Flags)| Endpoint {
        identity: Identity { address: [10, 0, 0, *last].into(), port: None },
        id: AddressId::new(*id),
        dev: None,
        flags: *flags,
    };
    let limits = Limits { subflows, add_addr_accepted: 0 };
    State { limits, sysctls: Default::default(), endpoints: rows.iter().map(row).collect(), uplinks: None }
}

const REACHED: TrialStage = TrialStage::Reached { removed: BTreeSet::new() };
const S: Flags = Flags::SUBFLOW;
const B: Flags = Flags::SUBFLOW.union(Flags::BACKUP);

#[test]
fn without_others_everything_is_as_before() {
    let before = state(2, &[(1, 1, S), (2, 2, S), (3, 3, S)]);
    let tried = state(4, &[(1, 1, B), (3, 7, S), (4, 2, S)]);
    assert!(taken_back(&before, &tried, &tried, &REACHED).agrees_with(&before));
}

#[test]
fn what_others_did_stays() {
    let before = state(2, &[(1, 1, S), (2, 2, S)]);
    let tried = state(4, &[(1, 1, B), (4, 4, S)]);
    // Another program lowered the limit, changed a row of the trial, removed one that it added, and added one.
    let now = state(3, &[(1, 1, S.union(Flags::FULLMESH)), (9, 2, S)]);
    let target = taken_back(&before, &tried, &now, &REACHED);
    assert_eq!(target.limits.subflows, 3);
    let ids: Vec<(String, Option<u8>)> =
        target.endpoints.iter().map(|row| (row.to_string(), row.id.map(AddressId::get))).collect();
    let expected = [("10.0.0.1 id 1 subflow fullmesh", Some(1)), ("10.0.0.9 id 2 subflow", Some(2))];
    assert_eq!(ids[..2], expected.map(|(text, id)| (text.to_owned(), id)));
    // The row that the trial removed comes back with another id.
    assert_eq!(ids[2..], [("10.0.0.2 subflow".to_owned(), None)]);
}

#[test]
fn a_plan_that_was_cut_off_is_taken_back_from_anywhere() {
    let before = state(2, &[(1, 1, S), (2, 2, S)]);
    let goal = state(4, &[(1, 7, S), (4, 0, S)]);
    // Limits set, the first row removed and not added again, the second one still there.
    let now = state(4, &[(2, 2, S), (4, 3, S)]);
    assert!(taken_back(&before, &goal, &now, &TrialStage::Begun).agrees_with(&before));
    // The same table, but the plan had ended: another program removed the row.
    let later = taken_back(&before, &goal, &now, &REACHED);
    assert_eq!(later.endpoints.len(), 1);
}

/// A trial that was cut off while rows were `backup` so that others could join.
#[test]
fn rows_that_were_quiet_for_a_moment_get_their_flags_back() {
    let before = state(2, &[(1, 1, S), (2, 2, S), (3, 3, B)]);
    let goal = state(2, &[(1, 1, S), (2, 7, S), (3, 3, B)]);
    let now = state(2, &[(1, 1, B), (2, 7, B), (3, 3, B)]);
    assert!(taken_back(&before, &goal, &now, &TrialStage::Begun).agrees_with(&before));
}

/// A row that the undoing removed is restored; one that another program removed is not.
#[test]
fn a_second_plan_knows_what_the_first_one_removed() {
    let before = state(2, &[(1, 1, S), (2, 2, S)]);
    let tried = state(2, &[(1, 7, S), (2, 8, S)]);
    let now = state(2, &[]);
    let removed = |last: u8| Identity { address: [10, 0, 0, last].into(), port: None };
    let target = taken_back(&before, &tried, &now, &TrialStage::Reached { removed: [removed(1)].into() });
    assert!(target.agrees_with(&state(2, &[(1, 1, S)])), "{target:?}");
}

#[test]
fn an_implicit_endpoint_cannot_be_put_back() {
    let before = state(2, &[(1, 1, Flags::IMPLICIT)]);
    let tried = state(2, &[(1, 1, S)]);
    assert!(taken_back(&before, &tried, &tried, &REACHED).agrees_with(&tried));
}
