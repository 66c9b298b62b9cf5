//! Sockets and ports: whether the kernel makes the one and could listen on the other, and what holds it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

use crate::model::canonical;
use crate::system::{Errno, Error, Refusal};

/// State `TCP_LISTEN` in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A socket that is there for being one.
pub struct ProbeSocket {
    socket: OwnedFd,
    is_mptcp: bool,
}

impl ProbeSocket {
    /// One of MPTCP where the kernel makes that, which is then known too, and else one that is bound to nothing.
    pub fn open() -> Result<ProbeSocket, Error> {
        if let Ok(socket) = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)) {
            return Ok(ProbeSocket { socket, is_mptcp: true });
        }
        let socket = UnixDatagram::unbound().map_err(|error| Error::Io("open a socket".into(), error))?;
        Ok(ProbeSocket { socket: socket.into(), is_mptcp: false })
    }

    /// Whether the kernel makes MPTCP sockets, which it does where `net.mptcp.enabled` is 1. In a sandbox it may not even
    /// then.
    pub fn is_mptcp(&self) -> bool {
        self.is_mptcp
    }
}

impl AsFd for ProbeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Binds a socket there and lets it go again: without SO_REUSEADDR, as the path manager binds its own, so that
/// connections in TIME_WAIT are in the way here too. None where this process may make no such sockets, as in a sandbox:
/// the kernel makes its own all the same.
pub fn try_bind(address: SocketAddr) -> Option<Result<(), Refusal>> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let refused = |error: rustix::io::Errno| Refusal::new(Errno::from_raw(error.raw_os_error()));
    match socket(family, SocketType::STREAM, Some(ipproto::MPTCP)) {
        Ok(socket) => Some(bind(&socket, &address).map_err(refused)),
        Err(rustix::io::Errno::AFNOSUPPORT) => None,
        Err(error) => Some(Err(refused(error))),
    }
}

/// How many connections have this address and port at this end, those included that are in TIME_WAIT.
pub fn connections(address: SocketAddr) -> Result<usize, Error> {
    let mut count = 0;
    // A listener that was made by its IPv4-mapped address has IPv6 sockets.
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        let failed = |error| Error::Io(format!("read {table}"), error);
        let file = match File::open(table) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        // A busy host has a million lines.
        for line in BufReader::new(file).lines().skip(1) {
            count += usize::from(connection(&line.map_err(failed)?) == Some(address));
        }
    }
    Ok(count)
}

/// The local end of a line of `/proc/net/tcp` (`0: 0100007F:1F90 00000000:0000 0A ...`), unless that is a listener.
fn connection(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits in the machine's own order, as the kernel holds them.
    let word = |index: usize| u32::from_str_radix(address.get(index * 8..(index + 1) * 8)?, 16).ok();
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    (state != LISTEN).then(|| SocketAddr::new(canonical(address), port))
}

#[cfg(test)]
mod tests {
    use super::connection;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel_are_read() {
        let v4 =
            "   1: 0102010A:20FB 0101010A:A0C4 01 00000000:00000000 00:00000000 00000000     0        0 1";
        assert_eq!(connection(v4), Some("10.1.2.1:8443".parse().expect("an address")));
        let v6 = "   0: B80D0120000000000000000001000000:20FB 00000000000000000000000000000000:0000 06 0:0";
        assert_eq!(connection(v6), Some("[2001:db8::1]:8443".parse().expect("an address")));
        let listener = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1";
        assert_eq!(connection(listener), None);
        for broken in ["", "0:", "0: x", "0: 00:00", "0: 0102010A:20FB", "0: 01020é0:20FB 0:0 01"] {
            assert_eq!(connection(broken), None);
        }
    }
}
