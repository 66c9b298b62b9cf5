//! Merges several files; later ones win. Mappings are merged key by key, scalars and lists are replaced, and
//! `NAME: null` withdraws an earlier declaration.

use std::collections::BTreeMap;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::model::{Sysctl, SysctlValue, code};

use super::DECLARATIONS_MAX;
use super::body::{Body, DeclarationKind};
use super::document::{Document, EndpointDocument, Entries, LimitValue, Located, Name, UplinkDocument};

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
    /// `uplinks`; `None` if no file has the key
    pub uplinks: Option<Declarations<UplinkDocument>>,
    /// `endpoints`; `None` if no file has the key
    pub endpoints: Option<Declarations<EndpointDocument>>,
    /// Whether keys may be absent here only because a file could not be parsed.
    pub completeness: Completeness,
}

/// Whether all files could be parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// All of them.
    #[default]
    Complete,
    /// One could not, which may have the keys that are absent here.
    Incomplete,
}

/// Declarations of one kind by name, in the order in which they were first declared.
#[derive(Debug)]
pub struct Declarations<B> {
    /// Those without a body are withdrawn. A slot is an entry, so that the first file's need not be copied.
    slots: Entries<B>,
    /// The slots of the names, once there is a second file: those of one file are all different.
    by_name: Option<BTreeMap<Name, usize>>,
    /// Names without a body that withdraw nothing.
    idle: Vec<Located<Name>>,
}

impl Merged {
    /// Merges one more file over the earlier ones.
    pub fn add(&mut self, document: Document) {
        let Document { prune, limits, sysctls, uplinks, endpoints } = document;
        self.prune = prune.or(self.prune);
        self.limits.subflows = limits.subflows.or(self.limits.subflows);
        self.limits.add_addr_accepted = limits.add_addr_accepted.or(self.limits.add_addr_accepted);
        for (sysctl, key, value) in sysctls {
            self.sysctls.insert(sysctl, (key, value));
        }
        merge(&mut self.uplinks, uplinks);
        merge(&mut self.endpoints, endpoints);
    }
}

fn merge<B: Body>(merged: &mut Option<Declarations<B>>, later: Option<Entries<B>>) {
    match (later, merged) {
        (None, _) => {}
        (Some(first), none @ None) => *none = Some(Declarations::first(first)),
        (Some(later), Some(merged)) => later.into_iter().for_each(|(name, body)| merged.add(name, body)),
    }
}

impl<B: Body> Declarations<B> {
    /// Those of one file.
    fn first(entries: Entries<B>) -> Declarations<B> {
        let idle = entries.iter().filter(|(_, body)| body.is_none()).map(|(name, _)| name.clone());
        Declarations { idle: idle.collect(), slots: entries, by_name: None }
    }

    fn add(&mut self, name: Located<Name>, body: Option<B>) {
        let by_name = self.by_name.get_or_insert_with(|| {
            let named = |(slot, (name, body)): (usize, &(Located<Name>, Option<B>))| {
                body.as_ref().map(|_| (name.value.clone(), slot))
            };
            self.slots.iter().enumerate().filter_map(named).collect()
        });
        let Some(body) = body else {
            match by_name.remove(&name.value) {
                Some(slot) => self.slots[slot].1 = None,
                None => self.idle.push(name),
            }
            return;
        };
        if let Some(&slot) = by_name.get(&name.value)
            && let (_, Some(earlier)) = &mut self.slots[slot]
        {
            return earlier.overlay(body);
        }
        by_name.insert(name.value.clone(), self.slots.len());
        self.slots.push((name, Some(body)));
    }

    /// The declarations that are not withdrawn, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Located<Name>, &B)> {
        self.slots.iter().filter_map(|(name, body)| Some((name, body.as_ref()?)))
    }

    /// The declarations that are not withdrawn, in order, as many as are allowed. Reports what is wrong with their names.
    pub fn remaining(
        self,
        completeness: Completeness,
        diagnostics: &mut Diagnostics,
    ) -> Vec<(Located<Name>, B)> {
        let DeclarationKind { word, section, too_many: (too_many, instead), .. } = B::KIND;
        for name in self.idle.iter().filter(|_| completeness == Completeness::Complete) {
            diagnostics.push(withdraws_nothing(word, name));
        }
        let declared = self.slots.into_iter().filter_map(|(name, body)| Some((name, body?)));
        let mut remaining: Vec<(Located<Name>, B)> = declared.collect();
        if let Some((name, _)) = remaining.get(DECLARATIONS_MAX) {
            let message = format!("more than {DECLARATIONS_MAX} {section} are declared");
            let error = Diagnostic::error(too_many, message).at(name.location, "the first one too many");
            diagnostics.push(error.help(instead));
            remaining.truncate(DECLARATIONS_MAX);
        }
        if completeness == Completeness::Incomplete {
            remaining.iter_mut().for_each(|(_, body)| body.invalid().extend(B::KEYS));
        }
        remaining
    }
}

fn withdraws_nothing(word: &str, name: &Located<Name>) -> Diagnostic {
    let message = format!("{word} `{}` has no value, and no earlier file declares it", name.value);
    Diagnostic::error(code::WITHDRAWS_NOTHING, message)
        .at(name.location, "")
        .endpoint(name.value.as_str())
        .help("the lines below it may be commented out; write them, or remove the name")
}
