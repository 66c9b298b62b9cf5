//! Findings about uplinks: rules and routes that are missing, left over, or removed by another program.

use crate::model::code::Code;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Reason, Step, UplinkStatus, code};

use super::evidence::Evidence;
use super::finding::{Finding, applying_would};

/// What is said of uplinks when the configuration is compared with this host.
pub const CODES: [Code; 4] =
    [code::UPLINK_DOWN, code::GATEWAY_UNKNOWN, code::ROUTE_TAKEN, code::NETWORKD_FOREIGN_RULES];

/// Rules and routes that are declared and not there, and those that are there for nothing.
pub fn differ(evidence: &Evidence) -> Vec<Finding> {
    let Some(declared) = evidence.declared() else { return Vec::new() };
    let (mut missing, mut stale) = (Vec::new(), Vec::new());
    for step in &declared.steps {
        match step {
            Step::AddRule { .. } | Step::SetRoute { .. } => missing.push(step.to_string()),
            // That is a finding of its own, and its remedy makes them right again.
            Step::DelRule { why: Reason::GatewayUnknown, .. }
            | Step::DelRoute { why: Reason::GatewayUnknown, .. } => {}
            Step::DelRule { why, .. } | Step::DelRoute { why, .. } => {
                stale.push(format!("{step} ({})", why.words()));
            }
            _ => {}
        }
    }
    let found = |code, title: &str, steps: &[String], meaning: &str| {
        let finding = Finding::fault(code, title).evidence(applying_would(steps));
        let remedy = format!("{}\n# `mptcp-apply --watch` keeps it so", declared.command);
        (!steps.is_empty()).then(|| finding.meaning(meaning).remedy(remedy))
    };
    let meaning = "Packets with an address of an uplink may leave by another interface. The address or the router changed since \
                   the configuration was applied, or another program removed what it had made.";
    let missing =
        found(code::UPLINK_MISSING, "rules or routes of uplinks are not as declared", &missing, meaning);
    let meaning =
        "Nothing that is declared needs them any more. They may lead packets to a router that is gone.";
    missing
        .into_iter()
        .chain(found(code::UPLINK_STALE, "rules or routes of uplinks are left over", &stale, meaning))
        .collect()
}

/// Uplinks that are down by their checks.
pub fn failing(evidence: &Evidence) -> Vec<Finding> {
    let finding = |UplinkStatus { uplink, dev, error, .. }: &UplinkStatus| {
        let error = error.as_deref().unwrap_or("its check fails");
        Finding::fault(code::UPLINK_DOWN, format!("uplink `{uplink}` ({dev}) is down: {error}"))
            .evidence("the checks of `mptcp-apply --watch`; `mptcp-apply status` shows them")
            .meaning("Subflows on it carry nothing. New connections leave by another uplink, if one is up, until this one is up again.")
            .remedy(format!("# mend what is behind {dev}; the watch notices"))
    };
    evidence.failing().map(finding).collect()
}

/// Uplinks that wait, and a program that removes their rules.
pub fn waiting(evidence: &Evidence) -> Vec<Finding> {
    let Some(declared) = evidence.declared() else { return Vec::new() };
    let finding = |found: &Diagnostic| {
        let meaning = match found.code {
            code::NETWORKD_FOREIGN_RULES => {
                "At its next start, and when it configures a link, packets leave by the wrong interface until they are back."
            }
            _ => {
                "It has no rules. Packets with its addresses, if it has any, leave by the default route of the main table."
            }
        };
        let remedy = found.help.clone().unwrap_or_default();
        let finding = Finding::fault(found.code, found.message.as_str())
            .evidence("the configuration, compared with the links, addresses and routes of this host")
            .meaning(meaning)
            .remedy(remedy.lines().map(|line| format!("# {line}")).collect::<Vec<_>>().join("\n"));
        let location = found.labels.first().map(|label| label.location);
        Finding { location, endpoint: found.endpoint.clone(), ..finding }
    };
    declared.of_uplinks.iter().map(finding).collect()
}
