//! Parse, run, exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use mptcp_apply::cli::{Cli, Command};
use mptcp_apply::model::{Exit, escaped};
use mptcp_apply::{command, log};

/// The allocator of musl maps and unmaps memory for every larger block, which takes longer than the rest of a run.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::read(&words) {
        Ok(cli) => cli,
        // clap quotes words as they are, and so gets escaped ones for that.
        Err(error) => {
            return usage(&Cli::read(&words.iter().map(legible).collect::<Vec<_>>()).err().unwrap_or(error));
        }
    };
    if !cli.common.quiet {
        log::init(cli.common.verbose);
    }
    match run(&cli) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            // eprintln! would panic where standard error is closed too.
            let _ = writeln!(io::stderr(), "error: cannot write the output: {error}");
            ExitCode::from(Exit::Failed.code())
        }
    }
}

fn run(cli: &Cli) -> io::Result<Exit> {
    match &cli.command {
        None => command::apply::run(&cli.apply, &cli.common),
        Some(Command::Check(options)) => command::check::run(options, &cli.common),
        Some(Command::Show(options)) => command::show::run(options, &cli.common),
        Some(Command::Doctor(options)) => command::doctor::run(options, &cli.common),
        Some(Command::Status(options)) => command::status::run(options, &cli.common),
        Some(Command::Try(options)) => command::trial::run(options, &cli.common),
        Some(Command::Guard) => command::guard::run(&cli.common),
        Some(Command::Monitor(within)) => command::monitor::run(&within.netns, &cli.common),
        Some(Command::Connection(options)) => command::connection::run(options, &cli.common),
        Some(Command::History(options)) => command::history::run(options, &cli.common),
        Some(Command::Renew(options)) => command::renew::run(options, &cli.common),
        Some(Command::Init(options)) => command::init::run(options, &cli.common),
        Some(Command::Schema) => command::schema::run(&cli.common),
    }
}

fn legible(word: &OsString) -> OsString {
    escaped(&word.to_string_lossy()).into_owned().into()
}

/// clap exits with 2 after usage errors, which has another meaning here.
fn usage(error: &clap::Error) -> ExitCode {
    // If this cannot be written either, only the exit code is left.
    let _ = error.print();
    let exit = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Success,
        _ => Exit::Usage,
    };
    ExitCode::from(exit.code())
}
