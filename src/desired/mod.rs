//! Resolves the declarations on this host to the desired [`State`], and reports those that have to wait.

mod checks;
mod declared;
mod kept_uplinks;
mod needs;
mod reasons;
mod stand_ins;
mod table;
mod uplinks;

use std::collections::{BTreeMap, BTreeSet};

pub use checks::{CheckTarget, check_targets};
use declared::DeclaredRows;
pub use needs::{Need, needs};
use uplinks::ResolvedUplinks;

use crate::config::{Config, LimitValue, Located};
use crate::model::diagnostic::Diagnostic;
use crate::model::{
    Capabilities, DeclaredNames, EndpointNames, Identity, Limits, State, Sysctl, SysctlValue, code,
};
use crate::plan::Reasons;
use crate::system::{self, HostFacts};

/// The desired state.
#[derive(Debug)]
pub struct Desired {
    /// The whole state: what is declared, and what stays as it is.
    pub state: State,
    /// The names of declarations, those that wait included.
    pub names: DeclaredNames,
    /// Declarations that cannot be carried out yet.
    pub warnings: Vec<Diagnostic>,
    /// Why something leaves that a declaration covers.
    pub reasons: Reasons,
}

/// Why there is no desired state.
#[derive(Debug)]
pub enum ResolveError {
    /// On this host the configuration contradicts itself.
    Invalid(Vec<Diagnostic>),
    /// The kernel lacks what the configuration needs.
    Unsupported(Vec<Diagnostic>),
    /// An endpoint that has to stay conflicts with a declared one.
    Conflict(Vec<Diagnostic>),
    /// The state of the host could not be read.
    System(system::Error),
}

impl From<system::Error> for ResolveError {
    fn from(error: system::Error) -> ResolveError {
        ResolveError::System(error)
    }
}

/// Computes the desired state. `owned` are the endpoints that this program added: with `prune: false`, only they may be
/// removed.
///
/// # Errors
/// When the kernel lacks something, when an endpoint that stays holds a declared id, and when the host cannot be read.
pub fn resolve(
    config: &Config,
    current: &State,
    capabilities: Capabilities,
    owned: &BTreeSet<Identity>,
    facts: &mut dyn HostFacts,
) -> Result<Desired, ResolveError> {
    let mut unsupported = Vec::new();
    let limits = limits(config, current.limits, capabilities, &mut unsupported);
    let sysctls = sysctls(config, current, facts, &mut unsupported)?;
    if !unsupported.is_empty() {
        return Err(ResolveError::Unsupported(unsupported));
    }
    let uplinks = config.uplinks.as_ref();
    let uplinks =
        uplinks.map(|uplinks| ResolvedUplinks::resolve(uplinks, current.uplinks(), facts)).transpose()?;
    let is_managed = uplinks.is_some();
    let ResolvedUplinks { state: uplinks, names: uplink_names, warnings: of_uplinks, mut reasons } =
        uplinks.unwrap_or_default();
    let (endpoints, names, mut warnings) = match &config.endpoints {
        None => (current.endpoints.clone(), EndpointNames::new(), Vec::new()),
        Some(declarations) => {
            let in_table: BTreeSet<Identity> =
                current.endpoints.iter().filter(|row| !row.is_implicit()).map(|row| row.identity).collect();
            let is_in_table = |identity| in_table.contains(&identity);
            let mut declared = DeclaredRows::resolve(declarations, &is_in_table, facts)?;
            let names: EndpointNames = std::mem::take(&mut declared.names).into_iter().collect();
            let mut warnings = std::mem::take(&mut declared.warnings);
            let table =
                table::DesiredTable { prune: config.prune, current, capabilities, owned, names: &names };
            let endpoints = table.resolve(declared, facts, &mut warnings)?;
            reasons.endpoints = reasons::reasons(declarations, current, &endpoints, facts)?;
            (endpoints, names, warnings)
        }
    };
    warnings.extend(of_uplinks);
    let names = DeclaredNames { endpoints: names, uplinks: uplink_names };
    let uplinks = is_managed.then_some(uplinks);
    Ok(Desired { state: State { limits, sysctls, endpoints, uplinks }, names, warnings, reasons })
}

/// The names of the declared endpoints by identity, including those that wait.
///
/// # Errors
/// When the host cannot be read.
pub fn endpoint_names(config: &Config, facts: &mut dyn HostFacts) -> Result<EndpointNames, system::Error> {
    let declarations = config.endpoints.as_deref().unwrap_or_default();
    Ok(DeclaredRows::resolve(declarations, &|_| true, facts)?.names.into_iter().collect())
}

/// The names of declarations, including those that wait.
///
/// # Errors
/// When the host cannot be read.
pub fn names(config: &Config, facts: &mut dyn HostFacts) -> Result<DeclaredNames, system::Error> {
    let uplinks = config.uplinks.as_deref().unwrap_or_default();
    Ok(DeclaredNames { endpoints: endpoint_names(config, facts)?, uplinks: uplinks::names(uplinks, facts)? })
}

fn limits(
    config: &Config,
    current: Limits,
    capabilities: Capabilities,
    unsupported: &mut Vec<Diagnostic>,
) -> Limits {
    let mut resolve = |name: &str, declared: Option<Located<LimitValue>>, current| match declared {
        None => current,
        Some(Located { value: LimitValue::Max, .. }) => capabilities.limits_max,
        Some(Located { value: LimitValue::Number(number), location }) => {
            let max = capabilities.limits_max;
            if number > max {
                let message = format!("limit `{name}` is {number}, but this kernel allows at most {max}");
                let help = format!("write `{name}: max` for the kernel's maximum");
                unsupported.push(Diagnostic::error(code::LIMIT, message).at(location, "").help(help));
            }
            number
        }
    };
    Limits {
        subflows: resolve("subflows", config.limits.subflows, current.subflows),
        add_addr_accepted: resolve(
            "add-addr-accepted",
            config.limits.add_addr_accepted,
            current.add_addr_accepted,
        ),
    }
}

fn sysctls(
    config: &Config,
    current: &State,
    facts: &mut dyn HostFacts,
    unsupported: &mut Vec<Diagnostic>,
) -> Result<BTreeMap<Sysctl, SysctlValue>, system::Error> {
    let mut target = current.sysctls.clone();
    for (&sysctl, Located { value, location }) in &config.sysctls {
        let name = sysctl.name();
        if !current.sysctls.contains_key(&sysctl) {
            let message = format!("this kernel has no sysctl net.mptcp.{name}");
            let help = format!("leave it out, or use a newer kernel: {}", sysctl.meaning());
            unsupported.push(Diagnostic::error(code::SYSCTL, message).at(*location, "").help(help));
        } else if sysctl == Sysctl::SCHEDULER
            && current.sysctls.get(&sysctl) != Some(value)
            && let Some(known) = facts.schedulers()?
            && !known.contains(&value.to_string())
        {
            let message = format!("this kernel has no packet scheduler `{value}`");
            let help = format!("available schedulers: {}", known.join(", "));
            unsupported.push(Diagnostic::error(code::SCHEDULER, message).at(*location, "").help(help));
        }
        target.insert(sysctl, value.clone());
    }
    Ok(target)
}

/// Warns of sysctls under which the kernel accepts endpoints but ignores them, whether declared or not. Of those that
/// are not declared, only `asked` are read from the kernel.
///
/// # Errors
/// When they cannot be read.
pub fn inert(
    config: &Config,
    facts: &mut dyn HostFacts,
    asked: &[Sysctl],
) -> Result<Vec<Diagnostic>, system::Error> {
    let mut warnings = Vec::new();
    if config.endpoints.is_none() {
        return Ok(warnings);
    }
    let mut inspect = |sysctl: Sysctl, bad: &[SysctlValue], code, message: &str, remedy: &str| {
        let declared = config.sysctls.get(&sysctl);
        let value = match declared {
            Some(declared) => Some(declared.value.clone()),
            None if asked.contains(&sysctl) => facts.sysctl(sysctl)?,
            None => None,
        };
        if value.is_some_and(|value| bad.contains(&value)) {
            let warning = Diagnostic::warning(code, message).help(format!("write `sysctls: {{{remedy}}}`"));
            warnings.push(match declared {
                Some(declared) => warning.at(declared.location, ""),
                None => warning,
            });
        }
        Ok::<_, system::Error>(())
    };
    let message = "net.mptcp.enabled is 0: no application can open an MPTCP connection";
    inspect(Sysctl::ENABLED, &[SysctlValue::Number(0)], code::MPTCP_DISABLED, message, "enabled: true")?;
    let older = config.sysctls.contains_key(&Sysctl::PM_TYPE);
    let manager = if older { Sysctl::PM_TYPE } else { Sysctl::PATH_MANAGER };
    let userspace = [SysctlValue::Word("userspace".into()), SysctlValue::Number(1)];
    let message = "the userspace path manager is selected: new connections ignore these endpoints";
    inspect(manager, &userspace, code::USERSPACE_PATH_MANAGER, message, "path_manager: kernel")?;
    Ok(warnings)
}

/// "`a` waits" or "`a`, `b` wait".
fn wait<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let verb = if names.len() == 1 { "waits" } else { "wait" };
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("{} {verb}", names.join(", "))
}
