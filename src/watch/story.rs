//! Why a watch made a pass, and what came of it, in words. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::model::{
    Device, EndpointNames, Identity, Interface, Reason, Step, counted, escaped, uplink_table,
};
use crate::reconcile::Report;
use crate::report::PassCause;
use crate::source::SourceFile;
use crate::system::AssignedAddress;

/// How many events or endpoints are named.
const NAMED: usize = 3;

/// Why a pass is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It is the first one.
    Start,
    /// The configuration changed.
    Files,
    /// Links or addresses changed.
    Host,
    /// `--resync` says so.
    Resync,
    /// The one before failed.
    Retry,
    /// Connections may have lost subflows.
    Subflows,
    /// A check found out that an uplink is down, or up again.
    Check,
}

impl Trigger {
    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            Trigger::Start => "start",
            Trigger::Files => "files",
            Trigger::Host => "host",
            Trigger::Resync => "resync",
            Trigger::Retry => "retry",
            Trigger::Subflows => "subflows",
            Trigger::Check => "check",
        }
    }

    /// What happened, where nothing more is known.
    fn words(self) -> &'static str {
        match self {
            Trigger::Start => "started",
            Trigger::Files => "the configuration was changed",
            Trigger::Host => "routes or rules changed",
            Trigger::Resync => "resync",
            Trigger::Retry => "trying again",
            Trigger::Subflows => "subflows were lost",
            Trigger::Check => "a check has a result",
        }
    }
}

/// What happened before a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Why the pass is made.
    pub trigger: Trigger,
    /// What happened.
    pub words: String,
}

impl From<Trigger> for Cause {
    fn from(trigger: Trigger) -> Cause {
        Cause { trigger, words: trigger.words().to_owned() }
    }
}

impl Cause {
    /// SIGHUP came.
    pub fn hangup() -> Cause {
        Cause { trigger: Trigger::Resync, words: "SIGHUP".to_owned() }
    }

    /// Files were written, and mean what they meant.
    pub fn same_files() -> Cause {
        Cause { trigger: Trigger::Host, words: "files were written, with the same meaning".to_owned() }
    }

    /// Named network namespaces came or went, or what other runs ask for.
    pub fn other_files() -> Cause {
        Cause {
            trigger: Trigger::Host,
            words: "network namespaces or requests to renew came or went".to_owned(),
        }
    }

    /// This network namespace was not there before, unless more than that called for the pass.
    pub fn appeared(self, namespace: &str) -> Cause {
        match self.trigger {
            Trigger::Start | Trigger::Files => self,
            _ => self.because(&[format!("network namespace {} appeared", escaped(namespace))]),
        }
    }

    /// These files were read before, and those now.
    pub fn files(before: &[SourceFile], now: &[SourceFile]) -> Cause {
        fn of<'f>(files: &'f [SourceFile], name: &str) -> Option<&'f str> {
            files.iter().find(|file| file.name == name).map(|file| file.text.as_str())
        }
        let said = |file: &SourceFile, what: &str| {
            let name = file.name.rsplit('/').next().unwrap_or_default();
            format!("{} was {what}", escaped(name))
        };
        let gone =
            before.iter().filter(|file| of(now, &file.name).is_none()).map(|file| said(file, "removed"));
        let changes = now.iter().filter_map(|file| match of(before, &file.name) {
            None => Some(said(file, "added")),
            Some(text) if text != file.text => Some(said(file, "changed")),
            Some(_) => None,
        });
        Cause::from(Trigger::Files).because(&changes.chain(gone).collect::<Vec<_>>())
    }

    /// For a report, with the line above its text.
    pub fn reported<'a>(&'a self, heading: &'a str) -> PassCause<'a> {
        PassCause { trigger: self.trigger.word(), words: &self.words, heading }
    }

    /// The same, where these events tell more.
    pub fn because(mut self, events: &[String]) -> Cause {
        if !events.is_empty() {
            self.words = some_of(events, "event");
        }
        self
    }
}

/// The first ones, and how many more there are.
fn some_of(all: &[String], what: &str) -> String {
    let named = all[..all.len().min(NAMED)].join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}, and {}", counted(more, &format!("more {what}"))),
    }
}

/// The links and addresses of a host, as far as a story is about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostView {
    links: BTreeMap<NonZeroU32, Link>,
    addresses: BTreeSet<(IpAddr, NonZeroU32)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    up: bool,
    carrier: bool,
}

impl HostView {
    /// Of these interfaces, and their addresses that can be used.
    pub fn new(interfaces: &[Interface], addresses: &[AssignedAddress]) -> HostView {
        let link = |on: &Interface| {
            (on.index, Link { name: escaped(&on.name).into_owned(), up: on.up, carrier: on.carrier })
        };
        let usable = addresses.iter().filter(|own| own.can_be_taken(true));
        HostView {
            links: interfaces.iter().map(link).collect(),
            addresses: usable.map(|own| (own.address, own.index)).collect(),
        }
    }

    /// What happened since to the interfaces of these steps; where that is nothing, to all. First what happened to links,
    /// then to addresses, where their link does not explain it.
    pub fn events_since<'s>(&self, before: &HostView, steps: impl Iterator<Item = &'s Step>) -> Vec<String> {
        let concerned: BTreeSet<NonZeroU32> =
            steps.flat_map(|step| [self, before].into_iter().flat_map(|view| view.concerned(step))).collect();
        let events = self.all_events_since(before);
        let is_one_of_theirs = |(index, _): &&(NonZeroU32, String)| concerned.contains(index);
        let theirs: Vec<String> =
            events.iter().filter(is_one_of_theirs).map(|(_, words)| words.clone()).collect();
        if theirs.is_empty() { events.into_iter().map(|(_, words)| words).collect() } else { theirs }
    }

    /// The interfaces of a step: the one that it names, and those that have its address.
    fn concerned(&self, step: &Step) -> Vec<NonZeroU32> {
        let (address, dev) = match step {
            Step::AddRule { rule, .. } | Step::DelRule { rule, .. } => (rule.from, None),
            Step::SetRoute { to: route, .. } | Step::DelRoute { route, .. } => (None, route.dev.as_ref()),
            _ => (
                step.endpoint().map(|row| row.identity.address),
                step.endpoint().and_then(|row| row.dev.as_ref()),
            ),
        };
        let holders = self.addresses.iter().filter(|(own, _)| Some(*own) == address).map(|(_, index)| *index);
        holders.chain(dev.map(|dev| dev.index)).collect()
    }

    fn all_events_since(&self, before: &HostView) -> Vec<(NonZeroU32, String)> {
        let (mut events, mut explained) = (Vec::new(), BTreeSet::new());
        if before.links.is_empty() {
            // There was no look before.
            return events;
        }
        let indexes: BTreeSet<&NonZeroU32> = before.links.keys().chain(self.links.keys()).collect();
        for index in indexes {
            let said = match (before.links.get(index), self.links.get(index)) {
                (Some(was), None) => Some(format!("{} is gone", was.name)),
                (Some(was), Some(now)) if was.up && !now.up => Some(format!("{} went down", now.name)),
                _ => None,
            };
            explained.extend(said.as_ref().map(|_| *index));
            let said = said.or_else(|| match (before.links.get(index), self.links.get(index)?) {
                (Some(was), now) => was.change_to(now),
                (None, now) => Some(format!("{} appeared", now.name)),
            });
            events.extend(said.map(|said| (*index, said)));
        }
        let name = |index| {
            let link = self.links.get(index).or(before.links.get(index));
            link.map_or(String::new(), |link| link.name.clone())
        };
        let left = before.addresses.difference(&self.addresses);
        let left = left.filter(|(_, index)| !explained.contains(index));
        events.extend(left.map(|(own, index)| (*index, format!("address {own} left {}", name(index)))));
        let appeared = self.addresses.difference(&before.addresses);
        let appeared = appeared.map(|(own, on)| (*on, format!("address {own} appeared on {}", name(on))));
        events.extend(appeared);
        events
    }

    /// The interfaces that have another name since.
    fn renamed(&self, before: &HostView) -> BTreeSet<NonZeroU32> {
        let is_renamed = |(index, now): &(&NonZeroU32, &Link)| {
            before.links.get(index).is_some_and(|was| was.name != now.name)
        };
        self.links.iter().filter(is_renamed).map(|(index, _)| *index).collect()
    }

    /// Gives rows, rules and routes their true reason that left since no declaration has the new name of their interface.
    pub fn name_renamed(&self, before: &HostView, report: &mut Report) {
        let renamed = self.renamed(before);
        let is_renamed = |dev: &Option<Device>| dev.as_ref().is_some_and(|dev| renamed.contains(&dev.index));
        let tables: BTreeSet<u32> = renamed.iter().map(|index| uplink_table(*index)).collect();
        // The rule to the main table does not tell the interface; the one beside it does.
        let beside = |step: &Step| match step {
            Step::DelRule { rule, .. } if tables.contains(&rule.table) => rule.from,
            _ => None,
        };
        let sources: BTreeSet<IpAddr> = report.steps().filter_map(beside).collect();
        for reported in &mut report.steps {
            let (is_renamed, why) = match &mut reported.step {
                Step::DelAddr { endpoint, why } => (is_renamed(&endpoint.dev), why),
                Step::DelRoute { route, why } => (is_renamed(&route.dev), why),
                Step::DelRule { rule, why } => (rule.from.is_some_and(|from| sources.contains(&from)), why),
                _ => continue,
            };
            if is_renamed && *why == Reason::NotDeclared {
                *why = Reason::InterfaceRenamed;
            }
        }
    }
}

impl Link {
    fn change_to(&self, now: &Link) -> Option<String> {
        let Link { name, up, carrier } = now;
        match self {
            was if was.name != *name => Some(format!("{} was renamed to {name}", was.name)),
            was if !was.up && *up => Some(format!("{name} came up")),
            was if was.carrier && !carrier => Some(format!("{name} lost its carrier")),
            was if !was.carrier && *carrier => Some(format!("{name} has a carrier again")),
            _ => None,
        }
    }
}

/// What became of endpoints: `lte (10.1.2.1) leaves`. `former` are the names of before, since what leaves has none now.
pub fn consequence<'s>(
    steps: impl Iterator<Item = &'s Step>,
    names: &EndpointNames,
    former: &EndpointNames,
) -> String {
    let mut order: Vec<Identity> = Vec::new();
    let mut verbs: BTreeMap<Identity, &'static str> = BTreeMap::new();
    for step in steps {
        let Some(row) = step.endpoint() else { continue };
        let verb = match (step, verbs.get(&row.identity)) {
            (Step::SetFlags { why: Reason::Drained, .. }, _) => continue,
            (Step::SetFlags { .. }, None) => "changes",
            (Step::SetFlags { .. }, Some(verb)) => verb,
            (Step::DelAddr { why, .. } | Step::AddAddr { why, .. }, Some(_)) if why.asks_again() => {
                "is added again"
            }
            // Addresses may come and go within a pass.
            (Step::DelAddr { .. }, Some(&("joins" | "joins and leaves"))) => "joins and leaves",
            (Step::DelAddr { .. }, _) => "leaves",
            (Step::AddAddr { .. }, None | Some(&("changes" | "joins and leaves"))) => "joins",
            _ => "is replaced",
        };
        if verbs.insert(row.identity, verb).is_none() {
            order.push(row.identity);
        }
    }
    let said = |identity: &Identity| match names.get(identity).or_else(|| former.get(identity)) {
        Some(name) => format!("{name} ({identity}) {}", verbs[identity]),
        None => format!("{identity} {}", verbs[identity]),
    };
    let said: Vec<String> = order.iter().map(said).collect();
    if said.is_empty() { String::new() } else { some_of(&said, "endpoint") }
}
