//! SIGTERM, SIGINT and SIGHUP: for commands that can end at once, and for those that have something to finish first.

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

use crate::linux::proc_file;

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

/// Holds SIGTERM, SIGINT and SIGHUP back from the first step of a plan until its report is written, so that the plan is
/// finished or undone, and the exit code says so. A second SIGTERM or SIGINT ends the program at once. A second SIGHUP
/// does not: a terminal that hangs up and the shell in it send one each.
#[derive(Debug, Default)]
pub struct Interruption {
    came: Arc<AtomicBool>,
    /// Whether signals end the program as they do by default.
    is_open: Arc<AtomicBool>,
    /// Whether a signal came that makes the next one end the program.
    is_urgent: Arc<AtomicBool>,
    is_set_up: Cell<bool>,
}

impl Interruption {
    /// From now on the first signal only sets the flag that is returned. A signal that the program was started to ignore,
    /// as by `nohup`, stays ignored.
    ///
    /// # Errors
    /// When the kernel refuses a handler.
    pub fn hold(&self) -> io::Result<Arc<AtomicBool>> {
        self.is_open.store(false, Ordering::Relaxed);
        if !self.is_set_up.replace(true) {
            let ignored = ignored();
            for signal in [SIGTERM, SIGINT, SIGHUP].into_iter().filter(|signal| !ignored.contains(*signal)) {
                // The handlers run in this order.
                flag::register_conditional_default(signal, Arc::clone(&self.is_open))?;
                if signal != SIGHUP {
                    flag::register_conditional_default(signal, Arc::clone(&self.is_urgent))?;
                    flag::register(signal, Arc::clone(&self.is_urgent))?;
                }
                flag::register(signal, Arc::clone(&self.came))?;
            }
        }
        Ok(Arc::clone(&self.came))
    }

    /// From now on signals end the program as they do by default.
    pub fn let_go(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// Whether a signal came since [`Interruption::hold`].
    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}

/// The signals that this process was started to ignore, as by `nohup(1)`; none where `/proc` does not say.
pub fn ignored() -> SignalSet {
    let status = proc_file::read("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    SignalSet(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default())
}

/// Signals, a bit each; the lowest is signal 1.
#[derive(Clone, Copy, Debug)]
pub struct SignalSet(u64);

impl SignalSet {
    /// Whether it has this signal, 1 to 64.
    pub fn contains(self, signal: i32) -> bool {
        self.0 >> (signal - 1) & 1 == 1
    }
}
