//! A TCP connection out of an uplink: no MPTCP, so that what a check finds out never counts against MPTCP.
//!
//! The socket is bound to the interface (SO_BINDTODEVICE, which needs no right from Linux 5.7 on) and to the address of the
//! uplink: so it leaves there whatever route stands in for the uplink, also where only the rules of the uplink lead out.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt::socket_error,
};

use crate::desired::CheckTarget;
use crate::linux::wait;
use crate::model::{CheckOutcome, Family};

use super::ATTEMPTS;

/// A connection that is being opened, by several sockets, one after the other.
pub struct ConnectCheck {
    to: SocketAddr,
    from: IpAddr,
    dev: String,
    part: Duration,
    sockets: Vec<OwnedFd>,
}

impl ConnectCheck {
    /// Begins with the first socket.
    ///
    /// # Errors
    /// With the outcome, if that is known at once.
    pub fn start(target: &CheckTarget, to: SocketAddr, part: Duration) -> Result<ConnectCheck, CheckOutcome> {
        let family = Family::of(to.ip());
        let Some(from) = target.sources.iter().find(|source| Family::of(**source) == family) else {
            let why = format!("{} has no {} address to connect from", target.dev, family.title());
            return Err(CheckOutcome::NotRun(why));
        };
        let dev = target.dev.to_string();
        let mut check = ConnectCheck { to, from: *from, dev, part, sockets: Vec::new() };
        check.open().map(|()| check)
    }

    fn open(&mut self) -> Result<(), CheckOutcome> {
        let not_run = |what: &str, errno: Errno| {
            CheckOutcome::NotRun(format!("cannot {what}: {}", std::io::Error::from(errno)))
        };
        let family = if self.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None);
        let socket = socket.map_err(|errno| not_run("open a socket", errno))?;
        setsockopt(&socket, BindToDevice, &OsString::from(&self.dev)).map_err(|errno| {
            not_run(&format!("bind a socket to {}", self.dev), Errno::from_raw_os_error(errno as i32))
        })?;
        bind(&socket, &SocketAddr::new(self.from, 0))
            .map_err(|errno| not_run(&format!("bind a socket to {}", self.from), errno))?;
        match connect(&socket, &self.to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            // What a packet filter of this host rejects says nothing of the uplink.
            Err(errno @ (Errno::PERM | Errno::ACCESS)) => {
                return Err(not_run(&format!("connect to {}", self.to), errno));
            }
            Err(errno) => return Err(self.failed(errno)),
        }
        self.sockets.push(socket);
        Ok(())
    }

    fn failed(&self, errno: Errno) -> CheckOutcome {
        CheckOutcome::Failed(format!("cannot connect to {}: {}", self.to, std::io::Error::from(errno)))
    }

    /// What came of it: the first socket that is connected decides, or the first that is refused.
    pub fn look(&mut self, since: Duration) -> Option<CheckOutcome> {
        let mut all = self.descriptors();
        let _ = wait::wait(&mut all, Some(Duration::ZERO));
        let ready: Vec<bool> = all.iter().map(wait::is_ready).collect();
        let decided = self.sockets.iter().zip(ready).find(|(_, is_ready)| *is_ready);
        if let Some((socket, _)) = decided {
            return Some(match socket_error(socket) {
                Ok(Ok(())) => CheckOutcome::Passed,
                Ok(Err(errno)) | Err(errno) => self.failed(errno),
            });
        }
        if self.next_look().is_some_and(|next| next <= since) {
            return self.open().err();
        }
        None
    }

    /// Each socket, until it is connected or refused.
    pub fn descriptors(&self) -> Vec<PollFd<'_>> {
        self.sockets.iter().map(|socket| PollFd::new(socket, PollFlags::OUT)).collect()
    }

    /// When the next socket is opened.
    pub fn next_look(&self) -> Option<Duration> {
        let opened = u32::try_from(self.sockets.len()).unwrap_or(ATTEMPTS);
        (opened < ATTEMPTS).then(|| self.part * opened)
    }
}
