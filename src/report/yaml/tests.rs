use super::*;
use crate::model::{AddressId, Flags, Identity, Limits as Numbers};

/// A selector's rows share its name, rows without one are called by their ids, or `new`; each keeps its own entry.
#[test]
fn no_row_hides_another() {
    let long = "n".repeat(NAME_MAX);
    let named = [(Some("lte"), 0), (Some("lte"), 0), (Some("lte-2"), 0), (Some("lte"), 7), (None, 9)];
    let same = [(Some("id-9"), 0), (None, 0), (None, 0), (Some(&*long), 0), (Some(&*long), 0)];
    let rows = || (1u8..).zip(named.into_iter().chain(same));
    let row = |(number, (_, id)): (u8, (Option<&str>, u8))| Endpoint {
        identity: Identity { address: [10, 0, 0, number].into(), port: None },
        id: AddressId::new(id),
        dev: None,
        flags: Flags::SUBFLOW,
    };
    let endpoints: Vec<Endpoint> = rows().map(row).collect();
    let named = endpoints.iter().zip(rows());
    let names = named.filter_map(|(row, (_, (name, _)))| Some((row.identity, name?.to_owned())));
    let names = DeclaredNames { endpoints: names.collect(), ..DeclaredNames::default() };
    let limits = Numbers { subflows: 2, add_addr_accepted: 0 };
    let text =
        state(&State { limits, sysctls: Default::default(), endpoints, uplinks: None }, &names).unwrap();
    let is_name = |line: &&str| !line.starts_with(' ') && line.ends_with(':');
    let entries = text.split_once("endpoints:\n").unwrap().1.lines().map(|line| &line[2..]);
    let names: Vec<&str> = entries.filter(is_name).map(|line| line.trim_end_matches(':')).collect();
    let shortened = format!("{}-2", &long[..NAME_MAX - 2]);
    let expected = ["lte", "lte-3", "lte-2", "lte-4", "id-9", "id-9-2", "new", "new-2", &long, &shortened];
    assert_eq!(names, expected);
}
