//! The path manager's generic netlink family, as this kernel knows it.

use std::sync::OnceLock;

use crate::linux::mptcp_pm::{self, GenlFamily};
use crate::linux::netlink::Netlink;
use crate::linux::netlink::decode::Payloads;
use crate::system::{Errno, Error};

/// The number of the path manager's family, asked for once. The family is part of the kernel and no module, so that its
/// number is the same in all network namespaces and never changes.
///
/// # Errors
/// As [`ask_for_family`].
pub fn find_family(netlink: &mut Netlink) -> Result<GenlFamily, Error> {
    static NUMBER: OnceLock<u16> = OnceLock::new();
    if let Some(number) = NUMBER.get() {
        return Ok(GenlFamily(*number));
    }
    let replies = ask_for_family(netlink)?;
    let number = replies.iter().find_map(|reply| mptcp_pm::family(reply));
    let number = number.ok_or_else(|| Error::Protocol("a family without a number".into()))?;
    log::trace!("generic netlink family mptcp_pm has number {number}");
    Ok(GenlFamily(*NUMBER.get_or_init(|| number)))
}

/// The description of the path manager's family.
///
/// # Errors
/// [`Error::NoMptcp`] when the kernel has no such family.
pub fn ask_for_family(netlink: &mut Netlink) -> Result<Payloads, Error> {
    match netlink.request(mptcp_pm::get_family())? {
        Ok(replies) => Ok(replies),
        Err(refusal) if refusal.errno == Errno::ENOENT => Err(Error::NoMptcp),
        Err(refusal) => Err(Error::Refused("find the MPTCP path manager", refusal)),
    }
}
