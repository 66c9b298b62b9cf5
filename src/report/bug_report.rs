//! `doctor --report`: one document with all that a bug report needs. Other renderers do most of it.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde::Serialize;

use crate::VERSION;
use crate::doctor::{Configuration, Evidence, Finding};
use crate::model::{
    AddressState, Connection, ConnectionManager, DeclaredNames, Device, Endpoint, HostAddress, Interface,
    Listener, ManagedConnection, PastState, RoutingWords, escaped_lines,
};
use crate::source::SourceFile;

use super::doctor::{self, DoctorJson};
use super::history::{self, PastRunJson};
use super::show::{self, ShowJson, ShowView, ShownSysctls};
use super::{Style, yaml};

/// What the document is made from.
pub struct BugReport<'a> {
    findings: &'a [Finding],
    sources: &'a [SourceFile],
    evidence: &'a Evidence,
    routing: &'a RoutingWords,
    names: DeclaredNames,
    /// The name of an interface.
    interface: Box<dyn Fn(NonZeroU32) -> String + 'a>,
    connections: Vec<ManagedConnection>,
    history: &'a [PastState],
}

/// The document for programs: that of the doctor, and all its evidence.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BugReportJson<'a> {
    #[serde(flatten)]
    doctor: DoctorJson<'a>,
    program: &'a str,
    kernel: &'a str,
    plan: Vec<String>,
    state: Option<ShowJson<'a>>,
    configuration: Option<String>,
    counters: Vec<CounterJson<'a>>,
    links: Vec<LinkJson<'a>>,
    addresses: Vec<AddressJson>,
    default_routes: &'a [String],
    rules: &'a [String],
    listeners: Vec<ListenerJson<'a>>,
    managers: &'a [String],
    last_passes: Vec<PastRunJson<'a>>,
}

#[derive(Debug, Serialize)]
struct CounterJson<'a> {
    name: &'a str,
    /// A string, since it has 64 bits.
    value: String,
}

#[derive(Debug, Serialize)]
struct LinkJson<'a> {
    dev: &'a str,
    ifindex: u32,
    up: bool,
    carrier: bool,
}

#[derive(Debug, Serialize)]
struct AddressJson {
    address: IpAddr,
    dev: String,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct ListenerJson<'a> {
    local: SocketAddr,
    mptcp: bool,
    program: Option<&'a str>,
}

impl<'a> BugReport<'a> {
    /// Of these findings in this evidence; `sources` has the files of locations, `history` the last runs.
    pub fn new(
        findings: &'a [Finding],
        sources: &'a [SourceFile],
        evidence: &'a Evidence,
        routing: &'a RoutingWords,
        history: &'a [PastState],
    ) -> BugReport<'a> {
        let names = DeclaredNames { endpoints: evidence.names.clone(), ..DeclaredNames::default() };
        let interface = Box::new(|index| evidence.name(index));
        // What else such a connection holds, the evidence does not tell.
        let manager = |connection: &Connection| {
            if evidence.is_of_userspace(connection) {
                ConnectionManager::Userspace { addresses: Vec::new() }
            } else {
                ConnectionManager::Unknown
            }
        };
        let managed = |connection: &Connection| ManagedConnection {
            connection: connection.clone(),
            manager: manager(connection),
        };
        let connections = evidence.connections.iter().map(managed).collect();
        BugReport { findings, sources, evidence, routing, names, connections, interface, history }
    }

    /// The document for programs.
    ///
    /// # Errors
    /// When the state cannot be written as YAML.
    pub fn json(&self) -> Result<BugReportJson<'_>, serde_yaml::Error> {
        let BugReport { findings, sources, evidence, .. } = self;
        let counters = evidence.counters.iter().flat_map(|counters| &counters.0);
        Ok(BugReportJson {
            doctor: DoctorJson::new(findings, sources, evidence),
            program: VERSION,
            kernel: &evidence.kernel,
            plan: self.steps(),
            state: self.show(ShowJson::new),
            configuration: self.configuration()?,
            counters: counters.map(|(name, value)| CounterJson { name, value: value.to_string() }).collect(),
            links: evidence.interfaces.iter().map(LinkJson::from).collect(),
            addresses: evidence.addresses.iter().map(|own| self.address(own)).collect(),
            default_routes: &self.routing.default_routes,
            rules: &self.routing.rules,
            listeners: evidence.listeners.iter().map(|listener| self.listener(listener)).collect(),
            managers: &evidence.managers,
            last_passes: history::runs(self.history),
        })
    }

    /// The page for people: the same, each part below its heading. What is empty is left out.
    ///
    /// # Errors
    /// When the state cannot be written as YAML.
    pub fn text(&self) -> Result<String, serde_yaml::Error> {
        let BugReport { findings, sources, evidence, .. } = self;
        let json = self.json()?;
        let link = |link: &LinkJson<'_>| {
            let words = [(link.up, "up"), (link.carrier, "carrier")];
            let words: Vec<&str> = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
            format!("{} index {} {}", link.dev, link.ifindex, words.join(" "))
        };
        let address = |own: &AddressJson| format!("{} dev {} {}", own.address, own.dev, own.state);
        let listener = |listener: &ListenerJson<'_>| {
            let protocol = if listener.mptcp { "mptcp" } else { "tcp" };
            format!("{protocol} {} {}", listener.local, listener.program.unwrap_or(""))
        };
        let counters = json.counters.iter().filter(|counter| counter.value != "0");
        let parts = [
            ("findings", doctor::text(findings, sources, evidence, Style::Plain)),
            ("applying would", lines(json.plan.iter().cloned())),
            (
                "state",
                self.show(|view| show::text(view, ShownSysctls::All, Style::Plain, None)).unwrap_or_default(),
            ),
            ("state as a configuration", json.configuration.clone().unwrap_or_default()),
            (
                "counters that are not 0",
                lines(counters.map(|counter| format!("{} {}", counter.name, counter.value))),
            ),
            ("interfaces", lines(json.links.iter().map(link))),
            ("addresses", lines(json.addresses.iter().map(address))),
            ("default routes", lines(json.default_routes.iter().cloned())),
            ("rules", lines(json.rules.iter().cloned())),
            ("listeners", lines(json.listeners.iter().map(listener))),
            ("other programs that manage endpoints", lines(json.managers.iter().cloned())),
            ("last passes that changed something", self.last_passes()),
        ];
        let part = |(heading, text): &(&str, String)| format!("\n== {heading} ==\n{}", escaped_lines(text));
        let parts: String = parts.iter().filter(|(_, text)| !text.is_empty()).map(part).collect();
        Ok(format!("mptcp-apply {VERSION}, Linux {}\n{parts}", json.kernel))
    }

    /// A line a pass, with its steps below.
    fn last_passes(&self) -> String {
        let pass = |pass: PastRunJson<'_>| {
            let steps: String = pass.steps.iter().map(|step| format!("  {step}\n")).collect();
            format!("{} {} (pid {})\n{steps}", pass.time, pass.by, pass.pid)
        };
        history::runs(self.history).into_iter().map(pass).collect()
    }

    fn steps(&self) -> Vec<String> {
        match &self.evidence.configuration {
            Configuration::Valid(declared) => declared.steps.iter().map(ToString::to_string).collect(),
            Configuration::Absent | Configuration::Invalid(..) => Vec::new(),
        }
    }

    /// The state with all connections, as `show --connections` has it.
    fn show<'s, T>(&'s self, render: impl FnOnce(&ShowView<'s>) -> T) -> Option<T> {
        let (state, connections) = (self.evidence.state()?, Some(self.connections.as_slice()));
        Some(render(&ShowView {
            netns: self.evidence.netns.as_deref(),
            state,
            names: &self.names,
            connections,
            interface: &self.interface,
        }))
    }

    fn configuration(&self) -> Result<Option<String>, serde_yaml::Error> {
        let home = |row: &Endpoint| self.evidence.home(row).map(Device::from);
        let configuration = |state| {
            let names = yaml::named_by_interface(state, &self.names, home);
            yaml::configuration(state, &names, ShownSysctls::All, &self.sources())
        };
        self.evidence.state().map(configuration).transpose()
    }

    /// The addresses that packets of uplinks leave with.
    fn sources(&self) -> Vec<(IpAddr, NonZeroU32)> {
        let is_source = |own: &&HostAddress| {
            let is_link_local = match own.address {
                IpAddr::V4(v4) => v4.is_link_local(),
                IpAddr::V6(v6) => v6.is_unicast_link_local(),
            };
            let is_up = self.evidence.interface_of(own.address).is_some_and(|home| home.up);
            is_up && !is_link_local && matches!(own.state, AddressState::Settled | AddressState::Deprecated)
        };
        let own = self.evidence.addresses.iter().filter(is_source);
        own.map(|own| (own.address, own.index)).collect()
    }

    fn address(&self, own: &HostAddress) -> AddressJson {
        let state = match own.state {
            AddressState::Settled => "settled",
            AddressState::Tentative => "tentative",
            AddressState::DadFailed => "dadfailed",
            AddressState::Deprecated => "deprecated",
        };
        AddressJson { address: own.address, dev: self.evidence.name(own.index), state }
    }

    fn listener(&self, listener: &Listener) -> ListenerJson<'_> {
        let program = self.evidence.programs.get(&listener.inode).map(String::as_str);
        ListenerJson { local: listener.local, mptcp: listener.mptcp, program }
    }
}

impl<'a> From<&'a Interface> for LinkJson<'a> {
    fn from(link: &'a Interface) -> LinkJson<'a> {
        LinkJson { dev: &link.name, ifindex: link.index.get(), up: link.up, carrier: link.carrier }
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}
