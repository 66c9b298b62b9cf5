//! Reads what `init` makes a first configuration from. What this user may not read is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::doctor::Table;
use crate::init::{Lifetime, Survey, SurveyedAddress, SurveyedLink, WayOut};
use crate::linux::evidence::{INTERNET, unless_refused};
use crate::linux::routes::{FoundRoute, Routes};
use crate::linux::rtnl::{Address, LinkMake, Rtnl};
use crate::linux::{LinuxPathManager, network_manager, rulemsg, sock_diag};
use crate::model::{Family, Interface, Sysctl, UPLINK_PROTOCOL, canonical};
use crate::system::{Error, PathManager, Scope};

/// Everything about this thread's network namespace, which `--netns` named so if it did.
///
/// # Errors
/// When links, addresses or routes cannot be read.
pub fn read(netns: Option<&str>) -> Result<Survey, Error> {
    let mut rtnl = Rtnl::open()?;
    let (interfaces, makes, addresses) = (rtnl.links()?, rtnl.link_makes()?, rtnl.addresses()?);
    let mut routes = Routes::open()?;
    let rules = routes.rules(rulemsg::rule)?.into_iter().filter(|found| found.protocol == UPLINK_PROTOCOL);
    let mut reader = Reader { ruled: rules.filter_map(|found| found.rule.from).collect(), routes };
    // NetworkManager is asked by D-Bus, and answers for its own network namespace.
    let mut profiles = if netns.is_none() { network_manager::profiles() } else { BTreeMap::new() };
    let names: BTreeMap<NonZeroU32, &str> =
        interfaces.iter().map(|interface| (interface.index, &*interface.name)).collect();
    let makes: BTreeMap<NonZeroU32, &LinkMake> = makes.iter().map(|make| (make.index, make)).collect();
    let mut links = Vec::new();
    for interface in interfaces.iter().filter(|interface| !interface.loopback) {
        let make = makes.get(&interface.index);
        let master = make.and_then(|make| make.master);
        let part_of = master.map(|master| names.get(&master).map_or("another one", |name| name).to_owned());
        let of_link = || addresses.iter().filter(|own| own.index == interface.index);
        let own: Vec<&Address> = of_link().filter(|own| own.is_selectable()).collect();
        // Every interface has a link-local IPv6 address.
        let routed = of_link().filter(|own| own.is_selectable() || own.address.is_ipv4());
        let families = routed.map(|own| Family::of(canonical(own.address))).collect();
        links.push(SurveyedLink {
            kind: make.map_or(String::new(), |make| make.kind.clone()),
            part_of,
            profile: profiles.remove(&interface.name),
            ..reader.link(interface, &own, &families)?
        });
    }
    let scope = Scope { sysctls: vec![Sysctl::ENABLED], uplinks: false };
    let observed = LinuxPathManager::open().and_then(|mut system| system.observe(&scope));
    Ok(Survey {
        links,
        listeners: unless_refused("listeners", sock_diag::listeners()).unwrap_or_default(),
        path_manager: observed.map_or_else(Table::from, |observed| Table::Read(observed.state)),
        capabilities: LinuxPathManager::capabilities(),
    })
}

/// Asks the kernel about the routes of links.
struct Reader {
    routes: Routes,
    /// The addresses that rules of this program are about.
    ruled: BTreeSet<IpAddr>,
}

impl Reader {
    /// A link with its addresses, and its default routes of these families. The kernel is asked about links with addresses
    /// only: containers can have thousands of others.
    fn link(
        &mut self,
        interface: &Interface,
        addresses: &[&Address],
        families: &BTreeSet<Family>,
    ) -> Result<SurveyedLink, Error> {
        let mut link = SurveyedLink {
            interface: interface.clone(),
            kind: String::new(),
            part_of: None,
            addresses: Vec::new(),
            defaults: Vec::new(),
            profile: None,
        };
        for own in addresses {
            let lifetime = if own.is_permanent() { Lifetime::Static } else { Lifetime::Dynamic };
            let (address, state) = (canonical(own.address), own.as_assigned().state);
            link.addresses.push(SurveyedAddress {
                address,
                state,
                lifetime,
                way: self.way(address, interface)?,
            });
        }
        for &family in families {
            let defaults = self.routes.main_defaults(family, interface.index)?;
            link.defaults.extend(defaults.into_iter().map(|default| (family, default)));
        }
        Ok(link)
    }

    fn way(&mut self, address: IpAddr, interface: &Interface) -> Result<WayOut, Error> {
        let same = INTERNET.into_iter().filter(|internet| internet.is_ipv4() == address.is_ipv4());
        for internet in same {
            let found = self.routes.get(internet, Some(address), None)?;
            if !matches!(found, Ok(FoundRoute { interface: Some(index), .. }) if index == interface.index) {
                return Ok(WayOut::Other);
            }
        }
        Ok(if self.ruled.contains(&address) { WayOut::Uplink } else { WayOut::Own })
    }
}
