//! What a first configuration is made from: the links of this host with their addresses and default routes, who listens, and
//! what the path manager has now.

use std::net::IpAddr;

use crate::doctor::Table;
use crate::model::{AddressState, Capabilities, Family, Flags, Interface, Listener};
use crate::system::MainDefault;

/// The facts.
#[derive(Debug)]
pub struct Survey {
    /// All interfaces but loopback ones.
    pub links: Vec<SurveyedLink>,
    /// The sockets that listen for TCP connections.
    pub listeners: Vec<Listener>,
    /// Limits, endpoints, and the sysctl `enabled`.
    pub path_manager: Table,
    /// What this kernel can hold.
    pub capabilities: Capabilities,
}

/// An interface.
#[derive(Clone, Debug)]
pub struct SurveyedLink {
    /// Names and flags.
    pub interface: Interface,
    /// `IFLA_INFO_KIND`, such as `bridge` or `veth`; empty for hardware.
    pub kind: String,
    /// The bridge, bond or team that it is a part of.
    pub part_of: Option<String>,
    /// The global addresses that are not temporary, in the kernel's order.
    pub addresses: Vec<SurveyedAddress>,
    /// The default routes of the main table out of it that this program did not make.
    pub defaults: Vec<(Family, MainDefault)>,
    /// The profile of NetworkManager that is active on it.
    pub profile: Option<ManagerProfile>,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug)]
pub struct SurveyedAddress {
    /// Never an IPv4-mapped IPv6 address.
    pub address: IpAddr,
    /// Whether it can be used.
    pub state: AddressState,
    /// How long it stays.
    pub lifetime: Lifetime,
    /// Which way packets with it leave.
    pub way: WayOut,
}

/// How long an address stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is removed.
    Static,
    /// For a time that a lease or a router's advertisement sets.
    Dynamic,
}

/// Which way packets with an address leave for the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// By the interface that has the address.
    Own,
    /// The same, by the rules of an uplink that this program made.
    Uplink,
    /// By another interface, or not at all.
    Other,
}

/// A connection profile of NetworkManager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerProfile {
    /// Its name (`connection.id`).
    pub name: String,
    /// `connection.mptcp-flags`
    pub mptcp_flags: MptcpFlags,
}

/// `NMMptcpFlags` of NetworkManager; 0 stands for the default of `NetworkManager.conf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MptcpFlags(pub u32);

impl MptcpFlags {
    /// `NM_MPTCP_FLAGS_DISABLED`
    const DISABLED: u32 = 1 << 0;
    /// `NM_MPTCP_FLAGS_SIGNAL` to `NM_MPTCP_FLAGS_FULLMESH`, with the kernel's flags.
    const OF_ENDPOINTS: [(u32, Flags); 4] = [
        (1 << 4, Flags::SIGNAL),
        (1 << 5, Flags::SUBFLOW),
        (1 << 6, Flags::BACKUP),
        (1 << 7, Flags::FULLMESH),
    ];

    /// Reads `0x62`, as `nmcli --terse` prints it; words may follow.
    pub fn parse(text: &str) -> Option<MptcpFlags> {
        let number = text.split_whitespace().next()?;
        u32::from_str_radix(number.strip_prefix("0x")?, 16).ok().map(MptcpFlags)
    }

    /// Whether NetworkManager leaves endpoints alone.
    pub fn is_disabled(self) -> bool {
        self.0 & MptcpFlags::DISABLED != 0
    }

    /// The flags of the endpoints that it makes; none where the profile names none.
    pub fn of_endpoints(self) -> Flags {
        let set = MptcpFlags::OF_ENDPOINTS.iter().filter(|(bit, _)| self.0 & bit != 0);
        set.fold(Flags::default(), |all, (_, flag)| all.union(*flag))
    }
}
