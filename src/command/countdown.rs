//! A line on the terminal that shows the time that is left. It is not written where standard error is no terminal.

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::time::Duration;

use crate::linux::stream::{self, Stream};
use crate::model::diagnostic::Diagnostic;

/// The line. Dropping it clears the line.
#[derive(Default)]
pub struct Countdown {
    /// How many characters it has now.
    length: usize,
}

impl Countdown {
    /// Shows the time that is left, and returns after what time to show it again.
    pub fn show(&mut self, left: Duration) -> Duration {
        if !io::stderr().is_terminal() {
            return left;
        }
        let (text, pause) = seconds(left);
        // Spaces, since a simple terminal would show escape sequences.
        let rest = " ".repeat(self.length.saturating_sub(text.len()));
        self.length = text.len();
        write(&format!("\r{text}{rest}"));
        pause
    }

    /// Clears the line, before other output.
    pub fn clear(&mut self) {
        if self.length > 0 {
            write(&format!("\r{}\r", " ".repeat(self.length)));
            self.length = 0;
        }
    }
}

/// The progress of `--wait`: what is missing, in lines that are written when that changes, and the time that is left.
#[derive(Default)]
pub struct WaitProgress {
    countdown: Countdown,
    shown: Vec<Diagnostic>,
}

impl WaitProgress {
    /// Shows what is missing and the time that is left, and returns after what time to show it again.
    pub fn show(&mut self, missing: &[Diagnostic], left: Duration) -> Duration {
        if self.shown != missing {
            self.countdown.clear();
            for what in missing {
                log::warn!("waiting for {} s at most: {}", left.as_secs() + 1, what.message);
            }
            self.shown = missing.to_vec();
        }
        self.countdown.show(left)
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Whole seconds, rounded up, and how long that number is right.
fn seconds(left: Duration) -> (String, Duration) {
    let part = Duration::from_nanos(left.subsec_nanos().into());
    let (seconds, pause) =
        if part.is_zero() { (left.as_secs(), Duration::from_secs(1)) } else { (left.as_secs() + 1, part) };
    (format!("{seconds} s left"), pause)
}

fn write(text: &str) {
    // An error means that the terminal is gone.
    let _ = stream::write(Stream::Error, text);
}
