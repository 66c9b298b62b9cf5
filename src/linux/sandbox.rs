//! A throw-away copy of this host: a new user and network namespace with the same interfaces, addresses, sysctls,
//! limits and endpoints, in which the real kernel judges a plan.
//!
//! The process itself moves there and never comes back, so that nothing afterwards can touch the host. A process that
//! makes a user namespace holds all capabilities in it, so that this works for ordinary users. Where the kernel forbids
//! user namespaces, root makes a network namespace alone.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;

use nix::sched::{CloneFlags, unshare};

use crate::config::Config;
use crate::desired::{Need, needs};
use crate::linux::LinuxPathManager;
use crate::linux::rtnl::{self, Address, Rtnl};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Device, Endpoint, Interface, Reason, State, Step, Sysctl, code};
use crate::system::{Errno, Error, PathManager};

/// Kinds of interfaces that need no other interface; the first that the kernel has is used for all. The kernel may load a
/// module for it. That of `dummy` makes an interface in the host's namespace when it is loaded, so it comes last.
const LINK_KINDS: [&str; 3] = ["bridge", "veth", "dummy"];

/// Moves this process into a copy of the host's network namespace, and adds the declared interfaces that the host lacks.
/// The warnings say how the copy differs from the host.
///
/// # Errors
/// When the host cannot be read, and when no namespace can be made.
pub fn enter(config: &Config) -> Result<(LinuxPathManager, Vec<Diagnostic>), Error> {
    let sysctls: Vec<Sysctl> = Sysctl::all().collect();
    let state = LinuxPathManager::open()?.observe(&sysctls)?.state;
    let mut rtnl = Rtnl::open()?;
    let (links, addresses) = (rtnl.links()?, rtnl.addresses()?);
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
    let mut host = LinuxPathManager::open()?;
    copy.path_manager(&mut host, state)?;
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
        let up = links.iter().filter(|link| link.up).filter_map(here);
        let up: Vec<_> = up.map(rtnl::set_up).collect();
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
        let names: BTreeMap<NonZeroU32, &str> =
            links.iter().map(|link| (link.index, link.name.as_str())).collect();
        let here = |address: &Address| self.indexes.get(*names.get(&address.index)?).copied();
        let usable = addresses.iter().filter(|address| address.can_be_bound());
        let requests: Vec<_> =
            usable.filter_map(|address| Some(rtnl::add_address(here(address)?, address))).collect();
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
            requests.push(rtnl::set_up(*index));
            for &address in addresses {
                requests.push(rtnl::add_address(*index, &Address::single(*index, address)));
            }
        }
        self.send(&requests, "an interface that only the configuration names could not be created")
    }

    /// Copies sysctls, limits and endpoints by the steps that a plan is made of.
    fn path_manager(&mut self, host: &mut LinuxPathManager, state: State) -> Result<(), Error> {
        let sysctls: Vec<Sysctl> = state.sysctls.keys().copied().collect();
        let fresh = host.observe(&sysctls)?.state;
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
        for step in steps {
            if let Err(refusal) = host.execute(&step) {
                self.warn(format!("the copy differs from this host: could not {step} ({refusal})"));
            }
        }
        Ok(())
    }

    /// The same row with the index that its interface has in the copy. An index without an interface stays as it is.
    fn translate(&self, row: Endpoint) -> Endpoint {
        let dev = row.dev.map(|dev| match dev.name.as_ref().and_then(|name| self.indexes.get(name)) {
            Some(index) => Device { index: *index, ..dev },
            None => dev,
        });
        Endpoint { dev, ..row }
    }

    fn refresh(&mut self) -> Result<(), Error> {
        self.indexes = self.rtnl.links()?.into_iter().map(|link| (link.name, link.index)).collect();
        Ok(())
    }

    /// Sends requests. What exists already (EEXIST) counts as done.
    fn send(&mut self, requests: &[super::netlink::Request], complaint: &str) -> Result<(), Error> {
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
