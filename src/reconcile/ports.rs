//! The ports of endpoints, on which the kernel listens itself: what it would refuse, told before an endpoint is removed
//! for it.

use std::time::Duration;

use crate::model::diagnostic::Diagnostic;
use crate::model::{Disruption, Identity, Step, Sysctl, SysctlValue, code};
use crate::plan::Plan;
use crate::system::{Errno, PathManager, Refusal};

/// How long a port is closed, as a rule, after an endpoint that had connections was removed: TIME_WAIT, which is 60 s
/// (`TCP_TIMEWAIT_LEN`), and the closing before it. That takes longer when the peer does not answer any more.
const CLOSING: Duration = Duration::from_secs(65);

/// How long to wait for the port of an endpoint that is to be put back. A peer that is gone is given up after about 100 s
/// (`tcp_orphan_retries`), and without the endpoint the host would have a path less.
pub const PUTTING_BACK: Duration = Duration::from_secs(130);

/// How often to try whether a port is free again. Nothing tells when it is.
pub const RETRY: Duration = Duration::from_millis(250);

/// An endpoint that is to be replaced while it has connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The step that adds it again, as an index into the plan.
    pub step: usize,
    /// How many connections it has.
    pub connections: usize,
}

/// The additions of a plan whose port will be closed for a while, since an endpoint on it is removed before, and has
/// connections. What cannot be found out is left to the kernel to say.
pub fn closing<K: PathManager + ?Sized>(kernel: &mut K, steps: &[Step]) -> Vec<Closing> {
    let mut closing = Vec::new();
    for (step, identity) in additions(steps).filter(|(index, _)| is_freed(&steps[..*index], &steps[*index])) {
        let connections = kernel.connections(identity).unwrap_or_else(|error| {
            log::info!("{error}");
            0
        });
        closing.extend((connections > 0).then_some(Closing { step, connections }));
    }
    closing
}

/// How much patience these need: they are waited for one after the other.
pub fn patience_for(closing: &[Closing]) -> Duration {
    closing.iter().map(|_| CLOSING).sum()
}

/// The additions of a plan whose port something else holds now, and what the kernel would say.
fn taken<K: PathManager + ?Sized>(kernel: &mut K, steps: &[Step]) -> Vec<(usize, Refusal)> {
    let mut taken = Vec::new();
    for (index, _) in additions(steps).filter(|(index, _)| !is_freed(&steps[..*index], &steps[*index])) {
        let refusal = kernel.check(&steps[index]).err().filter(is_closed);
        taken.extend(refusal.map(|refusal| (index, refusal)));
    }
    taken
}

/// The first addition of a plan whose port something else holds now, and what the kernel would say.
pub fn in_use<K: PathManager + ?Sized>(kernel: &mut K, steps: &[Step]) -> Option<(usize, Refusal)> {
    taken(kernel, steps).into_iter().next()
}

/// Warns of the additions of a plan whose port something else holds now, and may give up.
pub fn missing<K: PathManager + ?Sized>(kernel: &mut K, plan: &Plan) -> Vec<Diagnostic> {
    let taken = taken(kernel, &plan.steps).into_iter();
    let warning = |(index, refusal): (usize, Refusal)| {
        let name =
            plan.names.endpoints.get(&plan.steps[index].endpoint()?.identity).cloned().unwrap_or_default();
        let message = format!("endpoint `{name}` needs its port ({refusal})");
        Some(Diagnostic::warning(code::PORT_TAKEN, message).endpoint(name))
    };
    taken.filter_map(warning).collect()
}

/// The first step that would be refused although live connections would have been disturbed before it. Where nothing
/// is at stake the kernel may say itself what it refuses, and in its own words.
pub fn foreseen<K: PathManager + ?Sized>(kernel: &mut K, steps: &[Step]) -> Option<(usize, Refusal)> {
    let first_disturbing = steps.iter().position(|step| step.disruption() != Disruption::None)?;
    let enabled = steps.iter().find_map(|step| match step {
        Step::SetSysctl { sysctl: Sysctl::ENABLED, to, .. } => Some(*to != SysctlValue::Number(0)),
        _ => None,
    });
    let mut later = additions(steps).filter(|(index, _)| *index > first_disturbing);
    later.find_map(|(index, _)| match kernel.check(&steps[index]) {
        Ok(()) if enabled == Some(false) => Some((index, Refusal::new(Errno::ENOPROTOOPT))),
        Ok(()) => None,
        Err(refusal) if is_closed(&refusal) && is_freed(&steps[..index], &steps[index]) => None,
        Err(refusal) if refusal.errno == Errno::ENOPROTOOPT && enabled == Some(true) => None,
        Err(refusal) => Some((index, refusal)),
    })
}

/// Whether a refusal says that something is on the port, which may go away.
pub fn is_closed(refusal: &Refusal) -> bool {
    refusal.errno == Errno::EADDRINUSE
}

/// The additions with a port, by their number.
fn additions(steps: &[Step]) -> impl Iterator<Item = (usize, Identity)> {
    steps.iter().enumerate().filter_map(|(index, step)| match step {
        Step::AddAddr { endpoint, .. } if endpoint.identity.port.is_some() => {
            Some((index, endpoint.identity))
        }
        _ => None,
    })
}

/// Whether an endpoint is removed that listens where this one is to: until then it is in the way of its successor.
fn is_freed(before: &[Step], addition: &Step) -> bool {
    let Some(wanted) = addition.endpoint() else { return false };
    before.iter().any(|step| match step {
        Step::DelAddr { endpoint, .. } => endpoint.identity.is_in_the_way_of(&wanted.identity),
        _ => false,
    })
}
