//! `init`: a first configuration, made from what this host has. Pure: [`Survey`] is what the edge reads, [`Proposal`] what to
//! declare and why; `report::init` writes it.
//!
//! It prefers what stays true: a name over an index, a selector over an address that a lease sets, and an uplink over the
//! order of today's metrics.

mod links;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::{LimitValue, is_unique_local};
use crate::model::{AddressState, Device, Family, Flags, Limits, Sysctl, SysctlValue};
use crate::system::MainDefault;

pub use links::{ChosenLink, LeftOut};
pub use survey::{Lifetime, ManagerProfile, MptcpFlags, Survey, SurveyedAddress, SurveyedLink, WayOut};

/// How many announced addresses of a server a client follows: those of one with two providers.
const ANNOUNCED: u32 = 2;

/// What this host does with MPTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRole {
    /// It opens connections.
    Client,
    /// It accepts them.
    Server,
    /// It does both.
    Both,
}

impl HostRole {
    /// The flags of its endpoints.
    fn flags(self) -> Flags {
        match self {
            HostRole::Client => Flags::SUBFLOW,
            HostRole::Server => Flags::SIGNAL,
            HostRole::Both => Flags::SUBFLOW.union(Flags::SIGNAL),
        }
    }
}

/// How the role was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// The command line says so.
    Asked,
    /// By the ports at which MPTCP programs accept connections from other hosts.
    Listeners(BTreeSet<u16>),
}

/// What to declare, and why.
#[derive(Debug)]
pub struct Proposal {
    /// What this host does.
    pub role: HostRole,
    /// How that was found.
    pub role_source: RoleSource,
    /// `limits`; each is left out where nothing depends on it.
    pub limits: ProposedLimits,
    /// The sysctls that endpoints need, which have another value now.
    pub sysctls: Vec<(Sysctl, SysctlValue)>,
    /// The interfaces that are to be uplinks.
    pub uplinks: Vec<Device>,
    /// The interface whose packets leave by another one, which is why there are uplinks.
    pub astray: Option<Device>,
    /// In the order of preference.
    pub endpoints: Vec<ProposedEndpoint>,
    /// What is not declared.
    pub left_out: Vec<LeftOut>,
    /// How many endpoints the table has now.
    pub in_table: usize,
    /// The profiles by which NetworkManager makes endpoints of the same interfaces.
    pub profiles: Vec<String>,
}

/// `limits`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProposedLimits {
    /// `subflows`
    pub subflows: Option<LimitValue>,
    /// `add-addr-accepted`
    pub add_addr_accepted: Option<LimitValue>,
}

/// An entry of `endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedEndpoint {
    /// The interface.
    pub dev: Device,
    /// The address or addresses.
    pub target: ProposedTarget,
    /// The flags.
    pub flags: Flags,
    /// The best default route out of the interface for each family that the endpoint may have.
    pub defaults: Vec<(Family, MainDefault)>,
    /// Where the flags come from.
    pub flags_source: FlagsSource,
}

/// The address of an endpoint, or what stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposedTarget {
    /// A static address.
    Address(IpAddr),
    /// All usable addresses of the interface, which are these now.
    Selector {
        /// Of this family alone.
        family: Option<Family>,
        /// Those that match now.
        now: Vec<IpAddr>,
    },
}

/// Where the flags of an endpoint come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagsSource {
    /// From the role.
    Role,
    /// From the role; the interface is a modem beside other links.
    Modem,
    /// From the profile of NetworkManager with that name.
    Profile(String),
}

impl ProposedTarget {
    /// The families of its addresses now.
    fn families(&self) -> BTreeSet<Family> {
        let addresses = match self {
            ProposedTarget::Address(address) => std::slice::from_ref(address),
            ProposedTarget::Selector { now, .. } => now,
        };
        addresses.iter().map(|address| Family::of(*address)).collect()
    }
}

impl ProposedEndpoint {
    /// The metric of its best default route; without one, it comes last.
    fn metric(&self) -> u32 {
        self.defaults.iter().map(|(_, default)| default.metric).min().unwrap_or(u32::MAX)
    }

    /// How many addresses it stands for now.
    fn count(&self) -> u32 {
        match &self.target {
            ProposedTarget::Address(_) => 1,
            ProposedTarget::Selector { now, .. } => now.len().try_into().unwrap_or(u32::MAX),
        }
    }
}

/// What to declare on this host. Without `asked`, its listeners decide what it does.
pub fn propose(survey: &Survey, asked: Option<HostRole>) -> Proposal {
    let mut left_out = Vec::new();
    let mut chosen: Vec<ChosenLink> =
        survey.links.iter().filter_map(|link| ChosenLink::choose(link, &mut left_out)).collect();
    // Stable: links without a default route of their own come last.
    chosen.sort_by_key(|link| link.best_default().map_or(u32::MAX, |default| default.metric));
    let (role, role_source) = match asked {
        Some(role) => (role, RoleSource::Asked),
        None => detected(survey),
    };
    let any_wired = chosen.iter().any(|link| !link.is_modem());
    let mut endpoints = Vec::new();
    for link in &chosen {
        let (mut flags, mut flags_source) = flags(link, role, &role_source);
        if any_wired && link.is_modem() && flags_source == FlagsSource::Role {
            (flags, flags_source) = (flags.union(Flags::BACKUP), FlagsSource::Modem);
        }
        let endpoint = |target: ProposedTarget| ProposedEndpoint {
            dev: link.dev.clone(),
            defaults: target
                .families()
                .into_iter()
                .filter_map(|family| Some((family, link.best_default_of(family)?)))
                .collect(),
            target,
            flags,
            flags_source: flags_source.clone(),
        };
        endpoints.extend(targets(link).into_iter().map(endpoint));
    }
    // Stable: one link has routes of different metrics for its families.
    endpoints.sort_by_key(ProposedEndpoint::metric);
    fit(&mut endpoints, survey.capabilities.endpoints_max, &mut left_out);
    let astray = chosen.iter().find(|link| link.needs_uplink()).map(|link| link.dev.clone());
    let has_router = |link: &&ChosenLink| astray.is_some() && link.best_default().is_some();
    let state = survey.path_manager.state();
    let is_off = |(sysctl, value): &(&Sysctl, &SysctlValue)| {
        **sysctl == Sysctl::ENABLED && **value == SysctlValue::Number(0)
    };
    let off = state.and_then(|state| state.sysctls.iter().find(is_off));
    Proposal {
        role,
        role_source,
        limits: limits(survey, &endpoints),
        sysctls: off.map(|(sysctl, _)| (*sysctl, SysctlValue::Number(1))).into_iter().collect(),
        uplinks: chosen.iter().filter(has_router).map(|link| link.dev.clone()).collect(),
        astray,
        endpoints,
        left_out,
        in_table: state.map_or(0, |state| state.endpoints.iter().filter(|row| !row.is_implicit()).count()),
        profiles: chosen.iter().filter_map(|link| active_profile(link)).map(|own| own.name.clone()).collect(),
    }
}

/// A host whose MPTCP listeners other hosts can reach accepts connections; any other one opens them.
fn detected(survey: &Survey) -> (HostRole, RoleSource) {
    let open = survey.listeners.iter().filter(|own| own.mptcp && !own.local.ip().is_loopback());
    let ports: BTreeSet<u16> = open.map(|own| own.local.port()).collect();
    let role = if ports.is_empty() { HostRole::Client } else { HostRole::Server };
    (role, RoleSource::Listeners(ports))
}

/// The profile by which NetworkManager makes endpoints of a link.
fn active_profile<'s>(link: &ChosenLink<'s>) -> Option<&'s ManagerProfile> {
    link.link.profile.as_ref().filter(|profile| !profile.mptcp_flags.is_disabled())
}

/// The flags of a link's endpoints, if it stood alone.
fn flags(link: &ChosenLink<'_>, role: HostRole, source: &RoleSource) -> (Flags, FlagsSource) {
    const PURPOSES: Flags = Flags::SIGNAL.union(Flags::SUBFLOW);
    let profile = active_profile(link).map(|own| (own, own.mptcp_flags.of_endpoints()));
    if let Some((profile, own)) = profile.filter(|(_, own)| *own != Flags::default()) {
        let is_asked = *source == RoleSource::Asked;
        let purpose = if is_asked || !own.intersects(PURPOSES) { role.flags() } else { own };
        let flags = own.without(PURPOSES).union(purpose.intersection(PURPOSES));
        // The kernel refuses both at once.
        let refused = if flags.contains(Flags::SIGNAL) { Flags::FULLMESH } else { Flags::default() };
        return (flags.without(refused), FlagsSource::Profile(profile.name.clone()));
    }
    (role.flags(), FlagsSource::Role)
}

/// The endpoints of a link: its static addresses each, then one for all that come and go.
fn targets(link: &ChosenLink<'_>) -> Vec<ProposedTarget> {
    let may_change = |own: &&SurveyedAddress| {
        // What a modem or the other end of a dialled line assigns has no lifetime, and another one comes next time.
        own.lifetime == Lifetime::Dynamic || link.is_modem() || link.link.interface.routerless
    };
    let (changing, fixed): (Vec<&SurveyedAddress>, Vec<_>) =
        link.addresses.iter().copied().partition(may_change);
    let mut targets: Vec<ProposedTarget> =
        fixed.iter().map(|own| ProposedTarget::Address(own.address)).collect();
    let families: BTreeSet<Family> = changing.iter().map(|own| Family::of(own.address)).collect();
    // Without a family it would take addresses that are left out; unique local ones it never takes.
    let is_left_out = |own: &SurveyedAddress| {
        !is_unique_local(own.address) && !link.addresses.iter().any(|chosen| chosen.address == own.address)
    };
    let is_wide = |family: Family| {
        let mut others = link.link.addresses.iter().filter(|own| Family::of(own.address) != family);
        !others.any(|own| own.state == AddressState::Settled && is_left_out(own))
    };
    let only = families.first().copied().filter(|first| families.len() == 1 && !is_wide(*first));
    if !changing.is_empty() {
        let now = changing.iter().map(|own| own.address).collect();
        targets.push(ProposedTarget::Selector { family: only, now });
    }
    targets
}

/// Leaves out what the kernel's table cannot hold, and an address that an earlier interface has too.
fn fit(endpoints: &mut Vec<ProposedEndpoint>, room: usize, left_out: &mut Vec<LeftOut>) {
    let (mut taken, mut seen) = (0, BTreeSet::new());
    endpoints.retain(|endpoint| {
        let ProposedTarget::Address(address) = endpoint.target else { return true };
        let reason = if !seen.insert(address) {
            "an interface before it has this address too".to_owned()
        } else if taken == room {
            format!("the kernel's table holds {room} endpoints")
        } else {
            taken += 1;
            return true;
        };
        left_out.push(LeftOut::address(&endpoint.dev, address, &reason));
        false
    });
}

/// Limits that leave room for all endpoints, and are not lower than now.
fn limits(survey: &Survey, endpoints: &[ProposedEndpoint]) -> ProposedLimits {
    let max = survey.capabilities.limits_max;
    let now = survey.path_manager.state().map(|state| state.limits);
    let now = now.unwrap_or(Limits { subflows: 0, add_addr_accepted: 0 });
    let opening = endpoints.iter().filter(|endpoint| endpoint.flags.intersects(Flags::OPENING));
    let value = |number: u32| if number >= max { LimitValue::Max } else { LimitValue::Number(number) };
    let own: u32 = opening.clone().map(ProposedEndpoint::count).sum();
    // Each announced address gets one subflow, or with fullmesh one from each address here.
    let meshed: u32 =
        opening.filter(|one| one.flags.contains(Flags::FULLMESH)).map(ProposedEndpoint::count).sum();
    let is_announced = endpoints.iter().any(|endpoint| endpoint.flags.contains(Flags::SIGNAL));
    let accepted = ANNOUNCED.max(now.add_addr_accepted);
    let opened = own.saturating_add(accepted.saturating_mul(meshed.max(1)));
    // How many subflows come to an announced address is up to the clients.
    let subflows = if is_announced { max } else { opened.max(now.subflows) };
    ProposedLimits {
        subflows: (!endpoints.is_empty()).then(|| value(subflows)),
        add_addr_accepted: (own > 0).then(|| value(accepted)),
    }
}
