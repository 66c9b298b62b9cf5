//! The edge to Linux: one network namespace's path manager, interfaces, routes, sockets and sysctls.

mod changes;
pub mod evidence;
mod interfaces;
pub mod lookup;
mod mptcp_diag;
pub mod mptcp_events;
mod mptcp_pm;
pub mod netlink;
pub mod netns;
mod path_manager;
pub mod probe;
mod probe_socket;
mod processes;
pub mod rlimit;
mod routes;
mod rtnl;
pub mod sandbox;
pub mod signals;
mod sock_diag;
mod sysctl;
pub mod wait;

pub use changes::Changes;
pub use path_manager::LinuxPathManager;
