//! Notifications to the service manager, if there is one (`sd_notify(3)`).

use std::time::Duration;

use sd_notify::NotifyState;

/// The service manager.
pub struct Systemd {
    /// How often the watchdog is notified: twice in its timeout (`WATCHDOG_USEC`). None without a watchdog.
    heartbeat: Option<Duration>,
}

impl Systemd {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub fn from_environment() -> Systemd {
        Systemd { heartbeat: sd_notify::watchdog_enabled().map(|patience| patience / 2) }
    }

    /// How often [`Systemd::alive`] is due.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// `WATCHDOG=1`: the program still runs.
    pub fn alive(&self) {
        notify(&[NotifyState::Watchdog]);
    }

    /// `READY=1`: the configuration was read, and applied as far as possible. `status` is one line.
    pub fn ready(&self, status: &str) {
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// `STATUS=`, one line.
    pub fn status(&self, status: &str) {
        notify(&[NotifyState::Status(status)]);
    }

    /// `RELOADING=1` with the time: the configuration is being read again.
    pub fn reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
    }

    /// `STOPPING=1`: the program is about to end.
    pub fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }
}

/// Does nothing without a service manager. A failure is only logged: the program works without one too.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("cannot notify the service manager: {error}");
    }
}
