//! Failures in words, with their exit codes.

use std::io;
use std::time::Duration;

use crate::config::Config;
use crate::desired::ResolveError;
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Exit, Step};
use crate::reconcile::refusal::{self, Explanation, Kind};
use crate::reconcile::{Cause, Closing, Failure};
use crate::report::json_v1::Failed;
use crate::system::{self, Errno};

use super::places;

/// What there is to say about a failure.
pub struct Told {
    /// For people.
    pub diagnostics: Vec<Diagnostic>,
    /// For the shell, if everything was put back.
    pub exit: Exit,
    /// For programs.
    pub error: Failed,
}

/// Explains a failure of one of `steps`.
pub fn tell(failure: &Failure, steps: &[Step], config: &Config, put_back: bool) -> Told {
    let step = failure.step.and_then(|index| steps.get(index));
    let mut told = match (&failure.cause, step) {
        (Cause::Refused(refusal, now), Some(step)) => {
            let message = format!("the kernel refused to {step}");
            let mut told =
                explained(message, refusal::refusal(step, refusal, now), step, config, &refusal.to_string());
            told.error.errno = Some(format!("{:?}", refusal.errno));
            told.error.kernel = refusal.text.clone();
            told
        }
        (Cause::FlagsDropped(flags), Some(step)) => {
            let message = format!("the kernel did not {step} as it is declared");
            explained(message, refusal::flags_dropped(*flags), step, config, "")
        }
        (Cause::Closing { what, needed }, Some(_)) => {
            let mut told = listed(vec![closing(what, *needed, steps, Severity::Error)], Exit::Failed);
            told.error.errno = Some(format!("{:?}", Errno::EADDRINUSE));
            told
        }
        (Cause::ResolveError(reason), _) => unreachable(reason),
        (Cause::Unreadable(error), _) => kernel_error(error),
        (Cause::Interrupted, _) => {
            let message =
                "interrupted, while live connections had no other path than one that was to be removed";
            let help = "run it again; it takes half a minute at most";
            listed(vec![Diagnostic::error(code::INTERRUPTED, message).help(help)], Exit::Failed)
        }
        (Cause::Unstable | Cause::Refused(..) | Cause::FlagsDropped(_) | Cause::Closing { .. }, _) => {
            let message = "another program keeps changing the table; gave up after 5 new plans";
            let help =
                "stop it, or let only one of the two manage endpoints; NetworkManager and mptcpd do too";
            listed(vec![Diagnostic::error(code::UNSTABLE, message).help(help)], Exit::Failed)
        }
    };
    told.error.step = failure.step;
    told.diagnostics.push(aftermath(failure, put_back));
    told
}

/// Says that an endpoint cannot be replaced at once.
pub fn closing(closing: &Closing, needed: Duration, steps: &[Step], severity: Severity) -> Diagnostic {
    let endpoint = steps.get(closing.step).and_then(Step::endpoint);
    let row = endpoint.map(|endpoint| endpoint.identity.to_string()).unwrap_or_default();
    let connections = match closing.connections {
        1 => "a connection".to_owned(),
        several => format!("{several} connections"),
    };
    let message = format!(
        "{row} has {connections}: once it is removed, the kernel refuses its port for about a minute"
    );
    let seconds = needed.as_secs() + 5;
    let mut diagnostic = Diagnostic::warning(code::PORT_CLOSING, message).help(format!(
        "`--wait {seconds}` removes it and adds it again when the port is free; or declare it as it is now"
    ));
    diagnostic.severity = severity;
    diagnostic.endpoint = endpoint.and_then(|endpoint| endpoint.name.clone());
    diagnostic
}

/// Says why there is no goal.
pub fn unreachable(reason: &ResolveError) -> Told {
    match reason {
        ResolveError::Unsupported(diagnostics) => listed(diagnostics.clone(), Exit::Unsupported),
        ResolveError::Conflict(diagnostics) => listed(diagnostics.clone(), Exit::Failed),
        ResolveError::Kernel(error) => kernel_error(error),
    }
}

fn explained(message: String, explanation: Explanation, step: &Step, config: &Config, words: &str) -> Told {
    let Explanation { kind, meaning, remedy } = explanation;
    let message = format!("{message}: {meaning}");
    let mut diagnostic = match places::of_step(step, config) {
        Some(place) => Diagnostic::error(code::REFUSED, message).at(place, words),
        None if words.is_empty() => Diagnostic::error(code::REFUSED, message),
        None => Diagnostic::error(code::REFUSED, format!("{message} ({words})")),
    };
    diagnostic.help = remedy;
    diagnostic.endpoint = step.endpoint().and_then(|endpoint| endpoint.name.clone());
    let exit = match kind {
        Kind::Unsupported => Exit::Unsupported,
        Kind::NotPermitted => Exit::NotPermitted,
        Kind::Other => Exit::Failed,
    };
    listed(vec![diagnostic], exit)
}

fn listed(diagnostics: Vec<Diagnostic>, exit: Exit) -> Told {
    let first = diagnostics.first().cloned();
    let diagnostic = first.unwrap_or_else(|| Diagnostic::error(code::FAILED, "it cannot be reached"));
    Told { diagnostics, exit, error: Failed { step: None, errno: None, kernel: None, diagnostic } }
}

/// What became of the steps before the failure.
fn aftermath(failure: &Failure, put_back: bool) -> Diagnostic {
    if put_back {
        let message = match failure.carried_out {
            0 => "nothing was changed",
            _ => "everything is as before: the steps that had been carried out were taken back",
        };
        return Diagnostic::error(code::ROLLED_BACK, message);
    }
    let refused: Vec<String> =
        failure.not_undone.iter().map(|(step, refusal)| format!("could not {step} ({refusal})")).collect();
    let detail = if refused.is_empty() { String::new() } else { format!(": {}", refused.join("; ")) };
    Diagnostic::error(code::ROLLBACK_INCOMPLETE, format!("not everything could be put back{detail}"))
        .help("what differs from before is printed; run again when the cause is mended")
}

/// Says why the kernel could not be asked, with the remedy.
pub fn kernel_error(error: &system::Error) -> Told {
    let (exit, help) = match error {
        system::Error::NoMptcp => {
            (Exit::Unsupported, "use a kernel with CONFIG_MPTCP=y; Linux 6.1 or later is known to work")
        }
        system::Error::NoNamespace(_) => {
            (Exit::Failed, "`ip netns` lists those that there are, and `ip netns add` makes one")
        }
        system::Error::Enter(..) if error.is_permission() => {
            (Exit::NotPermitted, "run it as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN")
        }
        system::Error::Enter(_, cause) if cause.kind() == io::ErrorKind::InvalidInput => {
            let help = "its file in /run/netns is no network namespace: `ip netns delete` removes the file, and \
                        `ip netns add` makes a namespace; or it was made where other mounts are to be seen";
            (Exit::Failed, help)
        }
        error if error.is_permission() => {
            (Exit::NotPermitted, "run it as root, or with CAP_NET_ADMIN in this network namespace")
        }
        system::Error::NoSandbox(_) => {
            let help = "run it as root, or let users make namespaces: sysctl user.max_user_namespaces above 0, \
                        and kernel.apparmor_restrict_unprivileged_userns=0 or \
                        kernel.unprivileged_userns_clone=1 where these exist";
            (Exit::NotPermitted, help)
        }
        _ => return listed(vec![Diagnostic::error(code::FAILED, error.to_string())], Exit::Failed),
    };
    listed(vec![Diagnostic::error(code::FAILED, error.to_string()).help(help)], exit)
}
