//! What `-v` and `-vv` tell, on standard error, and how important all that is written there is.

use std::io;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::linux::stream::{self, Stream};

/// The sink.
struct Sink;

/// Switches on what the command line asks for: what takes long, each decision (1), each netlink message too (2).
pub fn init(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // It fails only when there is a sink already, and then that one serves.
    let _ = log::set_logger(&Sink);
    log::set_max_level(level);
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries trace the internals of theirs.
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Whoever cannot read the log still wants the work done.
            let _ = stream::write(Stream::Error, &marked(record.level(), &format!("{}\n", record.args())));
        }
    }

    fn flush(&self) {}
}

/// The text, with a mark of its importance before each line where it goes to the journal (`sd-daemon(3)`).
pub fn marked(level: Level, text: &str) -> String {
    let mark = match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    };
    match is_journal() {
        true => text.split_inclusive('\n').map(|line| format!("{mark}{line}")).collect(),
        false => text.to_owned(),
    }
}

/// Whether standard error is the journal's own stream, which the environment names by device and inode.
fn is_journal() -> bool {
    static JOURNAL: OnceLock<bool> = OnceLock::new();
    *JOURNAL.get_or_init(|| {
        let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
        let own = rustix::fs::fstat(io::stderr());
        own.is_ok_and(|own| stream.to_str() == Some(format!("{}:{}", own.st_dev, own.st_ino).as_str()))
    })
}
