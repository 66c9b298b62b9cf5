//! One connection by hand: the grammar of an operation, what the kernel's refusal of it means, and what became of a new
//! subflow. Pure; `linux::operations` talks to the kernel.

mod grammar;
mod refusal;
#[cfg(test)]
mod tests;

pub use grammar::{FORMS, Misuse, parse};
pub use refusal::{
    announced_port, cannot_begin, explain, fell_back, joined, no_interface, no_listener, subflow_exists,
};

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::model::{
    Connection, Event, EventKind, Identity, Operation, Priority, ResetReason, Subflow, Token,
};
use crate::system::Errno;

/// How long a new subflow has to stay to count as accepted.
const CONFIRMED_MIN: Duration = Duration::from_millis(100);
const CONFIRMED_MAX: Duration = Duration::from_secs(1);

/// How long a subflow has to stay, after a handshake that took `handshake` at most, until the peer has accepted it: one that
/// has no room for it resets it after the handshake, one round trip later.
pub fn confirmation(handshake: Duration) -> Duration {
    (handshake * 3).clamp(CONFIRMED_MIN, CONFIRMED_MAX)
}

/// What became of a subflow that the kernel began to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubflowAnswer {
    /// It joined the connection; its own end, whose port the kernel chose.
    Joined(SocketAddr),
    /// It was closed before that: the error of its socket, and the peer's reason where it gave one.
    Closed(Errno, Option<ResetReason>),
    /// The peer did not answer in time; the kernel keeps trying for about two minutes.
    Missing,
}

impl SubflowAnswer {
    /// What an event says about the subflow that `operation` began to open; none when it is about another one.
    pub fn of(event: &Event, connection: Token, operation: &Operation) -> Option<SubflowAnswer> {
        let Operation::Create { address, peer, id, .. } = operation else { return None };
        let remote = event.remote.address.zip(event.remote.port).map(SocketAddr::from);
        let is_it = event.token == Some(connection)
            && event.local.address == Some(*address)
            && event.local.id == Some(id.get())
            && remote == Some(*peer);
        match event.kind {
            EventKind::SubEstablished if is_it => {
                Some(SubflowAnswer::Joined((*address, event.local.port.unwrap_or(0)).into()))
            }
            EventKind::SubClosed if is_it => {
                let errno = event.error.map_or(Errno::ECONNRESET, |error| Errno::from_raw(error.into()));
                Some(SubflowAnswer::Closed(errno, event.reset_reason))
            }
            _ => None,
        }
    }
}

/// The subflow between the ends of one to be created, if the connection has it or asks for it: the kernel would open
/// another.
pub fn twin<'a>(operation: &Operation, token: Token, connections: &'a [Connection]) -> Option<&'a Subflow> {
    let Operation::Create { address, peer, .. } = operation else { return None };
    let is_it = |subflow: &&Subflow| {
        subflow.local.ip() == *address
            && subflow.remote == *peer
            && (subflow.is_established() || subflow.is_asking())
    };
    let own = connections.iter().filter(|connection| connection.token == token.0);
    own.flat_map(|connection| &connection.subflows).find(is_it)
}

/// What is still to be done where the kernel did not make a new subflow a backup, as Linux 6.1 does not.
pub fn backup_left_out(operation: &Operation, token: Token, connections: &[Connection]) -> Option<Operation> {
    let Operation::Create { peer, priority: Priority::Backup, .. } = operation else { return None };
    let subflow = twin(operation, token, connections).filter(|subflow| !subflow.flags.is_backup())?;
    Some(Operation::SetPriority { priority: Priority::Backup, local: identity(subflow.local), peer: *peer })
}

/// An address and a port, which is none where it is 0.
fn identity(end: SocketAddr) -> Identity {
    Identity { address: end.ip(), port: NonZeroU16::new(end.port()) }
}
