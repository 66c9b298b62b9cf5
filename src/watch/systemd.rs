//! Notifications to the service manager, if there is one (`sd_notify(3)`).

use std::collections::VecDeque;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::model::escaped;

/// The service manager.
pub struct Systemd {
    /// How often the watchdog is notified: twice in its timeout (`WATCHDOG_USEC`). None without a watchdog.
    heartbeat: Option<Duration>,
    /// Messages that it has to receive, in their order, as long as its socket is full.
    unsent: VecDeque<String>,
    /// How many others were not sent meanwhile.
    dropped: usize,
}

/// How many messages are kept for a service manager that does not read.
const UNSENT_MAX: usize = 16;

impl Systemd {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub fn from_environment() -> Systemd {
        let heartbeat = sd_notify::watchdog_enabled().map(|patience| patience / 2);
        Systemd { heartbeat, unsent: VecDeque::new(), dropped: 0 }
    }

    /// How soon [`Systemd::send`] is due again when there are unsent messages.
    pub const RETRY: Duration = Duration::from_secs(1);

    /// Whether there are unsent messages.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends them, as far as the socket has room. It never waits: the program works without a service manager too, and
    /// other failures are only logged.
    pub fn send(&mut self) {
        while let Some(text) = self.unsent.front() {
            match send(text) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => log::debug!("cannot notify the service manager: {error}"),
                Ok(()) => {}
            }
            self.unsent.pop_front();
        }
        if self.dropped > 0 {
            log::warn!("{} notifications were dropped, since the service manager did not read", self.dropped);
            self.dropped = 0;
        }
    }

    fn notify(&mut self, states: &[NotifyState<'_>]) {
        self.unsent.push_back(states.iter().map(|state| format!("{state}\n")).collect());
        self.send();
        // The next one of these says as much.
        let is_renewed = matches!(states, [NotifyState::Status(_) | NotifyState::Watchdog]);
        if self.has_unsent() && (is_renewed || self.unsent.len() > UNSENT_MAX) {
            self.unsent.pop_back();
            self.dropped += 1;
        }
    }

    /// How often [`Systemd::alive`] is due.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// `WATCHDOG=1`: the program still runs.
    pub fn alive(&mut self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    /// `READY=1`: the configuration was read, and applied as far as possible. `status` is one line.
    pub fn ready(&mut self, status: &str) {
        self.notify(&[NotifyState::Ready, NotifyState::Status(&escaped(status))]);
    }

    /// `STATUS=`, one line.
    pub fn status(&mut self, status: &str) {
        self.notify(&[NotifyState::Status(&escaped(status))]);
    }

    /// `RELOADING=1` with the time: the configuration is being read again.
    pub fn reloading(&mut self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.notify(&[NotifyState::Reloading, now]);
        }
    }

    /// `STOPPING=1`: the program is about to end.
    pub fn stopping(&mut self) {
        self.notify(&[NotifyState::Stopping]);
    }
}

fn send(text: &str) -> io::Result<()> {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(&address)?,
    }
    socket.send(text.as_bytes()).map(drop)
}
