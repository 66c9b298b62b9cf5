//! Signals for whoever has nothing to finish.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
