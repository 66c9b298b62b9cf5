//! Resolves `uplinks` to rules and routes: for each address of an interface that leads out, the rules by which its packets
//! leave there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::{Located, Uplink, is_unique_local};
use crate::model::code::Code;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{
    Device, Family, Interface, Reason, UplinkNames, UplinkRoute, UplinkRule, UplinkState, code, uplink_table,
};
use crate::plan::Reasons;
use crate::system::{Errno, Error, HostFacts, Refusal};

use super::ResolveError;
use super::declared::{interface_hint, interface_names};

/// What the declarations mean on this host.
#[derive(Default)]
pub struct ResolvedUplinks {
    /// The rules and routes.
    pub state: UplinkState,
    /// The names of declarations.
    pub names: UplinkNames,
    /// What waits.
    pub warnings: Vec<Diagnostic>,
    /// Why rules and routes leave that a declaration covers.
    pub reasons: Reasons,
}

impl ResolvedUplinks {
    /// Resolves all declarations.
    ///
    /// # Errors
    /// When they contradict each other on this host, and when the host cannot be read.
    pub fn resolve(
        uplinks: &[Uplink],
        current: &UplinkState,
        facts: &mut dyn HostFacts,
    ) -> Result<ResolvedUplinks, ResolveError> {
        let mut resolved = ResolvedUplinks::default();
        if uplinks.is_empty() {
            return Ok(resolved);
        }
        let interfaces = facts.interfaces()?.to_vec();
        let owners = owners(uplinks, &interfaces)?;
        resolved.names.tables = table_names(&owners);
        for uplink in uplinks {
            let own = || owners.iter().filter(|(owner, _)| std::ptr::eq(*owner, uplink));
            let up: Vec<&Interface> = own().map(|(_, interface)| *interface).filter(|on| on.up).collect();
            if up.is_empty() {
                let down = own().next().map(|(_, interface)| *interface);
                let other = owners.iter().find(|(_, interface)| uplink.rank(interface).is_some());
                match (down, other) {
                    (None, Some((other, _))) => resolved.warnings.push(shadowed(uplink, other)),
                    _ => resolved.wait_for_interface(uplink, down, facts)?,
                }
            }
            for interface in up {
                resolved.interface(uplink, interface, current, facts)?;
            }
        }
        if facts.has_foreign_routing_removed() {
            resolved.warnings.push(networkd());
        }
        resolved.keep_working(uplinks, current, &interfaces, facts)?;
        resolved.give_reasons(current, &interfaces, facts)?;
        // In the declared order, of which the first that is up stands in.
        let order = |(owner, _): &(&Uplink, &Interface)| {
            uplinks.iter().position(|uplink| std::ptr::eq(uplink, *owner))
        };
        let mut owners = owners;
        owners.sort_by_key(order);
        resolved.add_stand_ins(&owners, current, facts)?;
        Ok(resolved)
    }

    /// The rules and routes of one interface.
    fn interface(
        &mut self,
        uplink: &Uplink,
        interface: &Interface,
        current: &UplinkState,
        facts: &mut dyn HostFacts,
    ) -> Result<(), ResolveError> {
        let of_interface = facts.source_addresses()?.iter().filter(|(_, index)| *index == interface.index);
        let addresses: Vec<IpAddr> = of_interface.map(|(address, _)| *address).collect();
        if addresses.is_empty() {
            let why = format!("{} has no global address", Device::from(interface));
            let warning = self.waiting(uplink, code::UPLINK_DOWN, &why).at(uplink.dev.location, "");
            self.warnings.push(warning);
        }
        let table = uplink_table(interface.index);
        for family in Family::ALL {
            let mut addresses = addresses.iter().filter(|address| Family::of(**address) == family).peekable();
            if addresses.peek().is_none() {
                continue;
            }
            let Some(gateway) = gateway(uplink, interface, family, facts)? else {
                // Unique local addresses lead nowhere else, and need no router.
                if !addresses.all(|address| is_unique_local(*address)) {
                    self.wait_for_gateway(uplink, interface, family);
                }
                continue;
            };
            let dev = Some(Device::from(interface));
            let metric = family.metric();
            let route = UplinkRoute { family, table, gateway, dev, metric, raw: Vec::new() };
            let Some(route) = self.accepted(uplink, route, current, facts)? else { continue };
            self.state.routes.push(route);
            for &address in addresses {
                self.address(uplink, interface, address);
            }
        }
        Ok(())
    }

    /// The rules for one address. One on two interfaces leaves by the first.
    fn address(&mut self, uplink: &Uplink, interface: &Interface, address: IpAddr) {
        if let Some(first) = self.names.addresses.get(&address) {
            let dev = Device::from(interface);
            let message = format!("{address} is on {dev} too; its packets leave by uplink `{first}`");
            let warning = Diagnostic::warning(code::ADDRESS_TWICE, message).at(uplink.name.location, "");
            let help = "remove the address from one of the interfaces";
            return self.warnings.push(warning.endpoint(uplink.name.value.as_str()).help(help));
        }
        self.names.addresses.insert(address, uplink.name.value.to_string());
        let rules = UplinkRule::pair(address, uplink_table(interface.index));
        self.state.rules.extend(rules);
    }

    /// The route, if it is there or the kernel would take it; otherwise an error, and the one that is in its place. The
    /// kernel takes an address of this host for a router of IPv4, and looks for every destination on the link then.
    fn accepted(
        &mut self,
        uplink: &Uplink,
        route: UplinkRoute,
        current: &UplinkState,
        facts: &mut dyn HostFacts,
    ) -> Result<Option<UplinkRoute>, Error> {
        let is_own = is_own_router(uplink, &route, facts)?;
        if !is_own && current.routes.contains(&route) {
            return Ok(Some(route));
        }
        let refusal = match facts.check_route(&route) {
            Ok(()) if !is_own => return Ok(Some(route)),
            Ok(()) => Refusal::new(Errno::EINVAL),
            Err(refusal) => refusal,
        };
        let dev = route.dev.as_ref().map(Device::to_string).unwrap_or_default();
        let ip = route.family.ip();
        let (code, why, help) = match route.gateway.filter(|_| refusal.errno != Errno::EEXIST) {
            Some(gateway) if is_own => (
                code::GATEWAY_UNKNOWN,
                format!("its router {gateway} is an address of this host"),
                "write the address of the router as `gateway`, or `gateway: none` on a link without a router"
                    .to_owned(),
            ),
            Some(gateway) if refusal.errno == Errno::EINVAL => (
                code::GATEWAY_UNKNOWN,
                format!("its router {gateway} is no address of a router on the link of {dev} ({refusal})"),
                format!(
                    "`{ip} route show table all` shows what the kernel takes it for; correct `gateway`, or leave it out"
                ),
            ),
            Some(gateway) => (
                code::GATEWAY_UNKNOWN,
                format!("its router {gateway} is not on the link of {dev} ({refusal})"),
                format!("`{ip} route` shows what is on that link; correct `gateway`, or leave it out"),
            ),
            None => (
                code::ROUTE_TAKEN,
                format!("the kernel would refuse its route ({refusal})"),
                format!("`{ip} route show table {}` shows what is there; remove it", route.table),
            ),
        };
        let at = uplink.gateway.as_ref().map_or(uplink.name.location, |gateway| gateway.location);
        let error = Diagnostic { severity: Severity::Error, ..self.waiting(uplink, code, &why) };
        self.warnings.push(error.at(at, "").help(help));
        Ok(current.routes.iter().find(|own| own.key() == route.key()).cloned())
    }

    fn wait_for_interface(
        &mut self,
        uplink: &Uplink,
        down: Option<&Interface>,
        facts: &mut dyn HostFacts,
    ) -> Result<(), ResolveError> {
        let Located { value: dev, location } = &uplink.dev;
        let (code, why, help) = match down {
            Some(interface) => (code::UPLINK_DOWN, format!("{} is down", Device::from(interface)), None),
            None if facts.interfaces()?.iter().any(|on| on.loopback && dev.matches(on)) => {
                let help = "name an interface that leads to other hosts";
                (code::UPLINK_DOWN, format!("{dev} is the loopback interface"), Some(help.to_owned()))
            }
            None => {
                let help = interface_hint(&dev.globs, &interface_names(facts)?);
                (code::DEV_MISSING, format!("there is no interface {dev}"), help)
            }
        };
        let warning = self.waiting(uplink, code, &why).at(*location, "");
        self.warnings.push(Diagnostic { help: help.map(Into::into), ..warning });
        Ok(())
    }

    fn wait_for_gateway(&mut self, uplink: &Uplink, interface: &Interface, family: Family) {
        let (family, dev) = (family.title(), Device::from(interface));
        let why = format!("no {family} default route out of {dev} tells its router");
        let warning = self.waiting(uplink, code::GATEWAY_UNKNOWN, &why).at(uplink.name.location, "");
        let help = match uplink.gateway {
            Some(_) => format!("add the {family} one to `gateway`, which is a list then"),
            None => "give the uplink a `gateway`, or `gateway: none` on a link without a router".to_owned(),
        };
        self.warnings.push(warning.help(help));
    }

    fn waiting(&self, uplink: &Uplink, code: Code, why: &str) -> Diagnostic {
        let name = &uplink.name.value;
        Diagnostic::warning(code, format!("uplink `{name}` waits: {why}")).endpoint(name.as_str())
    }

    /// Says why the rules and routes of an interface leave that an uplink covers.
    fn give_reasons(
        &mut self,
        current: &UplinkState,
        interfaces: &[Interface],
        facts: &mut dyn HostFacts,
    ) -> Result<(), ResolveError> {
        let sources = facts.source_addresses()?.to_vec();
        let desired = self.state.clone();
        // What has another form is not one of ours any more, whatever its interface.
        let usual = |raw: &[u8]| raw.is_empty();
        let is_in_table = |route: &&UplinkRoute| usual(&route.raw) && !route.is_stand_in();
        for route in current.routes.iter().filter(is_in_table).filter(|it| !desired.routes.contains(it)) {
            let reason = self.reason(route.table, None, interfaces, &sources);
            self.reasons.routes.extend(reason.map(|reason| (route.place(), reason)));
        }
        for rule in current.rules.iter().filter(|it| usual(&it.raw) && !desired.rules.contains(it)) {
            // A rule to the main table goes for the same reason as the one beside it.
            let of_same = |other: &&UplinkRule| other.from == rule.from && other.leads_to_uplink();
            let partner = current.rules.iter().find(of_same).map(|other| other.table);
            let on = || sources.iter().find(|(address, _)| rule.from == Some(*address));
            let table = partner.or_else(|| on().map(|(_, index)| uplink_table(*index)));
            let table = table.unwrap_or(rule.table);
            let reason = self.reason(table, rule.from, interfaces, &sources);
            self.reasons.rules.extend(reason.map(|reason| (rule.clone(), reason)));
        }
        Ok(())
    }

    /// Why the table of an interface, or a rule for packets with that address, is not needed any more; none where no
    /// declaration covers the interface.
    fn reason(
        &self,
        table: u32,
        from: Option<IpAddr>,
        interfaces: &[Interface],
        sources: &[(IpAddr, NonZeroU32)],
    ) -> Option<Reason> {
        let Some(interface) = interfaces.iter().find(|on| uplink_table(on.index) == table) else {
            return Some(Reason::DevGone);
        };
        let is_there = |(address, index): &(IpAddr, NonZeroU32)| {
            *index == interface.index && from.is_none_or(|from| from == *address)
        };
        let (is_declared, is_there) = (self.names.tables.contains_key(&table), sources.iter().any(is_there));
        match () {
            () if is_declared && !interface.up => Some(Reason::InterfaceDown),
            () if !is_there && (is_declared || from.is_some()) => Some(Reason::AddressGone),
            () => is_declared.then_some(Reason::GatewayUnknown),
        }
    }
}

/// Whether an uplink declares an address of this host as its router.
fn is_own_router(uplink: &Uplink, route: &UplinkRoute, facts: &mut dyn HostFacts) -> Result<bool, Error> {
    let declared = uplink.gateway.as_ref().and_then(|gateway| gateway.value.of(route.family)).flatten();
    let (Some(router), Some(dev)) = (declared, &route.dev) else { return Ok(false) };
    // An address of the link alone may be another host's on another link.
    let is_anywhere = facts.source_addresses()?.iter().any(|(own, _)| *own == router);
    Ok(is_anywhere || facts.has_address(router, Some(dev.index))?)
}

/// The names of uplinks on this host, for what there may be of them.
///
/// # Errors
/// When the host cannot be read.
pub fn names(uplinks: &[Uplink], facts: &mut dyn HostFacts) -> Result<UplinkNames, Error> {
    if uplinks.is_empty() {
        return Ok(UplinkNames::default());
    }
    let interfaces = facts.interfaces()?.to_vec();
    // Contradictions have no names.
    let Ok(owners) = owners(uplinks, &interfaces) else { return Ok(UplinkNames::default()) };
    let tables = table_names(&owners);
    let (mut addresses, sources) = (BTreeMap::new(), facts.source_addresses()?);
    for name in uplinks.iter().map(|uplink| uplink.name.value.to_string()) {
        let is_own = |(_, index): &&(IpAddr, NonZeroU32)| tables.get(&uplink_table(*index)) == Some(&name);
        for (address, _) in sources.iter().filter(is_own) {
            addresses.entry(*address).or_insert_with(|| name.clone());
        }
    }
    Ok(UplinkNames { tables, addresses })
}

fn table_names(owners: &[(&Uplink, &Interface)]) -> BTreeMap<u32, String> {
    let name = |(uplink, interface): &(&Uplink, &Interface)| {
        (uplink_table(interface.index), uplink.name.value.to_string())
    };
    owners.iter().map(name).collect()
}

/// The interfaces with the uplinks that they are. A literal name counts before a glob, then the declared order.
pub fn owners<'a>(
    uplinks: &'a [Uplink],
    interfaces: &'a [Interface],
) -> Result<Vec<(&'a Uplink, &'a Interface)>, ResolveError> {
    let mut owners: Vec<(&Uplink, &Interface)> = Vec::new();
    for interface in interfaces.iter().filter(|interface| !interface.loopback) {
        let best = uplinks.iter().filter_map(|uplink| Some((uplink.rank(interface)?, uplink)));
        let mut best: Vec<_> = best.collect();
        // Stable.
        best.sort_by_key(|(is_literal, _)| !is_literal);
        if let [(true, first), (true, second), ..] = best[..] {
            return Err(ResolveError::Invalid(vec![second.also_names(Device::from(interface), first)]));
        }
        owners.extend(best.first().map(|(_, uplink)| (*uplink, interface)));
    }
    for uplink in uplinks {
        let own = owners.iter().filter(|(owner, _)| std::ptr::eq(*owner, uplink));
        let error = if own.count() > 1 { uplink.shared_gateway() } else { None };
        if let Some(error) = error {
            return Err(ResolveError::Invalid(vec![error]));
        }
    }
    Ok(owners)
}

/// An uplink whose interfaces are all those of others.
fn shadowed(uplink: &Uplink, other: &Uplink) -> Diagnostic {
    let name = &uplink.name.value;
    let message =
        format!("uplink `{name}` stands for nothing: other uplinks have every interface that it matches");
    Diagnostic::warning(code::SELECTOR_SHADOWED, message)
        .at(uplink.name.location, "")
        .at(other.name.location, "such as this one")
        .endpoint(name.as_str())
        .help("narrow the other ones, or remove this one")
}

fn networkd() -> Diagnostic {
    let message = "systemd-networkd removes rules and routes that it did not make, those of uplinks too";
    let help = "write `[Network]`, `ManageForeignRoutes=no` and `ManageForeignRoutingPolicyRules=no`, a line each, to \
                /etc/systemd/networkd.conf.d/mptcp-apply.conf, and run `systemctl restart systemd-networkd`";
    Diagnostic::warning(code::NETWORKD_FOREIGN_RULES, message).help(help)
}

/// The router of an interface: `Some(None)` on a link without one, none if nothing tells.
pub fn gateway(
    uplink: &Uplink,
    interface: &Interface,
    family: Family,
    facts: &mut dyn HostFacts,
) -> Result<Option<Option<IpAddr>>, ResolveError> {
    if let Some(declared) = uplink.gateway.as_ref().and_then(|gateway| gateway.value.of(family)) {
        return Ok(Some(declared));
    }
    let best = facts.default_routes(family, interface.index)?.into_iter().min();
    let without = || interface.routerless.then_some(None);
    Ok(best.map(|best| best.gateway).or_else(without))
}
