//! The command line: its grammar and its help texts, not what the commands do.
//!
//! `-h` prints the first paragraph of an option's comment, and leaves out what few people need. `--help` and the manual
//! page, which a test generates from here, have all of it; the page prints in bold what is in backticks.

mod read;
#[cfg(test)]
mod tests;
mod verbs;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::linux::netns::Names;
use crate::model::Exit;

pub use verbs::{CheckArgs, ConnectionArgs, Doctor, History, Init, Renew, Show, Status, Try, Within};

/// Bring this host's MPTCP endpoints, limits and uplinks to what YAML declares
#[derive(Debug, Parser)]
#[command(
    name = "mptcp-apply",
    version = crate::VERSION,
    disable_help_flag = true,
    disable_help_subcommand = true,
    override_usage = "mptcp-apply [OPTIONS] [PATH]...\n       mptcp-apply COMMAND [OPTIONS] [ARGUMENT]...",
    after_help = EXAMPLES,
    after_long_help = after_long_help()
)]
pub struct Cli {
    /// The subcommand; without one, the configuration is applied.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of applying.
    #[command(flatten)]
    pub apply: Apply,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

const EXAMPLES: &str = "\
Examples:
  mptcp-apply --dry-run      Print what applying /etc/mptcp-apply/*.yaml changes
  mptcp-apply try edge.yaml  Apply, and take it back unless it is confirmed";

fn after_long_help() -> String {
    let mut text = EXAMPLES.to_owned()
        + "

Without PATH, reads *.yaml in /usr/lib/mptcp-apply, /etc/mptcp-apply and
/run/mptcp-apply. A file hides files of the same name in the folders listed
before its own. Files are merged in the order of their names; later ones win.

Exit codes:";
    for exit in Exit::ALL {
        text += &format!("\n  {:2}  {}", exit.code(), exit.meaning().replace('`', ""));
    }
    text
}

fn seconds(text: &str) -> Result<u32, String> {
    let wrong = |_| format!("it must be a whole number of seconds from 0 to {}, such as 30", u32::MAX);
    text.parse().map_err(wrong)
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the files alone; needs no kernel and no privilege
    Check(CheckArgs),
    /// Show whether the kernel is as declared, and what endpoints carry
    Status(Status),
    /// Show the kernel's current state
    Show(Show),
    /// Apply, and take the change back unless it is confirmed
    Try(Try),
    /// Explain why subflows are missing, with remedies
    Doctor(Doctor),
    /// The second process of `try`, which takes the change back
    #[command(hide = true)]
    Guard,
    /// Print events of connections and subflows
    Monitor(Within),
    /// List live connections, or change one by hand
    Connection(ConnectionArgs),
    /// Ask for the subflows of an endpoint again
    Renew(Renew),
    /// List the states before the last runs, or print one
    History(History),
    /// Print a first configuration, made from this host
    Init(Init),
    /// Print the JSON Schema of the configuration
    Schema,
}

/// Options of applying.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[group(skip)]
pub struct Apply {
    /// Files and folders, `-` for standard input
    #[arg(hide_short_help = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print the plan and change nothing
    ///
    /// Needs no privilege on most kernels; most releases of Linux 6.7 to 6.11 let only CAP_NET_ADMIN read endpoints.
    #[arg(short = 'n', long, conflicts_with = "rehearse")]
    pub dry_run: bool,
    /// Carry out the plan in a copy of this host
    ///
    /// The copy is a new user and network namespace with the interface names, addresses, sysctls, limits and endpoints of
    /// this one. The kernel accepts or refuses each step there, and nothing on the host changes. Interfaces that only the
    /// configuration names are created too, with a warning. Needs no root where the kernel lets users create namespaces.
    #[arg(hide_short_help = true, long)]
    pub rehearse: bool,
    /// Print a unified diff of YAML too
    ///
    /// It shows the change from the current to the desired state.
    #[arg(hide_short_help = true, long)]
    pub diff: bool,
    /// Exit with 2 when the plan is not empty
    ///
    /// With `--dry-run` and `--rehearse`, 2 means that changes are pending; otherwise, that changes were made.
    #[arg(hide_short_help = true, long)]
    pub detailed_exitcode: bool,
    /// Wait up to SECS for what is missing
    ///
    /// This covers interfaces, addresses that are not usable yet, and ports that are taken or still closing. What is
    /// missing after that time is a warning, but for a port, which ends the run. A rehearsal does not wait, and refuses it.
    #[arg(hide_short_help = true, long, value_name = "SECS", value_hint = ValueHint::Other, conflicts_with = "rehearse", value_parser = seconds)]
    pub wait: Option<u32>,
    /// Treat warnings as errors
    #[arg(hide_short_help = true, long)]
    pub strict: bool,
    /// Keep running, and re-apply after changes
    ///
    /// Applies again when files, folders, links, addresses, routes or rules change, on SIGHUP, and every `--resync` seconds.
    #[arg(short, long, conflicts_with_all = ["dry_run", "rehearse", "wait", "detailed_exitcode", "diff"])]
    pub watch: bool,
    /// With --watch: re-apply every SECS [30]
    ///
    /// The kernel sends no event when endpoints, limits or sysctls change, so they are read again. 0 means never.
    #[arg(hide_short_help = true, long, value_name = "SECS", value_hint = ValueHint::Other, requires = "watch", value_parser = seconds)]
    pub resync: Option<u32>,
    /// With --watch: write metrics to FILE
    ///
    /// It has what `status --format openmetrics` prints, and what the watch counts. It is replaced as a whole after each
    /// pass that changes something, and every `--resync` seconds.
    #[arg(hide_short_help = true, long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "watch")]
    pub metrics: Option<PathBuf>,
    /// Use this named network namespace
    ///
    /// `ip netns` lists them. Without this option, the program uses the namespace in which it is started. May be
    /// repeated, and takes globs. Each namespace is a transaction of its own. Needs CAP_SYS_ADMIN.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other, conflicts_with = "rehearse")]
    pub netns: Vec<Names>,
}

impl Apply {
    /// Whether the run may change the kernel's state.
    pub fn applies(&self) -> bool {
        !self.dry_run && !self.rehearse
    }
}

/// Options of every command.
#[derive(Debug, Default, Args)]
#[group(skip)]
pub struct Common {
    /// text, json, yaml (show), openmetrics
    ///
    /// `text`, the default, is for people. `json` is one document a line. `yaml`, which only `show`, `history` and `init`
    /// write, is a configuration that, applied, leads to the state that is shown; `init` writes no other format.
    /// `openmetrics`, which only `status` writes, is for the textfile collector of node_exporter.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
    /// Use colours; NO_COLOR is honoured
    ///
    /// `auto`, the default, uses them when the output is a terminal.
    #[arg(
        hide_short_help = true,
        long,
        global = true,
        value_enum,
        value_name = "auto|always|never",
        hide_possible_values = true
    )]
    color: Option<Color>,
    /// Print errors only
    #[arg(hide_short_help = true, short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log files and steps; -vv: netlink messages
    #[arg(hide_short_help = true, short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Find the standard folders below DIR
    #[arg(hide_short_help = true, long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    root_dir: Option<PathBuf>,
    /// Print a summary; `--help` prints everything
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Common {
    /// The format of results.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Text)
    }

    /// When to use colours.
    pub fn color(&self) -> Color {
        self.color.unwrap_or(Color::Auto)
    }

    /// The folder below which the standard folders are.
    pub fn root_dir(&self) -> &Path {
        self.root_dir.as_deref().unwrap_or(Path::new("/"))
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs, one document a line
    Json,
    /// As a configuration
    Yaml,
    /// As metrics for Prometheus
    #[value(name = "openmetrics")]
    OpenMetrics,
}

impl Format {
    /// The commands that write it; none for what all of them write.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            Format::Text | Format::Json => &[],
            Format::Yaml => &["show", "history", "init"],
            Format::OpenMetrics => &["status"],
        }
    }
}

impl Color {
    /// The word of the command line.
    pub fn word(self) -> &'static str {
        match self {
            Color::Auto => "auto",
            Color::Always => "always",
            Color::Never => "never",
        }
    }
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
