//! The two limits of the path manager.

/// What one MPTCP connection may do at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Additional subflows, `MPTCP_PM_ATTR_SUBFLOWS`. The kernel starts with 2.
    pub subflows: u32,
    /// Announced addresses that are accepted from the peer, `MPTCP_PM_ATTR_RCV_ADD_ADDRS`. The kernel starts with 0.
    pub add_addr_accepted: u32,
}
