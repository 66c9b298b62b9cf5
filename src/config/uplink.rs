//! Uplinks: interfaces that lead out by a router of their own.

use std::net::IpAddr;

use crate::model::{Family, Interface};

use super::document::{Located, Name};
use super::pattern::DevicePattern;

/// One entry of `uplinks`.
#[derive(Debug)]
pub struct Uplink {
    /// The name, with its location.
    pub name: Located<Name>,
    /// The interfaces.
    pub dev: Located<DevicePattern>,
    /// The routers; absent where the default routes of the interfaces tell them.
    pub gateway: Option<Located<Gateway>>,
}

/// The routers of an uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// `none`: a link without a router.
    OnLink,
    /// At most one a family.
    Routers(Vec<IpAddr>),
}

impl Gateway {
    /// The declared router of a family, `Some(None)` on a link without one; none where it is not declared.
    pub fn of(&self, family: Family) -> Option<Option<IpAddr>> {
        match self {
            Gateway::OnLink => Some(None),
            Gateway::Routers(routers) => {
                routers.iter().find(|router| Family::of(**router) == family).map(|router| Some(*router))
            }
        }
    }
}

impl Uplink {
    /// How specific it is for an interface; none where it does not match. A literal name counts more than a glob.
    pub fn rank(&self, interface: &Interface) -> Option<bool> {
        self.dev.value.matches(interface).then(|| self.dev.value.names(interface))
    }
}
