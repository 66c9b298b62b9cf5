//! Names of hosts. The host's own `getent` looks them up, as its `nsswitch.conf` says: a static program cannot safely load
//! the modules that are named there, which are made for another C library than its own.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

use crate::doctor::ProbeTarget;

/// The addresses of a target, in the order in which they are to be tried.
///
/// # Errors
/// In words, when there are none.
pub fn lookup(target: &ProbeTarget) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = target.host.parse::<IpAddr>() {
        return Ok(vec![(address, target.port).into()]);
    }
    let getent =
        Command::new("getent").args(["ahosts", &target.host]).stderr(Stdio::null()).output().map_err(
            |error| {
                format!("`getent` cannot be run, which looks up names ({error}); give an address instead")
            },
        )?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for line in String::from_utf8_lossy(&getent.stdout).lines() {
        let address = line.split_whitespace().next().and_then(|word| word.parse::<IpAddr>().ok());
        // One line a kind of socket.
        if let Some(address) = address.map(|address| (address, target.port).into())
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(format!("`getent ahosts {}` knows no address", target.host));
    }
    Ok(addresses)
}
