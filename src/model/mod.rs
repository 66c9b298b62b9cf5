//! The vocabulary: endpoints, flags, limits and sysctls, and the [`State`] that consists of them.
//!
//! Pure values without input or output. Desired and current state are the same type, so that the planner compares
//! values and never text.

mod capabilities;
pub mod code;
mod connection;
mod counted;
pub mod diagnostic;
mod endpoint;
mod event;
mod exit;
mod family;
mod flags;
mod health;
mod history;
mod host;
mod keeper;
mod limits;
mod moment;
mod operation;
mod probe;
mod quote;
mod state;
mod step;
mod sysctl;
mod uplink;
mod verb;

pub use capabilities::Capabilities;
pub use connection::{Connection, Fallback, Subflow, SubflowFlags, Traffic};
pub use counted::counted;
pub use endpoint::{AddressId, Device, Endpoint, EndpointNames, Identity, OwnedEndpoints, canonical};
pub use event::{End, Event, EventFlags, EventKind, ResetFlags, ResetReason, Token};
pub use exit::Exit;
pub use family::Family;
pub use flags::Flags;
pub use health::{CheckOutcome, UplinkHealth, UplinkStatus};
pub use history::{Beginning, PastState, RunKind};
pub use host::{
    AddressRule, AddressState, Counters, DefaultRoute, HostAddress, Interface, Listener, Prefix, Routing,
    RoutingWords, RuleAction, UnconfirmedRequest,
};
pub use keeper::{Keeper, KeeperRole, WatchCounters};
pub use limits::Limits;
pub use moment::Moment;
pub use operation::{ConnectionManager, ManagedConnection, Operation, Priority};
pub use probe::{ObservedSubflow, Probe, ProbeConnection, ProbeOutcome, Protocol};
pub use quote::{escaped, escaped_lines, escaped_path, shell_word};
pub use state::{DeclaredNames, State};
pub use step::{Disruption, Reason, Step};
pub use sysctl::{Sysctl, SysctlKind, SysctlValue};
pub use uplink::{
    MAIN_TABLE, UPLINK_PROTOCOL, UplinkNames, UplinkRoute, UplinkRule, UplinkState, uplink_table,
};
pub use verb::{VERBS, habit};
