//! What holds of every configuration, whatever its bytes. The fuzzer of `tests/fuzz` takes this file too, so that it
//! and `hostile` judge alike.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use mptcp_apply::config::{self, Config, EndpointTarget, Entry, Gateway, Name};
use mptcp_apply::desired::{self, ResolveError};
use mptcp_apply::model::diagnostic::{Diagnostic, Diagnostics, SourceId, lines};
use mptcp_apply::model::{
    AddressId, AddressState, Capabilities, DeclaredNames, Endpoint, Flags, Identity, Limits, State, Sysctl,
    SysctlValue, UplinkState,
};
use mptcp_apply::plan::plan;
use mptcp_apply::reconcile::{Report, ReportedStep, StepOutcome, Verdict};
use mptcp_apply::report::json_v1::{Check, PlanJson};
use mptcp_apply::report::snippet::Snippets;
use mptcp_apply::report::{self, ReportContext, Style, text, yaml};
use mptcp_apply::source::{self, SourceFile};
use serde_json::Value;

use super::host::Host;

/// Between two files of one input. ASCII calls it so, and YAML has no use for it.
pub const FILE_SEPARATOR: u8 = 0x1c;
/// The most files of one input.
const FILES_MAX: usize = 3;

/// What `check` makes of some files.
struct Judged {
    sources: Vec<SourceFile>,
    config: Config,
    diagnostics: Diagnostics,
}

/// What there was on the host before.
enum Before {
    Nothing,
    InUse,
}

/// Judges files, separated by [`FILE_SEPARATOR`], and all that a run would make of them up to the plan.
///
/// # Panics
/// When a law does not hold.
pub fn judge(input: &[u8]) {
    let mut files: Vec<&[u8]> = input.splitn(FILES_MAX, |byte| *byte == FILE_SEPARATOR).collect();
    let judged = check(&files);
    files.push(b"");
    let again = check(&files);
    let findings = |judged: &Judged| judged.diagnostics.iter().cloned().collect::<Vec<_>>();
    assert_eq!(findings(&judged), findings(&again), "an empty file says something");
    assert_eq!(
        format!("{:?}", judged.config),
        format!("{:?}", again.config),
        "an empty file declares something"
    );
    shown(&judged);
    if !judged.diagnostics.has_errors() {
        sound(&judged.config);
        merged(&judged.sources);
        // One host an input: a fuzzer that is twice as fast finds the other one too.
        let host = if input.len().is_multiple_of(2) { Before::Nothing } else { Before::InUse };
        planned(&judged, host);
    }
}

fn check(files: &[&[u8]]) -> Judged {
    let mut diagnostics = Diagnostics::default();
    let mut sources = Vec::new();
    for (index, bytes) in files.iter().enumerate() {
        let name = format!("file-{index}.yaml");
        sources.push(source::decode(name, bytes.to_vec(), SourceId::new(index), &mut diagnostics));
    }
    let config = config::parse(sources.iter().map(|source| source.text.as_str()), &mut diagnostics);
    Judged { sources, config, diagnostics }
}

/// Every finding can be drawn, and points into its file.
fn shown(judged: &Judged) {
    let Judged { sources, diagnostics, config } = judged;
    assert!(diagnostics.iter().all(|diagnostic| !diagnostic.labels.is_empty()), "a finding without a place");
    drawn(diagnostics.iter(), sources);
    let json = serde_json::to_value(Check::new(diagnostics, sources, config)).expect("JSON");
    assert_eq!(json["valid"], !diagnostics.has_errors());
}

/// The merged configuration is a valid one, and merged once more it is the same.
fn merged(sources: &[SourceFile]) {
    let entries = config::merged(sources.iter().map(|source| source.text.as_str()));
    let text = report::merged::yaml(&entries, sources);
    let mut diagnostics = Diagnostics::default();
    config::parse([text.as_str()], &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{text}{:?}", diagnostics.iter().collect::<Vec<_>>());
    let again = config::merged([text.as_str()]);
    let values = |entries: &[Entry]| -> Vec<(Value, Value)> {
        let values = serde_json::to_value(report::merged::values(entries, sources)).expect("JSON");
        let values = values.as_array().expect("a list").iter();
        values.map(|value| (value["key"].clone(), value["value"].clone())).collect()
    };
    assert_eq!(values(&entries), values(&again), "{text}");
}

/// Each of them with a place that is there, and words that a terminal can show.
fn drawn<'d>(diagnostics: impl Iterator<Item = &'d Diagnostic>, sources: &[SourceFile]) {
    let [plain, coloured] = [(Style::Plain, None), (Style::Coloured, Some(40))]
        .map(|(style, screen)| Snippets::new(sources, style, screen));
    let texts: Vec<Vec<&str>> = sources.iter().map(|source| lines(&source.text).collect()).collect();
    for diagnostic in diagnostics {
        // A remedy may be a file of several lines.
        let help = diagnostic.help.as_ref().map(|help| help.replace('\n', " "));
        let words = [Some(&diagnostic.message), help.as_ref(), diagnostic.endpoint.as_ref()];
        for words in words.into_iter().flatten() {
            assert!(!words.contains(char::is_control), "{words:?}");
        }
        let text = plain.render(diagnostic);
        assert!(text.contains(diagnostic.message.as_str()), "{text:?} lacks {:?}", diagnostic.message);
        assert!(coloured.render(diagnostic).contains(diagnostic.message.as_str()));
        for (number, label) in diagnostic.labels.iter().enumerate() {
            let (source, span) = (label.location.source.index(), label.location.span);
            let line = span.line().checked_sub(1).and_then(|before| texts[source].get(before));
            let length = line.unwrap_or_else(|| panic!("{diagnostic:?} of {texts:?}")).chars().count();
            assert!((1..=length + 1).contains(&span.column()), "{diagnostic:?} of {texts:?}");
            let place = format!("{}:{}:{}", sources[source].name, span.line(), span.column());
            assert!(number > 0 || text.contains(&format!("--> {place}\n")), "{text:?} lacks {place:?}");
        }
    }
}

/// What later stations take for granted of a configuration without errors.
fn sound(config: &Config) {
    let declarations = config.endpoints.as_deref().unwrap_or_default();
    assert!(declarations.len() <= config::DECLARATIONS_MAX);
    let (mut names, mut identities, mut ids) = (HashSet::new(), HashSet::new(), HashSet::new());
    let purposes = [Flags::SIGNAL, Flags::SUBFLOW, Flags::FULLMESH, Flags::LAMINAR];
    for declaration in declarations {
        let (name, flags) = (&declaration.name.value, declaration.flags);
        assert_eq!(Name::new(name.as_str()).as_ref(), Some(name));
        assert!(names.insert(name), "{name} twice");
        assert!(purposes.iter().any(|purpose| flags.contains(*purpose)), "{flags}");
        assert!(!flags.contains(Flags::IMPLICIT) && !flags.contains(Flags::SIGNAL.union(Flags::FULLMESH)));
        if let EndpointTarget::Address { identity, id, .. } = &declaration.target {
            assert!(identities.insert(identity), "{identity} twice");
            assert!(id.is_none_or(|id| ids.insert(id.value)), "{id:?} twice");
            assert!(identity.port.is_none() || flags.contains(Flags::SIGNAL), "{identity} {flags}");
        }
    }
    sound_uplinks(config);
}

fn sound_uplinks(config: &Config) {
    let uplinks = config.uplinks.as_deref().unwrap_or_default();
    assert!(uplinks.len() <= config::DECLARATIONS_MAX);
    let (mut names, mut interfaces) = (HashSet::new(), HashSet::new());
    for uplink in uplinks {
        let name = &uplink.name.value;
        assert_eq!(Name::new(name.as_str()).as_ref(), Some(name));
        assert!(names.insert(name), "{name} twice");
        let own: HashSet<&str> = uplink.dev.value.literals().collect();
        assert!(own.iter().all(|literal| interfaces.insert(*literal)), "{own:?} of two uplinks");
        assert!(uplink.gateway.is_none() || own.len() <= 1, "{own:?} share a gateway");
        let Some(Gateway::Routers(routers)) = uplink.gateway.as_ref().map(|gateway| &gateway.value) else {
            continue;
        };
        let families: HashSet<bool> = routers.iter().map(|router| router.is_ipv4()).collect();
        assert!(families.len() == routers.len() && !routers.is_empty(), "{routers:?}");
        for router in routers {
            let is_none = router.is_unspecified() || router.is_loopback() || router.is_multicast();
            assert!(!is_none && *router == router.to_canonical(), "{router}");
        }
    }
}

/// On a new host, or on one in use, there is a plan that leads to the goal, or words why not.
fn planned(judged: &Judged, before: Before) {
    let mut host = routed();
    let (endpoints, capabilities, uplinks) = match before {
        Before::Nothing => (Vec::new(), Capabilities::LARGE, UplinkState::default()),
        Before::InUse => (in_use(), Capabilities::SMALL, uplinks_in_use()),
    };
    let limits = Limits { subflows: 2, add_addr_accepted: 0 };
    // What is not managed is not read.
    let uplinks = judged.config.uplinks.is_some().then_some(uplinks);
    let current = State { limits, sysctls: sysctls(), endpoints, uplinks };
    let owned = BTreeSet::from([row("10.1.1.1", 3, Flags::SUBFLOW).identity]);
    match desired::resolve(&judged.config, &current, capabilities, &owned, &mut host) {
        Ok(desired) => {
            drawn(desired.warnings.iter(), &judged.sources);
            carried_out(&current, &desired.state, &desired.names, capabilities);
        }
        Err(
            ResolveError::Invalid(found) | ResolveError::Unsupported(found) | ResolveError::Conflict(found),
        ) => {
            assert!(!found.is_empty(), "no reason");
            drawn(found.iter(), &judged.sources);
        }
        Err(ResolveError::System(error)) => panic!("{error}"),
    }
}

/// A host with routers, one link that needs none, and one interface that is down.
fn routed() -> Host {
    let mut host = Host::new();
    host.route(0, "192.0.2.1", 100);
    host.route(0, "fe80::1", 1024);
    host.route(1, "10.1.1.254", 200);
    host.interface_mut(3).routerless = true;
    host.assign(3, "198.51.100.3", AddressState::Settled);
    host.assign(4, "198.51.100.4", AddressState::Deprecated);
    host.interface_mut(5).up = false;
    host.assign(5, "198.51.100.5", AddressState::Settled);
    host
}

/// What uplinks left that are not declared any more: those of two interfaces, of which one is called otherwise now.
fn uplinks_in_use() -> UplinkState {
    let text = "{version: 1, uplinks: {old: {dev: eth0}, older: {dev: eth3}}}";
    let judged = check(&[text.as_bytes()]);
    let limits = Limits { subflows: 2, add_addr_accepted: 0 };
    let none = State { limits, sysctls: sysctls(), endpoints: Vec::new(), uplinks: None };
    let desired =
        desired::resolve(&judged.config, &none, Capabilities::SMALL, &BTreeSet::new(), &mut routed());
    desired.expect("a state").state.uplinks.expect("managed")
}

fn carried_out(current: &State, goal: &State, names: &DeclaredNames, capabilities: Capabilities) {
    let Ok(steps) = plan(current, goal, capabilities) else {
        assert!(goal.endpoints.len() > capabilities.endpoints_max, "{goal:#?}");
        return;
    };
    let mut reached = current.clone();
    steps.iter().for_each(|step| step.replay(&mut reached));
    assert!(reached.agrees_with(goal), "{reached:#?}\nis not\n{goal:#?}");
    text::plan(steps.iter(), names, Verdict::Planned, Style::Coloured);
    let diff = yaml::diff(current, goal, names, ["current", "desired"]).expect("YAML");
    let planned = |step| ReportedStep { step, outcome: StepOutcome::Planned };
    let report = Report {
        verdict: Verdict::Planned,
        steps: steps.into_iter().map(planned).collect(),
        before: current.clone(),
        after: goal.clone(),
        names: names.clone(),
        diagnostics: Vec::new(),
        failure: None,
    };
    let context = ReportContext { loaded: None, netns: None, cause: None, checks: &[] };
    serde_json::to_string(&PlanJson::new(&context, &report, &diff)).expect("JSON");
    written_and_read(goal, names, capabilities);
}

/// A state as YAML is a configuration under which there is nothing to do.
fn written_and_read(state: &State, names: &DeclaredNames, capabilities: Capabilities) {
    let text = yaml::state(state, names).expect("YAML");
    let judged = check(&[text.as_bytes()]);
    let errors: Vec<&str> = judged
        .diagnostics
        .iter()
        .filter(|_| judged.diagnostics.has_errors())
        .map(|diagnostic| diagnostic.message.as_str())
        .collect();
    assert!(errors.is_empty(), "{errors:?} of\n{text}");
    let again = desired::resolve(&judged.config, state, capabilities, &BTreeSet::new(), &mut routed());
    let again = again.unwrap_or_else(|reason| panic!("{reason:?} of\n{text}"));
    assert_eq!(plan(state, &again.state, capabilities).as_deref(), Ok(&[][..]), "of\n{text}");
}

/// Endpoints of whoever came before, one of them the kernel's own.
fn in_use() -> Vec<Endpoint> {
    vec![
        row("192.0.2.10", 1, Flags::SUBFLOW),
        row("192.0.2.11", 2, Flags::IMPLICIT),
        row("10.1.1.1", 3, Flags::SUBFLOW.union(Flags::BACKUP)),
        row("2001:db8::10", 7, Flags::SIGNAL),
    ]
}

fn row(address: &str, id: u8, flags: Flags) -> Endpoint {
    let identity = Identity { address: address.parse().expect("an address"), port: None };
    Endpoint { identity, id: AddressId::new(id), dev: None, flags }
}

fn sysctls() -> BTreeMap<Sysctl, SysctlValue> {
    let words = [(Sysctl::PATH_MANAGER, "kernel"), (Sysctl::SCHEDULER, "default")];
    let words = words.map(|(sysctl, word)| (sysctl, SysctlValue::Word(word.to_owned())));
    // Both words for the path manager are never read of one kernel together.
    let numbers = Sysctl::all().filter(|sysctl| *sysctl != Sysctl::PM_TYPE);
    numbers.map(|sysctl| (sysctl, SysctlValue::Number(1))).chain(words).collect()
}
