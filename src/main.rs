//! Parse, run, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use mptcp_apply::cli::{Cli, Command};
use mptcp_apply::model::Exit;
use mptcp_apply::{command, log};

/// The allocator of musl maps and unmaps memory for every larger block, which takes longer than the rest of a run.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let cli = match Cli::read(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
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
        Some(Command::Check { paths, strict }) => command::check::run(paths, *strict, &cli.common),
        Some(Command::Show(options)) => command::show::run(options, &cli.common),
        Some(Command::Doctor { paths, probe }) => command::doctor::run(paths, probe.as_ref(), &cli.common),
        Some(Command::Try(options)) => command::trial::run(options, &cli.common),
        Some(Command::Guard) => command::guard::run(&cli.common),
        Some(Command::Monitor { netns }) => command::monitor::run(netns, &cli.common),
        Some(Command::Schema) => command::schema::run(&cli.common),
    }
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
