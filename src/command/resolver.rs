//! Names of hosts. The host's own `getent` looks them up, as its `nsswitch.conf` says: a static program cannot safely load
//! the modules that are named there, which are made for another C library than its own.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::str::FromStr;

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
}

/// Why a word is no place of a service.
#[derive(Debug, thiserror::Error)]
#[error("HOST:PORT is expected, such as `www.example.org:443` or `[2001:db8::1]:443`")]
pub struct BadTarget;

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Target, BadTarget> {
        let (host, port) = text.rsplit_once(':').ok_or(BadTarget)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = !host.is_empty() && !host.starts_with('-') && !host.contains([':', '[', ']', '/']);
        let is_v6 = bare.is_some_and(|bare| matches!(bare.parse(), Ok(IpAddr::V6(_))));
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(BadTarget)?;
        match bare {
            Some(bare) if is_v6 => Ok(Target { host: bare.to_owned(), port }),
            None if is_name => Ok(Target { host: host.to_owned(), port }),
            _ => Err(BadTarget),
        }
    }
}

/// As it was written.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Target {
    /// Its addresses, in the order in which they are to be tried.
    ///
    /// # Errors
    /// In words, when there are none.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![(address, self.port).into()]);
        }
        let getent =
            Command::new("getent").args(["ahosts", &self.host]).stderr(Stdio::null()).output().map_err(
                |error| {
                    format!("`getent` cannot be run, which looks up names ({error}); give an address instead")
                },
            )?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for line in String::from_utf8_lossy(&getent.stdout).lines() {
            let address = line.split_whitespace().next().and_then(|word| word.parse::<IpAddr>().ok());
            // One line a kind of socket.
            if let Some(address) = address.map(|address| (address, self.port).into())
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(format!("`getent ahosts {}` knows no address", self.host));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for good in ["www.example.org:443", "192.0.2.1:1", "[2001:db8::1]:65535", "localhost:80"] {
            assert_eq!(good.parse::<Target>().map(|target| target.to_string()).ok().as_deref(), Some(good));
        }
        for bad in [
            "",
            ":",
            "www",
            "www:",
            ":443",
            "www:0",
            "www:65536",
            "www:https",
            "2001:db8::1:443",
            "[::1]",
            "[www]:1",
            "[192.0.2.1]:1",
            "-x:1",
            "a/b:1",
            "[::1:1",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_need_nobody() {
        let target: Target = "[2001:db8::1]:443".parse().expect("a target");
        assert_eq!(target.addresses(), Ok(vec!["[2001:db8::1]:443".parse().expect("an address")]));
    }
}
