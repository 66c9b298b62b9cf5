//! Findings about the addresses and interfaces of endpoints.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{AddressState, Connection, Endpoint, Flags, Interface, code, counted};

use super::evidence::Evidence;
use super::finding::{Finding, FindingSeverity};
use super::internal::left_out;

/// Why an endpoint cannot be used: the first finding. An address that a live subflow uses works; but TCP notices late, if
/// at all, that its interface is gone or down.
pub fn problem(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    if evidence.interfaces.is_empty() {
        return None;
    }
    let in_use = evidence.is_in_use(row);
    // An old subflow does not show that its address is gone: it still sends from there.
    let matters_in_use = |found: &Finding| !in_use || found.code == code::ADDRESS_MISSING;
    let address = || address(evidence, row).filter(matters_in_use);
    // Packets may leave by an interface that does not have their address, unless the endpoint is bound to this one.
    let matters = |home: &&Interface| !in_use || !home.up || row.dev.is_some();
    dev_gone(evidence, row).or_else(address).or_else(|| {
        evidence.home(row).filter(matters).and_then(|home| interface(evidence, row.identity.address, home))
    })
}

/// Whether an endpoint is announced to peers and opens no subflow. The kernel needs neither the address nor the interface
/// for that, unless there is a port to listen on.
fn is_only_announced(row: &Endpoint) -> bool {
    row.flags.contains(Flags::SIGNAL) && !row.flags.intersects(Flags::OPENING) && row.identity.port.is_none()
}

fn severity(row: &Endpoint) -> FindingSeverity {
    if is_only_announced(row) { FindingSeverity::Hint } else { FindingSeverity::Fault }
}

/// Endpoints that cannot be used.
pub fn unusable(evidence: &Evidence) -> Vec<Finding> {
    evidence.endpoints().filter_map(|row| problem(evidence, row)).collect()
}

fn dev_gone(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    let dev = row.dev.as_ref()?;
    if evidence.interface(dev.index).is_some() {
        return None;
    }
    let own = evidence.addresses.iter().find(|own| own.address == row.identity.address);
    let now = own.map(|own| evidence.name(own.index));
    let seen = match &now {
        Some(now) => format!("no interface has index {}; the address is on {now} now", dev.index),
        None => format!("no interface has index {}", dev.index),
    };
    let rebind = rebind(evidence, row, now.as_deref().unwrap_or("DEV"));
    let remedy = match now {
        Some(_) => rebind,
        None => format!("# bring the interface back, with its address, then:\n{rebind}"),
    };
    let finding = Finding::fault(code::DEV_GONE, format!("the interface of {} is gone", row.identity))
        .severity(severity(row))
        .endpoint(evidence.label(row))
        .evidence(seen)
        .meaning("The interface was deleted, or created again under the same name. The kernel still uses the old index, and opens no subflow.")
        .remedy(remedy);
    Some(finding)
}

fn address(evidence: &Evidence, row: &Endpoint) -> Option<Finding> {
    let wanted = row.identity.address;
    let own: Vec<_> = evidence.addresses.iter().filter(|own| own.address == wanted).collect();
    if own.is_empty() {
        let dev = row.dev.as_ref().map_or("DEV".to_owned(), ToString::to_string);
        let leaves = evidence.declared().filter(|declared| declared.removes(row));
        let remedy = match leaves {
            Some(declared) => declared.command.clone(),
            None => format!("ip address add {wanted}/PREFIX dev {dev}"),
        };
        let missing = Finding::fault(code::ADDRESS_MISSING, format!("{wanted} is not on this host"))
            .severity(severity(row))
            .endpoint(evidence.label(row))
            .evidence("no interface has the address");
        let missing = if is_only_announced(row) {
            missing
                .meaning("The kernel announces the address to peers nevertheless. Peers can use it only if a router translates it to an address of this host.")
                .remedy(format!("# behind such a router, do nothing; otherwise:\n{remedy}"))
        } else {
            missing
                .meaning("The kernel accepts such an endpoint and never opens a subflow from it.")
                .remedy(remedy)
        };
        return (!evidence.bindable.contains(&wanted)).then_some(missing);
    }
    let on_dev = own.iter().find(|own| row.dev.as_ref().is_none_or(|dev| dev.index == own.index));
    let Some(own) = on_dev else {
        if is_only_announced(row) {
            return None;
        }
        // A router may have its addresses on the loopback interface and use them on all others.
        let elsewhere =
            own.iter().find(|own| !evidence.interface(own.index).is_some_and(|on| on.loopback))?;
        let (on, dev) = (evidence.name(elsewhere.index), row.dev.as_ref()?);
        let finding = Finding::fault(code::ADDRESS_ELSEWHERE, format!("{wanted} is on {on}, not on {dev}"))
            .endpoint(evidence.label(row))
            .evidence(format!("the endpoint is bound to {dev}; the address is on {on}"))
            .meaning(
                "Subflows leave by an interface that does not have their address, and no answer comes back.",
            )
            .remedy(bound(evidence, row, &on));
        return Some(finding);
    };
    let on = evidence.name(own.index);
    let (code, state, meaning, remedy) = match own.state {
        AddressState::Settled | AddressState::Deprecated => return None,
        AddressState::Tentative => (
            code::ADDRESS_TENTATIVE,
            "tentative",
            "Duplicate address detection is not over, so no socket can be bound to the address yet. A connection that begins now never gets a subflow from it.",
            format!(
                "# wait until it is over, or, if no other host can have the address:\nip address delete {wanted}/PREFIX dev {on}\nip address add {wanted}/PREFIX dev {on} nodad"
            ),
        ),
        AddressState::DadFailed => (
            code::ADDRESS_DADFAILED,
            "dadfailed",
            "Another host on the link has the same address, so the kernel does not use it.",
            format!(
                "# give one of the two hosts another address; if it is this one, declare that:\n# ip address delete {wanted}/PREFIX dev {on}"
            ),
        ),
    };
    let finding = Finding::fault(code, format!("{wanted} cannot be used: it is {state}"))
        .endpoint(evidence.label(row))
        .evidence(format!("`ip address show dev {on}` shows {wanted} as {state}"));
    Some(finding.meaning(meaning).remedy(remedy))
}

/// Why an interface carries no packets from that address of an endpoint, or of other subflows.
pub fn interface(evidence: &Evidence, address: IpAddr, home: &Interface) -> Option<Finding> {
    let name = &home.name;
    let is_below = |on: &&Interface| Some(on.index) == home.below && !on.up;
    let below = evidence.interfaces.iter().find(is_below).map(|on| &on.name);
    let finding = if !home.up {
        Finding::fault(code::INTERFACE_DOWN, format!("{name} is down"))
            .evidence(format!("`ip link show dev {name}` has no flag UP"))
            .remedy(match below {
                // The kernel sets no VLAN up on an interface that is down.
                Some(below) => format!("ip link set {below} up\nip link set {name} up"),
                None => format!("ip link set {name} up"),
            })
    } else if !home.carrier {
        Finding::fault(code::NO_CARRIER, format!("{name} has no carrier"))
            .evidence(format!("`ip link show dev {name}` has no flag LOWER_UP"))
            .remedy(match below {
                Some(below) => format!("ip link set {below} up"),
                None => left_out(evidence, address, home)
                    .unwrap_or_else(|| format!("# connect the cable, the radio or the other end of {name}")),
            })
    } else {
        return None;
    };
    let label = evidence.label_of(address);
    let finding = finding.meaning(match &label {
        Some(label) => format!("The interface carries no packets, so {label} has no subflow."),
        None => format!("The interface carries no packets, so subflows from {address} stand still."),
    });
    Some(label.into_iter().fold(finding, Finding::endpoint))
}

/// Endpoints without an interface whose address does not tell by which one their subflows leave.
pub fn ambiguous(evidence: &Evidence) -> Vec<Finding> {
    let unbound = |row: &&Endpoint| row.dev.is_none();
    let finding = |row: &Endpoint| {
        let address = row.identity.address;
        let own = evidence.addresses.iter().filter(|own| own.address == address);
        let links: BTreeSet<String> = own.map(|own| evidence.name(own.index)).collect();
        let links: Vec<String> = links.into_iter().collect();
        let first = links.first()?;
        let finding = if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            Finding::fault(code::LINK_LOCAL, format!("{address} is a link-local address without an interface"))
                .meaning("Every link has such addresses, so the kernel does not know where to send, and opens no subflow.")
        } else if links.len() > 1 {
            Finding::hint(code::ADDRESS_TWICE, format!("{address} is on several interfaces"))
                .meaning("Without `dev` the routes alone decide by which interface subflows leave.")
        } else {
            return None;
        };
        let finding =
            finding.endpoint(evidence.label(row)).evidence(format!("`ip address`: {}", links.join(", ")));
        Some(finding.remedy(bound(evidence, row, first)))
    };
    evidence.opening().filter(unbound).filter_map(finding).collect()
}

/// Addresses whose preferred lifetime is over.
pub fn deprecated(evidence: &Evidence) -> Vec<Finding> {
    let is_deprecated = |row: &&Endpoint| {
        let mut own = evidence.addresses.iter().filter(|own| own.address == row.identity.address).peekable();
        own.peek().is_some() && own.all(|own| own.state == AddressState::Deprecated)
    };
    let finding = |row: &Endpoint| {
        Finding::hint(code::ADDRESS_DEPRECATED, format!("{} is deprecated", row.identity.address))
            .endpoint(evidence.label(row))
            .evidence("`ip address` shows it as deprecated: its preferred lifetime is 0")
            .meaning("The address works until its valid lifetime ends. The router or DHCP server has usually assigned another one.")
            .remedy("# declare the new address, or a selector by `dev`, which follows the address")
    };
    evidence.endpoints().filter(is_deprecated).map(finding).collect()
}

/// The flags of an endpoint that opens subflows instead of announcing its address.
pub fn opening(row: &Endpoint) -> Flags {
    row.flags.without(Flags::SIGNAL).union(Flags::SUBFLOW)
}

/// What to declare for these flags.
pub fn flags_key(flags: Flags) -> String {
    format!("flags: [{}]", flags.words().join(", "))
}

/// Whether an endpoint opens subflows on live connections: one with `fullmesh` alone does so to announced addresses only.
pub fn can_open(evidence: &Evidence, row: &Endpoint) -> bool {
    let mut live = evidence.begun().filter(|connection| connection.is_fully_established()).peekable();
    match live.peek() {
        None => row.flags.contains(Flags::SUBFLOW) || evidence.heard_announcements(),
        Some(_) => live.any(|connection| can_open_on(evidence, row, connection)),
    }
}

/// The same on one connection. The kernel counts the announced addresses that it has asked for a subflow.
pub fn can_open_on(evidence: &Evidence, row: &Endpoint, connection: &Connection) -> bool {
    let is_announced_to = || match connection.accepted {
        Some(accepted) => accepted > 0,
        None => evidence.heard_announcements(),
    };
    row.flags.contains(Flags::SUBFLOW) || is_announced_to()
}

/// Endpoints with `fullmesh` or `laminar` and without `subflow`, where no live peer announced an address that is of use.
pub fn fullmesh_alone(evidence: &Evidence) -> Vec<Finding> {
    let finding = |row: &Endpoint| {
        let lacks = |connection: &&Connection| {
            let mut remotes = connection.subflows.iter().map(|subflow| subflow.remote);
            connection.is_fully_established()
                && remotes.any(|remote| remote.is_ipv4() == row.identity.address.is_ipv4())
        };
        let lacking = evidence.begun().filter(lacks).count();
        let is_mesh = row.flags.contains(Flags::FULLMESH);
        // Who takes `laminar` without `subflow` may mean it.
        let severity = match (is_mesh, lacking) {
            (true, 1..) => FindingSeverity::Fault,
            (false, 0) => return None,
            _ => FindingSeverity::Hint,
        };
        let flags = row.flags.union(Flags::SUBFLOW);
        let word = if is_mesh { "fullmesh" } else { "laminar" };
        let announced = match evidence.heard_announcements() {
            false => "AddAddr is 0 (no peer announced an address)",
            true => "add_addr_accepted of live connections is 0 (`ss -Mmi`; no announced address was of use)",
        };
        let title = format!(
            "{word} without subflow: {} opens subflows to announced addresses only",
            evidence.label(row)
        );
        let finding = Finding::fault(code::FULLMESH_WITHOUT_SUBFLOW, title)
            .severity(severity)
            .endpoint(evidence.label(row))
            .evidence(format!(
                "flags of {}: {}; {announced}; {} without a subflow from it",
                row.identity,
                row.flags,
                counted(lacking, "live connection")
            ))
            .meaning(format!("`{word}` is about subflows to the addresses that a peer announces. The flag `subflow` opens them to the address that the connection was opened to."))
            .remedy(evidence.fix_endpoint(row, &flags_key(flags), &readd(row, flags, None)));
        Some(finding)
    };
    let idle = |row: &&Endpoint| {
        row.flags.intersects(Flags::OPENING)
            && !can_open(evidence, row)
            && !evidence.is_in_use(row)
            && problem(evidence, row).is_none()
    };
    evidence.endpoints().filter(idle).filter_map(finding).collect()
}

/// The commands that bind an endpoint to another interface. Applying does that where it is declared.
fn rebind(evidence: &Evidence, row: &Endpoint, dev: &str) -> String {
    match (evidence.names.get(&row.identity), evidence.declared()) {
        (Some(_), Some(declared)) => declared.command.clone(),
        _ => readd(row, row.flags, Some(dev)),
    }
}

/// How to bind an endpoint to an interface.
pub fn bound(evidence: &Evidence, row: &Endpoint, dev: &str) -> String {
    evidence.fix_endpoint(row, &format!("dev: {dev}"), &readd(row, row.flags, Some(dev)))
}

/// The commands that add an endpoint again, with these flags.
pub fn readd(row: &Endpoint, flags: Flags, dev: Option<&str>) -> String {
    let id = row.id.map_or(String::new(), |id| format!(" id {id}"));
    let own = row.dev.as_ref().and_then(|own| own.name.as_deref());
    let dev = dev.or(own).map_or(String::new(), |dev| format!(" dev {dev}"));
    let identity = row.identity;
    format!("ip mptcp endpoint delete{id}\nip mptcp endpoint add {identity}{id} {flags}{dev}")
}
