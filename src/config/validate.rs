//! Validates the merged files to a [`Config`]: every rule that spans several keys, endpoints or files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::code::{self, Code};
use crate::model::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::model::{AddressId, Family, Flags, Identity, Sysctl, SysctlValue, counted};

use super::document::{EndpointDocument, LimitValue, Located, Name};
use super::merge::{ManagedLimits, Merged};
use super::pattern::{AddressPattern, AddressPrefix, DevicePattern};
use super::selector::Selector;
use super::unique::duplicates;
use super::uplink::{self, Uplink};

/// The flags of which an endpoint needs at least one.
pub(super) const PURPOSES: Flags =
    Flags::SIGNAL.union(Flags::SUBFLOW).union(Flags::FULLMESH).union(Flags::LAMINAR);

/// The declared configuration, checked as far as possible without a kernel.
#[derive(Debug, Default)]
pub struct Config {
    /// False: leave endpoints alone that this program did not add. Default: true.
    pub prune: bool,
    /// The managed limits.
    pub limits: ManagedLimits,
    /// The managed sysctls.
    pub sysctls: BTreeMap<Sysctl, Located<SysctlValue>>,
    /// In the declared order; `None` if rules and routes are not managed.
    pub uplinks: Option<Vec<Uplink>>,
    /// In the order of preference; `None` if the table is not managed.
    pub endpoints: Option<Vec<Declaration>>,
}

impl Config {
    /// The selectors, with their names.
    pub fn selectors(&self) -> impl Iterator<Item = (&Name, &Selector)> {
        self.endpoints.iter().flatten().filter_map(|declaration| match &declaration.target {
            EndpointTarget::Selector(selector) => Some((&declaration.name.value, selector)),
            EndpointTarget::Address { .. } => None,
        })
    }
}

/// One entry of `endpoints`.
#[derive(Debug)]
pub struct Declaration {
    /// The name, with its location.
    pub name: Located<Name>,
    /// The address or selector.
    pub target: EndpointTarget,
    /// What the path manager does with the endpoint.
    pub flags: Flags,
    /// Whether a run fails, before it changes anything, as long as the declaration waits.
    pub required: bool,
}

/// The address or addresses of a declaration.
#[derive(Debug)]
pub enum EndpointTarget {
    /// An exact address.
    Address {
        /// Address and port.
        identity: Identity,
        /// The name of the interface.
        dev: Option<Located<String>>,
        /// The fixed id.
        id: Option<Located<AddressId>>,
    },
    /// Every usable address that matches.
    Selector(Selector),
}

/// Checks the merged files. Declarations with errors are left out.
pub fn config(merged: Merged, diagnostics: &mut Diagnostics) -> Config {
    let Merged { prune, limits, sysctls, uplinks, endpoints, completeness } = merged;
    check_path_manager(&sysctls, diagnostics);
    let uplinks = uplinks.map(|uplinks| uplinks.remaining(completeness, diagnostics));
    let uplinks = uplinks.map(|remaining| uplink::uplinks(remaining, diagnostics));
    let endpoints = endpoints.map(|endpoints| {
        let endpoints = endpoints.remaining(completeness, diagnostics);
        check_limits(&limits, &endpoints, diagnostics);
        let duplicates = duplicates(&endpoints);
        let mut declarations = Vec::with_capacity(endpoints.len());
        for (name, body) in endpoints {
            // Packets of an uplink's address leave by its interface, whether an endpoint names that or not; which addresses
            // an uplink has, only the host knows.
            if uplinks.as_ref().is_none_or(Vec::is_empty) {
                Validator { name: &name, diagnostics }.binding(&body);
            }
            declarations.extend(declaration(name, body, diagnostics));
        }
        diagnostics.extend(duplicates);
        declarations
    });
    Config {
        prune: prune.is_none_or(|prune| prune.value),
        limits,
        sysctls: sysctls.into_iter().map(|(sysctl, (_, value))| (sysctl, value)).collect(),
        uplinks,
        endpoints,
    }
}

fn check_path_manager(
    sysctls: &BTreeMap<Sysctl, (Location, Located<SysctlValue>)>,
    diagnostics: &mut Diagnostics,
) {
    if let (Some((newer, _)), Some((older, _))) =
        (sysctls.get(&Sysctl::PATH_MANAGER), sysctls.get(&Sysctl::PM_TYPE))
    {
        diagnostics.push(
            Diagnostic::error(code::CONFLICT, "`path_manager` and `pm_type` are one setting")
                .at(*newer, "set here")
                .at(*older, "and here")
                .help("keep one of the two; either works on every kernel"),
        );
    }
}

/// Checks one endpoint by itself. One with an earlier error is checked for others, but gives no declaration.
fn declaration(
    name: Located<Name>,
    body: EndpointDocument,
    diagnostics: &mut Diagnostics,
) -> Option<Declaration> {
    let errors = diagnostics.errors();
    let complete = body.invalid.is_empty();
    let validator = Validator { name: &name, diagnostics };
    let flags = validator.flags(&body);
    let required = body.required.is_some_and(|required| required.value);
    let target = Validator { name: &name, diagnostics }.target(body);
    let valid = complete && diagnostics.errors() == errors;
    valid.then(|| Some(Declaration { name, target: target?, flags: flags?, required }))?
}

/// Reports the errors of one endpoint.
struct Validator<'a> {
    name: &'a Located<Name>,
    diagnostics: &'a mut Diagnostics,
}

impl Validator<'_> {
    fn flags(mut self, body: &EndpointDocument) -> Option<Flags> {
        let Some(flags) = body.flags else {
            if body.has_invalid("flags") {
                return None;
            }
            let message = format!("endpoint `{}` has no `flags`", self.name.value);
            let help = "add `flags: [subflow]` to open subflows from it, or `flags: [signal]` to announce it";
            self.error(code::NO_PURPOSE, message, &[(self.name.location, "")], help);
            return None;
        };
        let Located { value, location } = flags;
        if !value.intersects(PURPOSES) {
            let message =
                "no flag among signal, subflow, fullmesh and laminar: the endpoint would do nothing";
            let help = "add `subflow` to open subflows from it, or `signal` to announce it to peers";
            self.error(code::NO_PURPOSE, message, &[(location, "")], help);
        }
        if value.contains(Flags::SIGNAL.union(Flags::FULLMESH)) {
            let message = "`signal` and `fullmesh` exclude each other";
            self.error(
                code::CONFLICT,
                message,
                &[(location, "")],
                "the kernel refuses an endpoint with both; keep one",
            );
        }
        if let Some(port) = body.port {
            let (message, help) = if value.contains(Flags::SUBFLOW) {
                (
                    "an endpoint with a port cannot have the flag `subflow`",
                    "keep only `signal` here, and open subflows from a second endpoint without a port",
                )
            } else if !value.contains(Flags::SIGNAL) {
                ("a port needs the flag `signal`", "write `flags: [signal]`, or leave the port out")
            } else {
                ("", "")
            };
            if !message.is_empty() {
                self.error(
                    code::PORT,
                    message,
                    &[(port.location, ""), (location, "these are its flags")],
                    help,
                );
            }
        }
        if value.contains(Flags::FULLMESH) && !value.intersects(Flags::SUBFLOW.union(Flags::SIGNAL)) {
            let message =
                "`fullmesh` without `subflow` opens subflows only to addresses that the peer announces";
            let help = "add `subflow` to also open one to the peer's first address";
            self.warning(code::FULLMESH_WITHOUT_SUBFLOW, message, location, help);
        }
        Some(value)
    }

    /// Warns of subflows that no interface is named for.
    fn binding(mut self, body: &EndpointDocument) {
        let Some((address, location)) = body.unbound_address() else { return };
        let message = format!(
            "endpoint `{}` has no `dev`: the kernel may send its subflows by another interface than the one that has {address}",
            self.name.value
        );
        let help = "add `dev` with the interface that has the address";
        self.warning(code::DEV_UNSET, message, location, help);
    }

    fn target(mut self, body: EndpointDocument) -> Option<EndpointTarget> {
        if body.has_invalid("address") || (body.dev.is_none() && body.has_invalid("dev")) {
            return None;
        }
        let body_dev_is_wrong = body.has_invalid("dev");
        let EndpointDocument { address, port, dev, family, id, flags: _, required: _, invalid: _ } = body;
        match address {
            None if dev.is_none() => {
                let message = format!("endpoint `{}` has neither `address` nor `dev`", self.name.value);
                let help = "add an `address`, or a `dev` to use the addresses of that interface";
                self.error(code::NO_TARGET, message, &[(self.name.location, "")], help);
                None
            }
            Some(Located { value: AddressPattern::Exact(address), location }) => {
                if let Some(family) = family {
                    let message = "only a selector takes `family`; an address already has one";
                    self.error(code::SELECTOR, message, &[(family.location, "")], "leave it out");
                }
                self.address(address, location, port.is_some(), dev.is_some() || body_dev_is_wrong);
                let identity = Identity { address, port: port.map(|port| port.value) };
                Some(EndpointTarget::Address { identity, dev: self.interface(dev), id })
            }
            prefix => {
                let many = match (&prefix, &dev) {
                    (Some(prefix), _) => Some((prefix.location, "a prefix")),
                    (None, dev) => dev.as_ref().map(|dev| (dev.location, "`dev` without `address`")),
                };
                self.selector_key("id", id.map(|id| id.location), many);
                self.selector_key("port", port.map(|port| port.location), many);
                let included =
                    || prefix.iter().flat_map(|prefix| prefix.value.prefixes()).filter(|one| !one.excludes);
                let is_never = |lies_there: fn(&AddressPrefix) -> bool| included().any(lies_there);
                if let Some(Located { location, .. }) = &prefix {
                    if is_never(|prefix| prefix.network.is_loopback()) {
                        let message = "a prefix never matches loopback addresses";
                        self.warning(code::LOOPBACK_ADDRESS, message, *location, "write the exact address");
                    }
                    if is_never(AddressPrefix::is_link_local) {
                        let message = "a prefix never matches link-local addresses";
                        let help = "write the exact address, and `dev` with the interface that has it";
                        self.warning(code::LINK_LOCAL_ADDRESS, message, *location, help);
                    }
                }
                let is_of = |family| included().any(|prefix| Family::of(prefix.network) == family);
                if let (Some(prefix), Some(family)) = (&prefix, &family)
                    && included().next().is_some()
                    && !is_of(family.value)
                {
                    let message = "the prefix has no address of this family";
                    let locations = [(family.location, ""), (prefix.location, "the prefix")];
                    self.error(code::SELECTOR, message, &locations, "leave `family` out");
                }
                Some(EndpointTarget::Selector(Selector { prefix, dev, family }))
            }
        }
    }

    /// Reports a key that needs an exact address.
    fn selector_key(&mut self, key: &str, location: Option<Location>, many: Option<(Location, &str)>) {
        let (Some(location), Some((selector, what))) = (location, many) else { return };
        let message = format!("`{key}` needs an exact address; {what} can match several");
        let help = format!("write one exact `address`, or leave `{key}` out");
        self.error(
            code::SELECTOR,
            message,
            &[(location, ""), (selector, "can match several addresses")],
            help,
        );
    }

    fn address(&mut self, address: IpAddr, location: Location, has_port: bool, has_dev: bool) {
        if address.is_loopback() {
            let message = format!("{address} is a loopback address; no other host can reach it");
            self.warning(code::LOOPBACK_ADDRESS, message, location, "use the address of a network interface");
        }
        if is_link_local(address) && has_port {
            let message = "the kernel cannot listen on a link-local address: it would need a scope, which endpoints do not have";
            self.error(code::PORT, message, &[(location, "")], "use a global address, or leave the port out");
        }
        if is_link_local(address) && !has_dev {
            let message = format!("{address} is a link-local address, which needs an interface");
            self.error(
                code::DEV,
                message,
                &[(location, "")],
                "add `dev` with the interface that has the address",
            );
        }
    }

    fn interface(&mut self, dev: Option<Located<DevicePattern>>) -> Option<Located<String>> {
        let Located { value, location } = dev?;
        let literal = value.literal().map(|name| Located { value: name.to_owned(), location });
        if literal.is_none() {
            let message = "with an exact address, `dev` must be one interface name";
            self.error(code::DEV, message, &[(location, "")], "name the interface that has the address");
        }
        literal
    }

    fn error(
        &mut self,
        code: Code,
        message: impl Into<String>,
        locations: &[(Location, &str)],
        help: impl Into<Cow<'static, str>>,
    ) {
        let mut diagnostic = Diagnostic::error(code, message).help(help).endpoint(self.name.value.as_str());
        for (location, text) in locations {
            diagnostic = diagnostic.at(*location, *text);
        }
        self.diagnostics.push(diagnostic);
    }

    fn warning(&mut self, code: Code, message: impl Into<String>, location: Location, help: &'static str) {
        self.diagnostics.push(
            Diagnostic::warning(code, message).at(location, "").help(help).endpoint(self.name.value.as_str()),
        );
    }
}

impl EndpointDocument {
    /// Its exact address, if it opens subflows from there without naming the interface. The kernel then chooses that by the
    /// route to the peer alone. Addresses that get a diagnostic of their own are left out.
    fn unbound_address(&self) -> Option<(IpAddr, Location)> {
        let AddressPattern::Exact(address) = self.address.as_ref()?.value else { return None };
        let is_bound = self.dev.is_some() || self.has_invalid("dev");
        let opens = self.flags?.value.intersects(Flags::OPENING);
        let is_judged = address.is_loopback() || is_link_local(address);
        (opens && !is_bound && !is_judged).then_some((address, self.address.as_ref()?.location))
    }

    /// Whether it opens subflows from addresses of this family; a selector may have addresses of both.
    fn may_open_subflows(&self, family: Family) -> bool {
        let opens =
            self.flags.is_some_and(|flags| flags.value.intersects(Flags::SUBFLOW.union(Flags::FULLMESH)));
        let is_of = |address| Family::of(address) == family;
        let has_address = match self.address.as_ref().map(|address| &address.value) {
            None => true,
            Some(AddressPattern::Exact(address)) => is_of(*address),
            Some(AddressPattern::Prefixes(prefixes)) => {
                prefixes.iter().any(|prefix| prefix.excludes || is_of(prefix.network))
            }
        };
        opens && has_address && self.family.is_none_or(|only| only.value == family)
    }
}

/// Whether it needs an interface to have a meaning.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn check_limits(
    limits: &ManagedLimits,
    declared: &[(Located<Name>, EndpointDocument)],
    diagnostics: &mut Diagnostics,
) {
    let Some(Located { value: LimitValue::Number(subflows), location }) = limits.subflows else { return };
    for family in Family::ALL {
        let endpoints = declared.iter().filter(|(_, body)| body.may_open_subflows(family)).count();
        if endpoints > subflows as usize {
            let message = format!(
                "`subflows: {subflows}` is too low for subflows from {}: a connection opens at most {subflows} beside its first one, so the endpoints declared last may stay unused",
                counted(endpoints, &format!("{} endpoint", family.title()))
            );
            let help = format!("write `subflows: {endpoints}`, or `max` for as many as the kernel allows");
            diagnostics.push(
                Diagnostic::warning(code::MORE_ENDPOINTS_THAN_SUBFLOWS, message).at(location, "").help(help),
            );
            // A selector of both families counts twice, and one warning is enough.
            return;
        }
    }
}
