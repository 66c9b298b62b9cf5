//! What a refusal really means, and what to do about it.
//!
//! The kernel's own words mislead: "too many addresses or duplicate one" stands for four different things, and up to
//! Linux 6.1 there is no number behind it. So the table decides where the words do not.

use crate::model::{Capabilities, Endpoint, Flags, Limits, State, Step};
use crate::system::{ATTR_SUBFLOWS, Errno, Refusal};

use super::failure::{FailureKind, NO_POLICY_ROUTING};

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

/// This process may not change the network namespace.
pub fn not_permitted() -> Explanation {
    let remedy = "run it as root, or with CAP_NET_ADMIN in this network namespace";
    Explanation::new(FailureKind::NotPermitted, "this needs CAP_NET_ADMIN", remedy)
}

/// Explains why `step` was refused in the state `now`.
pub fn explain(step: &Step, refusal: &Refusal, now: &State) -> Explanation {
    if refusal.errno == Errno::EPERM {
        return not_permitted();
    }
    let explanation = match step {
        Step::SetSysctl { sysctl, to, .. } => sysctl_refused(sysctl.name(), &to.to_string(), refusal.errno),
        Step::SetLimits { to, .. } => limits_refused(*to, refusal),
        Step::SetFlags { endpoint, .. } => flags_refused(endpoint, refusal.errno),
        Step::AddAddr { endpoint, .. } => addition_refused(endpoint, refusal, now),
        Step::DelAddr { .. } => None,
        Step::AddRule { .. } | Step::DelRule { .. } | Step::SetRoute { .. } | Step::DelRoute { .. } => {
            routing_refused(step, refusal)
        }
    };
    explanation.unwrap_or_else(|| Explanation {
        kind: FailureKind::Refused,
        meaning: refusal.errno.desc().to_lowercase(),
        remedy: None,
    })
}

/// Explains flags that the kernel took and left out.
pub fn flags_dropped(flags: Flags) -> Explanation {
    let laminar = if flags.contains(Flags::LAMINAR) { "; laminar needs Linux 6.18" } else { "" };
    let meaning = format!("this kernel does not know the flag {flags}{laminar}");
    Explanation::new(FailureKind::Unsupported, meaning, "leave the flag out, or use a newer kernel")
}

fn routing_refused(step: &Step, refusal: &Refusal) -> Option<Explanation> {
    let explain =
        |meaning: String, remedy: &str| Some(Explanation::new(FailureKind::Refused, meaning, remedy));
    match (refusal.errno, step) {
        (Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP, _) => Some(Explanation::new(
            FailureKind::Unsupported,
            "this kernel has no policy routing",
            NO_POLICY_ROUTING,
        )),
        (Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EINVAL, Step::SetRoute { to, .. }) => {
            let (gateway, dev) = (to.gateway?, to.dev.as_ref()?);
            let ip = to.family.ip();
            let remedy =
                format!("`{ip} route` shows what is on that link; correct `gateway`, or leave it out");
            explain(format!("the router {gateway} is not on the link of {dev}"), &remedy)
        }
        (Errno::ENODEV, _) => explain("its interface is gone".to_owned(), "run again"),
        (Errno::ENETDOWN, _) => explain("its interface is down".to_owned(), "set it up, and run again"),
        _ => None,
    }
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
            let (meaning, remedy) = match endpoint.id {
                // No row of that id is hidden, and this was tried several times.
                Some(_) => (
                    "its id was taken each time, and free when the table was read: another program adds and removes an \
                     endpoint with it",
                    "stop that program, or choose another `id`",
                ),
                None => (
                    "an id is taken, though no row shows it: an endpoint with id 0, which some kernels make of a \
                     request for id 0, may be in the way until the network namespace ends",
                    "give the endpoint an `id`",
                ),
            };
            Some(Explanation::new(FailureKind::Refused, meaning, remedy))
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
