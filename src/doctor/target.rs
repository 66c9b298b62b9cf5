//! What `doctor --probe` connects to.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::str::FromStr;

/// What separates an address from its interface (RFC 4007).
const ZONE: char = '%';

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// A name, or an address without brackets.
    pub host: String,
    /// The interface of a link-local address, by its name or index: each link has such addresses of its own.
    pub zone: Option<String>,
    /// The TCP port, never 0.
    pub port: u16,
}

/// Why a word is no place of a service.
#[derive(Debug, thiserror::Error)]
#[error("HOST:PORT is expected, such as `www.example.org:443`, `[2001:db8::1]:443` or `[fe80::1%eth0]:443`")]
pub struct BadTarget;

impl FromStr for ProbeTarget {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<ProbeTarget, BadTarget> {
        let (host, port) = text.rsplit_once(':').ok_or(BadTarget)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name =
            !host.is_empty() && !host.starts_with('-') && !host.contains([':', '[', ']', '/', ZONE]);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(BadTarget)?;
        let Some(bare) = bare else {
            let name = Some(host).filter(|_| is_name).ok_or(BadTarget)?;
            return Ok(ProbeTarget { host: name.to_owned(), zone: None, port });
        };
        let (address, zone) = bare.split_once(ZONE).map_or((bare, None), |(one, zone)| (one, Some(zone)));
        match (address.parse(), zone) {
            (Ok(IpAddr::V6(_)), None) => {}
            (Ok(IpAddr::V6(v6)), Some(zone)) if v6.is_unicast_link_local() && !zone.is_empty() => {}
            _ => return Err(BadTarget),
        }
        Ok(ProbeTarget { host: address.to_owned(), zone: zone.map(str::to_owned), port })
    }
}

/// As it was written.
impl std::fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ProbeTarget { host, zone, port } = self;
        match zone {
            Some(zone) => write!(f, "[{host}{ZONE}{zone}]:{port}"),
            None if host.contains(':') => write!(f, "[{host}]:{port}"),
            None => write!(f, "{host}:{port}"),
        }
    }
}
