//! Failures: what a refusal or an error really means, and what to do about it. Pure.
//!
//! The kernel's own words mislead: "too many addresses or duplicate one" stands for four different things, and up to
//! Linux 6.1 there is no number behind it. So the table decides where the words do not.

use std::io::ErrorKind;
use std::time::Duration;

use crate::desired::ResolveError;
use crate::model::diagnostic::{Diagnostic, Location, Severity};
use crate::model::{Capabilities, Endpoint, EndpointNames, Exit, Flags, Limits, State, Step, code};
use crate::plan::PlanError;
use crate::system::{ATTR_SUBFLOWS, Errno, Error, Refusal};

use super::ports::Closing;
use super::report::Verdict;

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
    /// The system could not be read.
    Unreadable,
    /// Another program kept changing the table.
    Unstable,
    /// A signal came while live connections waited for other paths than the one that was to be removed.
    Interrupted,
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
            | FailureKind::Unreadable
            | FailureKind::Unstable
            | FailureKind::Interrupted => Exit::Failed,
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

    /// The verdict on a pass that it kept from starting.
    pub fn verdict(&self) -> Verdict {
        if self.kind == FailureKind::Invalid { Verdict::Invalid } else { Verdict::Unchanged }
    }

    /// The kernel refused `step` in the state `now`.
    pub fn refused(step: &Step, refusal: &Refusal, now: &State, at: Option<Location>) -> Failure {
        let (message, words) = (format!("the kernel refused to {step}"), refusal.to_string());
        let failure = Failure::explained(message, self::refusal(step, refusal, now), at, &words);
        Failure { errno: Some(refusal.errno), kernel: refusal.text.clone(), ..failure }
    }

    /// The kernel carried `step` out and left these flags out. Kernels since 6.19, and stable ones that took the change,
    /// drop flags that they do not know without a word.
    pub fn flags_dropped(step: &Step, flags: Flags, at: Option<Location>) -> Failure {
        let message = format!("the kernel did not {step} as it is declared");
        Failure::explained(message, flags_dropped(flags), at, "")
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
        Failure::new(kind, vec![Diagnostic { help: remedy, ..diagnostic }])
    }

    /// Sets the step, and the name of its endpoint.
    pub fn at_step(mut self, index: usize, step: &Step, names: &EndpointNames) -> Failure {
        self.step = Some(index);
        if let Some(first) = self.diagnostics.first_mut() {
            first.endpoint = step.endpoint().and_then(|row| names.get(&row.identity)).cloned();
        }
        self
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Failure {
        match error {
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

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (kind, help) = match &error {
            Error::NoMptcp => (
                FailureKind::Unsupported,
                Some("use a kernel with CONFIG_MPTCP=y; Linux 6.1 or later is known to work"),
            ),
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
        Failure::new(kind, vec![Diagnostic { help: help.map(str::to_owned), ..diagnostic }])
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
        "`--wait {seconds}` removes it and adds it again when the port is free; or declare it as it is now"
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

/// A refusal in words that help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Of what kind it is.
    pub kind: FailureKind,
    /// What it means.
    pub meaning: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Explanation {
    fn new(kind: FailureKind, meaning: impl Into<String>, remedy: impl Into<String>) -> Explanation {
        Explanation { kind, meaning: meaning.into(), remedy: Some(remedy.into()) }
    }
}

/// Explains why `step` was refused in the state `now`.
pub fn refusal(step: &Step, refusal: &Refusal, now: &State) -> Explanation {
    if refusal.errno == Errno::EPERM {
        let remedy = "run it as root, or with CAP_NET_ADMIN in this network namespace";
        return Explanation::new(FailureKind::NotPermitted, "this needs CAP_NET_ADMIN", remedy);
    }
    let explanation = match step {
        Step::SetSysctl { sysctl, to, .. } => sysctl_refused(sysctl.name(), &to.to_string(), refusal.errno),
        Step::SetLimits { to, .. } => limits_refused(*to, refusal),
        Step::SetFlags { endpoint, .. } => flags_refused(endpoint, refusal.errno),
        Step::AddAddr { endpoint, .. } => addition_refused(endpoint, refusal, now),
        Step::DelAddr { .. } => None,
    };
    explanation.unwrap_or_else(|| Explanation {
        kind: FailureKind::Refused,
        meaning: refusal.errno.desc().to_lowercase(),
        remedy: None,
    })
}

/// Explains flags that the kernel took and left out.
fn flags_dropped(flags: Flags) -> Explanation {
    let laminar = if flags.contains(Flags::LAMINAR) { "; laminar needs Linux 6.18" } else { "" };
    let meaning = format!("this kernel does not know the flag {flags}{laminar}");
    Explanation::new(FailureKind::Unsupported, meaning, "leave the flag out, or use a newer kernel")
}

fn sysctl_refused(name: &str, value: &str, errno: Errno) -> Option<Explanation> {
    match errno {
        Errno::ENOENT => {
            let meaning = format!("this kernel does not know `{value}` for net.mptcp.{name}");
            Some(Explanation::new(
                FailureKind::Unsupported,
                meaning,
                "load what provides it, or choose another",
            ))
        }
        Errno::EACCES | Errno::EROFS => {
            let meaning = "/proc/sys cannot be written here, as in most containers";
            let remedy = format!(
                "set net.mptcp.{name} from outside, or run with CAP_NET_ADMIN and a writable /proc/sys"
            );
            Some(Explanation::new(FailureKind::NotPermitted, meaning, remedy))
        }
        _ => None,
    }
}

fn limits_refused(to: Limits, refusal: &Refusal) -> Option<Explanation> {
    (refusal.errno == Errno::EINVAL).then(|| {
        let meaning = match refusal.attribute {
            Some(ATTR_SUBFLOWS) => format!("this kernel allows no limit `subflows` of {}", to.subflows),
            Some(_) => format!("this kernel allows no limit `add-addr-accepted` of {}", to.add_addr_accepted),
            None => format!("this kernel allows no limit of {}", to.subflows.max(to.add_addr_accepted)),
        };
        Explanation::new(FailureKind::Unsupported, meaning, "write `max` for as many as the kernel allows")
    })
}

fn flags_refused(endpoint: &Endpoint, errno: Errno) -> Option<Explanation> {
    (errno == Errno::EINVAL).then(|| {
        let meaning = format!("{} is not there any more, or cannot have these flags", endpoint.identity);
        Explanation::new(FailureKind::Refused, meaning, "look at `ip mptcp endpoint show` and run again")
    })
}

fn addition_refused(endpoint: &Endpoint, refusal: &Refusal, now: &State) -> Option<Explanation> {
    if let Some(port) = endpoint.identity.port {
        let listening = listener_refused(endpoint, port.get(), refusal.errno);
        if listening.is_some() {
            return listening;
        }
    }
    // Up to Linux 6.1, where 8 is the most, the number is missing that tells four reasons apart.
    let wordless = refusal.text.as_deref() == Some("too many addresses or duplicate one");
    let full = wordless && now.endpoints.len() >= Capabilities::SMALL.endpoints_max;
    let holder = now.endpoints.iter().find(|row| endpoint.id.is_some() && row.id == endpoint.id);
    match refusal.errno {
        Errno::ERANGE => Some(table_full(now)),
        Errno::EINVAL if full => Some(table_full(now)),
        Errno::EBUSY | Errno::EINVAL if holder.is_some() => {
            let row = holder.map(ToString::to_string).unwrap_or_default();
            Some(Explanation::new(
                FailureKind::Refused,
                format!("its id is held by {row}"),
                "another program writes the table; run again",
            ))
        }
        Errno::EBUSY => {
            let meaning = "the id is taken, though no row shows it: an endpoint with id 0, which some kernels make of a \
                           request for id 0, may be in the way";
            Some(Explanation::new(FailureKind::Refused, meaning, "only `ip mptcp endpoint flush` removes it"))
        }
        Errno::EEXIST | Errno::EINVAL => now.endpoint(endpoint.identity).map(|row| {
            let (meaning, remedy) = if row.is_implicit() {
                let meaning = "the kernel itself added an implicit endpoint with this address meanwhile";
                (meaning, "run again, which adopts or replaces it")
            } else {
                let meaning = "an endpoint with this address and port was added meanwhile";
                (meaning, "another program writes the table; run again")
            };
            Explanation::new(FailureKind::Refused, meaning, remedy)
        }),
        _ => None,
    }
}

fn table_full(now: &State) -> Explanation {
    let implicit = now.endpoints.iter().filter(|row| row.is_implicit()).count();
    let meaning = format!(
        "the kernel's table is full with {} endpoints, {implicit} of them implicit",
        now.endpoints.len()
    );
    Explanation::new(
        FailureKind::Unsupported,
        meaning,
        "declare fewer endpoints, or use Linux 7.2, which holds 255",
    )
}

/// A port makes the kernel listen before it looks at anything else.
fn listener_refused(endpoint: &Endpoint, port: u16, errno: Errno) -> Option<Explanation> {
    let address = endpoint.identity.address;
    let explanation = match errno {
        Errno::EADDRNOTAVAIL => Explanation::new(
            FailureKind::Refused,
            format!("{address} is on no interface of this host, or is still tentative"),
            "assign the address first, and wait until `ip address` shows it without `tentative`",
        ),
        Errno::EADDRINUSE => Explanation::new(
            FailureKind::Refused,
            format!("something listens on port {port}, or connections to it closed less than a minute ago"),
            format!(
                "look at `ss -Htanp sport = :{port}`; the port of an endpoint must not be a service's own"
            ),
        ),
        Errno::EACCES => Explanation::new(
            FailureKind::NotPermitted,
            format!("port {port} is below 1024, which needs CAP_NET_BIND_SERVICE"),
            "grant CAP_NET_BIND_SERVICE, or choose a port from 1024 on",
        ),
        Errno::ENOPROTOOPT => Explanation::new(
            FailureKind::Refused,
            "net.mptcp.enabled is 0, so the kernel cannot listen for MPTCP",
            "add `sysctls: {enabled: true}`",
        ),
        _ => return None,
    };
    Some(explanation)
}
