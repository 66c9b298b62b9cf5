//! The two limits of the path manager.

use std::fmt;

/// The limits of every MPTCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Additional subflows, `MPTCP_PM_ATTR_SUBFLOWS`. The kernel starts with 2.
    pub subflows: u32,
    /// Announced addresses accepted from the peer, `MPTCP_PM_ATTR_RCV_ADD_ADDRS`. The kernel starts with 0.
    pub add_addr_accepted: u32,
}

/// `subflows 2 add-addr-accepted 0`
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subflows {} add-addr-accepted {}", self.subflows, self.add_addr_accepted)
    }
}
