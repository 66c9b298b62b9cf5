//! The seam: what a pass needs of a Linux system, as traits, and how the system refuses.
//!
//! No I/O happens here. `linux` implements the traits with netlink, and tests implement them with a model, or put faults
//! in between.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

pub use nix::errno::Errno;

use crate::model::{
    AddressState, Capabilities, Endpoint, Family, Identity, Interface, Limits, State, Step, Sysctl,
    SysctlValue, UplinkHealth, UplinkRoute, escaped,
};

/// `MPTCP_PM_ATTR_SUBFLOWS`, the attribute of the limit `subflows`, which a refusal may point at.
pub const ATTR_SUBFLOWS: u16 = 3;

/// A path manager that can be read and changed.
pub trait PathManager {
    /// Reads limits and endpoints, and as much more as `scope` says.
    ///
    /// # Errors
    /// When the kernel does not answer, or answers what cannot be understood.
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Error>;

    /// Whether a step would be refused, as far as that can be told without writing anything.
    ///
    /// # Errors
    /// When it would.
    fn check(&mut self, step: &Step) -> Result<(), Refusal>;

    /// How many connections an endpoint has at its port, those included that closed less than a minute ago; 0 for one
    /// without a port. While there are any, the kernel can listen there only if it does so already.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn connections(&mut self, endpoint: Identity) -> Result<usize, Error>;

    /// The subflows of live MPTCP connections; none where the kernel does not tell.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn subflows(&mut self) -> Result<Vec<SubflowSummary>, Error>;

    /// The live connections, by token, that this endpoint could open a subflow on under these limits, and that have none from
    /// it; none where the kernel does not tell.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn lacking(&mut self, endpoint: &Endpoint, limits: Limits) -> Result<Vec<u32>, Error>;

    /// How far the data of live MPTCP connections has come; none where the kernel does not tell.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn progress(&mut self) -> Result<Vec<DataProgress>, Error>;

    /// How many subflows were asked for so far.
    fn joins(&mut self) -> Joins;

    /// Lets time pass.
    fn pause(&mut self, duration: Duration);

    /// How much time has passed since some moment, by a clock that is never set.
    fn elapsed(&mut self) -> Duration;

    /// Whether the run is to end as soon as it can. Pauses are over at once then.
    fn is_interrupted(&self) -> bool;

    /// Whether this process has CAP_NET_ADMIN, without which the kernel takes nothing but sysctls, and those from root.
    fn is_privileged(&self) -> bool {
        true
    }

    /// From now on a signal that ends the run is only seen by [`PathManager::is_interrupted`], so that the run can finish or
    /// put back what it began, and report that.
    fn hold_signals(&mut self) {}

    /// Carries out one step. Before a request that goes by the id alone, the row there is compared with what the step
    /// expects.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing has changed.
    fn execute(&mut self, step: &Step) -> Result<(), Refusal>;
}

/// What has to be known of the host, beside its [`State`], to tell what a configuration means on it.
pub trait HostFacts {
    /// The index of the interface of that name, if there is one.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn interface(&mut self, name: &str) -> Result<Option<NonZeroU32>, Error>;

    /// All interfaces.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn interfaces(&mut self) -> Result<&[Interface], Error>;

    /// The addresses that a selector could pick: global ones that are not temporary. By interface index, then in the
    /// kernel's order.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn addresses(&mut self) -> Result<&[AssignedAddress], Error>;

    /// The addresses that packets of uplinks leave with: global ones of interfaces that are up, deprecated and temporary
    /// ones too, since live connections use them; no tentative ones. By interface index, then in the kernel's order.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn source_addresses(&mut self) -> Result<&[(IpAddr, NonZeroU32)], Error>;

    /// The default routes of the main table out of an interface that this program did not make.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn default_routes(&mut self, family: Family, out_of: NonZeroU32) -> Result<Vec<MainDefault>, Error>;

    /// Whether the kernel would take a route of an uplink, as far as that can be told without writing anything.
    ///
    /// # Errors
    /// As it would refuse it.
    fn check_route(&mut self, route: &UplinkRoute) -> Result<(), Refusal>;

    /// Whether a socket can be bound to the address now: it is on an interface that is up, on that one if one is given,
    /// and its duplicate address detection has ended well.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn has_address(&mut self, address: IpAddr, on: Option<NonZeroU32>) -> Result<bool, Error>;

    /// What checks have found out about the uplink that an interface is.
    fn uplink_health(&mut self, _index: NonZeroU32) -> UplinkHealth {
        UplinkHealth::Unwatched
    }

    /// Waits until links or addresses change, `at_most` that long. The first call returns at once: from then on no change is
    /// missed.
    ///
    /// # Errors
    /// When the kernel does not tell of changes.
    fn await_change(&mut self, at_most: Duration) -> Result<(), Error>;

    /// Whether systemd-networkd manages this network namespace and removes rules and routes that it did not make.
    fn has_foreign_routing_removed(&mut self) -> bool;

    /// The packet schedulers that there are; none where the kernel does not tell.
    ///
    /// # Errors
    /// When they cannot be read.
    fn schedulers(&mut self) -> Result<Option<Vec<String>>, Error>;

    /// The value of a sysctl, if this kernel has it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sysctl(&mut self, name: Sysctl) -> Result<Option<SysctlValue>, Error>;
}

/// All that a pass needs.
pub trait System: PathManager + HostFacts {}

impl<S: PathManager + HostFacts> System for S {}

/// What is managed beside limits and endpoints, and so read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Scope {
    /// Those of them that the kernel has.
    pub sysctls: Vec<Sysctl>,
    /// Whether the rules and routes of uplinks are.
    pub uplinks: bool,
}

impl Scope {
    /// Everything that can be managed.
    pub fn everything() -> Scope {
        Scope { sysctls: Sysctl::all().collect(), uplinks: true }
    }

    /// What shows whether a step was carried out.
    pub fn of(step: &Step) -> Scope {
        Scope { sysctls: Vec::new(), uplinks: step.is_of_uplink() }
    }
}

/// What a path manager shows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Limits, endpoints and the sysctls that were asked for.
    pub state: State,
    /// What this kernel can hold, as far as its release and its state tell.
    pub capabilities: Capabilities,
}

/// How often MP_JOIN asked for another subflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joins {
    /// Requests of this host that peers answered.
    pub answered: u64,
    /// Requests of peers.
    pub heard: u64,
}

/// One of the TCP connections that an MPTCP connection consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubflowSummary {
    /// The MPTCP connection, by its token at this end.
    pub connection: u32,
    /// The address at this end. Never an IPv4-mapped IPv6 address.
    pub local: IpAddr,
    /// Whether it is established; otherwise it is being opened.
    pub established: bool,
    /// Bytes that wait to be sent or acknowledged (`Send-Q`).
    pub queued: u32,
    /// Bytes that the connection has not taken yet (`Recv-Q`).
    pub unread: u32,
    /// Bytes that the peer has acknowledged.
    pub acknowledged: u64,
    /// Bytes that came from the peer.
    pub received: u64,
    /// How often in a row the retransmission timeout has doubled; 0 while the peer acknowledges.
    pub backoff: u8,
    /// Since when no data was sent or received.
    pub idle: Duration,
}

/// How far the data of one MPTCP connection has come, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataProgress {
    /// The token at this end.
    pub connection: u32,
    /// The sequence number of the byte that is awaited next.
    pub rcv_nxt: u64,
    /// The sequence number of the first byte that the peer has not acknowledged.
    pub snd_una: u64,
    /// The sequence number of the next byte that the application writes.
    pub write_seq: u64,
    /// Bytes of memory that data from the peer takes, out of order or unread.
    pub rmem_alloc: u32,
    /// How many bytes of memory it may take.
    pub rcvbuf: u32,
    /// Bytes of memory that data for the peer takes, unsent or not acknowledged.
    pub wmem_queued: u32,
}

/// A default route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MainDefault {
    /// The kernel prefers the lowest one.
    pub metric: u32,
    /// The router; none on a link without one.
    pub gateway: Option<IpAddr>,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedAddress {
    /// Never an IPv4-mapped IPv6 address.
    pub address: IpAddr,
    /// The index of its interface.
    pub index: NonZeroU32,
    /// Whether it can be used.
    pub state: AddressState,
}

impl AssignedAddress {
    /// Whether a selector may pick it. A deprecated address is not taken newly, and stays as long as it is valid.
    pub fn can_be_taken(&self, is_in_table: bool) -> bool {
        match self.state {
            AddressState::Settled => true,
            AddressState::Deprecated => is_in_table,
            AddressState::Tentative | AddressState::DadFailed => false,
        }
    }
}

/// Why the kernel could not be reached or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The generic netlink family `mptcp_pm` does not exist.
    #[error("this kernel has no MPTCP path manager (generic netlink family `mptcp_pm`)")]
    NoMptcp,
    /// A request was refused where none may be.
    #[error("cannot {0}: {1}")]
    Refused(&'static str, Refusal),
    /// A system call failed.
    #[error("cannot {0}: {1}")]
    Io(String, std::io::Error),
    /// There is no network namespace of that name.
    #[error("there is no network namespace {}", escaped(.0))]
    NoNamespace(String),
    /// The network namespace of that name cannot be entered.
    #[error("cannot enter network namespace {}: {}", escaped(.0), .1)]
    Enter(String, std::io::Error),
    /// No throw-away network namespace can be made.
    #[error("cannot make a throw-away network namespace: {0}")]
    NoSandbox(std::io::Error),
    /// The kernel's answer makes no sense.
    #[error("unexpected answer from the kernel: {0}")]
    Protocol(String),
}

impl Error {
    /// Whether another user may be allowed what this one is not.
    pub fn is_permission(&self) -> bool {
        match self {
            Error::Refused(_, refusal) => refusal.errno == Errno::EPERM,
            Error::Io(_, error) | Error::Enter(_, error) => {
                error.kind() == std::io::ErrorKind::PermissionDenied
            }
            Error::NoMptcp | Error::NoNamespace(_) | Error::NoSandbox(_) | Error::Protocol(_) => false,
        }
    }
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// The text of the extended acknowledgement, if there was one.
    pub text: Option<String>,
    /// The type of the attribute that it points at, if it does: `MPTCP_PM_ATTR_*` for requests to the path manager.
    pub attribute: Option<u16>,
}

impl Refusal {
    /// A refusal without words.
    pub fn new(errno: Errno) -> Refusal {
        Refusal { errno, text: None, attribute: None }
    }

    /// The row is not what the plan expected: another program changed the table.
    pub fn changed() -> Refusal {
        Refusal { text: Some("the table has changed in between".to_owned()), ..Refusal::new(Errno::ESTALE) }
    }
}

/// `EINVAL: address not found`, or the error number and what it means in general.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = self.text.as_deref().unwrap_or_else(|| self.errno.desc());
        write!(f, "{:?}: {words}", self.errno)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::Refused(_, refusal) => refusal,
            Error::NoMptcp | Error::NoNamespace(_) => Refusal::new(Errno::ENOENT),
            Error::Io(_, ref io) | Error::Enter(_, ref io) | Error::NoSandbox(ref io) => {
                let errno = io.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                Refusal { text: Some(error.to_string()), ..Refusal::new(errno) }
            }
            Error::Protocol(text) => Refusal { text: Some(text), ..Refusal::new(Errno::EPROTO) },
        }
    }
}
