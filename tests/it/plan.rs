//! Plans without a kernel: cases as files. The laws that hold for all plans are in `laws`.
//!
//! A case is a folder of `tests/cases/plan`: `current.yaml` is what the kernel has, written as a configuration,
//! `desired.yaml` the configuration, `plan.txt` the expected text. Comments in `current.yaml` say what a configuration
//! cannot: `# implicit: ADDRESS ID`, `# wildcard: PORT ID`, `# owned: ADDRESS`, `# gone: ADDRESS` (its interface was
//! deleted).

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use mptcp_apply::desired::{Desired, ResolveError};
use mptcp_apply::model::{AddressId, Capabilities, Device, Endpoint, Flags, Identity, State};
use mptcp_apply::plan::plan;
use mptcp_apply::reconcile::Verdict;
use mptcp_apply::report::{Style, text};

use crate::laws::carry_out;
use crate::model::{Model, Version};
use crate::support::project;
use crate::world::{desired, initial, parse, resolve};

const SMALL: Capabilities = Capabilities::SMALL;

fn plain(address: &str) -> Identity {
    Identity { address: address.parse().expect("an address"), port: None }
}

/// The state that `current.yaml` stands for, and the endpoints that the program made.
fn current(text: &str) -> (State, BTreeSet<Identity>) {
    let mut state = resolve(&parse(text), &initial(), SMALL, &BTreeSet::new()).expect("a state");
    let mut owned = BTreeSet::new();
    for comment in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        match comment.split_whitespace().collect::<Vec<_>>()[..] {
            ["implicit:", address, id] => state.endpoints.push(Endpoint {
                identity: plain(address),
                id: AddressId::new(id.parse().expect("an id")),
                dev: None,
                flags: Flags::IMPLICIT,
            }),
            ["wildcard:", port, id] => state.endpoints.push(Endpoint {
                identity: Identity { port: port.parse().ok(), ..plain("0.0.0.0") },
                id: AddressId::new(id.parse().expect("an id")),
                dev: None,
                flags: Flags::SIGNAL,
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
    state.endpoints.sort_by_key(|row| row.id);
    (state, owned)
}

fn judge(folder: &Path) -> String {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{folder:?}: {error}"))
    };
    let (current, owned) = current(&read("current.yaml"));
    let Desired { state: desired, names, .. } =
        match desired(&parse(&read("desired.yaml")), &current, SMALL, &owned) {
            Ok(desired) => desired,
            Err(
                ResolveError::Invalid(found)
                | ResolveError::Unsupported(found)
                | ResolveError::Conflict(found),
            ) => {
                return found.iter().map(|finding| format!("error: {}\n", finding.message)).collect();
            }
            Err(ResolveError::System(error)) => panic!("{error}"),
        };
    match plan(&current, &desired, SMALL) {
        Ok(steps) => {
            let mut model = Model::holding(Version::V6_18, &current);
            desired.endpoints.iter().for_each(|row| model.assign(row.identity.address));
            carry_out(&mut model, &steps, &desired);
            text::plan(steps.iter(), &names, Verdict::Planned, Style::Plain)
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
