//! What `-v` and `-vv` tell, on standard error.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

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
            let _ = writeln!(std::io::stderr(), "{}", record.args());
        }
    }

    fn flush(&self) {}
}
