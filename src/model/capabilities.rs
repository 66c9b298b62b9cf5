//! The sizes of a kernel's path manager.

#[cfg(test)]
mod tests;

use super::State;

/// The sizes that a kernel was built with. No interface reports them: they follow from its release, and from what its
/// table and limits already hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The largest value of either limit.
    pub limits_max: u32,
    /// The most endpoints, implicit ones included.
    pub endpoints_max: usize,
}

impl Capabilities {
    /// Linux up to 7.1: `MPTCP_PM_ADDR_MAX` is 8, and so are the limits.
    pub const SMALL: Capabilities = Capabilities { limits_max: 8, endpoints_max: 8 };
    /// Linux 7.2 and later, measured on 7.2.12 and 7.3.4: 255 endpoints, limits up to 64.
    pub const LARGE: Capabilities = Capabilities { limits_max: 64, endpoints_max: 255 };

    /// The sizes of the kernel of this release (`uname -r`, like `6.18.4-amd64`).
    pub fn of_release(release: &str) -> Capabilities {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version >= (7, 2) { Capabilities::LARGE } else { Capabilities::SMALL }
    }

    /// The same, corrected by the current state: a kernel that holds more than the small sizes has the change that
    /// brought the large ones, whatever its release says.
    pub fn corrected_by(self, current: &State) -> Capabilities {
        let limits = current.limits;
        let larger = current.endpoints.len() > Capabilities::SMALL.endpoints_max
            || limits.subflows.max(limits.add_addr_accepted) > Capabilities::SMALL.limits_max;
        if larger { Capabilities::LARGE } else { self }
    }
}
