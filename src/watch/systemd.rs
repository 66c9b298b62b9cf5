//! What the service manager is told, if there is one (`sd_notify(3)`).

use std::time::Duration;

use sd_notify::NotifyState;

/// The service manager.
pub struct Systemd {
    /// How often it wants to hear that the program lives; twice as often as it would get impatient.
    heartbeat: Option<Duration>,
}

impl Systemd {
    /// As the environment says.
    pub fn from_environment() -> Systemd {
        Systemd { heartbeat: sd_notify::watchdog_enabled().map(|patience| patience / 2) }
    }

    /// How often [`Systemd::alive`] is due.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// The program lives.
    pub fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// Everything was read, and applied as far as possible; and how it is, in a line.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// How it is, in a line.
    pub fn status(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// Everything is being read again.
    pub fn reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
        }
    }

    /// The program ends.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// Does nothing without a service manager. One that does not listen is no reason to stop working.
fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        log::debug!("cannot tell the service manager: {error}");
    }
}
