//! What the files say together to a [`Config`]: every rule that spans several keys, endpoints or files.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::model::{AddressId, Flags, Identity, Sysctl, SysctlValue};

use super::ENDPOINTS_MAX;
use super::document::{EndpointDocument, Located, Name};
use super::merge::{LimitValue, ManagedLimits, Merged};
use super::pattern::{AddressPattern, DevicePattern, Family};

/// What should be, as the files declare it, checked as far as it can be without a kernel.
#[derive(Debug, Default)]
pub struct Config {
    /// False: leave endpoints alone that this program did not make. True unless declared.
    pub prune: bool,
    /// The limits that are managed.
    pub limits: ManagedLimits,
    /// The sysctls that are managed.
    pub sysctls: BTreeMap<Sysctl, Located<SysctlValue>>,
    /// In the order of preference; none when the table is not managed.
    pub endpoints: Option<Vec<Declaration>>,
}

/// One entry of `endpoints`.
#[derive(Debug)]
pub struct Declaration {
    /// Its name and where that stands.
    pub name: Located<Name>,
    /// What it stands for.
    pub target: Target,
    /// What the path manager is to do with it.
    pub flags: Flags,
}

/// What a declaration stands for.
#[derive(Debug)]
pub enum Target {
    /// One endpoint.
    Address {
        /// Address and port.
        identity: Identity,
        /// Where the address stands.
        place: Place,
        /// The interface, by its name.
        dev: Option<Located<String>>,
        /// The id that it must have.
        id: Option<Located<AddressId>>,
    },
    /// Every usable address that matches.
    Selector(Selector),
}

/// The conditions of a selector; all of those that are given must hold.
#[derive(Debug)]
pub struct Selector {
    /// Addresses of this prefix.
    pub prefix: Option<Located<AddressPattern>>,
    /// Addresses of these interfaces.
    pub dev: Option<Located<DevicePattern>>,
    /// Addresses of this family.
    pub family: Option<Located<Family>>,
}

/// Checks what all files say together. Declarations with errors are left out.
pub fn config(merged: Merged, diagnostics: &mut Diagnostics) -> Config {
    let Merged { prune, limits, sysctls, endpoints } = merged;
    one_word_for_the_path_manager(&sysctls, diagnostics);
    let endpoints = endpoints.map(|endpoints| {
        let mut declarations = Vec::new();
        for (count, (name, body)) in endpoints.into_declarations().enumerate() {
            if count == ENDPOINTS_MAX {
                let message = format!("more than {ENDPOINTS_MAX} endpoints are declared");
                let help = "a selector (`dev` or a prefix) stands for many addresses";
                diagnostics.push(
                    Diagnostic::error("too-many-endpoints", message)
                        .at(name.place, "this one is too many")
                        .help(help),
                );
                break;
            }
            declarations.extend(declaration(name, body, diagnostics));
        }
        unique(&declarations, diagnostics);
        limits_suffice(&limits, &declarations, diagnostics);
        declarations
    });
    Config {
        prune: prune.is_none_or(|prune| prune.value),
        limits,
        sysctls: sysctls.into_iter().map(|(sysctl, (_, value))| (sysctl, value)).collect(),
        endpoints,
    }
}

fn one_word_for_the_path_manager(
    sysctls: &BTreeMap<Sysctl, (Place, Located<SysctlValue>)>,
    diagnostics: &mut Diagnostics,
) {
    if let (Some((newer, _)), Some((older, _))) =
        (sysctls.get(&Sysctl::PATH_MANAGER), sysctls.get(&Sysctl::PM_TYPE))
    {
        diagnostics.push(
            Diagnostic::error("conflict", "`path_manager` and `pm_type` are one setting")
                .at(*newer, "set here")
                .at(*older, "and here")
                .help("keep one of the two; either works on every kernel"),
        );
    }
}

/// Judges one endpoint by itself.
fn declaration(
    name: Located<Name>,
    body: EndpointDocument,
    diagnostics: &mut Diagnostics,
) -> Option<Declaration> {
    if body.flawed {
        return None;
    }
    let errors = diagnostics.errors();
    let judge = Judge { name: &name, diagnostics };
    let flags = judge.flags(&body);
    let target = Judge { name: &name, diagnostics }.target(body);
    let sound = diagnostics.errors() == errors;
    sound.then(|| Some(Declaration { name, target: target?, flags: flags? }))?
}

/// Says what is wrong with one endpoint.
struct Judge<'a> {
    name: &'a Located<Name>,
    diagnostics: &'a mut Diagnostics,
}

impl Judge<'_> {
    fn flags(mut self, body: &EndpointDocument) -> Option<Flags> {
        const PURPOSES: Flags =
            Flags::SIGNAL.union(Flags::SUBFLOW).union(Flags::FULLMESH).union(Flags::LAMINAR);
        let Some(flags) = body.flags else {
            let message = format!("endpoint `{}` has no `flags`", self.name.value);
            let help = "say what it is for: `flags: [subflow]` or `flags: [signal]`";
            self.error("no-purpose", message, &[(self.name.place, "")], help);
            return None;
        };
        let Located { value, place } = flags;
        if !value.intersects(PURPOSES) {
            let message =
                "no flag among signal, subflow, fullmesh and laminar: the endpoint would do nothing";
            let help = "add `subflow` to open subflows from it, or `signal` to announce it to peers";
            self.error("no-purpose", message, &[(place, "")], help);
        }
        if value.contains(Flags::SIGNAL.union(Flags::FULLMESH)) {
            let message = "`signal` and `fullmesh` exclude each other";
            self.error(
                "conflict",
                message,
                &[(place, "")],
                "the kernel refuses an endpoint with both; keep one",
            );
        }
        if let Some(port) = body.port {
            let (message, help) = if value.contains(Flags::SUBFLOW) {
                (
                    "an endpoint with a port cannot have the flag `subflow`",
                    "declare a second endpoint without a port",
                )
            } else if !value.contains(Flags::SIGNAL) {
                ("a port needs the flag `signal`", "write `flags: [signal]`, or leave the port out")
            } else {
                ("", "")
            };
            if !message.is_empty() {
                self.error("port", message, &[(port.place, ""), (place, "these are its flags")], help);
            }
        }
        if value.contains(Flags::FULLMESH) && !value.contains(Flags::SUBFLOW) {
            let message = "`fullmesh` has no effect without `subflow`";
            self.warning("fullmesh-without-subflow", message, place, "add `subflow`");
        }
        if value.contains(Flags::SIGNAL.union(Flags::SUBFLOW)) {
            let message = "`signal` and `subflow` together: most hosts want one of the two";
            let help = "clients open subflows (`subflow`), servers announce addresses (`signal`)";
            self.warning("signal-and-subflow", message, place, help);
        }
        Some(value)
    }

    fn target(mut self, body: EndpointDocument) -> Option<Target> {
        let EndpointDocument { address, port, dev, family, id, .. } = body;
        match address {
            None if dev.is_none() => {
                let message = format!("endpoint `{}` has neither `address` nor `dev`", self.name.value);
                let help = "give it an `address`, or a `dev` whose addresses it is to stand for";
                self.error("no-target", message, &[(self.name.place, "")], help);
                None
            }
            Some(Located { value: AddressPattern::Exact(address), place }) => {
                if let Some(family) = family {
                    let message = "`family` goes with a selector only; the address has its own";
                    self.error("selector", message, &[(family.place, "")], "leave it out");
                }
                self.address(address, place, port.is_some());
                let identity = Identity { address, port: port.map(|port| port.value) };
                Some(Target::Address { identity, place, dev: self.interface(dev), id })
            }
            prefix => {
                self.selector_keys(&prefix, id.map(|id| id.place), port.map(|port| port.place));
                if let (Some(prefix), Some(family)) = (&prefix, &family)
                    && let AddressPattern::Prefix(network, _) = prefix.value
                    && Family::of(network) != family.value
                {
                    let message = "no address of this prefix is of this family";
                    let places = [(family.place, ""), (prefix.place, "the prefix")];
                    self.error("selector", message, &places, "leave `family` out");
                }
                Some(Target::Selector(Selector { prefix, dev, family }))
            }
        }
    }

    fn selector_keys(
        &mut self,
        prefix: &Option<Located<AddressPattern>>,
        id: Option<Place>,
        port: Option<Place>,
    ) {
        let what = if prefix.is_some() { "a prefix" } else { "`dev` without `address`" };
        for (key, place) in [("id", id), ("port", port)] {
            if let Some(place) = place {
                let message = format!("`{key}` needs an exact address; {what} may stand for many");
                self.error("selector", message, &[(place, "")], "write the one `address`, or leave it out");
            }
        }
    }

    fn address(&mut self, address: IpAddr, place: Place, has_port: bool) {
        if address.is_loopback() {
            let message = format!("{address} is a loopback address; no other host can reach it");
            self.warning("loopback-address", message, place, "use an address of a network interface");
        }
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if link_local && has_port {
            let message = "the kernel cannot listen on a link-local address: it would need a scope, which endpoints lack";
            self.error("port", message, &[(place, "")], "use a global address, or leave the port out");
        }
    }

    fn interface(&mut self, dev: Option<Located<DevicePattern>>) -> Option<Located<String>> {
        let Located { value, place } = dev?;
        let literal = value.literal().map(|name| Located { value: name.to_owned(), place });
        if literal.is_none() {
            let message = "with an exact address, `dev` must be one interface name";
            self.error("dev", message, &[(place, "")], "name the interface that has the address");
        }
        literal
    }

    fn error(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        places: &[(Place, &str)],
        help: &str,
    ) {
        let mut diagnostic = Diagnostic::error(code, message).help(help).endpoint(self.name.value.as_str());
        for (place, text) in places {
            diagnostic = diagnostic.at(*place, *text);
        }
        self.diagnostics.push(diagnostic);
    }

    fn warning(&mut self, code: &'static str, message: impl Into<String>, place: Place, help: &str) {
        self.diagnostics.push(
            Diagnostic::warning(code, message).at(place, "").help(help).endpoint(self.name.value.as_str()),
        );
    }
}

/// No id and no identity may be declared twice.
fn unique(declarations: &[Declaration], diagnostics: &mut Diagnostics) {
    let mut identities: HashMap<Identity, (Place, &Name)> = HashMap::new();
    let mut ids: HashMap<AddressId, (Place, &Name)> = HashMap::new();
    for Declaration { name, target, .. } in declarations {
        let Target::Address { identity, place, id, .. } = target else { continue };
        if let Some((first, other)) = identities.insert(*identity, (*place, &name.value)) {
            let message = format!("{identity} is declared twice");
            let help = "the kernel holds one endpoint per address and port; keep one of the two";
            diagnostics.push(twice(message, (*place, &name.value), (first, other), help));
        }
        if let Some(id) = id
            && let Some((first, other)) = ids.insert(id.value, (id.place, &name.value))
        {
            let message = format!("id {} is declared twice", id.value);
            let help = "give each endpoint an id of its own, or leave the id out";
            diagnostics.push(twice(message, (id.place, &name.value), (first, other), help));
        }
    }
}

fn twice(message: String, second: (Place, &Name), first: (Place, &Name), help: &str) -> Diagnostic {
    Diagnostic::error("duplicate-endpoint", message)
        .at(second.0, format!("by `{}`", second.1))
        .at(first.0, format!("first by `{}`", first.1))
        .help(help)
        .endpoint(second.1.as_str())
}

fn limits_suffice(limits: &ManagedLimits, declarations: &[Declaration], diagnostics: &mut Diagnostics) {
    let Some(Located { value: LimitValue::Number(subflows), place }) = limits.subflows else { return };
    if declarations.len() > subflows as usize {
        let message = format!(
            "{} endpoints are declared, but a connection may have only {subflows} additional subflows",
            declarations.len()
        );
        let help = "raise `subflows`; else the kernel uses the endpoints that are declared first";
        diagnostics
            .push(Diagnostic::warning("more-endpoints-than-subflows", message).at(place, "").help(help));
    }
}
