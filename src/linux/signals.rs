//! Signals that end the program: for whoever has nothing to finish, and for whoever has.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Lets SIGTERM and SIGINT end the program at once and successfully, even while it waits for a reader that does not read.
///
/// # Errors
/// When the kernel does not let it.
pub fn end_at_signals() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 0, Arc::new(AtomicBool::new(true)))?;
    }
    Ok(())
}

/// Lets SIGTERM and SIGINT wait while something is on the way that is better finished, or taken back. A second one does not
/// wait.
#[derive(Debug, Default)]
pub struct Interruption {
    came: Arc<AtomicBool>,
    /// Whether a signal ends the program as it does by default.
    at_once: Arc<AtomicBool>,
    is_set_up: Cell<bool>,
}

impl Interruption {
    /// From now on a signal only sets what is returned.
    ///
    /// # Errors
    /// When the kernel does not let it.
    pub fn hold(&self) -> io::Result<Arc<AtomicBool>> {
        self.at_once.store(false, Ordering::Relaxed);
        if !self.is_set_up.replace(true) {
            for signal in [SIGTERM, SIGINT] {
                // They act in this order.
                flag::register_conditional_default(signal, Arc::clone(&self.at_once))?;
                flag::register(signal, Arc::clone(&self.at_once))?;
                flag::register(signal, Arc::clone(&self.came))?;
            }
        }
        Ok(Arc::clone(&self.came))
    }

    /// From now on signals end the program again.
    pub fn let_go(&self) {
        self.at_once.store(true, Ordering::Relaxed);
    }

    /// Whether one came meanwhile.
    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}
