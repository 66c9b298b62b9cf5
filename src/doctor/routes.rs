//! Routes from the addresses of endpoints.

use crate::model::{DefaultRoute, Endpoint, Interface, code};

use super::endpoints::trouble;
use super::evidence::{Evidence, RouteCheck};
use super::finding::{Finding, FindingSeverity};

/// `RT_TABLE_MAIN`
const MAIN: u32 = 254;
/// The tables that are free for anybody's use, and can be written in one byte.
const FREE: std::ops::RangeInclusive<u32> = 101..=251;
/// `rp_filter` of RFC 3704's strict mode.
const STRICT: u64 = 1;

/// Endpoints whose packets have no route, or one that leaves by another interface.
pub fn no_route(evidence: &Evidence) -> Vec<Finding> {
    evidence.opening().filter_map(|row| obstacle(evidence, row)).collect()
}

/// Whether the kernel has a way for the endpoint's subflows.
pub fn is_fine(evidence: &Evidence, row: &Endpoint) -> bool {
    obstacle(evidence, row).is_none() && rp_filter_of(evidence, row).is_none()
}

/// What keeps an endpoint's packets from leaving as they should.
pub fn obstacle(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    if evidence.is_in_use(row) || trouble(evidence, row).is_some() {
        return None;
    }
    let home = evidence.home(row).filter(|home| !home.loopback)?;
    let checks: Vec<&RouteCheck> = checks(evidence, row).collect();
    let refused = |check: &&&RouteCheck| check.taken().is_err();
    let strays = |check: &&&RouteCheck| check.taken().as_ref().is_ok_and(|taken| *taken != home.index);
    if let Some(check) = checks.iter().find(refused) {
        let all = checks.iter().all(|check| check.taken().is_err());
        let severity = if all && !is_on_purpose(evidence, home, check) {
            FindingSeverity::Fault
        } else {
            FindingSeverity::Hint
        };
        return Some(refused_finding(evidence, row, home, check).of(severity));
    }
    let check = checks.iter().find(strays).filter(|_| checks.iter().all(|check| strays(&check)))?;
    Some(stray_finding(evidence, row, home, check))
}

/// Whether it may well be meant so: nobody's peer is known to be there, and the link has routes to some networks by a
/// router, and nowhere else.
fn is_on_purpose(evidence: &Evidence, home: &Interface, check: &RouteCheck) -> bool {
    let ipv4 = check.source.is_ipv4();
    let routing = &evidence.routing;
    !check.peer
        && routing.partial.contains(&(ipv4, home.index))
        && defaults(evidence, home, ipv4).next().is_none()
}

/// The default routes out of an interface, of all tables.
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
    let rule = rule(evidence, row, home);
    Finding::fault(code::NO_ROUTE, title)
        .about(evidence.label(row))
        .evidence(format!("`{}`: {error}", question(row, check)))
        .meaning(format!(
            "Subflows of {} to {} have no way, so the kernel opens none.",
            evidence.label(row),
            whom(check)
        ))
        .remedy(match (check.peer, defaults(evidence, home, check.source.is_ipv4()).next()) {
            // A link without any default route may be an inner one.
            (false, None) => format!(
                "{rule}\n# not where all peers are on that link: run this again while a connection is live"
            ),
            _ => rule,
        })
}

fn stray_finding(evidence: &Evidence, row: &Endpoint, home: &Interface, check: &RouteCheck) -> Finding {
    let taken = check.taken().as_ref().map_or_else(|_| String::new(), |index| evidence.name(*index));
    let title = format!("packets from {} leave by {taken}, not by {}", check.source, home.name);
    Finding::fault(code::ROUTE_ELSEWHERE, title)
        .about(evidence.label(row))
        .evidence(format!("`{}`: dev {taken}; {} is on {}", question(row, check), check.source, home.name))
        .meaning(format!(
            "Subflows of {} to {} share the path of {taken}, or are dropped there for their foreign source address.",
            evidence.label(row),
            whom(check)
        ))
        .remedy(rule(evidence, row, home))
}

/// What to type to get the same answer.
fn question(row: &Endpoint, check: &RouteCheck) -> String {
    let RouteCheck { source, destination, .. } = check;
    // For IPv4 only the entry of the table tells: without one, a route to a neighbour is made up.
    let bound = row.dev.is_some();
    let exact = if bound && source.is_ipv4() { "fibmatch " } else { "" };
    let oif = row.dev.as_ref().map_or(String::new(), |dev| format!(" oif {dev}"));
    format!("ip route get {exact}{destination} from {source}{oif}")
}

fn whom(check: &RouteCheck) -> String {
    if check.peer { format!("the peer {}", check.destination) } else { "the Internet".to_owned() }
}

/// The rule, and the table where there is none, that lead packets from the endpoint's address out of its interface.
fn rule(evidence: &Evidence, row: &Endpoint, home: &Interface) -> String {
    let source = row.identity.address;
    let ip = if source.is_ipv4() { "ip" } else { "ip -6" };
    let mut own = defaults(evidence, home, source.is_ipv4());
    if let Some(route) = own.clone().find(|route| FREE.contains(&route.table) || route.table > MAIN + 1) {
        return format!("{ip} rule add from {source} table {}", route.table);
    }
    let table =
        FREE.into_iter().find(|table| !evidence.routing.tables.contains(table)).unwrap_or(*FREE.end());
    let via = match own.next() {
        Some(DefaultRoute { gateway: Some(gateway), .. }) if gateway.is_ipv6() && source.is_ipv4() => {
            format!(" via inet6 {gateway}")
        }
        Some(DefaultRoute { gateway: Some(gateway), .. }) => format!(" via {gateway}"),
        Some(_) => String::new(),
        None => " via GATEWAY".to_owned(),
    };
    // With a router of the other family, `ip` would make the route one of that.
    let four = if via.starts_with(" via inet6") { " -4" } else { "" };
    let unknown = if via.ends_with("GATEWAY") { "\n# GATEWAY is the router of that link" } else { "" };
    let dev = &home.name;
    format!(
        "{ip}{four} route add default{via} dev {dev} table {table}\n{ip} rule add from {source} table {table}{unknown}"
    )
}

/// Answers that the kernel drops because their way back is another one.
pub fn rp_filter(evidence: &Evidence) -> Vec<Finding> {
    evidence.opening().filter_map(|row| rp_filter_of(evidence, row)).collect()
}

fn rp_filter_of(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    if evidence.is_in_use(row) || trouble(evidence, row).is_some() || row.identity.address.is_ipv6() {
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
    // sysctl(8) takes dots for slashes unless there are slashes, and names of VLANs have dots.
    let key = match name.contains('.') {
        true => format!("net/ipv4/conf/{name}/rp_filter"),
        false => format!("net.ipv4.conf.{name}.rp_filter"),
    };
    let finding = Finding::fault(
        code::RP_FILTER,
        format!("strict reverse path filtering drops answers on {name}"),
    )
    .about(evidence.label(row))
    .evidence(format!("{key} or that of `all` is 1; `ip route get {destination} from {source}`: {seen}"))
    .meaning(
        "The kernel takes a packet only from the interface by which it would answer without being told one.",
    )
    .remedy(format!("{}\n# or:\nsysctl -w {key}=2", rule(evidence, row, home)));
    Some(finding)
}
