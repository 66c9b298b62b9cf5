//! A line on the terminal that says how long something may still take. Where standard error is no terminal, there is
//! none, as it would fill a log.

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::model::diagnostic::Diagnostic;

/// The line. It disappears when the value is dropped.
#[derive(Default)]
pub struct Countdown {
    /// What stands there now, in characters.
    length: usize,
}

impl Countdown {
    /// Says how long is left, and returns for how long that is right.
    pub fn tell(&mut self, left: Duration) -> Duration {
        if !io::stderr().is_terminal() {
            return left;
        }
        let (words, pause) = words(left);
        // Blanks and no escapes, which a simple terminal would show.
        let rest = " ".repeat(self.length.saturating_sub(words.len()));
        self.length = words.len();
        write(&format!("\r{words}{rest}"));
        pause
    }

    /// Makes room for something else.
    pub fn clear(&mut self) {
        if self.length > 0 {
            write(&format!("\r{}\r", " ".repeat(self.length)));
            self.length = 0;
        }
    }
}

/// What `--wait` waits for: a line for each thing when that changes, and how long is left.
#[derive(Default)]
pub struct WaitProgress {
    countdown: Countdown,
    shown: Vec<Diagnostic>,
}

impl WaitProgress {
    /// Shows what is missing and how long is left, and returns for how long that is right.
    pub fn show(&mut self, missing: &[Diagnostic], left: Duration) -> Duration {
        if self.shown != missing {
            self.countdown.clear();
            for what in missing {
                log::warn!("waiting for {} s at most: {}", left.as_secs() + 1, what.message);
            }
            self.shown = missing.to_vec();
        }
        self.countdown.tell(left)
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Whole seconds, of which the last one lasts until there is none left.
fn words(left: Duration) -> (String, Duration) {
    let part = Duration::from_nanos(left.subsec_nanos().into());
    let (seconds, pause) =
        if part.is_zero() { (left.as_secs(), Duration::from_secs(1)) } else { (left.as_secs() + 1, part) };
    (format!("{seconds} s left"), pause)
}

fn write(text: &str) {
    // A terminal that is gone needs no line.
    let _ = io::stderr().write_all(text.as_bytes());
}
