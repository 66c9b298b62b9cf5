//! The log on standard error, and the priorities of its lines in the journal.

use std::io;
use std::sync::OnceLock;

use crate::model::escaped;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::linux::stream::{self, Stream};

/// The sink.
struct Sink;

/// Enables the log: warnings, with `-v` decisions and what takes long, with `-vv` netlink messages too.
pub fn init(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // It fails only if there is a logger already.
    let _ = log::set_logger(&Sink);
    log::set_max_level(level);
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries log their internals too.
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // A log that cannot be written must not stop the run.
            let line = format!("{}\n", escaped(&record.args().to_string()));
            let _ = stream::write(Stream::Error, &marked(record.level(), &line));
        }
    }

    fn flush(&self) {}
}

/// The text, with its priority before each line if it goes to the journal (`sd-daemon(3)`).
pub fn marked(level: Level, text: &str) -> String {
    let mark = match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    };
    let mark = if is_journal(Stream::Error) { mark } else { "" };
    text.split_inclusive('\n').map(|line| format!("{mark}{line}")).collect()
}

/// Whether a stream is the journal, whose device and inode are in the environment.
pub fn is_journal(stream: Stream) -> bool {
    static JOURNAL: [OnceLock<bool>; 2] = [const { OnceLock::new() }; 2];
    *JOURNAL[stream as usize].get_or_init(|| {
        let Some(journal) = std::env::var_os("JOURNAL_STREAM") else { return false };
        let own = match stream {
            Stream::Output => rustix::fs::fstat(io::stdout()),
            Stream::Error => rustix::fs::fstat(io::stderr()),
        };
        own.is_ok_and(|own| journal.to_str() == Some(format!("{}:{}", own.st_dev, own.st_ino).as_str()))
    })
}
