//! A line on the terminal that says how long something may still take. Where standard error is no terminal, there is
//! none: nobody wants it in a log.

use std::io::{self, IsTerminal};
use std::time::Duration;

use crate::linux::stream::{self, Stream};
use crate::model::diagnostic::Diagnostic;

/// The line. It is gone with the value.
pub struct Countdown {
    is_wanted: bool,
    /// What stands there now, in characters.
    length: usize,
}

impl Countdown {
    /// None yet.
    pub fn new() -> Countdown {
        Countdown { is_wanted: io::stderr().is_terminal(), length: 0 }
    }

    /// Says how long is left, and returns for how long that is right.
    pub fn tell(&mut self, left: Duration) -> Duration {
        if !self.is_wanted {
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
pub struct WaitProgress {
    countdown: Countdown,
    shown: Vec<Diagnostic>,
}

impl WaitProgress {
    /// Nothing yet.
    pub fn new() -> WaitProgress {
        WaitProgress { countdown: Countdown::new(), shown: Vec::new() }
    }

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
    let _ = stream::write(Stream::Error, text);
}

#[cfg(test)]
mod tests {
    use super::words;
    use std::time::Duration;

    #[test]
    fn the_words_are_right_for_as_long_as_they_say() {
        for (left, expected, pause) in [(2000, "2 s left", 1000), (1999, "2 s left", 999), (1, "1 s left", 1)]
        {
            let told = words(Duration::from_millis(left));
            assert_eq!(told, (expected.to_owned(), Duration::from_millis(pause)), "{left}");
        }
    }
}
