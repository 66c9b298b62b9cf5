//! Merges several files; later ones win. Mappings are merged key by key, scalars and lists are replaced, and
//! `NAME: null` withdraws an earlier declaration.

use std::collections::BTreeMap;

use crate::model::diagnostic::Location;
use crate::model::{Sysctl, SysctlValue};

use super::document::{Document, EndpointDocument, LimitValue, Located, Name};

/// The limits that a configuration manages. An absent limit keeps its current value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ManagedLimits {
    /// Additional subflows of a connection.
    pub subflows: Option<Located<LimitValue>>,
    /// Announced addresses that a connection accepts from its peer.
    pub add_addr_accepted: Option<Located<LimitValue>>,
}

/// The merged files, before the checks that span several keys.
#[derive(Debug, Default)]
pub struct Merged {
    /// `prune`
    pub prune: Option<Located<bool>>,
    /// `limits`
    pub limits: ManagedLimits,
    /// `sysctls`, each with the location of its key
    pub sysctls: BTreeMap<Sysctl, (Location, Located<SysctlValue>)>,
    /// `endpoints`; `None` if no file has the key
    pub endpoints: Option<Endpoints>,
    /// Whether a file could not be parsed, which may have the keys that are absent here.
    pub incomplete: bool,
}

/// Declarations by name, in the order in which they were first declared.
#[derive(Debug, Default)]
pub struct Endpoints {
    slots: Vec<Option<(Located<Name>, EndpointDocument)>>,
    by_name: BTreeMap<Name, usize>,
    /// Names without a body that withdraw nothing.
    idle: Vec<Located<Name>>,
}

impl Merged {
    /// Merges one more file over the earlier ones.
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
            match self.by_name.remove(&name.value) {
                Some(slot) => self.slots[slot] = None,
                None => self.idle.push(name),
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

    /// Names without a body that withdraw nothing.
    pub fn take_idle(&mut self) -> Vec<Located<Name>> {
        std::mem::take(&mut self.idle)
    }

    /// The declarations that are not withdrawn, in order.
    pub fn into_declarations(self) -> impl Iterator<Item = (Located<Name>, EndpointDocument)> {
        self.slots.into_iter().flatten()
    }
}

impl EndpointDocument {
    fn overlay(&mut self, later: EndpointDocument) {
        let EndpointDocument { address, port, dev, family, id, flags, required, invalid } = later;
        self.address = address.or(self.address.take());
        self.port = port.or(self.port);
        self.dev = dev.or(self.dev.take());
        self.family = family.or(self.family);
        self.id = id.or(self.id);
        self.flags = flags.or(self.flags);
        self.required = required.or(self.required);
        self.invalid.extend(invalid);
    }
}
