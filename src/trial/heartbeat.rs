//! Shows the guard that a plan makes progress, so that it can tell a long plan from a process that is stuck.

use std::cell::RefCell;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, send};

use crate::linux::Activity;

use super::{Guard, GuardMessage};

/// The shortest time between two messages.
const PERIOD: Duration = Duration::from_millis(100);

/// The longest pause between two steps: until a subflow has drained. What lasts longer only watches the result.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Sends messages once there is a guard. Clones send to the same one.
#[derive(Clone, Default)]
pub struct Heartbeat(Rc<RefCell<Option<Line>>>);

struct Line {
    socket: UnixStream,
    message: Vec<u8>,
    sent: Instant,
    written: Instant,
}

impl Heartbeat {
    /// From now on this guard hears of progress.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn connect(&self, guard: &Guard) -> io::Result<()> {
        let mut message = serde_json::to_vec(&GuardMessage::Working)?;
        message.push(b'\n');
        let (socket, now) = (guard.socket.try_clone()?, Instant::now());
        *self.0.borrow_mut() = Some(Line { socket, message, sent: now, written: now });
        Ok(())
    }

    /// Sends a message, unless one was sent a moment ago.
    pub fn beat(&self, activity: Activity) {
        let mut line = self.0.borrow_mut();
        let Some(line) = &mut *line else { return };
        if activity == Activity::Write {
            line.written = Instant::now();
        }
        if line.sent.elapsed() >= PERIOD && line.written.elapsed() < PAUSE_MAX {
            // A guard that does not read is noticed at the end of the plan.
            let _ = send(&line.socket, &line.message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            line.sent = Instant::now();
        }
    }

    /// How long ago the last step began; no time at all without a guard.
    pub fn since_last_write(&self) -> Duration {
        self.0.borrow().as_ref().map_or(Duration::ZERO, |line| line.written.elapsed())
    }
}
