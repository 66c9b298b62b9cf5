//! Findings about the routes from the addresses of endpoints.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::model::{
    AddressRule, Connection, DefaultRoute, Endpoint, Family, Interface, MAIN_TABLE, Prefix, RuleAction,
    Subflow, code,
};

use super::evidence::{Evidence, RouteCheck};
use super::finding::{Finding, FindingSeverity};
use super::{endpoints, internal, subflows};

/// Routing tables for local use whose numbers fit into one byte.
const FREE: std::ops::RangeInclusive<u32> = 101..=251;
/// The priority of the first of the two rules of an uplink.
const BEFORE_MAIN: u32 = 8684;
/// `rp_filter` in the strict mode of RFC 3704.
pub const STRICT: u64 = 1;

/// Endpoints whose packets have no route, or leave by another interface.
pub fn no_route(evidence: &Evidence) -> Vec<Finding> {
    evidence.opening().filter_map(|row| problem(evidence, row)).collect()
}

/// Whether the endpoint's subflows have a route, and their answers are accepted.
pub fn is_usable(evidence: &Evidence, row: &Endpoint) -> bool {
    let is_fault = |finding: Finding| finding.severity == FindingSeverity::Fault;
    !problem(evidence, row).is_some_and(is_fault) && rp_filter_of(evidence, row).is_none()
}

/// Whether the endpoint's subflows find a way to the peer of a connection. One that was not asked about counts as found.
pub fn reaches(evidence: &Evidence, row: &Endpoint, connection: &Connection) -> bool {
    let refused = |peer: IpAddr| {
        let mut checks = checks(evidence, row).filter(|check| check.destination == peer);
        checks.any(|check| check.taken().is_err()) && !needs_no_route(evidence, row)
    };
    connection.subflows.iter().any(|subflow| !refused(subflow.remote.ip()))
}

/// What is bound to a link without routers leaves by it without any route.
fn needs_no_route(evidence: &Evidence, row: &Endpoint) -> bool {
    row.dev.is_some()
        && row.identity.address.is_ipv4()
        && evidence.home(row).is_some_and(|home| home.routerless)
}

/// Why an endpoint's packets do not leave as they should. A live subflow proves that they do only where its packets may take
/// another route than the one that was asked for. Otherwise the answer is about them too: the subflow has been idle since its
/// route was lost, or shares another interface.
pub fn problem(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    if endpoints::problem(evidence, row).is_some() || needs_no_route(evidence, row) {
        return None;
    }
    let home = evidence.home(row).filter(|home| !home.loopback)?;
    let checks: Vec<&RouteCheck> = checks(evidence, row).collect();
    let own = || {
        let is_own = |path: &&Subflow| path.is_established() && path.local.ip() == row.identity.address;
        evidence.subflows().filter(is_own)
    };
    let in_use = own().next().is_some();
    let is_proven =
        |check: &RouteCheck| check.may_differ && own().any(|path| path.remote.ip() == check.destination);
    let counts = |check: &RouteCheck| check.peer || !in_use;
    let refused = |check: &&&RouteCheck| check.taken().is_err() && !is_proven(check) && counts(check);
    let strays = |check: &&&RouteCheck| check.taken().as_ref().is_ok_and(|taken| *taken != home.index);
    let mut failing = checks.iter().filter(refused);
    let probed = failing.clone().find(|check| is_probed(evidence, check));
    if let Some(check) = probed.or_else(|| failing.next()) {
        let all = checks.iter().all(|check| check.taken().is_err());
        let severity = if is_probed(evidence, check) || (all && !is_on_purpose(evidence, home, check)) {
            FindingSeverity::Fault
        } else {
            FindingSeverity::Hint
        };
        return Some(refused_finding(evidence, row, home, check).severity(severity));
    }
    // A program may have bound the first subflow to the interface.
    if in_use && (checks.iter().any(|check| check.may_differ) || own().any(|path| path.interface.is_some())) {
        return None;
    }
    let check = checks.iter().find(strays).filter(|_| checks.iter().all(|check| strays(&check)))?;
    if !counts(check) {
        return None;
    }
    Some(stray_finding(evidence, row, home, check))
}

/// Whether it is the way to the peer of the test connection.
fn is_probed(evidence: &Evidence, check: &RouteCheck) -> bool {
    evidence.watched().is_some_and(|watched| watched.peer.ip() == check.destination)
}

/// Whether the link may lead to some networks only on purpose: no peer is known beyond them, and it has routes to some
/// networks by a router and no default route.
fn is_on_purpose(evidence: &Evidence, home: &Interface, check: &RouteCheck) -> bool {
    let ipv4 = check.source.is_ipv4();
    let routing = &evidence.routing;
    !check.peer
        && routing.partial.contains(&(ipv4, home.index))
        && defaults(evidence, home, ipv4).next().is_none()
}

/// The default routes out of an interface, in all tables.
fn defaults<'a>(
    evidence: &'a Evidence,
    home: &Interface,
    ipv4: bool,
) -> impl Iterator<Item = &'a DefaultRoute> + Clone {
    let index = home.index;
    let out = move |route: &&DefaultRoute| route.ipv4 == ipv4 && route.interface == Some(index);
    evidence.routing.defaults.iter().filter(out)
}

fn checks<'a>(evidence: &'a Evidence, row: &Endpoint) -> impl Iterator<Item = &'a RouteCheck> {
    let source = row.identity.address;
    evidence.routes.iter().filter(move |check| check.source == source)
}

fn refused_finding(evidence: &Evidence, row: &Endpoint, home: &Interface, check: &RouteCheck) -> Finding {
    let error = check.taken().as_ref().err().map_or("", String::as_str);
    let title = format!("no route from {} out of {}", check.source, home.name);
    let rule = refusal(evidence, check).unwrap_or_else(|| rule(evidence, check.source, home));
    let rule = rule + &renewal(evidence, row, home);
    Finding::fault(code::NO_ROUTE, title)
        .endpoint(evidence.label(row))
        .evidence(format!("`{}`: {error}", route_command(evidence, row, check)))
        .meaning(format!(
            "The kernel has no route for subflows of {} to {}, and opens none.",
            evidence.label(row),
            destination(check)
        ))
        .remedy(match (check.peer, defaults(evidence, home, check.source.is_ipv4()).next()) {
            // A link without a default route may be internal.
            (false, None) => format!(
                "{rule}\n# not needed if all peers are on that link: run this again while a connection is live"
            ),
            _ => rule,
        })
}

/// What live connections need besides, unless the endpoint is to be left out.
fn renewal(evidence: &Evidence, row: &Endpoint, home: &Interface) -> String {
    match internal::left_out(evidence, row.identity.address, home) {
        Some(_) => String::new(),
        None => subflows::renewal(evidence, std::iter::once(row)),
    }
}

/// How to remove the rule that refuses packets from an address before any of ours is asked.
fn refusal(evidence: &Evidence, check: &RouteCheck) -> Option<String> {
    let RouteCheck { source, destination, .. } = *check;
    let mut rules = evidence.routing.rules.iter().filter(|rule| rule.priority < BEFORE_MAIN);
    // One that leads to a table of the address comes first, and that table can be filled.
    let is_it = |rule: &&AddressRule| {
        let is_refusal = matches!(rule.action, RuleAction::Refuse(_));
        rule.applies(source, destination) && (is_refusal || rule.from.is_some())
    };
    let AddressRule { priority, from, to, action: RuleAction::Refuse(word), .. } = *rules.find(is_it)? else {
        return None;
    };
    let ip = Family::of(source).ip();
    let part =
        |word, prefix: Option<Prefix>| prefix.map_or(String::new(), |prefix| format!(" {word} {prefix}"));
    let (from, to) = (part("from", from), part("to", to));
    Some(format!(
        "# a rule refuses these packets; unless that is on purpose:\n{ip} rule delete {word}{from}{to} priority {priority}"
    ))
}

fn stray_finding(evidence: &Evidence, row: &Endpoint, home: &Interface, check: &RouteCheck) -> Finding {
    let taken = check.taken().as_ref().map_or_else(|_| String::new(), |index| evidence.name(*index));
    let title = format!("packets from {} leave by {taken}, not by {}", check.source, home.name);
    // A rule may lead packets there by a mark that they get on their way.
    let severity = if check.may_differ { FindingSeverity::Hint } else { FindingSeverity::Fault };
    Finding::fault(code::ROUTE_ELSEWHERE, title)
        .severity(severity)
        .endpoint(evidence.label(row))
        .evidence(format!("`{}`: dev {taken}; {} is on {}", route_command(evidence, row, check), check.source, home.name))
        .meaning(format!(
            "Subflows of {} to {} share the path of {taken}, or are dropped there because of their source address.",
            evidence.label(row),
            destination(check)
        ))
        .remedy(match check.needs_device && evidence.rp_filter.get(&home.index) != Some(&STRICT) {
            true => endpoints::bound(evidence, row, &home.name),
            false => rule(evidence, check.source, home) + &renewal(evidence, row, home),
        })
}

/// The command that shows the same route.
fn route_command(evidence: &Evidence, row: &Endpoint, check: &RouteCheck) -> String {
    let RouteCheck { source, destination, .. } = check;
    // For IPv4 `oif` without a table entry makes up a route to a neighbour; `fibmatch` shows the entry.
    let bound = row.dev.is_some();
    let exact = if bound && source.is_ipv4() { "fibmatch " } else { "" };
    let oif = row.dev.as_ref().map_or(String::new(), |dev| format!(" oif {dev}"));
    // IPv6 takes `oif` for a wish where there is a source, and a socket that is bound to the interface does not.
    let from = if bound && source.is_ipv6() { String::new() } else { format!(" from {source}") };
    let protocol = if evidence.routing.by_protocol { " ipproto tcp" } else { "" };
    format!("ip route get {exact}{destination}{from}{oif}{protocol}")
}

fn destination(check: &RouteCheck) -> String {
    if check.peer { format!("the peer {}", check.destination) } else { "the Internet".to_owned() }
}

/// What makes packets from an address leave by its interface: an uplink in the configuration, or the rules and
/// the route of one by hand. Two rules, so that what is behind this host still reaches the address. Nothing is routed
/// through the bridge of containers: its endpoint is left out.
pub fn rule(evidence: &Evidence, source: IpAddr, home: &Interface) -> String {
    if let Some(left_out) = internal::left_out(evidence, source, home) {
        return left_out;
    }
    let ip = Family::of(source).ip();
    let mut own = defaults(evidence, home, source.is_ipv4());
    let is_of_table = |route: &&DefaultRoute| FREE.contains(&route.table) || route.table > MAIN_TABLE + 1;
    let ready = own.clone().find(is_of_table).map(|route| route.table);
    let table = ready.unwrap_or_else(|| free_table(evidence, home));
    let onlink = if own.clone().next().is_some_and(|route| route.onlink) { " onlink" } else { "" };
    let ruled = ruled_table(evidence, source, home);
    let router = router(&mut own, home);
    let via = match router {
        Router::Unneeded => String::new(),
        Router::Unknown => format!(" via {UNKNOWN}"),
        Router::Known(router) if router.is_ipv6() && source.is_ipv4() => format!(" via inet6 {router}"),
        Router::Known(router) => format!(" via {router}"),
    };
    // With a router of the other family, `ip` would add the route to that family.
    let four = if via.starts_with(" via inet6") { "ip -4" } else { ip };
    let dev = &home.name;
    let route = match ready {
        Some(_) => String::new(),
        None => format!("{four} route replace default{via} dev {dev}{onlink} table {table}\n"),
    };
    let is_unknown = router == Router::Unknown;
    let unknown =
        if is_unknown { format!("\n# {UNKNOWN} is the router on that link") } else { String::new() };
    if let Some(table) = ruled {
        return format!(
            "# a rule leads packets from {source} to table {table}, which lacks the route:\n{four} route replace default{via} \
             dev {dev}{onlink} table {table}{unknown}"
        );
    }
    let yaml = match (needed_gateway(evidence, source, home), evidence.is_uplink(home)) {
        (Some(gateway), false) => format!("uplinks: {{{dev}: {{dev: {dev}, gateway: {gateway}}}}}"),
        (None, false) => format!("uplinks: {{{dev}: {{dev: {dev}}}}}"),
        (Some(gateway), true) if is_unknown || evidence.lacks_gateway() => {
            format!("`gateway: {gateway}` for the uplink of {dev}")
        }
        (_, true) => format!("the uplink of {dev} is there; apply it"),
    };
    if ready.is_some() && ready == led_table(evidence, source) {
        return format!(
            "# in the configuration: {yaml}\n\
             # or by hand: a route in table {table} refuses these packets, or leads elsewhere; find and remove it:\n\
             {ip} route show table {table}"
        );
    }
    format!(
        "# in the configuration: {yaml}\n\
         # or by hand, until the address or the router changes:\n{route}\
         {ip} rule add from {source} lookup main suppress_prefixlength 0 priority {BEFORE_MAIN}\n\
         {ip} rule add from {source} lookup {table} priority {}{unknown}",
        BEFORE_MAIN + 1
    )
}

/// The table to which a rule leads packets from an address, if it is for that and lacks a default route out of the interface.
fn ruled_table(evidence: &Evidence, source: IpAddr, home: &Interface) -> Option<u32> {
    const LOCAL: u32 = 255;
    const DEFAULT: u32 = 253;
    let table = led_table(evidence, source)?;
    let mut ready = defaults(evidence, home, source.is_ipv4()).filter(|route| route.table == table);
    let is_private = !(DEFAULT..=LOCAL).contains(&table) && !evidence.is_uplink(home);
    (is_private && ready.next().is_none()).then_some(table)
}

/// The first table to which a rule leads packets from an address.
fn led_table(evidence: &Evidence, source: IpAddr) -> Option<u32> {
    let leads = |rule: &&AddressRule| rule.to.is_none() && rule.from.is_some_and(|from| from.covers(source));
    match evidence.routing.rules.iter().find(leads)?.action {
        RuleAction::LookUp(table) => Some(table),
        RuleAction::Refuse(_) => None,
    }
}

/// What stands for a router that is not known.
const UNKNOWN: &str = "GATEWAY";
/// And for that of IPv6, beside one of IPv4.
const UNKNOWN_TOO: &str = "GATEWAY6";
/// The word of an uplink without a router.
const NO_ROUTER: &str = "none";

/// The router of a link.
#[derive(Clone, Copy, PartialEq)]
enum Router {
    Unneeded,
    Known(IpAddr),
    Unknown,
}

/// The router of the first of these default routes out of an interface.
fn router<'a>(own: &mut impl Iterator<Item = &'a DefaultRoute>, home: &Interface) -> Router {
    match own.next() {
        Some(route) => route.gateway.map_or(Router::Unneeded, Router::Known),
        None if home.routerless => Router::Unneeded,
        None => Router::Unknown,
    }
}

/// What an uplink needs as its `gateway`, for all families of which endpoints have addresses there: all remedies of a report
/// say the same of one uplink.
fn needed_gateway(evidence: &Evidence, source: IpAddr, home: &Interface) -> Option<String> {
    let is_there = |row: &&Endpoint| evidence.home(row).is_some_and(|on| on.index == home.index);
    let mut families: BTreeSet<bool> = BTreeSet::from([source.is_ipv4()]);
    families.extend(evidence.opening().filter(is_there).map(|row| row.identity.address.is_ipv4()));
    let unknown = |ipv4: bool| if ipv4 || families.len() == 1 { UNKNOWN } else { UNKNOWN_TOO };
    let word = |ipv4: &bool| needed_gateway_of(evidence, *ipv4, home, unknown(*ipv4));
    let mut words: Vec<String> = families.iter().rev().filter_map(word).collect();
    if words.len() > 1 {
        words.retain(|word| word != NO_ROUTER);
    }
    match words.as_slice() {
        [] | [_] => words.pop(),
        _ => Some(format!("[{}]", words.join(", "))),
    }
}

/// That of one family: nothing where the main table has a default route out of the interface, since those of other tables do not
/// count for uplinks.
fn needed_gateway_of(evidence: &Evidence, ipv4: bool, home: &Interface, unknown: &str) -> Option<String> {
    let mut own = defaults(evidence, home, ipv4);
    if own.clone().any(|route| route.table == MAIN_TABLE) || home.routerless {
        return None;
    }
    Some(match router(&mut own, home) {
        Router::Known(router) if router.is_ipv4() => router.to_string(),
        // YAML takes the colons of an address for its own.
        Router::Known(router) if !ipv4 => format!("'{router}'"),
        Router::Unneeded => NO_ROUTER.to_owned(),
        _ => unknown.to_owned(),
    })
}

/// A table that nothing uses, another one for each interface of an endpoint: all remedies of a report may be carried out.
fn free_table(evidence: &Evidence, home: &Interface) -> u32 {
    let homes: BTreeSet<NonZeroU32> =
        evidence.endpoints().filter_map(|row| evidence.home(row)).map(|home| home.index).collect();
    let place = homes.iter().position(|index| *index == home.index).unwrap_or(0);
    let mut free = FREE.filter(|table| !evidence.routing.tables.contains(table));
    free.nth(place).unwrap_or(*FREE.end())
}

/// Strict reverse path filtering drops the answers to subflows.
pub fn rp_filter(evidence: &Evidence) -> Vec<Finding> {
    evidence.opening().filter_map(|row| rp_filter_of(evidence, row)).collect()
}

fn rp_filter_of(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    if evidence.is_in_use(row)
        || endpoints::problem(evidence, row).is_some()
        || row.identity.address.is_ipv6()
    {
        return None;
    }
    let home = evidence.home(row).filter(|home| evidence.rp_filter.get(&home.index) == Some(&STRICT))?;
    let is_odd = |check: &&RouteCheck| {
        let bound = check.by_device.as_ref().is_some_and(Result::is_ok);
        bound && check.by_source.as_ref().ok() != Some(&home.index)
    };
    let check = checks(evidence, row).find(is_odd)?;
    let RouteCheck { source, destination, .. } = check;
    let seen = match &check.by_source {
        Ok(index) => format!("dev {}", evidence.name(*index)),
        Err(error) => error.clone(),
    };
    let name = &home.name;
    // sysctl(8) reads dots as slashes unless there are slashes, and names of VLANs have dots.
    let key = ["net", "ipv4", "conf", name, "rp_filter"].join(if name.contains('.') { "/" } else { "." });
    let finding =
        Finding::fault(code::RP_FILTER, format!("strict reverse path filtering drops answers on {name}"))
            .endpoint(evidence.label(row))
            .evidence(format!(
                "{key} or that of `all` is 1; `ip route get {destination} from {source}`: {seen}"
            ))
            .meaning("The kernel accepts a packet only on the interface by which it routes the answer.")
            .remedy(format!("{}\n# or:\nsysctl -w {key}=2", rule(evidence, *source, home)));
    Some(finding)
}
