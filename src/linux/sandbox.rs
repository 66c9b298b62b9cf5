//! A throw-away copy of this host: a new user and network namespace with the same interfaces, addresses, sysctls,
//! limits, endpoints and ways out of uplinks, in which the real kernel judges a plan.
//!
//! The process itself moves there and never comes back, so that nothing afterwards can touch the host. A process that
//! makes a user namespace holds all capabilities in it, so that this works for ordinary users. Where the kernel forbids
//! user namespaces, root makes a network namespace alone.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Iff, Rtm};
use nix::sched::{CloneFlags, unshare};

use crate::config::{Config, Uplink};
use crate::desired::{Need, needs};
use crate::linux::LinuxPathManager;
use crate::linux::netlink::Request;
use crate::linux::routes::Routes;
use crate::linux::rtmsg::{Hop, ONLINK, Route};
use crate::linux::rtnl::{self, Address, Rtnl};
use crate::model::diagnostic::Diagnostic;
use crate::model::{
    Device, Endpoint, Family, Interface, MAIN_TABLE, Reason, State, Step, UplinkRoute, UplinkRule,
    UplinkState, code, uplink_table,
};
use crate::system::{Errno, Error, PathManager, Scope};

/// Kinds of interfaces that need no other interface; the first that the kernel has is used for all. The kernel may load a
/// module for it. That of `dummy` makes an interface in the host's namespace when it is loaded, so it comes last.
const LINK_KINDS: [&str; 3] = ["bridge", "veth", "dummy"];

/// Moves this process into a copy of the host's network namespace, and adds the declared interfaces that the host lacks.
/// The warnings say how the copy differs from the host.
///
/// # Errors
/// When the host cannot be read, and when no namespace can be made.
pub fn enter(config: &Config) -> Result<(LinuxPathManager, Vec<Diagnostic>), Error> {
    let scope = Scope { uplinks: config.uplinks.is_some(), ..Scope::everything() };
    let state = LinuxPathManager::open()?.observe(&scope)?.state;
    let mut rtnl = Rtnl::open()?;
    let (links, addresses) = (rtnl.links()?, rtnl.addresses()?);
    let mut ways_out = Vec::new();
    for family in Family::ALL.into_iter().filter(|_| scope.uplinks) {
        ways_out.extend(Routes::open()?.ways_out(family)?);
    }
    new_namespace().map_err(Error::NoSandbox)?;
    let mut copy = Copy { rtnl: Rtnl::open()?, indexes: BTreeMap::new(), kind: None, warnings: Vec::new() };
    copy.links(&links)?;
    copy.addresses(&links, &addresses)?;
    let mut declared: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for Need { identity, dev, .. } in needs(config) {
        if let Some(dev) = dev {
            declared.entry(dev.value.clone()).or_default().push(identity.address);
        }
    }
    copy.declared_only(&declared, &links)?;
    copy.ways_out(ways_out, &links)?;
    copy.declared_routers(config.uplinks.as_deref().unwrap_or_default(), &links)?;
    let mut host = LinuxPathManager::open()?;
    copy.path_manager(&mut host, state, &links)?;
    Ok((host, copy.warnings))
}

fn new_namespace() -> io::Result<()> {
    let both = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET);
    both.or_else(|_| unshare(CloneFlags::CLONE_NEWNET)).map_err(io::Error::from)
}

struct Copy {
    rtnl: Rtnl,
    /// The index in the copy, by name.
    indexes: BTreeMap<String, NonZeroU32>,
    kind: Option<&'static str>,
    warnings: Vec<Diagnostic>,
}

impl Copy {
    /// Makes the host's interfaces, with the same index where that is free and with all their names, and sets those up that are
    /// up there.
    fn links(&mut self, links: &[Interface]) -> Result<(), Error> {
        self.refresh()?;
        for link in links {
            self.link(&link.name, Some(link.index))?;
        }
        self.refresh()?;
        let here = |link: &Interface| self.indexes.get(&link.name).copied();
        let copied = links.iter().filter_map(|link| Some((here(link)?, &link.altnames)));
        let names = copied.flat_map(|(index, names)| names.iter().map(move |name| (index, name)));
        let names: Vec<_> = names.map(|(index, name)| rtnl::add_altname(index, name)).collect();
        let set_up = |link: &Interface| {
            // Whether packets need a router does not depend on the kind of interface.
            let flags = if link.routerless { Iff::NOARP } else { Iff::empty() };
            Some(rtnl::set_up(here(link)?, flags))
        };
        let up: Vec<_> = links.iter().filter(|link| link.up).filter_map(set_up).collect();
        self.send(&names, "an alternative name of an interface could not be copied")?;
        self.send(&up, "an interface could not be set up")
    }

    fn link(&mut self, name: &str, index: Option<NonZeroU32>) -> Result<(), Error> {
        if self.indexes.contains_key(name) {
            return Ok(());
        }
        let kinds = self.kind.map_or(LINK_KINDS.to_vec(), |kind| vec![kind]);
        let mut last = Errno::EOPNOTSUPP;
        for kind in kinds {
            for index in [index, None] {
                let request = rtnl::add_link(name, kind, index);
                match self.rtnl.transact(&[request])?.pop() {
                    Some(Err(refusal)) => last = refusal.errno,
                    _ => {
                        self.kind = Some(kind);
                        return Ok(());
                    }
                }
                if last == Errno::EPERM {
                    return Err(Error::NoSandbox(last.into()));
                }
                if last == Errno::EOPNOTSUPP {
                    break;
                }
            }
        }
        self.warn(format!("interface {name} could not be copied: {}", last.desc()));
        Ok(())
    }

    fn addresses(&mut self, links: &[Interface], addresses: &[Address]) -> Result<(), Error> {
        let here = self.translation(links);
        let usable = addresses.iter().filter(|address| address.can_be_bound());
        let add = |address: &Address| Some(rtnl::add_address(*here.get(&address.index)?, address));
        let requests: Vec<_> = usable.filter_map(add).collect();
        self.send(&requests, "an address could not be copied")
    }

    /// Makes the interfaces that only the configuration names, with the addresses that it gives them: so a
    /// configuration for another machine can be tried here.
    fn declared_only(
        &mut self,
        declared: &BTreeMap<String, Vec<IpAddr>>,
        links: &[Interface],
    ) -> Result<(), Error> {
        let lacks = |name: &str| !links.iter().flat_map(Interface::names).any(|known| known == name);
        let missing: Vec<_> = declared.iter().filter(|(name, _)| lacks(name)).collect();
        for (name, _) in &missing {
            self.link(name, None)?;
        }
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            let message =
                format!("the rehearsal created {}, which this host does not have", names.join(", "));
            let help = "on this host itself, endpoints on missing interfaces wait";
            self.warnings.push(Diagnostic::warning(code::REHEARSAL, message).help(help));
        }
        self.refresh()?;
        let mut requests = Vec::new();
        for (name, addresses) in missing {
            let Some(index) = self.indexes.get(name) else { continue };
            requests.push(rtnl::set_up(*index, Iff::empty()));
            for &address in addresses {
                requests.push(rtnl::add_address(*index, &Address::single(*index, address)));
            }
        }
        self.send(&requests, "an interface that only the configuration names could not be created")
    }

    /// Copies the routes of the main table by which uplinks find their routers, as far as their interfaces were copied. That
    /// a router is on the link is taken from the host.
    fn ways_out(&mut self, routes: Vec<Route>, links: &[Interface]) -> Result<(), Error> {
        let here = self.translation(links);
        let mut requests = Vec::new();
        for mut route in routes {
            route.hops.retain_mut(|hop| {
                hop.interface = hop.interface.and_then(|index| here.get(&index).copied());
                hop.interface.is_some()
            });
            if !route.hops.is_empty() {
                requests.push(add_route(&route));
            }
        }
        self.send(&requests, "a route could not be copied")
    }

    /// Puts the routers of uplinks on the links that only the configuration names.
    fn declared_routers(&mut self, uplinks: &[Uplink], links: &[Interface]) -> Result<(), Error> {
        let mut requests = Vec::new();
        let made = self.rtnl.links()?;
        for link in made.iter().filter(|made| !links.iter().any(|link| link.name == made.name)) {
            for uplink in uplinks.iter().filter(|uplink| uplink.rank(link).is_some()) {
                let declared = |family| uplink.gateway.as_ref()?.value.of(family).flatten();
                for router in Family::ALL.into_iter().filter_map(declared) {
                    let family = Family::of(router);
                    requests.push(add_route(&Route {
                        destination: Some(router),
                        prefix_length: family.bits(),
                        hops: vec![Hop { interface: Some(link.index), gateway: None }],
                        ..Route::to_everywhere(family, MAIN_TABLE)
                    }));
                }
            }
        }
        self.send(&requests, "a router that only the configuration names could not be put on its link")
    }

    /// Copies sysctls, limits, endpoints, and rules and routes of uplinks by the steps that a plan is made of.
    fn path_manager(
        &mut self,
        host: &mut LinuxPathManager,
        state: State,
        links: &[Interface],
    ) -> Result<(), Error> {
        let sysctls = state.sysctls.keys().copied().collect();
        let fresh = host.observe(&Scope { sysctls, uplinks: false })?.state;
        let mut steps: Vec<Step> = Vec::new();
        for (sysctl, to) in state.sysctls {
            if let Some(from) = fresh.sysctls.get(&sysctl).filter(|from| **from != to) {
                steps.push(Step::SetSysctl { sysctl, from: from.clone(), to });
            }
        }
        if fresh.limits != state.limits {
            steps.push(Step::SetLimits { from: fresh.limits, to: state.limits });
        }
        for row in state.endpoints {
            if row.is_implicit() {
                log::info!("{row} is not copied: only the kernel creates implicit endpoints");
            } else {
                steps.push(Step::AddAddr { endpoint: self.translate(row), why: Reason::Declared });
            }
        }
        steps.extend(self.uplink_steps(state.uplinks.unwrap_or_default(), links));
        for step in steps {
            if let Err(refusal) = host.execute(&step) {
                self.warn(format!("the copy differs from this host: could not {step} ({refusal})"));
            }
        }
        Ok(())
    }

    /// The steps that make these rules and routes, with the indexes and tables that interfaces have in the copy.
    fn uplink_steps(&mut self, uplinks: UplinkState, links: &[Interface]) -> Vec<Step> {
        let here = self.translation(links);
        let moved: BTreeMap<u32, u32> =
            here.iter().map(|(there, here)| (uplink_table(*there), uplink_table(*here))).collect();
        let table = |table: u32| moved.get(&table).copied().unwrap_or(table);
        let index = |dev: Device| Device { index: here.get(&dev.index).copied().unwrap_or(dev.index), ..dev };
        let mut steps = Vec::new();
        for route in uplinks.routes {
            let dev = route.dev.clone().map(index);
            let to = UplinkRoute { dev, table: table(route.table), ..route.clone() };
            if to != route && !to.raw.is_empty() {
                self.warn(format!("the copy differs from this host: it lacks {route}"));
            } else {
                steps.push(Step::SetRoute { from: None, to, why: Reason::Declared });
            }
        }
        for rule in uplinks.rules {
            let to = UplinkRule { table: table(rule.table), ..rule.clone() };
            if to != rule && !to.raw.is_empty() {
                self.warn(format!("the copy differs from this host: it lacks {rule}"));
            } else {
                steps.push(Step::AddRule { rule: to, why: Reason::Declared });
            }
        }
        steps
    }

    /// The same row with the index that its interface has in the copy. An index without an interface stays as it is.
    fn translate(&self, row: Endpoint) -> Endpoint {
        let dev = row.dev.map(|dev| match dev.name.as_ref().and_then(|name| self.indexes.get(name)) {
            Some(index) => Device { index: *index, ..dev },
            None => dev,
        });
        Endpoint { dev, ..row }
    }

    /// The index in the copy of each interface that was copied, by that on the host.
    fn translation(&self, links: &[Interface]) -> BTreeMap<NonZeroU32, NonZeroU32> {
        links.iter().filter_map(|link| Some((link.index, *self.indexes.get(&link.name)?))).collect()
    }

    fn refresh(&mut self) -> Result<(), Error> {
        self.indexes = self.rtnl.links()?.into_iter().map(|link| (link.name, link.index)).collect();
        Ok(())
    }

    /// Sends requests. What exists already (EEXIST) counts as done.
    fn send(&mut self, requests: &[Request], complaint: &str) -> Result<(), Error> {
        for verdict in self.rtnl.transact(requests)? {
            match verdict {
                Err(refusal) if refusal.errno == Errno::EPERM => {
                    return Err(Error::NoSandbox(refusal.errno.into()));
                }
                Err(refusal) if refusal.errno != Errno::EEXIST => {
                    self.warn(format!("{complaint}: {refusal}"))
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn warn(&mut self, message: String) {
        self.warnings.push(Diagnostic::warning(code::REHEARSAL, message));
    }
}

fn add_route(route: &Route) -> Request {
    route.request(Rtm::Newroute, NlmF::CREATE | NlmF::EXCL, ONLINK)
}
