//! Reads the doctor's evidence, once. What this user may not read is left out, which means fewer findings and no error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::doctor::{Configuration, Evidence, RouteCheck, Table, candidates};
use crate::linux::neighbours::Neighbour;
use crate::linux::operations::Operations;
use crate::linux::routes::{FoundRoute, Routes};
use crate::linux::rtnl::Rtnl;
use crate::linux::{LinuxPathManager, blackhole, mptcp_diag, probe_socket, processes, sock_diag};
use crate::model::shell_word;
use crate::model::{
    Connection, ConnectionManager, Endpoint, EndpointNames, EventKind, Flags, HostAddress, Interface, Probe,
    Routing, RoutingWords, Token, UplinkStatus, canonical,
};
use crate::reconcile::{LiveData, stalled};
use crate::system::{Errno, Error};

/// Two public resolvers stand for the Internet in route lookups. Nothing is sent to them.
pub(super) const INTERNET: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
];
/// How many peers of live connections get a route lookup, of each family.
const PEERS_MAX: usize = 4;
/// How many connections are asked for their path manager.
const MANAGERS_MAX: usize = 16;
/// How many marks of packets are asked about.
const MARKS_MAX: usize = 16;
/// How many requests of peers that are not confirmed get a route lookup.
const REQUESTS_MAX: usize = 64;
/// How long a connection that lacks a subflow may take to open it, and one whose data stands still, to go on.
const GRACE: Duration = Duration::from_millis(500);
/// How long the kernel may take to send again by another subflow what was on its way on a link that has just died.
const REROUTED: Duration = Duration::from_secs(2);
/// Programs that also write endpoints.
const MANAGERS: [&str; 2] = ["NetworkManager", "mptcpd"];

/// How this program was started, for a shell: by its name, unless it was found by a path, and with the namespace.
pub fn program(netns: Option<&str>) -> String {
    let word = std::env::args_os().next().map(|word| word.to_string_lossy().into_owned());
    let word =
        word.filter(|word| word.contains('/')).map_or("mptcp-apply".to_owned(), |word| shell_word(&word));
    netns.map_or(word.clone(), |name| format!("{word} --netns {}", shell_word(name)))
}

/// Everything about this thread's network namespace, which `--netns` may have named, but the path manager's state, the
/// configuration, and what was probed.
pub fn examine(
    netns: Option<&str>,
    path_manager: Table,
    names: EndpointNames,
    configuration: Configuration,
    checks: Vec<UplinkStatus>,
    probe: Option<Probe>,
) -> Evidence {
    let mut evidence = Evidence {
        kernel: LinuxPathManager::release(),
        netns: netns.map(str::to_owned),
        program: program(netns),
        path_manager,
        names,
        capabilities: LinuxPathManager::capabilities(),
        interfaces: Vec::new(),
        addresses: Vec::new(),
        bindable: Vec::new(),
        routes: Vec::new(),
        ways_out: BTreeSet::new(),
        unreachable: BTreeMap::new(),
        routing: Routing::default(),
        first_addresses: Vec::new(),
        rp_filter: BTreeMap::new(),
        counters: None,
        is_paused: blackhole::is_paused(),
        connections: Vec::new(),
        data: Default::default(),
        unconfirmed: Vec::new(),
        answers: Vec::new(),
        listeners: Vec::new(),
        programs: BTreeMap::new(),
        managers: Vec::new(),
        configuration,
        checks,
        probe,
    };
    if let Some(state) = evidence.state() {
        evidence.capabilities = evidence.capabilities.corrected_by(state);
    }
    if let Some((interfaces, addresses)) = unless_refused("interfaces", interfaces()) {
        (evidence.interfaces, evidence.addresses) = (interfaces, addresses);
        evidence.rp_filter = rp_filter(&evidence.interfaces);
    }
    quote_names(&mut evidence);
    let is_own = |row: &Endpoint| evidence.addresses.iter().any(|own| own.address == row.identity.address);
    let elsewhere = evidence.endpoints().filter(|row| !is_own(row)).map(|row| row.identity.address);
    evidence.bindable =
        elsewhere.filter(|own| matches!(probe_socket::try_bind((*own, 0).into()), Some(Ok(())))).collect();
    let (data, start) = (unless_refused("data", live_data()).unwrap_or_default(), Instant::now());
    evidence.connections = unless_refused("connections", settled_connections(&evidence)).unwrap_or_default();
    if evidence.opening().next().is_some() {
        _ = unless_refused("path managers", ask_for_managers(&mut evidence.connections));
    }
    if data.may_stand_still() {
        std::thread::sleep(GRACE.saturating_sub(start.elapsed()));
        let mut later = unless_refused("data", live_data()).unwrap_or_default();
        if !stalled(&data, &later).is_empty() {
            std::thread::sleep(REROUTED);
            later = unless_refused("data", live_data()).unwrap_or_default();
        }
        evidence.data = [data, later];
    }
    evidence.unconfirmed = unless_refused("requests", sock_diag::unconfirmed_requests()).unwrap_or_default();
    evidence.listeners = unless_refused("listeners", sock_diag::listeners()).unwrap_or_default();
    if !evidence.services().any(|listener| listener.mptcp) {
        evidence.programs = processes::holders(&evidence.services().map(|service| service.inode).collect());
    }
    // Last, so that they include what those connections did.
    evidence.counters = sock_diag::counters();
    evidence.managers = processes::running(&MANAGERS);
    if let Err(error) = routes(&mut evidence) {
        log::debug!("routes are left out: {error}");
    }
    evidence
}

/// The rules and the default routes of this host, for people. Findings need less of them, and only some.
pub fn routing(evidence: &Evidence) -> RoutingWords {
    let words = Routes::open().and_then(|mut routes| routes.in_words(|index| evidence.name(index)));
    unless_refused("routing tables", words).unwrap_or_default()
}

/// Quotes the names of interfaces for a shell, since remedies print them.
fn quote_names(evidence: &mut Evidence) {
    for interface in &mut evidence.interfaces {
        interface.name = shell_word(&interface.name);
    }
    if let Table::Read(state) = &mut evidence.path_manager {
        let names = state.endpoints.iter_mut().filter_map(|row| row.dev.as_mut()?.name.as_mut());
        names.for_each(|name| *name = shell_word(name));
    }
    for status in &mut evidence.checks {
        status.dev = shell_word(&status.dev);
    }
}

pub(super) fn unless_refused<T>(what: &str, result: Result<T, Error>) -> Option<T> {
    result.inspect_err(|error| log::debug!("{what} are left out: {error}")).ok()
}

fn interfaces() -> Result<(Vec<Interface>, Vec<HostAddress>), Error> {
    let mut rtnl = Rtnl::open()?;
    Ok((rtnl.links()?, rtnl.addresses()?.iter().map(super::rtnl::Address::as_found).collect()))
}

fn rp_filter(interfaces: &[Interface]) -> BTreeMap<NonZeroU32, u64> {
    let value = |name: &str| -> Option<u64> {
        // A name may hold anything but a slash.
        fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter")).ok()?.trim().parse().ok()
    };
    let all = value("all").unwrap_or(0);
    let of = |interface: &Interface| Some((interface.index, value(&interface.name)?.max(all)));
    interfaces.iter().filter_map(of).collect()
}

/// The live connections. Opening a subflow takes some round trips, so where one is missing all are read again after
/// [`GRACE`], and those that have ended meanwhile are left out.
fn settled_connections(evidence: &Evidence) -> Result<Vec<Connection>, Error> {
    let first = sock_diag::connections()?;
    let endpoints: BTreeSet<IpAddr> = evidence.opening().map(|row| row.identity.address).collect();
    let lacks = |connection: &Connection| {
        let locals: BTreeSet<IpAddr> = connection
            .subflows
            .iter()
            .filter(|path| path.is_established() && !path.is_unconfirmed())
            .map(|path| path.local.ip())
            .collect();
        !endpoints.is_subset(&locals)
    };
    if !first.iter().any(lacks) {
        return Ok(first);
    }
    std::thread::sleep(GRACE);
    let mut again = sock_diag::connections()?;
    let before: BTreeSet<u32> = first.iter().map(|connection| connection.token).collect();
    again.retain(|connection| before.contains(&connection.token));
    Ok(again)
}

/// Up to Linux 6.1 every connection has the limit, whatever path manager it has. Those that have one path are asked for it.
fn ask_for_managers(connections: &mut [Connection]) -> Result<(), Error> {
    let is_alone = |connection: &&mut Connection| {
        let is_limited = connection.limit.is_some_and(|limit| limit > 0);
        is_limited && connection.additional() == 0 && connection.is_begun_here()
    };
    let mut alone = connections.iter_mut().filter(is_alone).take(MANAGERS_MAX).peekable();
    if alone.peek().is_none() {
        return Ok(());
    }
    let mut operations = Operations::open()?;
    for connection in alone {
        if let Some(ConnectionManager::Userspace { .. }) = operations.manager(Token(connection.token))? {
            connection.limit = Some(0);
        }
    }
    Ok(())
}

fn live_data() -> Result<LiveData, Error> {
    Ok(LiveData { connections: mptcp_diag::progress()?, subflows: sock_diag::subflows()? })
}

fn routes(evidence: &mut Evidence) -> Result<(), Error> {
    let mut routes = Routes::open()?;
    let (mut checks, mut first_addresses) = (Vec::new(), Vec::new());
    for (destination, peer) in destinations(evidence) {
        let Ok(found) = routes.get(destination, None, None)? else { continue };
        first_addresses.extend(found.source.map(canonical));
        for row in evidence.opening() {
            let source = row.identity.address;
            let Some(own) = evidence.addresses.iter().find(|own| own.address == source) else { continue };
            if source.is_ipv4() != destination.is_ipv4() {
                continue;
            }
            let bound = row.dev.as_ref().map(|dev| dev.index);
            let direct = routes.get(destination, Some(source), None)?;
            let by_source = answer(direct);
            let (through, by_device) = match bound.filter(|index| evidence.interface(*index).is_some()) {
                Some(index) => {
                    let through = routes.get(destination, Some(source), Some(index))?;
                    (Some(through), Some(or_neighbour(&mut routes, through, source, destination, index)?))
                }
                None => (None, None),
            };
            let home = Ok(own.index);
            let strays = bound.is_none() && by_source.is_ok() && by_source != home;
            let needs_device =
                strays && answer(routes.get(destination, Some(source), Some(own.index))?) == home;
            let hop = through.unwrap_or(direct).ok().and_then(|found| {
                Some(Neighbour { index: found.interface?, address: found.gateway.unwrap_or(destination) })
            });
            let silent = match hop {
                Some(hop) if hop.is_silent(&mut routes.netlink)? => Some(hop.address),
                _ => None,
            };
            // A socket of IPv6 that is bound to an interface skips routes that refuse; this question does not.
            let refused = through.and_then(Result::err).filter(|_| source.is_ipv6());
            let may_differ = refused.is_some_and(|errno| errno != Errno::ENETUNREACH);
            let check = RouteCheck::of(source, destination, peer, by_source);
            checks.push(RouteCheck { by_device, needs_device, may_differ, silent, ..check });
        }
    }
    evidence.ways_out = ways_out(evidence, &mut routes)?;
    evidence.unreachable = unreachable(evidence, &mut routes)?;
    let mut answers = Vec::new();
    for (source, destination) in answered(evidence) {
        let by_source = answer(routes.get(destination, Some(source), None)?);
        answers.push(RouteCheck::of(source, destination, true, by_source));
    }
    let home = |check: &RouteCheck| {
        let row = evidence.endpoints().find(|row| row.identity.address == check.source);
        let home = row.and_then(|row| evidence.home(row)).or_else(|| evidence.interface_of(check.source));
        home.map(|interface| interface.index)
    };
    let is_odd = |check: &RouteCheck| {
        check.taken().is_err()
            || check.by_source.is_err()
            || check.by_source.as_ref().ok() != home(check).as_ref()
    };
    // A router can have a million routes, and only remedies need them.
    let routing = match checks.iter().chain(&answers).any(is_odd) {
        true => unless_refused("routing tables", routes.routing()).unwrap_or_default(),
        false => Routing::default(),
    };
    for check in checks.iter_mut().chain(&mut answers) {
        let wanted = home(check);
        if check.taken().as_ref().ok() == wanted.as_ref() {
            continue;
        }
        let row = evidence.endpoints().find(|row| row.identity.address == check.source);
        let bound = row.and_then(|row| row.dev.as_ref()).map(|dev| dev.index);
        let bound = bound.filter(|_| check.by_device.is_some());
        check.may_differ |= routing.is_selective;
        for mark in routing.marks.iter().take(MARKS_MAX) {
            let marked = routes.get_marked(check.destination, Some(check.source), bound, *mark)?;
            check.may_differ |= wanted.is_some() && answer(marked).ok() == wanted;
        }
    }
    (evidence.routing, evidence.routes, evidence.answers) = (routing, checks, answers);
    evidence.first_addresses = first_addresses;
    Ok(())
}

/// The answer of a look-up that is bound to an interface. Behind a router with proxy ARP hosts answer on the link although no
/// route says so; a socket of IPv4 that is bound to the interface asks for them there.
fn or_neighbour(
    routes: &mut Routes,
    found: Result<FoundRoute, Errno>,
    source: IpAddr,
    destination: IpAddr,
    index: NonZeroU32,
) -> Result<Result<NonZeroU32, String>, Error> {
    let there = Neighbour { index, address: destination };
    let is_known = found.is_err() && source.is_ipv4() && there.is_known(&mut routes.netlink)?;
    Ok(if is_known { Ok(index) } else { answer(found) })
}

/// The addresses without an endpoint by whose interface there is a way to a live peer.
fn ways_out(evidence: &Evidence, routes: &mut Routes) -> Result<BTreeSet<IpAddr>, Error> {
    let mut found = BTreeSet::new();
    for (destination, _) in destinations(evidence).into_iter().filter(|(_, peer)| *peer) {
        for (link, source) in candidates(evidence) {
            if source.is_ipv4() != destination.is_ipv4() || found.contains(&source) {
                continue;
            }
            let through = routes.get(destination, Some(source), Some(link.index))?;
            let way = or_neighbour(routes, through, source, destination, link.index)?;
            if way.is_ok() || (link.routerless && source.is_ipv4()) {
                found.insert(source);
            }
        }
    }
    Ok(found)
}

/// The addresses that the peer of the test connection announced and to which no route leads. Those of a family of which this
/// host has no address are not for it.
fn unreachable(evidence: &Evidence, routes: &mut Routes) -> Result<BTreeMap<IpAddr, String>, Error> {
    let Some(watched) = evidence.watched() else { return Ok(BTreeMap::new()) };
    let announced = watched.events.iter().filter(|event| event.kind == EventKind::Announced);
    let announced: BTreeSet<IpAddr> = announced.filter_map(|event| event.remote.address).collect();
    let mut found = BTreeMap::new();
    for address in announced {
        let is_near = |own: &HostAddress| {
            own.address.is_ipv4() == address.is_ipv4() && evidence.interface_of(own.address).is_some()
        };
        if !evidence.addresses.iter().any(is_near) {
            continue;
        }
        if let Err(error) = answer(routes.get(address, None, None)?) {
            found.insert(address, error);
        }
    }
    Ok(found)
}

/// The two ends of answers to subflows that peers open: those that are not confirmed, and those from announced addresses
/// to the peers of connections that this host accepted.
fn answered(evidence: &Evidence) -> BTreeSet<(IpAddr, IpAddr)> {
    let waiting = evidence.unconfirmed.iter().map(|request| (request.local.ip(), request.remote.ip()));
    let peers: BTreeSet<IpAddr> = evidence
        .accepted()
        .flat_map(|connection| &connection.subflows)
        .map(|subflow| subflow.remote.ip())
        .take(PEERS_MAX)
        .collect();
    let announced = evidence.endpoints().filter(|row| row.flags.contains(Flags::SIGNAL));
    let announced = announced.flat_map(|row| peers.iter().map(|peer| (row.identity.address, *peer)));
    let is_own = |pair: &(IpAddr, IpAddr)| {
        pair.0.is_ipv4() == pair.1.is_ipv4() && evidence.interface_of(pair.0).is_some()
    };
    waiting.take(REQUESTS_MAX).chain(announced).filter(is_own).collect()
}

fn answer(route: Result<FoundRoute, Errno>) -> Result<NonZeroU32, String> {
    match route {
        Ok(FoundRoute { interface: Some(interface), .. }) => Ok(interface),
        Ok(_) => Err("a route without an interface".to_owned()),
        Err(errno) => Err(errno.desc().to_owned()),
    }
}

/// The peers of connections that this host opened (true); for a family without any, an address of the Internet (false).
fn destinations(evidence: &Evidence) -> Vec<(IpAddr, bool)> {
    let begun = evidence.begun().flat_map(|connection| &connection.subflows);
    let peers: BTreeSet<IpAddr> = begun.map(|path| path.remote.ip()).collect();
    let mut destinations = Vec::new();
    for internet in INTERNET {
        let mut family = peers.iter().filter(|peer| peer.is_ipv4() == internet.is_ipv4()).peekable();
        if family.peek().is_none() {
            destinations.push((internet, false));
        }
        // Which link a link-local address is on, the kernel does not say of a subflow.
        let is_routed = |peer: &&IpAddr| !matches!(peer, IpAddr::V6(v6) if v6.is_unicast_link_local());
        destinations.extend(family.filter(is_routed).take(PEERS_MAX).map(|peer| (*peer, true)));
    }
    destinations
}
