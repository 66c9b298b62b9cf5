//! Uplinks: interfaces that lead out by a router of their own.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Interface, code};

use super::check::{self, CheckMethod, UplinkCheck};
use super::document::{Located, Name, UplinkDocument};
use super::gateway::Gateway;
use super::pattern::DevicePattern;

/// One entry of `uplinks`.
#[derive(Debug)]
pub struct Uplink {
    /// The name, with its location.
    pub name: Located<Name>,
    /// The interfaces.
    pub dev: Located<DevicePattern>,
    /// The routers; absent where the default routes of the interfaces tell them.
    pub gateway: Option<Located<Gateway>>,
    /// How it is tested; absent where it is not.
    pub check: Option<Located<UplinkCheck>>,
}

impl Uplink {
    /// How specific it is for an interface; none where it does not match. A literal name counts more than a glob.
    pub fn rank(&self, interface: &Interface) -> Option<bool> {
        self.dev.value.matches(interface).then(|| self.dev.value.names(interface))
    }

    /// The error for a gateway that several interfaces would have.
    pub fn shared_gateway(&self) -> Option<Diagnostic> {
        let gateway = self.gateway.as_ref()?;
        let message = format!("uplink `{}` has a `gateway` and several interfaces", self.name.value);
        let error = Diagnostic::error(code::CONFLICT, message).at(gateway.location, "");
        let error = error.at(self.dev.location, "several interfaces");
        Some(error.help("give each interface an uplink of its own").endpoint(self.name.value.as_str()))
    }

    /// The error for an interface that another uplink names too.
    pub fn also_names(&self, interface: impl fmt::Display, first: &Uplink) -> Diagnostic {
        Diagnostic::error(code::CONFLICT, format!("two uplinks name {interface}"))
            .at(self.dev.location, format!("by `{}`", self.name.value))
            .at(first.dev.location, format!("first by `{}`", first.name.value))
            .endpoint(self.name.value.as_str())
            .help("an interface is one uplink; keep one of the two")
    }
}

/// Checks the uplinks. They are complete and valid only if no error was reported.
pub fn uplinks(
    declarations: Vec<(Located<Name>, UplinkDocument)>,
    diagnostics: &mut Diagnostics,
) -> Vec<Uplink> {
    let mut uplinks = Vec::new();
    for (name, body) in declarations {
        let is_absent = !body.has_invalid("dev");
        let is_complete = body.invalid.is_empty();
        let UplinkDocument { dev, gateway, check, invalid: _ } = body;
        // A wrong value has its error already.
        let check = check.filter(|_| is_complete).and_then(|check| {
            let location = check.location;
            Some(Located { value: check::complete(&name, check, diagnostics)?, location })
        });
        diagnostics.extend(without_router(&name, gateway.as_ref(), check.as_ref()));
        match dev {
            Some(dev) => uplinks.push(Uplink { name, dev, gateway, check }),
            None if is_absent => diagnostics.push(without_dev(&name)),
            None => {}
        }
    }
    for uplink in &uplinks {
        let mut names = uplink.dev.value.literals();
        let first = names.next();
        if names.any(|name| Some(name) != first) {
            diagnostics.extend(uplink.shared_gateway());
        }
    }
    check_interfaces(&uplinks, diagnostics);
    uplinks
}

fn without_dev(name: &Located<Name>) -> Diagnostic {
    Diagnostic::error(code::NO_TARGET, format!("uplink `{}` has no `dev`", name.value))
        .at(name.location, "")
        .endpoint(name.value.as_str())
        .help("add `dev` with the interface that leads out")
}

/// The error for a check of a router that the uplink declares not to have.
fn without_router(
    name: &Located<Name>,
    gateway: Option<&Located<Gateway>>,
    check: Option<&Located<UplinkCheck>>,
) -> Option<Diagnostic> {
    let gateway = gateway.filter(|gateway| gateway.value == Gateway::OnLink)?;
    let check = check.filter(|check| check.value.method == CheckMethod::Gateway)?;
    let message = format!("the `check` of uplink `{}` has no router to ask", name.value);
    let error = Diagnostic::error(code::CONFLICT, message).at(check.location, "");
    let error = error.at(gateway.location, "a link without a router").endpoint(name.value.as_str());
    Some(error.help("write `check: {connect: \"ADDRESS:PORT\"}` or `check: {run: \"COMMAND\"}`"))
}

/// Reports every interface that two uplinks name letter by letter. What globs match is known on the host alone.
fn check_interfaces(uplinks: &[Uplink], diagnostics: &mut Diagnostics) {
    let mut owners: BTreeMap<&str, &Uplink> = BTreeMap::new();
    for uplink in uplinks {
        // A list may repeat a name.
        let names: BTreeSet<&str> = uplink.dev.value.literals().collect();
        for literal in names {
            let first = *owners.entry(literal).or_insert(uplink);
            if !std::ptr::eq(first, uplink) {
                diagnostics.push(uplink.also_names(literal, first));
            }
        }
    }
}
