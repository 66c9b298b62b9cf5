//! Operations on one live connection, and the path manager of each connection.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use neli::consts::socket::NlFamily;

use crate::connection::{self, SubflowAnswer};
use crate::linux::family::find_family;
use crate::linux::mptcp_events::{EventSocket, Received};
use crate::linux::mptcp_pm::{self, GenlFamily};
use crate::linux::netlink::{Netlink, Request};
use crate::model::{ConnectionManager, Endpoint, Operation, Token};
use crate::system::{Errno, Error, Refusal};

/// How long a peer may take to answer the request for a subflow. The kernel sends it again after 1 and 3 seconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// No connection has it.
const NO_TOKEN: Token = Token(0);

/// A netlink socket for requests about single connections.
pub struct Operations {
    netlink: Netlink,
    family: GenlFamily,
}

impl Operations {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// As [`LinuxPathManager::open`](crate::linux::LinuxPathManager::open).
    pub fn open() -> Result<Operations, Error> {
        let mut netlink = Netlink::open(NlFamily::Generic)?;
        let family = find_family(&mut netlink)?;
        Ok(Operations { netlink, family })
    }

    /// Which path manager the connection has; none when there is no such connection. Interfaces of addresses have no names
    /// yet.
    ///
    /// The kernel refuses to list the addresses of a connection that is not under the userspace path manager. Linux 6.1 lists
    /// the endpoints instead, whatever the token; there, only a request for a change tells, which needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn manager(&mut self, token: Token) -> Result<Option<ConnectionManager>, Error> {
        let addresses = match self.addresses(token)? {
            Err(refusal) if refusal.text.is_some() => return Ok(by_refusal(&refusal)),
            Err(_) => Vec::new(),
            Ok(addresses) if self.addresses(NO_TOKEN)?.is_err() => {
                return Ok(Some(ConnectionManager::Userspace { addresses }));
            }
            Ok(_) => Vec::new(),
        };
        match self.netlink.request(self.family.probe_connection(token))? {
            Err(refusal) => Ok(by_refusal(&refusal)),
            Ok(_) => Ok(Some(ConnectionManager::Userspace { addresses })),
        }
    }

    /// Whether this user may not change connections. Up to Linux 6.12 the kernel keeps the subflows of connections from such
    /// a user, too.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn is_forbidden(&mut self) -> Result<bool, Error> {
        let answer = self.netlink.request(self.family.probe_connection(NO_TOKEN))?;
        Ok(answer.is_err_and(|refusal| refusal.errno == Errno::EPERM))
    }

    fn addresses(&mut self, token: Token) -> Result<Result<Vec<Endpoint>, Refusal>, Error> {
        self.netlink.ask_for_explanations()?;
        let verdicts =
            self.netlink.read("list the addresses of a connection", &[self.family.dump_addresses(token)])?;
        let read = |replies: Vec<Vec<u8>>| {
            replies.iter().filter_map(|reply| mptcp_pm::endpoint(reply)).collect::<Vec<_>>()
        };
        let verdict = verdicts.into_iter().next();
        let verdict = verdict.ok_or_else(|| Error::Protocol("no verdict".into()))?;
        Ok(verdict.map(read))
    }

    /// Carries out an operation. `dev` is the index of the interface that it names.
    ///
    /// # Errors
    /// When the kernel does not answer; the inner one when it refuses.
    pub fn perform(
        &mut self,
        token: Token,
        operation: &Operation,
        dev: Option<NonZeroU32>,
    ) -> Result<Result<(), Refusal>, Error> {
        let request: Request = self.family.operation(token, operation, dev);
        log::info!("connection {token}: {operation}");
        Ok(self.netlink.request(request)?.map(drop))
    }
}

/// What the refusal to change a connection says about its path manager.
fn by_refusal(refusal: &Refusal) -> Option<ConnectionManager> {
    match (refusal.errno, refusal.text.as_deref()) {
        (Errno::EPERM, _) => Some(ConnectionManager::Unknown),
        (Errno::EOPNOTSUPP, _) => Some(ConnectionManager::OnlyKernel),
        (_, Some("invalid token")) => None,
        // Linux 6.1 says "invalid request; userspace PM not selected".
        (_, Some(text)) if text.ends_with("userspace PM not selected") => Some(ConnectionManager::Kernel),
        _ => Some(ConnectionManager::Userspace { addresses: Vec::new() }),
    }
}

/// Waits until the peer has answered the request for a subflow, 5 seconds at most, and has had the time to reset it.
///
/// # Errors
/// When events cannot be read.
pub fn await_answer(
    events: &mut EventSocket,
    token: Token,
    operation: &Operation,
) -> Result<SubflowAnswer, Error> {
    let start = Instant::now();
    let (mut answer, mut until) = (SubflowAnswer::Missing, start + ANSWER_MAX);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        for received in events.wait(left)? {
            let Received::Event(event) = &received else { continue };
            match SubflowAnswer::of(event, token, operation) {
                Some(joined @ SubflowAnswer::Joined(_)) => {
                    answer = joined;
                    until = Instant::now() + connection::confirmation(start.elapsed());
                }
                Some(other) => return Ok(other),
                None => {}
            }
        }
        if left.is_zero() {
            return Ok(answer);
        }
    }
}
