//! Findings about the path manager as a whole, the configuration, and other programs.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::model::diagnostic::Diagnostic;
use crate::model::{Connection, Endpoint, Step, Sysctl, SysctlValue, code, counted};

use super::declared::Configuration;
use super::endpoints;
use super::evidence::{Evidence, Table};
use super::finding::{Finding, applying_would};

/// The kernel has no MPTCP.
pub fn no_mptcp(evidence: &Evidence) -> Vec<Finding> {
    let Table::Missing = evidence.path_manager else { return Vec::new() };
    let finding = Finding::fault(code::NO_MPTCP, "this kernel has no MPTCP")
        .evidence("there is no generic netlink family `mptcp_pm`")
        .meaning("No application can use MPTCP, and there are no endpoints to configure.")
        .remedy("# use a kernel with CONFIG_MPTCP=y; Linux 6.1 or later is known to work");
    vec![finding]
}

/// This user may not read the endpoints.
pub fn unreadable(evidence: &Evidence) -> Vec<Finding> {
    let Table::Unreadable(reason) = &evidence.path_manager else { return Vec::new() };
    let finding = Finding::hint(code::TABLE_UNREADABLE, "the endpoints could not be read")
        .evidence(reason.as_str())
        .meaning("Most findings need them. Linux 6.7 to 6.11 show them only with CAP_NET_ADMIN.")
        .remedy("# run `mptcp-apply doctor` as root, or with CAP_NET_ADMIN");
    vec![finding]
}

/// The files have errors.
pub fn invalid_configuration(evidence: &Evidence) -> Vec<Finding> {
    let Configuration::Invalid(errors, first, location) = &evidence.configuration else { return Vec::new() };
    let finding = Finding::fault(code::CONFIGURATION_INVALID, "the configuration is invalid")
        .evidence(format!("{}; the first: {first}", counted(*errors, "error")))
        .meaning("None of it is applied, not at boot either.")
        .remedy("mptcp-apply check   # with the same arguments; correct what it shows");
    vec![Finding { location: *location, ..finding }]
}

/// `net.mptcp.enabled` is 0.
pub fn mptcp_disabled(evidence: &Evidence) -> Vec<Finding> {
    if evidence.sysctl(Sysctl::ENABLED) != Some(&SysctlValue::Number(0)) {
        return Vec::new();
    }
    let finding = Finding::fault(code::MPTCP_DISABLED, "MPTCP is switched off")
        .evidence("sysctl net.mptcp.enabled is 0")
        .meaning("No application can open an MPTCP socket. Most continue with plain TCP and show no message.")
        .remedy(evidence.fix("sysctls: {enabled: true}", "sysctl -w net.mptcp.enabled=1"));
    vec![finding]
}

/// The userspace path manager is selected, and ignores endpoints.
pub fn userspace_path_manager(evidence: &Evidence) -> Vec<Finding> {
    if !evidence.is_userspace() {
        return left_to_a_daemon(evidence);
    }
    let has_word = evidence.sysctl(Sysctl::PATH_MANAGER).is_some();
    let [seen, kernel] = if has_word {
        ["path_manager is userspace", "path_manager=kernel"]
    } else {
        ["pm_type is 1", "pm_type=0"]
    };
    let count = evidence.endpoints().count();
    if count == 0 {
        return Vec::new();
    }
    let finding = Finding::fault(code::USERSPACE_PATH_MANAGER, "the endpoints are ignored: the userspace path manager is selected")
        .evidence(format!("sysctl net.mptcp.{seen}; {} in the table", counted(count, "endpoint")))
        .meaning("Only a daemon such as mptcpd opens subflows on new connections. Without one they have a single path.")
        .remedy(
            evidence.fix("sysctls: {path_manager: kernel}", &format!("sysctl -w net.mptcp.{kernel}"))
                + &by_hand(evidence).map_or(String::new(), |(_, commands)| format!("\n{commands}")),
        );
    vec![finding]
}

/// Connections from the time when the userspace path manager was selected: it has them for good.
fn left_to_a_daemon(evidence: &Evidence) -> Vec<Finding> {
    let Some((count, commands)) = by_hand(evidence) else { return Vec::new() };
    let title = "live connections are left to the userspace path manager, which was selected when they began";
    let finding = Finding::hint(code::USERSPACE_PATH_MANAGER, title)
        .evidence(format!(
            "{} with one subflow, for which the kernel names no limit of subflows",
            counted(count, "live connection")
        ))
        .meaning(
            "The kernel opens no subflow on them, whatever is selected now. New connections are not affected.",
        )
        .remedy(commands);
    vec![finding]
}

/// How many live connections with one subflow the userspace path manager has, and what opens another subflow on each.
fn by_hand(evidence: &Evidence) -> Option<(usize, String)> {
    let create = |connection: &Connection| {
        let remote = connection.subflows.first()?.remote;
        let is_other = |row: &&Endpoint| {
            let address = row.identity.address;
            address.is_ipv4() == remote.is_ipv4()
                && connection.subflows.iter().all(|subflow| subflow.local.ip() != address)
        };
        let row = evidence.opening().find(is_other)?;
        let dev = row.dev.as_ref().map_or(String::new(), |dev| format!("%{dev}"));
        let (token, address, id) = (connection.token_word()?, row.identity.address, row.id?);
        Some(format!("\n{} connection {token} create {address}{dev} to {remote} id {id}", evidence.program))
    };
    let has_one =
        |connection: &&Connection| connection.has_one_path() && evidence.is_of_userspace(connection);
    let commands: Vec<String> = evidence.begun().filter(has_one).filter_map(create).collect();
    let words = "# live connections stay there: restart their applications, or open subflows by hand:";
    (!commands.is_empty()).then(|| (commands.len(), format!("{words}{}", commands.concat())))
}

/// The kernel's state differs from the configuration.
pub fn not_applied(evidence: &Evidence) -> Vec<Finding> {
    let Some(declared) = evidence.declared() else { return Vec::new() };
    let mut findings = Vec::new();
    for reason in &declared.unsupported {
        let finding = Finding::fault(code::NOT_POSSIBLE, reason.message.as_str())
            .evidence("the configuration, compared with this kernel")
            .meaning("The configuration cannot be applied, so none of it is.")
            .remedy(reason.help.clone().unwrap_or_else(|| declared.command.clone().into()));
        findings.push(Finding { location: reason.labels.first().map(|label| label.location), ..finding });
    }
    for waiting in &declared.waiting {
        let name = waiting.endpoint.as_ref().filter(|_| waiting.code != code::REQUIRED);
        let is_it = |row: &&Endpoint| name.is_some() && evidence.names.get(&row.identity) == name;
        let row = evidence.endpoints().find(is_it);
        // What is wrong with an endpoint in the table is a finding of its own.
        if row.is_some_and(|row| endpoints::problem(evidence, row).is_some()) {
            continue;
        }
        let finding = Finding::fault(waiting.code, waiting.message.as_str())
            .evidence("the configuration, compared with the interfaces and addresses of this host")
            .meaning(match row {
                Some(_) => "The endpoint is in the table from before, and applying leaves it as it is there.",
                None => "The endpoint is not in the table, so no subflow uses it.",
            })
            .remedy(format!(
                "# bring the interface or address up, then:\n{}\n# or let `mptcp-apply --watch` wait for it",
                declared.command
            ));
        let location = waiting.labels.first().map(|label| label.location);
        findings.push(Finding { location, endpoint: waiting.endpoint.clone(), ..finding });
    }
    // Those of uplinks have findings of their own.
    let steps = declared.steps.iter().filter(|step| !step.is_of_uplink());
    let steps: Vec<String> = steps.map(ToString::to_string).collect();
    if !steps.is_empty() {
        findings.push(
            Finding::fault(code::NOT_APPLIED, "the kernel's state differs from the configuration")
                .evidence(applying_would(&steps))
                .meaning("The configuration was not applied since it was written, or another program changed the kernel since.")
                .remedy(declared.command.as_str()),
        );
    }
    findings
}

fn missing_rows(evidence: &Evidence) -> impl Iterator<Item = &Endpoint> {
    evidence.declared().into_iter().flat_map(|declared| &declared.steps).filter_map(move |step| match step {
        Step::AddAddr { endpoint, .. } if evidence.state()?.endpoint(endpoint.identity).is_none() => {
            Some(endpoint)
        }
        _ => None,
    })
}

/// The table is full, and some of its endpoints are implicit.
pub fn table_full(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = evidence.state() else { return Vec::new() };
    let left_out = evidence.declared().map_or_else(Vec::new, |declared| {
        let finding = |found: &Diagnostic| Finding {
            endpoint: found.endpoint.clone(),
            ..Finding::hint(code::TABLE_FULL, found.message.as_str())
                .evidence("the configuration, compared with the addresses of this host")
                .meaning("What is left out has no endpoint, and no subflow uses it.")
                .remedy(format!("# {}", found.help.as_deref().unwrap_or_default()))
        };
        declared.left_out.iter().map(finding).collect()
    });
    if !left_out.is_empty() {
        return left_out;
    }
    let (rows, max) = (state.endpoints.len(), evidence.capabilities.endpoints_max);
    let implicit: Vec<&Endpoint> = state.endpoints.iter().filter(|row| row.is_implicit()).collect();
    if rows < max || implicit.is_empty() {
        return Vec::new();
    }
    let unused = implicit.iter().filter(|row| !evidence.is_in_use(row));
    let delete: Vec<String> =
        unused.filter_map(|row| Some(format!("ip mptcp endpoint delete id {}", row.id?))).collect();
    let finding = Finding::hint(code::TABLE_FULL, "the table has no room for another endpoint")
        .evidence(format!("{rows} of {max} endpoints, {} of them implicit", implicit.len()))
        .meaning("The kernel refuses another endpoint. It never removes an implicit one, not even after its connection has ended.");
    let remedy = if delete.is_empty() {
        "# live connections use the implicit ones; remove another endpoint, or wait; Linux 7.2 holds 255"
            .to_owned()
    } else {
        format!("# no live connection uses these:\n{}", delete.join("\n"))
    };
    vec![finding.remedy(remedy)]
}

/// Another program listens on the port of an endpoint.
pub fn port_held(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in missing_rows(evidence) {
        let Some(port) = row.identity.port else { continue };
        let at = SocketAddr::from((row.identity.address, port.get()));
        let Some(listener) = evidence.listeners.iter().find(|listener| listener.covers(at)) else {
            continue;
        };
        findings.push(
            Finding::fault(code::PORT_HELD, format!("another program listens on port {port}"))
                .endpoint(evidence.label(row))
                .evidence(format!("a socket listens on {}; the endpoint is {}", listener.local, row.identity))
                .meaning("The kernel itself has to listen on the port of an endpoint, and fails (EADDRINUSE).")
                .remedy(format!("ss -ltnp sport = :{port}   # shows the program\n# give the endpoint a port of its own, not that of a service")),
        );
    }
    findings
}

/// Another program that manages endpoints runs here, and endpoints differ from the configuration.
pub fn other_manager(evidence: &Evidence) -> Vec<Finding> {
    let Some(declared) = evidence.declared() else { return Vec::new() };
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
            .evidence(format!("{program} runs here; endpoints that differ from the configuration: {count}"))
            .meaning("Two programs that manage the same table undo each other's changes.")
            .remedy(remedy)
    };
    evidence.managers.iter().map(finding).collect()
}
