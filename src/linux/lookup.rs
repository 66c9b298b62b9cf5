//! Names of hosts. The host's own `getent` looks them up, as its `nsswitch.conf` says: a static program cannot safely load
//! the modules that are named there, which are made for another C library than its own.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::process::{Command, Stdio};

use crate::doctor::ProbeTarget;
use crate::linux::rtnl::Rtnl;
use crate::model::{canonical, escaped};

/// The addresses of a target, in the order in which they are to be tried.
///
/// # Errors
/// In words, when there are none.
pub fn lookup(target: &ProbeTarget) -> Result<Vec<SocketAddr>, String> {
    match target.host.parse() {
        Ok(IpAddr::V6(v6)) if v6.is_unicast_link_local() => {
            return Ok(vec![SocketAddrV6::new(v6, target.port, 0, scope(target)?).into()]);
        }
        // A socket of IPv6 with an IPv4-mapped address is one of IPv4 for the kernel.
        Ok(address) => return Ok(vec![(canonical(address), target.port).into()]),
        Err(_) => {}
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

/// The index of the interface of a link-local address, in this thread's network namespace.
fn scope(target: &ProbeTarget) -> Result<u32, String> {
    let ProbeTarget { host, zone, port } = target;
    let zone = zone
        .as_deref()
        .ok_or_else(|| format!("a link-local address needs its interface, as in `[{host}%eth0]:{port}`"))?;
    let index = Rtnl::open().and_then(|mut rtnl| rtnl.index(zone)).map_err(|error| error.to_string())?;
    let index = index.map(u32::from).or_else(|| zone.parse().ok().filter(|index| *index != 0));
    index.ok_or_else(|| format!("there is no interface {}; `ip link` lists them", escaped(zone)))
}
