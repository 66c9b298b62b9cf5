//! Why a pass failed: of what kind the failure is, what it means, and what to do about it.

use std::io::ErrorKind;
use std::time::Duration;

use crate::config::NoConfig;
use crate::desired::ResolveError;
use crate::model::diagnostic::{Diagnostic, Location, Severity};
use crate::model::{DeclaredNames, Exit, Flags, State, Step, code};
use crate::plan::PlanError;
use crate::system::{Errno, Error, Refusal};

use super::ports::Closing;
use super::refusal::{self, Explanation};

/// Of what kind a failure is; it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The kernel refused a step.
    Refused,
    /// The kernel lacks what the configuration needs.
    Unsupported,
    /// This user may not do it.
    NotPermitted,
    /// An endpoint with connections was to be replaced, and its port stays closed for longer than the run may wait.
    PortClosing,
    /// What has to stay is in the way of what has to come.
    Conflict,
    /// A declaration that may not wait does.
    Waiting,
    /// The system could not be read.
    Unreadable,
    /// Another program kept changing the table.
    Unstable,
    /// A signal came before the first step, or while live connections waited for other paths than the one that was to be
    /// removed.
    Interrupted,
    /// A peer did not answer in time.
    Unanswered,
    /// Another run holds the lock.
    Locked,
    /// The configuration is invalid, or a warning counts as an error.
    Invalid,
}

impl FailureKind {
    /// The exit code, as long as everything is as before.
    pub fn exit(self) -> Exit {
        match self {
            FailureKind::Unsupported => Exit::Unsupported,
            FailureKind::NotPermitted => Exit::NotPermitted,
            FailureKind::Locked => Exit::Locked,
            FailureKind::Invalid => Exit::Invalid,
            FailureKind::Refused
            | FailureKind::PortClosing
            | FailureKind::Conflict
            | FailureKind::Waiting
            | FailureKind::Unreadable
            | FailureKind::Unstable
            | FailureKind::Interrupted
            | FailureKind::Unanswered => Exit::Failed,
        }
    }
}

/// Why a pass failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of what kind it is.
    pub kind: FailureKind,
    /// The step that failed, as its index in the report's steps; none when it was not one step.
    pub step: Option<usize>,
    /// The kernel's error number.
    pub errno: Option<Errno>,
    /// The kernel's own words.
    pub kernel: Option<String>,
    /// What it means and what to do; the first is the cause.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// A failure that is no refusal of a step.
    pub fn new(kind: FailureKind, diagnostics: Vec<Diagnostic>) -> Failure {
        Failure { kind, step: None, errno: None, kernel: None, diagnostics }
    }

    /// The kernel refused `step` in the state `now`.
    pub fn refused(step: &Step, refusal: &Refusal, now: &State, at: Option<Location>) -> Failure {
        Failure::by_kernel(format!("the kernel refused to {step}"), step, refusal, now, at)
    }

    /// The kernel would refuse `step`, as a test showed: none of the plan was carried out.
    pub fn foreseen(step: &Step, refusal: &Refusal, now: &State, at: Option<Location>) -> Failure {
        Failure::by_kernel(format!("the kernel would refuse to {step}"), step, refusal, now, at)
    }

    fn by_kernel(
        message: String,
        step: &Step,
        refusal: &Refusal,
        now: &State,
        at: Option<Location>,
    ) -> Failure {
        let words = refusal.to_string();
        let failure = Failure::explained(message, refusal::explain(step, refusal, now), at, &words);
        Failure { errno: Some(refusal.errno), kernel: refusal.text.clone(), ..failure }
    }

    /// The kernel carried `step` out and left these flags out. Kernels since 6.19, and stable ones that took the change,
    /// drop flags that they do not know without a word.
    pub fn flags_dropped(step: &Step, flags: Flags, at: Option<Location>) -> Failure {
        let message = format!("the kernel did not {step} as it is declared");
        Failure::explained(message, refusal::flags_dropped(flags), at, "")
    }

    /// This process may not write.
    pub fn not_permitted() -> Failure {
        let Explanation { kind, meaning, remedy } = refusal::not_permitted();
        let help =
            format!("{}; `mptcp-apply --dry-run` prints a plan without it", remedy.unwrap_or_default());
        Failure::new(kind, vec![Diagnostic::error(code::FAILED, meaning).help(help)])
    }

    /// An endpoint has connections, so that its port will be closed for longer than the run may wait.
    pub fn port_closing(what: &Closing, needed: Duration, step: &Step) -> Failure {
        let diagnostic = Diagnostic { severity: Severity::Error, ..closing(what, needed, step) };
        let failure = Failure::new(FailureKind::PortClosing, vec![diagnostic]);
        Failure { errno: Some(Errno::EADDRINUSE), ..failure }
    }

    /// A signal came while live connections waited for other paths.
    pub fn interrupted() -> Failure {
        let message = "interrupted, while live connections had no other path than one that was to be removed";
        let help = "run it again; it takes half a minute at most";
        Failure::new(FailureKind::Interrupted, vec![Diagnostic::error(code::INTERRUPTED, message).help(help)])
    }

    /// A signal came before the first step, while this was still missing.
    pub fn not_begun(missing: &[Diagnostic]) -> Failure {
        let words: Vec<&str> = missing.iter().map(|what| what.message.as_str()).collect();
        let still = if words.is_empty() { "" } else { "; still missing: " };
        let message =
            format!("interrupted before the first step, so nothing was changed{still}{}", words.join("; "));
        let labels = missing.iter().flat_map(|what| what.labels.first()).cloned().collect();
        let diagnostic = Diagnostic { labels, ..Diagnostic::error(code::INTERRUPTED, message) };
        Failure::new(FailureKind::Interrupted, vec![diagnostic])
    }

    /// Another program kept changing the table.
    pub fn unstable() -> Failure {
        let message = "another program keeps changing the table; gave up after 5 new plans";
        let help = "stop it, or let only one of the two manage endpoints; NetworkManager and mptcpd do too";
        Failure::new(FailureKind::Unstable, vec![Diagnostic::error(code::UNSTABLE, message).help(help)])
    }

    fn explained(message: String, explanation: Explanation, at: Option<Location>, words: &str) -> Failure {
        let Explanation { kind, meaning, remedy } = explanation;
        let message = format!("{message}: {meaning}");
        let diagnostic = match at {
            Some(at) => Diagnostic::error(code::REFUSED, message).at(at, words),
            None if words.is_empty() => Diagnostic::error(code::REFUSED, message),
            None => Diagnostic::error(code::REFUSED, format!("{message} ({words})")),
        };
        Failure::new(kind, vec![Diagnostic { help: remedy.map(Into::into), ..diagnostic }])
    }

    /// Sets the step, and the name of its endpoint.
    pub fn at_step(mut self, index: usize, step: &Step, names: &DeclaredNames) -> Failure {
        self.step = Some(index);
        if let Some(first) = self.diagnostics.first_mut() {
            first.endpoint = names.of(step).map(str::to_owned);
        }
        self
    }
}

impl From<NoConfig> for Failure {
    fn from(none: NoConfig) -> Failure {
        Failure::new(FailureKind::Unreadable, vec![*none.diagnostic])
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Failure {
        match error {
            ResolveError::Invalid(diagnostics) => Failure::new(FailureKind::Invalid, diagnostics),
            ResolveError::Unsupported(diagnostics) => Failure::new(FailureKind::Unsupported, diagnostics),
            ResolveError::Conflict(diagnostics) => Failure::new(FailureKind::Conflict, diagnostics),
            ResolveError::System(error) => error.into(),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Failure {
        let help = "declare fewer endpoints; Linux 7.2 and later hold 255";
        let diagnostic = Diagnostic::error(code::TABLE, error.to_string()).help(help);
        Failure::new(FailureKind::Unsupported, vec![diagnostic])
    }
}

/// What helps where a kernel has no rules.
pub const NO_POLICY_ROUTING: &str =
    "use a kernel with CONFIG_IP_MULTIPLE_TABLES=y and CONFIG_IPV6_MULTIPLE_TABLES=y";

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (kind, help) = match &error {
            Error::NoMptcp => (
                FailureKind::Unsupported,
                Some("use a kernel with CONFIG_MPTCP=y; Linux 6.1 or later is known to work"),
            ),
            // Nothing but rules is listed that a kernel can lack.
            Error::Refused(_, Refusal { errno: Errno::EOPNOTSUPP, .. }) => {
                (FailureKind::Unsupported, Some(NO_POLICY_ROUTING))
            }
            Error::NoNamespace(_) => (
                FailureKind::Unreadable,
                Some("`ip netns` lists those that there are, and `ip netns add` makes one"),
            ),
            Error::Enter(..) if error.is_permission() => {
                (FailureKind::NotPermitted, Some("run it as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN"))
            }
            Error::Enter(_, cause) if cause.kind() == ErrorKind::InvalidInput => {
                let help = "its file in /run/netns is no network namespace: `ip netns delete` removes the file, and \
                            `ip netns add` makes a namespace; or it was made where other mounts are to be seen";
                (FailureKind::Unreadable, Some(help))
            }
            error if error.is_permission() => {
                let help = "run it as root, or with CAP_NET_ADMIN in this network namespace";
                (FailureKind::NotPermitted, Some(help))
            }
            Error::NoSandbox(_) => {
                let help = "run it as root, or let users make namespaces: sysctl user.max_user_namespaces above 0, \
                            and kernel.apparmor_restrict_unprivileged_userns=0 or \
                            kernel.unprivileged_userns_clone=1 where these exist";
                (FailureKind::NotPermitted, Some(help))
            }
            _ => (FailureKind::Unreadable, None),
        };
        let diagnostic = Diagnostic::error(code::FAILED, error.to_string());
        Failure::new(kind, vec![Diagnostic { help: help.map(Into::into), ..diagnostic }])
    }
}

/// Warns that an endpoint cannot be replaced at once.
pub fn closing(closing: &Closing, needed: Duration, step: &Step) -> Diagnostic {
    let row = step.endpoint().map(|endpoint| endpoint.identity.to_string()).unwrap_or_default();
    let connections = match closing.connections {
        1 => "a connection".to_owned(),
        several => format!("{several} connections"),
    };
    let message = format!(
        "{row} has {connections}: once it is removed, the kernel refuses its port for about a minute"
    );
    let seconds = needed.as_secs() + 5;
    Diagnostic::warning(code::PORT_CLOSING, message).help(format!(
        "`--wait {seconds}` of a plain run removes it and adds it again when the port is free; or declare it as it is now"
    ))
}

/// What became of the steps before a failure.
pub fn aftermath(carried_out: usize, restored: bool, not_undone: &[(Step, Refusal)]) -> Diagnostic {
    if restored {
        let message = match carried_out {
            0 => "nothing was changed",
            _ => "everything was put back as it was",
        };
        return Diagnostic::note(code::ROLLED_BACK, message);
    }
    let refused: Vec<String> =
        not_undone.iter().map(|(step, refusal)| format!("could not {step} ({refusal})")).collect();
    let detail = if refused.is_empty() { String::new() } else { format!(": {}", refused.join("; ")) };
    Diagnostic::error(code::ROLLBACK_INCOMPLETE, format!("not everything could be put back{detail}"))
        .help("what differs from before is printed; run again when the cause is mended")
}
