//! No sequence of operations reaches a goal sooner than its plan: shown by trying them all, on tables so small that
//! every table which the kernel's operations can make is known.
//!
//! The goal includes that the kernel has the new endpoints in the declared order.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::OnceLock;

use mptcp_apply::model::{AddressId, Endpoint, Flags, Identity, Reason, State, Step};
use mptcp_apply::plan::plan;
use mptcp_apply::system::PathManager;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{Model, Version};
use crate::support::repeatable;
use crate::world::{parse, resolve};

const ADDRESSES: u8 = 3;
/// Those that are declared.
const IDS: u8 = 2;
/// One more is tried, or chosen by the kernel. A plan that needs a fourth has no competitor with three.
const IDS_MET: u8 = IDS + 1;
/// The first ones for tables of three.
const FLAGS: [Flags; 3] = [Flags::SUBFLOW, Flags::SUBFLOW.union(Flags::BACKUP), Flags::SIGNAL];

fn flags(rows: usize) -> &'static [Flags] {
    if rows < 3 { &FLAGS } else { &FLAGS[..2] }
}

/// All tables, and which become which by one operation.
struct Tables {
    models: Vec<Model>,
    next: Vec<Vec<usize>>,
}

/// What a table is to its future: the rows in their order, and where the search for an id begins.
type Key = (Vec<(IpAddr, Option<AddressId>, u32)>, u8);

fn key(model: &Model) -> Key {
    let rows = model.in_order().iter().map(|row| (row.identity.address, row.id, row.flags.bits()));
    (rows.collect(), model.next_id())
}

fn identity(last: u8) -> Identity {
    Identity { address: IpAddr::from([10, 0, 0, last]), port: None }
}

fn every_operation(model: &Model) -> Vec<Step> {
    let (mut steps, now) = (Vec::new(), model.state());
    for (last, id) in (0..ADDRESSES).flat_map(|last| (0..=IDS_MET).map(move |id| (last, id))) {
        for &flags in flags(model.version().capabilities.endpoints_max) {
            let (id, why) = (AddressId::new(id), Reason::Declared);
            let endpoint = Endpoint { identity: identity(last), id, dev: None, flags };
            steps.push(Step::AddAddr { endpoint, why });
        }
    }
    for row in &now.endpoints {
        let why = Reason::NotDeclared;
        steps.push(Step::DelAddr { endpoint: row.clone(), why });
        for to in [row.flags.without(Flags::CHANGEABLE), row.flags.union(Flags::BACKUP)] {
            steps.push(Step::SetFlags { endpoint: row.clone(), to, why });
        }
    }
    steps
}

impl Tables {
    /// From an empty table on: whatever operations and connections make of it.
    fn of_size(rows: usize) -> Tables {
        let empty = Model::new(Version::V6_18.with_table_of(rows));
        let mut known = HashMap::from([(key(&empty), 0)]);
        let mut tables = Tables { models: vec![empty], next: Vec::new() };
        while let Some(model) = tables.models.get(tables.next.len()).cloned() {
            let mut next = Vec::new();
            for step in every_operation(&model) {
                let mut after = model.clone();
                if after.execute(&step).is_ok() && after.next_id() <= IDS_MET {
                    next.push(tables.number(&mut known, after));
                }
            }
            for last in 0..ADDRESSES {
                let mut after = model.clone();
                after.make_implicit(identity(last).address);
                if after.next_id() <= IDS_MET {
                    tables.number(&mut known, after);
                }
            }
            tables.next.push(next);
        }
        tables
    }

    fn number(&mut self, known: &mut HashMap<Key, usize>, model: Model) -> usize {
        *known.entry(key(&model)).or_insert_with(|| {
            self.models.push(model);
            self.models.len() - 1
        })
    }

    /// The least number of operations from one table to any that will do.
    fn distance(&self, from: usize, goal: impl Fn(&Model) -> bool) -> Option<usize> {
        let mut seen = vec![false; self.models.len()];
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((number, distance)) = queue.pop_front() {
            if std::mem::replace(&mut seen[number], true) {
                continue;
            }
            if goal(&self.models[number]) {
                return Some(distance);
            }
            queue.extend(self.next[number].iter().map(|next| (*next, distance + 1)));
        }
        None
    }
}

/// The declared rows, in their order; ids are declared or not.
fn declared(most: usize) -> impl Strategy<Value = Vec<Endpoint>> {
    let row = (0..ADDRESSES, 0..=IDS, prop::sample::select(flags(most)));
    prop::collection::vec(row, 0..=most).prop_map(|rows| {
        let mut declared: Vec<Endpoint> = Vec::new();
        for (last, id, flags) in rows {
            let (identity, id) = (identity(last), AddressId::new(id));
            let twice = |row: &Endpoint| row.identity == identity || (id.is_some() && row.id == id);
            if !declared.iter().any(twice) {
                declared.push(Endpoint { identity, id, dev: None, flags });
            }
        }
        declared
    })
}

fn configuration(rows: &[Endpoint]) -> String {
    let row = |(number, row): (usize, &Endpoint)| {
        let id = row.id.map(|id| format!(", id: {id}")).unwrap_or_default();
        let flags = row.flags.words().join(", ");
        format!("  e{number}: {{address: {}{id}, flags: [{flags}]}}\n", row.identity)
    };
    let rows: String = rows.iter().enumerate().map(row).collect();
    let none = if rows.is_empty() { " {}" } else { "" };
    format!("version: 1\nendpoints:{none}\n{rows}")
}

/// What is declared is there, nothing else is but implicit endpoints, at least those of the plan's own goal, and
/// what the plan adds is in its order.
fn will_do(model: &Model, declared: &[Endpoint], desired: &State, added: &[Identity]) -> bool {
    let state = model.state();
    let there = |wanted: &Endpoint| {
        let fits = |row: &Endpoint| row.flags == wanted.flags && (wanted.id.is_none() || row.id == wanted.id);
        state.endpoint(wanted.identity).is_some_and(fits)
    };
    let others = state.endpoints.iter().filter(|row| !row.is_implicit()).count();
    let mut kept = desired.endpoints.iter().filter(|row| row.is_implicit());
    let place = |identity: &Identity| model.in_order().iter().position(|row| row.identity == *identity);
    others == declared.len()
        && declared.iter().all(there)
        && added.iter().map(place).is_sorted()
        && kept.all(|row| state.endpoint(row.identity) == Some(row))
}

fn addition(step: &Step) -> Option<Identity> {
    match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint.identity),
        _ => None,
    }
}

fn judge(tables: &Tables, current: Index, declared: &[Endpoint]) -> Result<(), TestCaseError> {
    let from = current.index(tables.models.len());
    let model = &tables.models[from];
    let (current, capabilities) = (model.state(), model.version().capabilities);
    let text = configuration(declared);
    let desired = resolve(&parse(&text), &current, capabilities, &Default::default());
    let desired = desired.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let steps =
        plan(&current, &desired, capabilities).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let added: Vec<Identity> = steps.iter().filter_map(addition).collect();
    let least = tables.distance(from, |model| will_do(model, declared, &desired, &added));
    let rows: Vec<String> = model.dump().iter().map(ToString::to_string).collect();
    let tried = |step: &Step| step.endpoint().and_then(|row| row.id).is_none_or(|id| id.get() <= IDS_MET);
    if steps.iter().all(tried) {
        prop_assert_eq!(least, Some(steps.len()), "{:#?}\n{}{:#?}", rows, text, steps);
    }
    Ok(())
}

fn tables(rows: usize) -> &'static Tables {
    static TABLES: [OnceLock<Tables>; 4] = [const { OnceLock::new() }; 4];
    TABLES[rows].get_or_init(|| Tables::of_size(rows))
}

proptest! {
    #![proptest_config(repeatable(2000))]

    #[test]
    fn no_sequence_is_shorter_than_the_plan_in_a_table_of_two(current: Index, declared in declared(2)) {
        judge(tables(2), current, &declared)?;
    }

    #[test]
    fn no_sequence_is_shorter_than_the_plan_in_a_table_of_three(current: Index, declared in declared(3)) {
        judge(tables(3), current, &declared)?;
    }
}

#[test]
fn there_are_many_tables() {
    assert!(tables(2).models.len() > 500, "{}", tables(2).models.len());
}
