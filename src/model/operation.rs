//! Operations on one live connection under the userspace path manager, and which path manager a connection has.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{AddressId, Connection, Endpoint, Flags, Identity, escaped};

/// What the userspace path manager can do to one connection. Addresses are never IPv4-mapped IPv6 addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Announces an address to the peer (ADD_ADDR).
    Announce {
        /// The address; without a port, that of the connection.
        address: Identity,
        /// Its address id.
        id: AddressId,
        /// The interface that the kernel remembers with it.
        dev: Option<String>,
    },
    /// Withdraws an address (RM_ADDR), and frees its id.
    Remove {
        /// The address id.
        id: AddressId,
    },
    /// Opens a subflow.
    Create {
        /// The address of this end; the kernel chooses the port.
        address: IpAddr,
        /// The interface to bind the subflow to.
        dev: Option<String>,
        /// The other end.
        peer: SocketAddr,
        /// The address id of this end.
        id: AddressId,
        /// The priority to begin with.
        priority: Priority,
    },
    /// Closes a subflow.
    Destroy {
        /// This end.
        local: SocketAddr,
        /// The other end.
        peer: SocketAddr,
    },
    /// Changes the priority of a subflow, and tells the peer (MP_PRIO).
    SetPriority {
        /// The new priority.
        priority: Priority,
        /// This end; without a port, any subflow from this address.
        local: Identity,
        /// The other end.
        peer: SocketAddr,
    },
}

/// When a subflow is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Always.
    Regular,
    /// Only when no other subflow works.
    Backup,
}

impl Priority {
    /// The flags that the kernel takes for it.
    pub fn flags(self) -> Flags {
        match self {
            Priority::Regular => Flags::default(),
            Priority::Backup => Flags::BACKUP,
        }
    }

    /// `backup` or `nobackup`
    pub fn word(self) -> &'static str {
        match self {
            Priority::Regular => "nobackup",
            Priority::Backup => "backup",
        }
    }
}

impl Operation {
    /// The kernel's name for it (`MPTCP_PM_CMD_*`), the word of the command line, and its past participle.
    fn row(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Operation::Announce { .. } => ("announce", "announce", "announced"),
            Operation::Remove { .. } => ("remove", "remove", "removed"),
            Operation::Create { .. } => ("subflow-create", "create", "created"),
            Operation::Destroy { .. } => ("subflow-destroy", "destroy", "destroyed"),
            Operation::SetPriority { .. } => ("set-flags", "set", "set"),
        }
    }

    /// The kernel's name for it, as programs read it.
    pub fn word(&self) -> &'static str {
        self.row().0
    }

    /// `created`
    pub fn participle(&self) -> &'static str {
        self.row().2
    }

    /// The interface that it names.
    pub fn dev(&self) -> Option<&str> {
        match self {
            Operation::Announce { dev, .. } | Operation::Create { dev, .. } => dev.as_deref(),
            Operation::Remove { .. } | Operation::Destroy { .. } | Operation::SetPriority { .. } => None,
        }
    }

    /// What it is about, without the verb: `10.1.2.1 to 10.9.9.9:443 id 5`.
    pub fn object(&self) -> String {
        let dev = |mark: &str| self.dev().map_or(String::new(), |dev| format!("{mark}{}", escaped(dev)));
        match self {
            Operation::Announce { address, id, .. } => {
                let port = address.port.map_or(String::new(), |port| format!(" port {port}"));
                format!("{} id {id}{port}{}", address.address, dev(" dev "))
            }
            Operation::Remove { id } => format!("id {id}"),
            Operation::Create { address, peer, id, priority, .. } => {
                let backup = if *priority == Priority::Backup { " backup" } else { "" };
                format!("{address}{} to {peer} id {id}{backup}", dev("%"))
            }
            Operation::Destroy { local, peer } => format!("{local} to {peer}"),
            Operation::SetPriority { priority, local, peer } => {
                let local = local.port.map_or_else(
                    || local.address.to_string(),
                    |port| SocketAddr::new(local.address, port.get()).to_string(),
                );
                format!("{} {local} to {peer}", priority.word())
            }
        }
    }
}

/// As the command line has it.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.row().1, self.object())
    }
}

/// Which path manager a connection has. It keeps the one that `net.mptcp.path_manager` named when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionManager {
    /// The kernel's own, by the table of endpoints.
    Kernel,
    /// The kernel's own; this kernel has no other (before Linux 5.19).
    OnlyKernel,
    /// A program, or `mptcp-apply connection`.
    Userspace {
        /// Its addresses: announced ones have the flag `signal`, those of subflows that were created `subflow`. Linux 6.1
        /// does not list them.
        addresses: Vec<Endpoint>,
    },
    /// The kernel tells only CAP_NET_ADMIN.
    Unknown,
}

impl ConnectionManager {
    /// The word of `net.mptcp.path_manager`; none when it is unknown.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            ConnectionManager::Kernel | ConnectionManager::OnlyKernel => Some("kernel"),
            ConnectionManager::Userspace { .. } => Some("userspace"),
            ConnectionManager::Unknown => None,
        }
    }

    /// The addresses of a connection under the userspace path manager, as far as the kernel lists them.
    pub fn addresses(&self) -> &[Endpoint] {
        match self {
            ConnectionManager::Userspace { addresses } => addresses,
            _ => &[],
        }
    }
}

/// A live connection with its path manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedConnection {
    /// The connection.
    pub connection: Connection,
    /// Its path manager.
    pub manager: ConnectionManager,
}
