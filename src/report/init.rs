//! A first configuration as YAML with comments, for people to read, change and keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::config::LimitValue;
use crate::init::{FlagsSource, HostRole, LeftOut, Proposal, ProposedEndpoint, ProposedTarget, RoleSource};
use crate::model::{Family, counted, escaped, shell_word};

use super::wrap;
use super::yaml::{interface_name, unique};

/// How many names one comment lists.
const NAMES_MAX: usize = 8;

/// What the file begins with.
const HEADER: &str = "\
# A first configuration for this host, printed by `mptcp-apply init`. Save it,
# read it, see what it would change, and apply it on trial:
#   mptcp-apply --rehearse 10-host.yaml
#   sudo mptcp-apply try 10-host.yaml
# In /etc/mptcp-apply it is applied at each boot, and followed, after:
#   sudo systemctl enable --now mptcp-apply-watch
# mptcp-apply.yaml(5) describes all keys.
version: 1
";

/// What stands in place of endpoints on a host without a usable link.
const NOTHING: &str = "
# Nothing is declared: no link has a default route and a usable address. Bring
# one up (`ip route show default` lists the routes) and run `mptcp-apply init`
# again, or declare what will come, for example:
#
# limits: {subflows: 4, add-addr-accepted: 2}
# endpoints:
#   wifi: {dev: \"wl*\", flags: [subflow]}
#   lte: {dev: \"ww*\", flags: [subflow, backup]}
";

/// The file.
pub fn text(proposal: &Proposal) -> String {
    let mut text = HEADER.to_owned();
    if proposal.endpoints.is_empty() {
        text += NOTHING;
    } else {
        sysctls(&mut text, proposal);
        limits(&mut text, proposal);
        uplinks(&mut text, proposal);
        endpoints(&mut text, proposal);
    }
    left_out(&mut text, &proposal.left_out);
    text
}

/// A paragraph of comments.
fn comment(text: &mut String, indent: usize, words: &str) {
    let blank = " ".repeat(indent);
    let lines = wrap(&escaped(words), indent + "# ".len());
    text.extend(lines.iter().map(|line| format!("{blank}# {line}\n")));
}

fn sysctls(text: &mut String, proposal: &Proposal) {
    if proposal.sysctls.is_empty() {
        return;
    }
    text.push('\n');
    comment(text, 0, "MPTCP is turned off on this host, and endpoints do nothing without it.");
    text.push_str("sysctls:\n");
    for (sysctl, value) in &proposal.sysctls {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}: {value}", sysctl.name());
    }
}

fn limits(text: &mut String, proposal: &Proposal) {
    text.push('\n');
    let role = match (&proposal.role_source, proposal.role) {
        (RoleSource::Asked, HostRole::Client) => "This host opens connections (--client).".to_owned(),
        (RoleSource::Asked, HostRole::Server) => "This host accepts connections (--server).".to_owned(),
        (RoleSource::Asked, HostRole::Both) => {
            "This host opens and accepts connections (--client --server).".to_owned()
        }
        (RoleSource::Listeners(ports), _) if ports.is_empty() => {
            "No program here listens for MPTCP connections, so this host is taken for a client. \
             `mptcp-apply init --server` makes a file for a server, and both options together one for both."
                .to_owned()
        }
        (RoleSource::Listeners(ports), _) => {
            let numbers: Vec<String> = ports.iter().take(NAMES_MAX).map(u16::to_string).collect();
            let more = if ports.len() > NAMES_MAX { " and others" } else { "" };
            format!(
                "Programs here listen for MPTCP connections (port {}{more}), so this host is taken for a server. \
                 `mptcp-apply init --client` makes a file for a client, and `--client --server` one for both.",
                numbers.join(", ")
            )
        }
    };
    comment(text, 0, &role);
    let limits = proposal.limits;
    let rows = [
        ("subflows", limits.subflows, "beside the first one of each connection"),
        ("add-addr-accepted", limits.add_addr_accepted, "addresses of the server that are followed"),
    ];
    text.push_str("limits:\n");
    for (name, value, meaning) in rows {
        let value = match value {
            Some(LimitValue::Number(number)) => number.to_string(),
            Some(LimitValue::Max) => "max".to_owned(),
            None => continue,
        };
        let _ = writeln!(text, "  {:<28}# {meaning}", format!("{name}: {value}"));
    }
}

fn uplinks(text: &mut String, proposal: &Proposal) {
    let Some(astray) = proposal.astray.as_ref().filter(|_| !proposal.uplinks.is_empty()) else { return };
    text.push('\n');
    let why = format!(
        "Packets with an address of {astray} leave by it only where a rule sees to that. Uplinks have such rules: \
         packets leave by the interface that has their source address."
    );
    comment(text, 0, &why);
    text.push_str("uplinks:\n");
    for (name, dev) in
        unique(proposal.uplinks.iter().map(interface_name).collect()).iter().zip(&proposal.uplinks)
    {
        let _ = writeln!(
            text,
            "  {}:\n    dev: {}",
            scalar(name),
            scalar(dev.name.as_deref().unwrap_or_default())
        );
    }
}

fn endpoints(text: &mut String, proposal: &Proposal) {
    text.push('\n');
    comment(
        text,
        0,
        "The kernel prefers what comes first. The order is that of the best default route of each.",
    );
    if proposal.in_table > 0 {
        let now = format!(
            "The table has {} now, which these replace: `mptcp-apply --dry-run` says how, and \
             `mptcp-apply show --format yaml` prints a file that keeps them.",
            counted(proposal.in_table, "endpoint")
        );
        comment(text, 0, &now);
    }
    if !proposal.profiles.is_empty() {
        comment(text, 0, "NetworkManager makes endpoints of these links too. Before you apply this, run:");
    }
    for profile in &proposal.profiles {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "#   nmcli connection modify {} connection.mptcp-flags disabled",
            shell_word(profile)
        );
    }
    let devs: BTreeSet<_> = proposal.endpoints.iter().map(|one| one.dev.index).collect();
    if devs.len() == 1 {
        comment(text, 0, "There is one link only: connections get a second path once there is another one.");
    }
    text.push_str("endpoints:\n");
    let names = unique(proposal.endpoints.iter().map(|one| interface_name(&one.dev)).collect());
    for (name, one) in names.iter().zip(&proposal.endpoints) {
        endpoint(text, name, one);
    }
}

fn endpoint(text: &mut String, name: &str, one: &ProposedEndpoint) {
    comment(text, 2, &reason(one));
    let _ = writeln!(text, "  {}:", scalar(name));
    let family: Option<Family> = match &one.target {
        ProposedTarget::Address(address) => {
            let _ = writeln!(text, "    address: {}", scalar(&address.to_string()));
            None
        }
        ProposedTarget::Selector { family, .. } => *family,
    };
    let _ = writeln!(text, "    dev: {}", scalar(one.dev.name.as_deref().unwrap_or_default()));
    if let Some(family) = family {
        let _ = writeln!(text, "    family: {}", family.word());
    }
    let _ = writeln!(text, "    flags: [{}]", one.flags.words().join(", "));
}

/// Why an endpoint is what it is.
fn reason(one: &ProposedEndpoint) -> String {
    let routes = one.defaults.iter().map(|(family, default)| {
        let by = default.gateway.map_or("without a router".to_owned(), |router| format!("by {router}"));
        let of = if one.defaults.len() > 1 { format!("{} ", family.title()) } else { String::new() };
        format!("{of}default route {by}, metric {}", default.metric)
    });
    let route = match one.defaults.is_empty() {
        true => "rules of this host lead out by it".to_owned(),
        false => routes.collect::<Vec<_>>().join(", "),
    };
    let target = match &one.target {
        ProposedTarget::Address(_) => "a static address".to_owned(),
        ProposedTarget::Selector { now, .. } => {
            let now: Vec<String> = now.iter().take(NAMES_MAX).map(ToString::to_string).collect();
            format!("its addresses may change ({} now), so the interface stands for them", now.join(", "))
        }
    };
    let flags = match &one.flags_source {
        FlagsSource::Role => String::new(),
        FlagsSource::Modem => "; a mobile or dialled link, used only while no other path works".to_owned(),
        FlagsSource::Profile(name) => format!("; flags of NetworkManager's connection {}", escaped(name)),
    };
    format!("{}: {route}; {target}{flags}", one.dev)
}

fn left_out(text: &mut String, left_out: &[LeftOut]) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for LeftOut { what, reason } in left_out {
        reasons.entry(reason).or_default().push(what);
    }
    if reasons.is_empty() {
        return;
    }
    text.push_str("\n# Left out:\n");
    for (reason, all) in reasons {
        let more = all.len().saturating_sub(NAMES_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = all[..all.len().min(NAMES_MAX)].join(", ");
        let lines = wrap(&escaped(&format!("{names}{more}: {reason}")), "# - ".len());
        let marks = std::iter::once("-").chain(std::iter::repeat(" "));
        text.extend(lines.iter().zip(marks).map(|(line, mark)| format!("# {mark} {line}\n")));
    }
}

/// The text as a value of YAML, quoted where it would be another type.
fn scalar(text: &str) -> String {
    let quoted = || format!("{text:?}");
    serde_yaml::to_string(text).map_or_else(|_| quoted(), |line| line.trim_end().to_owned())
}
