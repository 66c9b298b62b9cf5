//! What `doctor --probe` connects to.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::str::FromStr;

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// A name, or an address without brackets.
    pub host: String,
    /// The TCP port, never 0.
    pub port: u16,
}

/// Why a word is no place of a service.
#[derive(Debug, thiserror::Error)]
#[error("HOST:PORT is expected, such as `www.example.org:443` or `[2001:db8::1]:443`")]
pub struct BadTarget;

impl FromStr for ProbeTarget {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<ProbeTarget, BadTarget> {
        let (host, port) = text.rsplit_once(':').ok_or(BadTarget)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = !host.is_empty() && !host.starts_with('-') && !host.contains([':', '[', ']', '/']);
        let is_v6 = bare.is_some_and(|bare| matches!(bare.parse(), Ok(IpAddr::V6(_))));
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(BadTarget)?;
        match bare {
            Some(bare) if is_v6 => Ok(ProbeTarget { host: bare.to_owned(), port }),
            None if is_name => Ok(ProbeTarget { host: host.to_owned(), port }),
            _ => Err(BadTarget),
        }
    }
}

/// As it was written.
impl std::fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}
