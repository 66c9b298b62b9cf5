//! Several files to one: later files win. Mappings merge key by key, scalars and lists are replaced whole, and
//! `NAME: null` withdraws an earlier declaration.

use std::collections::BTreeMap;

use crate::model::diagnostic::Location;
use crate::model::{Sysctl, SysctlValue};

use super::document::{Document, EndpointDocument, LimitValue, Located, Name};

/// The limits that a configuration manages; what is absent is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ManagedLimits {
    /// Additional subflows of a connection.
    pub subflows: Option<Located<LimitValue>>,
    /// Announced addresses that are accepted from a peer.
    pub add_addr_accepted: Option<Located<LimitValue>>,
}

/// What all files say together, before anything is checked across keys.
#[derive(Debug, Default)]
pub struct Merged {
    /// `prune`
    pub prune: Option<Located<bool>>,
    /// `limits`
    pub limits: ManagedLimits,
    /// `sysctls`, with the place of the key
    pub sysctls: BTreeMap<Sysctl, (Location, Located<SysctlValue>)>,
    /// `endpoints`, none when no file has the key
    pub endpoints: Option<Endpoints>,
    /// Whether a file could not be read, so that what is absent may stand there.
    pub incomplete: bool,
}

/// Declarations by name, in the order in which they were first declared.
#[derive(Debug, Default)]
pub struct Endpoints {
    slots: Vec<Option<(Located<Name>, EndpointDocument)>>,
    by_name: BTreeMap<Name, usize>,
}

impl Merged {
    /// Lays one more file over those before it.
    pub fn add(&mut self, document: Document) {
        let Document { prune, limits, sysctls, endpoints } = document;
        self.prune = prune.or(self.prune);
        self.limits.subflows = limits.subflows.or(self.limits.subflows);
        self.limits.add_addr_accepted = limits.add_addr_accepted.or(self.limits.add_addr_accepted);
        for (sysctl, key, value) in sysctls {
            self.sysctls.insert(sysctl, (key, value));
        }
        if let Some(declarations) = endpoints {
            let merged = self.endpoints.get_or_insert_default();
            for (name, body) in declarations {
                merged.add(name, body);
            }
        }
    }
}

impl Endpoints {
    fn add(&mut self, name: Located<Name>, body: Option<EndpointDocument>) {
        let Some(body) = body else {
            if let Some(slot) = self.by_name.remove(&name.value) {
                self.slots[slot] = None;
            }
            return;
        };
        if let Some(&slot) = self.by_name.get(&name.value)
            && let Some((_, earlier)) = &mut self.slots[slot]
        {
            return earlier.overlay(body);
        }
        self.by_name.insert(name.value.clone(), self.slots.len());
        self.slots.push(Some((name, body)));
    }

    /// What is left, in order.
    pub fn into_declarations(self) -> impl Iterator<Item = (Located<Name>, EndpointDocument)> {
        self.slots.into_iter().flatten()
    }
}

impl EndpointDocument {
    fn overlay(&mut self, later: EndpointDocument) {
        let EndpointDocument { address, port, dev, family, id, flags, unsure } = later;
        self.address = address.or(self.address);
        self.port = port.or(self.port);
        self.dev = dev.or(self.dev.take());
        self.family = family.or(self.family);
        self.id = id.or(self.id);
        self.flags = flags.or(self.flags);
        self.unsure.extend(unsure);
    }
}
