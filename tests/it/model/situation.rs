//! Random situations: a namespace whose table the kernel's own operations made, and a configuration for it.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::rc::Rc;

use mptcp_apply::config::Config;
use mptcp_apply::desired::ResolveError;
use mptcp_apply::model::{AddressId, Device, Endpoint, Flags, Identity, State};
use proptest::prelude::*;

use crate::world::{parse, resolve};

use super::{Model, Version};

/// An interface that is gone, and those of [`crate::world`] that are there.
const INDEXES: [u32; 3] = [99, 2, 3];

/// So few that most declarations meet a row.
const ADDRESSES: u8 = 7;

/// A namespace, and what is wanted of it.
#[derive(Clone)]
pub struct Situation {
    /// The namespace.
    pub model: Model,
    /// The configuration.
    pub config: Rc<Config>,
    /// Its text, for messages.
    pub text: String,
    /// What the program made earlier.
    pub owned: BTreeSet<Identity>,
}

impl fmt::Debug for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version { release, capabilities, .. } = self.model.version();
        writeln!(f, "\nLinux {release:?}, {capabilities:?}, made earlier: {:?}", self.owned)?;
        self.model.dump().iter().try_for_each(|row| writeln!(f, "{row}"))?;
        write!(f, "to\n{}", self.text)
    }
}

impl Situation {
    /// The state of the namespace.
    pub fn current(&self) -> State {
        self.model.state()
    }

    /// What the configuration means in this state.
    pub fn desired(&self, now: &State) -> Result<State, ResolveError> {
        resolve(&self.config, now, self.model.version().capabilities, &self.owned)
    }
}

/// What happens to a table before the program comes, or while it is there.
#[derive(Clone, Debug)]
pub enum Event {
    /// By another program.
    Added(Endpoint),
    /// By a connection; perhaps the user made its subflows a backup.
    MadeImplicit(u8, Flags),
    /// The row with this id, if there is one.
    Removed(u8),
}

impl Event {
    /// What the kernel refuses does not happen.
    pub fn happen(self, model: &mut Model) {
        let _ = match self {
            Event::Added(row) => model.add(row),
            Event::Removed(id) => model.delete(AddressId::new(id).expect("not zero")),
            Event::MadeImplicit(last, flags) => {
                model.make_implicit(address(last));
                let identity = Identity { address: address(last), port: None };
                match model.state().endpoint(identity) {
                    Some(row) if row.is_implicit() => model.set_flags_by_address(identity.address, flags),
                    _ => Ok(()),
                }
            }
        };
    }
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn row(flags: &'static [u32]) -> impl Strategy<Value = Endpoint> {
    let ids = prop_oneof![9 => 1u8..12, 1 => 250u8..];
    let indexes = prop::option::weighted(0.3, prop::sample::select(&INDEXES[..]));
    let port = prop::option::weighted(0.15, 8080u16..8082);
    (0..ADDRESSES, port, prop::option::weighted(0.4, ids), indexes, prop::sample::select(flags)).prop_map(
        |(last, port, id, index, flags)| Endpoint {
            identity: Identity { address: address(last), port: port.and_then(NonZeroU16::new) },
            id: id.and_then(AddressId::new),
            dev: index.and_then(NonZeroU32::new).map(|index| Device { index, name: None }),
            flags: Flags::from_bits(match port {
                Some(_) => 1 | flags & 4,
                None => flags,
            }),
        },
    )
}

/// Anything that can happen.
pub fn event() -> impl Strategy<Value = Event> {
    let any_flags = &[1u32, 2, 2, 6, 10, 34, 3, 7, 0, 4][..];
    let form = prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(2)];
    let added = (row(any_flags), form).prop_map(|(mut row, form)| {
        match (form, row.identity.port) {
            (1, _) => row.identity.address = mapped(row.identity.address),
            (2, Some(_)) => row.identity.address = IpAddr::from([0, 0, 0, 0]),
            _ => {}
        }
        Event::Added(row)
    });
    let implicit = (0..ADDRESSES, prop::sample::select(vec![Flags::default(), Flags::BACKUP]));
    prop_oneof![
        10 => added,
        3 => implicit.prop_map(|(last, flags)| Event::MadeImplicit(last, flags)),
        1 => (1u8..12).prop_map(Event::Removed),
    ]
}

fn namespace(version: Version, events: Vec<Event>) -> Model {
    let mut model = Model::new(version);
    (0..ADDRESSES).for_each(|last| model.assign(address(last)));
    INDEXES[1..].iter().for_each(|index| model.link(*index, &format!("eth{}", index - 2)));
    events.into_iter().for_each(|event| event.happen(&mut model));
    model
}

/// One of the kernels, most often with a smaller table, so that it is full.
fn version() -> impl Strategy<Value = Version> {
    let size = prop_oneof![2 => 1usize..6, 1 => Just(8)];
    (prop::sample::select(&Version::ALL[..]), prop::option::weighted(0.7, size))
        .prop_map(|(version, size)| size.map_or(version, |size| version.with_table_of(size)))
}

/// The text of a configuration of exact addresses; at most `most` endpoints, if any are managed.
fn configuration(most: usize) -> impl Strategy<Value = String> {
    let declarable = &[1u32, 2, 2, 6, 10, 34, 5, 3][..];
    let limits = prop::option::weighted(0.3, (0u32..9, 0u32..9));
    let sysctl = prop::option::weighted(0.2, 0u64..9);
    let rows = prop::collection::vec((row(declarable), 0..10u8), 0..=most);
    (prop::bool::weighted(0.8), limits, sysctl, rows).prop_map(|(prune, limits, sysctl, rows)| {
        let mut text = format!("version: 1\nprune: {prune}\n");
        if let Some((subflows, accepted)) = limits {
            text += &format!("limits: {{subflows: {subflows}, add-addr-accepted: {accepted}}}\n");
        }
        if let Some(value) = sysctl {
            text += &format!("sysctls: {{stale_loss_cnt: {value}}}\n");
        }
        text += if rows.is_empty() { "endpoints: {}\n" } else { "endpoints:\n" };
        let (mut identities, mut ids) = (HashSet::new(), HashSet::new());
        for (row, form) in rows {
            if identities.insert(row.identity) && (row.id.is_none() || ids.insert(row.id)) {
                text += &declaration(&row, identities.len(), form == 0);
            }
        }
        text
    })
}

fn declaration(row: &Endpoint, number: usize, as_mapped: bool) -> String {
    let Endpoint { identity: Identity { address, port }, id, dev, flags } = row;
    let address = if as_mapped { mapped(*address) } else { *address };
    let port = port.map(|port| format!(", port: {port}")).unwrap_or_default();
    let id = id.map(|id| format!(", id: {id}")).unwrap_or_default();
    // The one that is gone is declared by no name.
    let dev = dev.as_ref().filter(|dev| dev.index.get() < 10);
    let dev = dev.map(|dev| format!(", dev: eth{}", dev.index.get() - 2)).unwrap_or_default();
    let flags = flags.words().join(", ");
    format!("  e{number}: {{address: \"{address}\"{port}{id}{dev}, flags: [{flags}]}}\n")
}

/// Anything that can be met.
pub fn situation() -> impl Strategy<Value = Situation> {
    version().prop_flat_map(|version| {
        let events = prop::collection::vec(event(), 0..16);
        let most = version.capabilities.endpoints_max.min(9);
        let owned = prop::collection::btree_set((0..ADDRESSES).prop_map(address), 0..5);
        (Just(version), events, configuration(most), owned).prop_map(|(version, events, text, owned)| {
            let owned = owned.into_iter().map(|address| Identity { address, port: None }).collect();
            Situation { model: namespace(version, events), config: Rc::new(parse(&text)), text, owned }
        })
    })
}
