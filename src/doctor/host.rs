//! The path manager as a whole, the configuration, and other programs.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::model::{Endpoint, Step, Sysctl, SysctlValue, code};

use super::evidence::{Configuration, Evidence, Table};
use super::finding::Finding;

/// The kernel has no MPTCP.
pub fn no_mptcp(evidence: &Evidence) -> Vec<Finding> {
    let Table::Missing = evidence.path_manager else { return Vec::new() };
    let finding = Finding::fault(code::NO_MPTCP, "this kernel has no MPTCP")
        .evidence("there is no generic netlink family `mptcp_pm`")
        .meaning("No application can use MPTCP, and there is nothing to configure.")
        .remedy("# use a kernel with CONFIG_MPTCP=y; Linux 6.1 or later is known to work");
    vec![finding]
}

/// The table may not be read.
pub fn unreadable(evidence: &Evidence) -> Vec<Finding> {
    let Table::Unreadable(reason) = &evidence.path_manager else { return Vec::new() };
    let finding = Finding::hint(code::TABLE_UNREADABLE, "the endpoints could not be read")
        .evidence(reason.as_str())
        .meaning("Most findings need them. Linux 6.7 to 6.11 let root alone read them.")
        .remedy("# run `mptcp-apply doctor` as root, or with CAP_NET_ADMIN");
    vec![finding]
}

/// The files cannot be used.
pub fn invalid_configuration(evidence: &Evidence) -> Vec<Finding> {
    let Configuration::Invalid(errors, first, location) = &evidence.configuration else { return Vec::new() };
    let finding = Finding::fault(code::CONFIGURATION_INVALID, "the configuration is invalid")
        .evidence(format!("{errors} error{}, the first: {first}", if *errors == 1 { "" } else { "s" }))
        .meaning("Nothing of it is applied, at boot neither.")
        .remedy("mptcp-apply check   # with the same arguments; mend what it shows");
    vec![Finding { location: *location, ..finding }]
}

/// No socket can be made.
pub fn mptcp_disabled(evidence: &Evidence) -> Vec<Finding> {
    if evidence.sysctl(Sysctl::ENABLED) != Some(&SysctlValue::Number(0)) {
        return Vec::new();
    }
    let finding = Finding::fault(code::MPTCP_DISABLED, "MPTCP is switched off")
        .evidence("sysctl net.mptcp.enabled is 0")
        .meaning("No application can open an MPTCP socket; most go on with plain TCP and say nothing.")
        .remedy(evidence.mend("sysctls: {enabled: true}", "sysctl -w net.mptcp.enabled=1"));
    vec![finding]
}

/// The table is ignored.
pub fn userspace_path_manager(evidence: &Evidence) -> Vec<Finding> {
    let manager = [Sysctl::PATH_MANAGER, Sysctl::PM_TYPE].map(|sysctl| evidence.sysctl(sysctl));
    let seen = match manager {
        [Some(SysctlValue::Word(word)), _] if word == "userspace" => "path_manager is userspace",
        [None, Some(SysctlValue::Number(1))] => "pm_type is 1",
        _ => return Vec::new(),
    };
    let count = evidence.endpoints().count();
    if count == 0 {
        return Vec::new();
    }
    let kernel = if seen.starts_with("pm_type") { "pm_type=0" } else { "path_manager=kernel" };
    let finding = Finding::fault(code::USERSPACE_PATH_MANAGER, "the endpoints are ignored: a daemon decides on subflows")
        .evidence(format!("sysctl net.mptcp.{seen}; {count} endpoint{} in the table", if count == 1 { "" } else { "s" }))
        .meaning("New connections follow the userspace path manager alone. Without a daemon such as mptcpd they get no subflows.")
        .remedy(evidence.mend("sysctls: {path_manager: kernel}", &format!("sysctl -w net.mptcp.{kernel}")));
    vec![finding]
}

/// The kernel is not as the files want it.
pub fn not_applied(evidence: &Evidence) -> Vec<Finding> {
    let Configuration::Valid(declared) = &evidence.configuration else { return Vec::new() };
    let mut findings = Vec::new();
    for reason in &declared.impossible {
        let finding = Finding::fault(code::NOT_POSSIBLE, reason.message.as_str())
            .evidence("the configuration, held against this kernel")
            .meaning("The configuration cannot be applied, so nothing of it is.")
            .remedy(reason.help.clone().unwrap_or_else(|| declared.command.clone()));
        findings.push(Finding { location: reason.labels.first().map(|label| label.location), ..finding });
    }
    for waiting in &declared.waiting {
        let finding = Finding::fault(waiting.code, waiting.message.as_str())
            .evidence("the configuration, held against the interfaces and addresses of this host")
            .meaning("The endpoint is not in the table, so no subflow uses it.")
            .remedy(format!(
                "# make the interface or address be there, then:\n{}\n# or let `mptcp-apply --watch` wait for it",
                declared.command
            ));
        let location = waiting.labels.first().map(|label| label.location);
        findings.push(Finding { location, endpoint: waiting.endpoint.clone(), ..finding });
    }
    if !declared.steps.is_empty() {
        let mut first = String::new();
        for step in declared.steps.iter().take(3) {
            let separator = if first.is_empty() { "" } else { "; " };
            // Writing to a String cannot fail.
            let _ = write!(first, "{separator}{}", what(step));
        }
        let more = declared.steps.len().saturating_sub(3);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        findings.push(
            Finding::fault(code::NOT_APPLIED, "the kernel is not as the configuration wants it")
                .evidence(format!("it would change: {first}{more}"))
                .meaning("The configuration was not applied since it was written, or somebody changed the kernel since.")
                .remedy(declared.command.as_str()),
        );
    }
    findings
}

fn what(step: &Step) -> String {
    match step {
        Step::SetSysctl { sysctl, from, to } => format!("sysctl {} {from} -> {to}", sysctl.name()),
        Step::SetLimits { from, to } => format!(
            "limits subflows {} -> {}, add-addr-accepted {} -> {}",
            from.subflows, to.subflows, from.add_addr_accepted, to.add_addr_accepted
        ),
        Step::SetFlags { endpoint, to, .. } => format!("{} -> {to}", endpoint.identity),
        Step::DelAddr { endpoint, .. } => format!("remove {}", endpoint.identity),
        Step::AddAddr { endpoint, .. } => format!("add {}", endpoint.identity),
    }
}

fn missing_rows(evidence: &Evidence) -> impl Iterator<Item = &Endpoint> {
    let declared = match &evidence.configuration {
        Configuration::Valid(declared) => Some(declared),
        Configuration::Absent | Configuration::Invalid(..) => None,
    };
    declared.into_iter().flat_map(|declared| &declared.steps).filter_map(move |step| match step {
        Step::AddAddr { endpoint, .. } if evidence.state()?.endpoint(endpoint.identity).is_none() => {
            Some(endpoint)
        }
        _ => None,
    })
}

/// There is no room for more endpoints, and implicit ones take some of it.
pub fn table_full(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let (rows, max) = (state.endpoints.len(), evidence.capabilities.endpoints_max);
    let implicit: Vec<&Endpoint> = state.endpoints.iter().filter(|row| row.is_implicit()).collect();
    if rows < max || implicit.is_empty() {
        return Vec::new();
    }
    let unused = implicit.iter().filter(|row| !evidence.is_in_use(row));
    let delete: Vec<String> =
        unused.filter_map(|row| Some(format!("ip mptcp endpoint delete id {}", row.id?))).collect();
    let finding = Finding::hint(code::TABLE_FULL, "there is no room for another endpoint")
        .evidence(format!("{rows} of {max} endpoints, {} of them implicit", implicit.len()))
        .meaning("The kernel refuses another one. It never removes an implicit endpoint, not even after its connection.");
    let remedy = if delete.is_empty() {
        "# live connections need the implicit ones now; remove another endpoint, or wait; Linux 7.2 holds 255"
            .to_owned()
    } else {
        format!("# no live connection needs these:\n{}", delete.join("\n"))
    };
    vec![finding.remedy(remedy)]
}

/// Something else listens where the kernel is to listen.
pub fn port_held(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in missing_rows(evidence) {
        let Some(port) = row.identity.port else { continue };
        let wanted = row.identity.address;
        // A socket of IPv6 that listens everywhere takes IPv4 too, as a rule.
        let everywhere = |ip: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || wanted.is_ipv4());
        let holds = |local: SocketAddr| {
            local.port() == port.get() && (local.ip() == wanted || everywhere(local.ip()))
        };
        let Some(listener) = evidence.listeners.iter().find(|listener| holds(listener.local)) else {
            continue;
        };
        findings.push(
            Finding::fault(code::PORT_HELD, format!("another program listens on port {port}"))
                .about(evidence.label(row))
                .evidence(format!("a socket listens on {}; the endpoint is {}", listener.local, row.identity))
                .meaning("For an endpoint with a port the kernel itself listens there, and is refused (EADDRINUSE).")
                .remedy(format!("ss -ltnp sport = :{port}   # whose it is\n# give the endpoint a port of its own, not that of a service")),
        );
    }
    findings
}

/// Another program undoes what the configuration wants.
pub fn other_manager(evidence: &Evidence) -> Vec<Finding> {
    let Configuration::Valid(declared) = &evidence.configuration else { return Vec::new() };
    // Without a difference nobody is in anybody's way.
    let foreign =
        declared.steps.iter().filter(|step| matches!(step, Step::DelAddr { .. } | Step::AddAddr { .. }));
    let count = foreign.count();
    if count == 0 {
        return Vec::new();
    }
    let finding = |program: &String| {
        let remedy = if program == "NetworkManager" {
            "nmcli connection modify CONNECTION connection.mptcp-flags 0x1"
        } else {
            "systemctl disable --now mptcp"
        };
        Finding::hint(code::OTHER_MANAGER, format!("{program} may be changing the endpoints too"))
            .evidence(format!(
                "{program} runs here, and {count} endpoint{} differ from the configuration",
                if count == 1 { "" } else { "s" }
            ))
            .meaning("Two programs that manage one table undo each other's work.")
            .remedy(remedy)
    };
    evidence.managers.iter().map(finding).collect()
}
