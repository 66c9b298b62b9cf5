//! Plans without a kernel: cases as files, and laws that hold for all.
//!
//! A case is a folder of `tests/cases/plan`: `current.yaml` is what the kernel has, written as a configuration,
//! `desired.yaml` the configuration, `plan.txt` the expected text. Comments in `current.yaml` say what a configuration
//! cannot: `# implicit: ADDRESS ID`, `# owned: ADDRESS`, `# gone: ADDRESS` (its interface was deleted).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;

use mptcp_apply::config;
use mptcp_apply::desired::{self, Unreachable};
use mptcp_apply::diagnostic::Diagnostics;
use mptcp_apply::model::{
    AddressId, Capabilities, Device, Endpoint, Flags, Identity, Limits, State, Sysctl, SysctlValue,
};
use mptcp_apply::plan::{Reason, Step, plan};
use mptcp_apply::report::Style;
use mptcp_apply::report::text::{self, Tense};
use proptest::prelude::*;

use crate::host::Host;
use crate::support::project;

fn initial() -> State {
    let sysctls = BTreeMap::from([
        (Sysctl::ENABLED, SysctlValue::Number(1)),
        (Sysctl::SCHEDULER, SysctlValue::Word("default".into())),
    ]);
    State { limits: Limits { subflows: 2, add_addr_accepted: 0 }, sysctls, endpoints: Vec::new() }
}

fn resolve(text: &str, current: &State, owned: &BTreeSet<Identity>) -> Result<State, Unreachable> {
    let mut diagnostics = Diagnostics::default();
    let config = config::parse([text], &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{:?}", diagnostics.iter().next());
    desired::resolve(&config, current, Capabilities::SMALL, owned, &mut Host::new())
        .map(|desired| desired.state)
}

fn plain(address: &str) -> Identity {
    Identity { address: address.parse().expect("an address"), port: None }
}

/// The state that `current.yaml` stands for, and the endpoints that the program made.
fn current(text: &str) -> (State, BTreeSet<Identity>) {
    let mut state = resolve(text, &initial(), &BTreeSet::new()).expect("a state");
    let mut owned = BTreeSet::new();
    for comment in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        match comment.split_whitespace().collect::<Vec<_>>()[..] {
            ["implicit:", address, id] => state.endpoints.push(Endpoint {
                name: None,
                identity: plain(address),
                id: AddressId::new(id.parse().expect("an id")),
                dev: None,
                flags: Flags::IMPLICIT,
            }),
            ["owned:", address] => {
                owned.insert(plain(address));
            }
            ["gone:", address] => {
                for row in state.endpoints.iter_mut().filter(|row| row.identity == plain(address)) {
                    row.dev = Some(Device { index: NonZeroU32::new(99).expect("not zero"), name: None });
                }
            }
            _ => {}
        }
    }
    state.endpoints.iter_mut().for_each(|row| row.name = None);
    state.endpoints.sort_by_key(|row| row.id);
    (state, owned)
}

fn judge(folder: &Path) -> String {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{folder:?}: {error}"))
    };
    let (current, owned) = current(&read("current.yaml"));
    let desired = match resolve(&read("desired.yaml"), &current, &owned) {
        Ok(desired) => desired,
        Err(Unreachable::Unsupported(found) | Unreachable::Conflict(found)) => {
            return found.iter().map(|finding| format!("error: {}\n", finding.message)).collect();
        }
        Err(Unreachable::Kernel(error)) => panic!("{error}"),
    };
    match plan(&current, &desired, Capabilities::SMALL) {
        Ok(steps) => {
            replay(&current, &desired, &steps, Capabilities::SMALL);
            text::plan(&steps, Tense::Planned, Style::Plain)
        }
        Err(impossible) => format!("error: {impossible}\n"),
    }
}

#[test]
fn cases() {
    let root = project().join("tests/cases/plan");
    let mut folders: Vec<_> =
        fs::read_dir(root).expect("cases").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    assert!(folders.len() >= 20, "only {} cases found", folders.len());
    for folder in folders {
        snapbox::assert_data_eq!(
            judge(&folder),
            snapbox::Data::read_from(&folder.join("plan.txt"), None).raw()
        );
    }
}

/// Carries a plan out on a model that is as strict as the kernel; panics where the kernel would refuse.
fn replay(current: &State, desired: &State, steps: &[Step], capabilities: Capabilities) {
    let mut table = current.clone();
    for (number, step) in steps.iter().enumerate() {
        let context = || format!("step {number} of {steps:#?} from {current:#?}");
        match step {
            Step::AddAddr { endpoint, why } => {
                assert!(table.endpoints.len() < capabilities.endpoints_max, "full: {}", context());
                let there = table.endpoint(endpoint.identity);
                if *why == Reason::Adopted {
                    assert!(there.is_some_and(Endpoint::is_implicit), "not implicit: {}", context());
                    assert_eq!(there.and_then(|row| row.id), endpoint.id, "{}", context());
                } else {
                    assert!(there.is_none(), "twice: {}", context());
                    let taken = table.endpoints.iter().any(|row| row.id.is_some() && row.id == endpoint.id);
                    assert!(!taken, "id taken: {}", context());
                }
            }
            Step::DelAddr { endpoint, .. } => {
                let row =
                    table.endpoint(endpoint.identity).unwrap_or_else(|| panic!("not there: {}", context()));
                assert_eq!(row.id, endpoint.id, "{}", context());
            }
            Step::SetFlags { endpoint, to, .. } => {
                let row =
                    table.endpoint(endpoint.identity).unwrap_or_else(|| panic!("not there: {}", context()));
                assert_eq!(
                    row.flags.without(Flags::CHANGEABLE),
                    to.without(Flags::CHANGEABLE),
                    "{}",
                    context()
                );
            }
            Step::SetSysctl { .. } | Step::SetLimits { .. } => {
                assert_eq!(table.endpoints, current.endpoints, "late")
            }
        }
        step.replay(&mut table);
    }
    assert!(table.agrees_with(desired), "{table:#?}\nis not\n{desired:#?}");
    // Once the kernel has not yet chosen an id, no fixed one may follow that it could have chosen.
    let mut ids = steps.iter().filter_map(|step| match step {
        Step::AddAddr { endpoint, .. } => Some(endpoint.id),
        _ => None,
    });
    ids.find(Option::is_none);
    assert!(ids.all(|id| id.is_none()), "a fixed id after one that the kernel chooses");
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let flags = prop::sample::select(vec![1u32, 2, 2 | 4, 2 | 8, 2 | 32, 16]);
    (0u8..12, prop::option::of(1u8..12), prop::option::of(2u32..4), flags).prop_map(
        |(address, id, dev, flags)| Endpoint {
            name: None,
            identity: Identity { address: IpAddr::from([10, 0, 0, address]), port: None },
            id: id.and_then(AddressId::new),
            dev: dev
                .and_then(NonZeroU32::new)
                .map(|index| Device { index, name: Some(format!("eth{index}")) }),
            flags: Flags::from_bits(flags),
        },
    )
}

/// A table that a kernel can have: unique identities and ids, every row with an id.
fn kernel_table() -> impl Strategy<Value = Vec<Endpoint>> {
    prop::collection::vec(endpoint(), 0..9).prop_map(|rows| {
        let (mut identities, mut ids) = (HashSet::new(), HashSet::new());
        let mut rows: Vec<Endpoint> = rows
            .into_iter()
            .filter(|row| identities.insert(row.identity) && row.id.is_some() && ids.insert(row.id))
            .collect();
        rows.iter_mut().filter(|row| row.is_implicit()).for_each(|row| row.dev = None);
        rows
    })
}

/// A configuration of exact addresses.
fn configuration() -> impl Strategy<Value = (bool, String)> {
    (any::<bool>(), prop::collection::vec(endpoint(), 0..9)).prop_map(|(prune, rows)| {
        let (mut identities, mut ids) = (HashSet::new(), HashSet::new());
        let mut text = format!("version: 1\nprune: {prune}\nendpoints:\n  none: null\n");
        for row in rows.iter().filter(|row| !row.is_implicit()) {
            if identities.insert(row.identity) && (row.id.is_none() || ids.insert(row.id)) {
                let id = row.id.map(|id| format!(", id: {id}")).unwrap_or_default();
                let dev = row
                    .dev
                    .as_ref()
                    .map(|dev| format!(", dev: eth{}", dev.index.get() - 2))
                    .unwrap_or_default();
                let flags = row.flags.words().join(", ");
                let address = row.identity.address;
                text +=
                    &format!("  e{}: {{address: {address}{id}{dev}, flags: [{flags}]}}\n", identities.len());
            }
        }
        (prune, text)
    })
}

fn state(endpoints: Vec<Endpoint>) -> State {
    State { endpoints, ..initial() }
}

proptest! {
    #![proptest_config(crate::support::repeatable(2000))]

    /// At no step is the table over capacity or an id or identity taken twice, and the goal is reached.
    #[test]
    fn the_kernel_would_accept_every_step(table in kernel_table(), (_, config) in configuration()) {
        let current = state(table);
        if let Ok(desired) = resolve(&config, &current, &BTreeSet::new()) {
            match plan(&current, &desired, Capabilities::SMALL) {
                Ok(steps) => {
                    replay(&current, &desired, &steps, Capabilities::SMALL);
                    prop_assert_eq!(plan(&current, &desired, Capabilities::SMALL), Ok(steps));
                }
                Err(_) => prop_assert!(desired.endpoints.len() > Capabilities::SMALL.endpoints_max),
            }
        }
    }

    /// What is reached needs nothing more.
    #[test]
    fn a_reached_goal_has_no_plan(table in kernel_table(), (_, config) in configuration()) {
        let current = state(table);
        prop_assert_eq!(plan(&current, &current, Capabilities::SMALL), Ok(Vec::new()));
        let Ok(desired) = resolve(&config, &current, &BTreeSet::new()) else { return Ok(()) };
        let Ok(steps) = plan(&current, &desired, Capabilities::SMALL) else { return Ok(()) };
        let mut reached = current.clone();
        steps.iter().for_each(|step| step.replay(&mut reached));
        let mut free = (1..=255).filter_map(AddressId::new).filter({
            let taken: HashSet<_> = reached.endpoints.iter().filter_map(|row| row.id).collect();
            move |id| !taken.contains(id)
        });
        reached.endpoints.iter_mut().filter(|row| row.id.is_none()).for_each(|row| row.id = free.next());
        let again = resolve(&config, &reached, &BTreeSet::new());
        let Ok(again) = again else { return Err(TestCaseError::fail("unreachable once reached")) };
        prop_assert_eq!(plan(&reached, &again, Capabilities::SMALL), Ok(Vec::new()));
    }

    /// The undo steps, last first, lead back, but for what only the kernel can make.
    #[test]
    fn every_prefix_can_be_undone(table in kernel_table(), (_, config) in configuration(), cut in 0usize..20) {
        let current = state(table);
        let Ok(desired) = resolve(&config, &current, &BTreeSet::new()) else { return Ok(()) };
        let Ok(steps) = plan(&current, &desired, Capabilities::SMALL) else { return Ok(()) };
        let done = &steps[..cut.min(steps.len())];
        let mut reached = current.clone();
        done.iter().for_each(|step| step.replay(&mut reached));
        let now = reached.clone();
        for step in done.iter().rev() {
            if let Some(undo) = step.undo(&now) {
                undo.replay(&mut reached);
            }
        }
        let adopted = done.iter().any(|step| matches!(step, Step::AddAddr { why: Reason::Adopted, .. }));
        prop_assert!(adopted || reached.agrees_with(&current), "{:#?}\n->\n{:#?}", current, reached);
    }
}
