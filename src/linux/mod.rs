//! The edge to Linux: the path manager, interfaces, routes, sockets and sysctls of one network namespace.
//!
//! It implements the traits of `system` and decides nothing: it reads what there is, and carries out steps.

mod addresses;
pub mod blackhole;
mod changes;
mod checks;
pub mod claim;
pub mod clock;
pub mod event_listeners;
pub mod evidence;
mod family;
mod interfaces;
mod iproute;
pub mod locks;
pub mod lookup;
mod mptcp_diag;
pub mod mptcp_events;
mod mptcp_pm;
mod neighbours;
pub mod netlink;
pub mod netns;
mod network_manager;
mod networkd;
pub mod operations;
mod path_manager;
pub mod probe;
mod probe_socket;
pub mod proc_file;
pub mod processes;
pub mod replace;
pub mod rlimit;
mod routes;
mod rtmsg;
mod rtnl;
mod rulemsg;
pub mod sandbox;
pub mod signals;
pub mod sock_diag;
pub mod stream;
pub mod survey;
mod sysctl;
mod uplinks;
pub mod wait;

pub use changes::Changes;
pub use checks::RunningCheck;
pub use path_manager::{Activity, LinuxPathManager};

use crate::system::Error;

/// What is kept there; `open` makes it when it is first needed.
fn kept<T>(place: &mut Option<T>, open: impl FnOnce() -> Result<T, Error>) -> Result<&mut T, Error> {
    match place {
        Some(value) => Ok(value),
        None => Ok(place.insert(open()?)),
    }
}
