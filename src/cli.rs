//! The command line: types only, no behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Bring this host's MPTCP endpoints and limits to what YAML files declare, with the smallest safe change.
///
/// Without PATH, reads *.yaml in /usr/lib/mptcp-apply, /etc/mptcp-apply and /run/mptcp-apply; a file hides those of the
/// same name in the folders before its own.
#[derive(Debug, Parser)]
#[command(
    name = "mptcp-apply",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub struct Cli {
    /// Another job than applying.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The main job.
    #[command(flatten)]
    pub apply: Apply,
    /// What goes with every job.
    #[command(flatten)]
    pub common: Common,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  the kernel is as desired; valid; shown; nothing to do
   1  applying failed and everything was put back
   2  with --detailed-exitcode: the plan was not empty
   3  applying failed and putting back failed too
   5  this kernel lacks what the configuration needs; nothing was changed
  64  usage                    66  no input file
  75  another run is going on  77  not permitted
  78  the configuration is invalid";

/// The jobs other than applying.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge the files alone; touches no kernel, needs no privilege, runs anywhere
    Check {
        /// Files and folders, `-` for standard input
        paths: Vec<PathBuf>,
        /// Take a warning for an error
        #[arg(long)]
        strict: bool,
    },
    /// Print the JSON Schema of the configuration
    Schema,
}

/// Options of the main job.
#[derive(Debug, Args)]
pub struct Apply {
    /// Files and folders, `-` for standard input
    pub paths: Vec<PathBuf>,
    /// Print the plan and change nothing
    #[arg(short = 'n', long, conflicts_with = "rehearse")]
    pub dry_run: bool,
    /// Carry the plan out in a throw-away copy of this host, against the real kernel
    #[arg(long)]
    pub rehearse: bool,
    /// Print the difference from current to desired state too
    #[arg(long)]
    pub diff: bool,
    /// Exit with 2 when the plan is not empty
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Take a warning for an error, and apply nothing then
    #[arg(long)]
    pub strict: bool,
}

/// Options that go with every job.
#[derive(Debug, Args)]
pub struct Common {
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell each decision; twice: each netlink message
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Put DIR before the three standard folders
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub root_dir: PathBuf,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs, one document a line
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
