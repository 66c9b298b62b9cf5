//! What keeps an operation on a connection from being done, in words that help.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use crate::model::diagnostic::Diagnostic;
use crate::model::{
    Connection, ConnectionManager, Endpoint, Family, Identity, Operation, Subflow, Token, code, escaped,
};
use crate::reconcile::{Failure, FailureKind};
use crate::system::{Errno, Refusal};

use super::SubflowAnswer;

/// How the kernel says that there is no connection with that token.
const NO_TOKEN: &str = "invalid token";
/// How it says that the address is there with another id, or the id with another address.
const MISMATCH: &str = "did not match address and id";

/// Why an operation cannot begin on a connection with this path manager; none when it can. Without a path manager, there
/// is no such connection.
pub fn cannot_begin(
    operation: &Operation,
    token: Token,
    manager: Option<&ConnectionManager>,
) -> Option<Failure> {
    let failure = |kind, code, meaning: &str, help| {
        Some(Failure::new(kind, vec![Diagnostic::error(code, cannot(operation, token, meaning)).help(help)]))
    };
    match manager {
        None => failure(
            FailureKind::Refused,
            code::NO_CONNECTION,
            "there is no live connection with this token here",
            "`mptcp-apply connection` lists tokens; each end of a connection has its own",
        ),
        Some(ConnectionManager::Kernel) => failure(
            FailureKind::Refused,
            code::KERNEL_PATH_MANAGER,
            "the connection is under the in-kernel path manager",
            "a connection keeps the path manager that it began with: after `sysctls: {path_manager: userspace}` \
             (sysctl net.mptcp.path_manager=userspace, or net.mptcp.pm_type=1 before Linux 6.15) new ones \
             are under the userspace path manager; for this one, change endpoints",
        ),
        Some(ConnectionManager::OnlyKernel) => Some(lacks_operations(operation, token)),
        Some(ConnectionManager::Userspace { .. } | ConnectionManager::Unknown) => None,
    }
}

/// Why an operation is of no use on a connection that fell back to plain TCP; none where it is. The kernel accepts it there
/// too, and the peer never hears of it. What it holds can be removed, and its one path be closed.
pub fn fell_back(operation: &Operation, token: Token, connections: &[Connection]) -> Option<Failure> {
    match operation {
        Operation::Remove { .. } | Operation::Destroy { .. } => return None,
        Operation::Announce { .. } | Operation::Create { .. } | Operation::SetPriority { .. } => {}
    }
    let is_it = |connection: &&Connection| connection.token == token.0 && connection.is_plain();
    connections.iter().find(is_it)?;
    let meaning = "it went on as plain TCP, which has one path and tells the peer nothing of others";
    let diagnostic = Diagnostic::error(code::FELL_BACK, cannot(operation, token, meaning));
    let help = "it stays so: only a new connection can speak MPTCP, and `mptcp-apply doctor` says what is in its way";
    Some(Failure::new(FailureKind::Refused, vec![diagnostic.help(help)]))
}

/// The connection has that subflow, and the kernel would open a second one between the same addresses.
pub fn subflow_exists(operation: &Operation, token: Token, twin: &Subflow) -> Failure {
    let meaning = format!("it has that subflow, from port {} ({})", twin.local.port(), twin.state_word());
    let diagnostic = Diagnostic::error(code::SUBFLOW_EXISTS, cannot(operation, token, &meaning));
    let help =
        "the kernel would open a second one beside it; destroy the first one before, if it is of no use";
    Failure::new(FailureKind::Refused, vec![diagnostic.help(help)])
}

/// Explains why the kernel refused an operation on a connection with these addresses.
pub fn explain(operation: &Operation, token: Token, refusal: &Refusal, addresses: &[Endpoint]) -> Failure {
    if refusal.text.as_deref() == Some(NO_TOKEN)
        && let Some(gone) = cannot_begin(operation, token, None)
    {
        return gone;
    }
    if refusal.errno == Errno::EOPNOTSUPP {
        return lacks_operations(operation, token);
    }
    let (kind, meaning, help) = meaning(operation, refusal, addresses);
    let message = format!("{} ({refusal})", cannot(operation, token, &meaning));
    let diagnostic = Diagnostic { help: help.map(Into::into), ..Diagnostic::error(code::REFUSED, message) };
    let failure = Failure::new(kind, vec![diagnostic]);
    Failure { errno: Some(refusal.errno), kernel: refusal.text.clone(), ..failure }
}

fn meaning(
    operation: &Operation,
    refusal: &Refusal,
    addresses: &[Endpoint],
) -> (FailureKind, String, Option<String>) {
    let refused = |meaning: String, help: &str| (FailureKind::Refused, meaning, Some(help.to_owned()));
    let lists = "`mptcp-apply connection` lists its addresses and subflows";
    match (operation, refusal.errno) {
        (_, Errno::EPERM) => {
            let help = "run it as root, or with CAP_NET_ADMIN in this network namespace";
            (FailureKind::NotPermitted, "this needs CAP_NET_ADMIN".to_owned(), Some(help.to_owned()))
        }
        (Operation::Create { .. }, Errno::ENOTCONN) => refused(
            "the connection is not established yet: data has to be acknowledged in both directions first"
                .to_owned(),
            "wait for the event `established` of `mptcp-apply monitor`, and try again",
        ),
        (Operation::Create { address, .. }, Errno::EADDRNOTAVAIL) => refused(
            format!("{address} is on no interface of this host"),
            "assign the address first; `ip address` lists those that there are",
        ),
        (Operation::Create { address, peer, .. }, Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
            let help = format!("`ip route get {} from {address}` has to find one", peer.ip());
            let meaning = format!("no route leads from {address} to {}", peer.ip());
            (FailureKind::Refused, meaning, Some(help))
        }
        (Operation::Create { .. } | Operation::Announce { .. }, Errno::EINVAL) => {
            let holder = holder(operation, addresses);
            let mismatch = refusal.text.as_deref() == Some(MISMATCH);
            match holder {
                Some(row) => refused(
                    format!("the connection already holds {row}, and an address has one id"),
                    "use that id, choose another one, or remove it first",
                ),
                None if mismatch => refused(
                    "the connection holds this address with another id, or this id for another address"
                        .to_owned(),
                    lists,
                ),
                None => refused(
                    format!("the kernel takes no such {} there", family(operation)),
                    "a connection of an IPv4 socket takes IPv4 addresses only",
                ),
            }
        }
        (Operation::Remove { id }, Errno::EINVAL | Errno::ENOENT) => {
            refused(format!("the connection holds no address with id {id}"), lists)
        }
        (Operation::Destroy { .. } | Operation::SetPriority { .. }, Errno::ESRCH | Errno::EINVAL) => {
            refused("the connection has no subflow between these ends".to_owned(), lists)
        }
        _ => (FailureKind::Refused, refusal.errno.desc().to_lowercase(), None),
    }
}

/// The address that the connection holds with another id, or under the id.
fn holder<'a>(operation: &Operation, addresses: &'a [Endpoint]) -> Option<&'a Endpoint> {
    let (identity, id) = match operation {
        Operation::Announce { address, id, .. } => (*address, *id),
        Operation::Create { address, id, .. } => (Identity { address: *address, port: None }, *id),
        _ => return None,
    };
    addresses.iter().find(|row| (row.identity == identity) != (row.id == Some(id)))
}

fn family(operation: &Operation) -> String {
    let address = match operation {
        Operation::Announce { address, .. } => address.address,
        Operation::Create { address, .. } => *address,
        _ => return "request".to_owned(),
    };
    format!("{} address", Family::of(address).title())
}

/// This end of a subflow that the kernel began to open, once it has joined.
///
/// # Errors
/// Why it has not.
pub fn joined(
    operation: &Operation,
    token: Token,
    answer: &SubflowAnswer,
) -> Result<Option<SocketAddr>, Failure> {
    let Operation::Create { peer, id, .. } = operation else { return Ok(None) };
    let free = format!(
        "`mptcp-apply connection {token} remove id {id}` frees it, and the peer closes other subflows with this id"
    );
    match answer {
        SubflowAnswer::Joined(local) => Ok(Some(*local)),
        SubflowAnswer::Closed(errno, reason) => {
            let meaning = match (errno, reason) {
                (_, Some(reason)) => format!("the peer reset it: {reason}"),
                (Errno::ECONNREFUSED, None) => {
                    format!(
                        "{peer} refused it: no program listens there, or the peer accepts no more subflows"
                    )
                }
                (errno, None) => errno.desc().to_lowercase(),
            };
            let message = cannot(operation, token, &format!("{meaning} ({errno:?})"));
            let help = format!("id {id} stays bound to this address: try again with the same id; {free}");
            let diagnostic = Diagnostic::error(code::SUBFLOW_REFUSED, message).help(help);
            let failure = Failure::new(FailureKind::Refused, vec![diagnostic]);
            Err(Failure { errno: Some(*errno), ..failure })
        }
        SubflowAnswer::Missing => {
            let message = cannot(operation, token, &format!("{peer} has not answered yet"));
            let help = format!(
                "the kernel keeps trying for about two minutes; `mptcp-apply monitor` shows what becomes of it. id {id} \
                 stays bound to this address meanwhile and afterwards: {free}"
            );
            let diagnostic = Diagnostic::error(code::SUBFLOW_UNANSWERED, message).help(help);
            Err(Failure::new(FailureKind::Unanswered, vec![diagnostic]))
        }
    }
}

/// Warns that nothing accepts subflows at an announced port.
pub fn announced_port(port: NonZeroU16) -> Diagnostic {
    let message = format!("port {port} is announced, and no MPTCP program listens there");
    Diagnostic::warning(code::PORT_UNSERVED, message).help(
        "the kernel listens for endpoints only, not for addresses that are announced by hand: start the program, or \
         announce the address without a port",
    )
}

/// Warns that subflows of peers will be rejected.
pub fn no_listener() -> Diagnostic {
    let message = "no program listens to path manager events, so the kernel rejects subflows that peers open \
                   on connections under the userspace path manager, and drops addresses that they announce";
    Diagnostic::warning(code::NO_EVENT_LISTENER, message)
        .help("keep `mptcp-apply monitor`, `mptcpd` or another listener running, in any network namespace")
}

/// The interface that an operation names does not exist.
pub fn no_interface(operation: &Operation, token: Token, name: &str) -> Failure {
    let message = cannot(operation, token, &format!("there is no interface {}", escaped(name)));
    let diagnostic = Diagnostic::error(code::FAILED, message).help("`ip link` lists them");
    Failure::new(FailureKind::Refused, vec![diagnostic])
}

fn lacks_operations(operation: &Operation, token: Token) -> Failure {
    let message = cannot(operation, token, "this kernel has no operations on single connections");
    let help = "use Linux 5.19 or later; 6.1 is known to work";
    let failure =
        Failure::new(FailureKind::Unsupported, vec![Diagnostic::error(code::FAILED, message).help(help)]);
    Failure { errno: Some(Errno::EOPNOTSUPP), ..failure }
}

fn cannot(operation: &Operation, token: Token, meaning: &str) -> String {
    format!("cannot {operation} on connection {token}: {meaning}")
}
