//! SIGTERM and SIGINT: for commands that can end at once, and for those that have something to finish first.

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// Makes SIGTERM and SIGINT end the program at once with exit code 0, even while a write blocks.
///
/// # Errors
/// When the kernel refuses a handler.
pub fn end_at_signals() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 0, Arc::new(AtomicBool::new(true)))?;
    }
    Ok(())
}

/// A socket that receives a byte at each of these signals, which do nothing else from now on.
///
/// # Errors
/// When the kernel refuses a socket or a handler.
pub fn socket(signals: &[i32]) -> io::Result<UnixStream> {
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, there.try_clone()?)?;
    }
    Ok(here)
}

/// Holds SIGTERM and SIGINT back while a plan is carried out, so that it is finished or undone. A second signal ends the
/// program at once.
#[derive(Debug, Default)]
pub struct Interruption {
    came: Arc<AtomicBool>,
    /// Whether the next signal ends the program as it does by default.
    at_once: Arc<AtomicBool>,
    is_set_up: Cell<bool>,
}

impl Interruption {
    /// From now on the first signal only sets the flag that is returned.
    ///
    /// # Errors
    /// When the kernel refuses a handler.
    pub fn hold(&self) -> io::Result<Arc<AtomicBool>> {
        self.at_once.store(false, Ordering::Relaxed);
        if !self.is_set_up.replace(true) {
            for signal in [SIGTERM, SIGINT] {
                // The handlers run in this order.
                flag::register_conditional_default(signal, Arc::clone(&self.at_once))?;
                flag::register(signal, Arc::clone(&self.at_once))?;
                flag::register(signal, Arc::clone(&self.came))?;
            }
        }
        Ok(Arc::clone(&self.came))
    }

    /// From now on signals end the program as they do by default.
    pub fn let_go(&self) {
        self.at_once.store(true, Ordering::Relaxed);
    }

    /// Whether a signal came since [`Interruption::hold`].
    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}
